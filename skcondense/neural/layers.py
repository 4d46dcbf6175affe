"""Layers that are laid out in memory so that a processor is fast on them."""

from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.nn import functional

__all__ = ["Halving", "Padding"]


class Padding(nn.ZeroPad2d):
    """Zeros around images, which come out channel by channel in memory.

    Images of one channel pass for "channels last" whenever they were cut out of such an array, and
    all maps after them are then laid out so. Normalising such maps takes several times as long
    on a CPU, forward and backward; pooling them, which is faster so, does not make up for it.
    """

    def forward(self, x: Any) -> Any:
        """Images of shape (n, channels, height, width), padded."""
        # Unlike `contiguous`, this renews the strides of axes of length one.
        return super().forward(x.flatten(1).unflatten(1, x.shape[1:]))


class Halving(nn.Module):
    """Average pooling 2x2 for maps with even sides.

    On a CPU it is a product with a constant matrix: torch's own pooling of maps that lie channel
    by channel goes pixel by pixel, and took four times as long, forward and backward.
    """

    def forward(self, x: Any) -> Any:
        """Maps of half the height and half the width."""
        if x.device.type != "cpu" or torch.compiler.is_compiling():
            return functional.avg_pool2d(x, 2)
        n, channels, height, width = x.shape
        pairs = x.reshape(-1, 2 * width)
        return (pairs @ _means(width, x.dtype)).view(n, channels, height // 2, width // 2)


@lru_cache
def _means(width: int, dtype: torch.dtype) -> Any:
    """Takes two rows of pixels, one after the other, to means of squares of four."""
    # What is kept must serve later fits as well, whatever mode the first call was made in.
    with torch.inference_mode(False):
        half = torch.eye(width // 2, dtype=dtype, device="cpu")
        return half.repeat_interleave(2, dim=0).repeat(2, 1) / 4
