"""The ConvNet of the dataset-condensation literature, for images of any size."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch import nn

from skcondense.neural.layers import Halving, Padding
from skcondense.neural.network import Architecture, Shape, normalisation

__all__ = ["ConvNet", "check_image_shape", "padding_to"]


@dataclass(frozen=True)
class ConvNet(Architecture):
    """Blocks of convolution 3x3, normalisation, ReLU and average pooling 2x2.

    Parameters
    ----------
    width : int, default=32
        Channels of every block; the literature uses 128.
    depth : int, default=None
        Number of blocks. By default ``round(log2(shorter side)) - 2`` between 1 and 5: 1 for 8
        pixels, 3 for 28 and 32, 4 for 64, 5 for 112 and more.
    norm : {"instance", "group", "none"}, default="instance"
        Normalisation of each block.

    Notes
    -----
    Images are padded with zeros to a multiple of ``2**depth``, so no pooling cuts pixels off. For
    28 pixels this is what the literature does by a padding of 3 in the first convolution.

    References
    ----------
    Gidaris and Komodakis (2018), Dynamic few-shot visual learning without forgetting, CVPR; as
    used by Zhao, Mopuri and Bilen (2021), Dataset condensation with gradient matching, ICLR,
    arXiv:2006.05929.
    """

    width: int = 32
    depth: int | None = None
    norm: str = "instance"

    def body(self, input_shape: Shape) -> nn.Module:
        """Blocks for images of shape (channels, height, width)."""
        channels, height, width = check_image_shape(self, input_shape)
        depth = self.depth or default_depth(height, width)
        layers: list[nn.Module] = [padding_to(2**depth, height, width)]
        for before, after in pairwise([channels] + [self.width] * depth):
            layers += [
                nn.Conv2d(before, after, 3, padding=1),
                normalisation(self.norm, after),
                # In place: what it overwrites is kept by nobody, and memory is what takes the time.
                nn.ReLU(inplace=True),
                Halving(),
            ]
        return nn.Sequential(*layers)


def default_depth(height: int, width: int) -> int:
    """Number of blocks after which the shorter side has about four pixels."""
    return min(max(round(math.log2(min(height, width))) - 2, 1), 5)


def padding_to(multiple: int, height: int, width: int) -> nn.Module:
    """A layer of zeros around images, so that both sides become multiples."""
    missing = [-side % multiple for side in (width, height)]
    before = [size // 2 for size in missing]
    sides = (before[0], missing[0] - before[0], before[1], missing[1] - before[1])
    return Padding(sides)


def check_image_shape(architecture: Any, input_shape: Shape) -> Shape:
    """Refuse rows of tables."""
    if len(input_shape) != 3:
        raise ValueError(
            f"{type(architecture).__name__} takes images. Got rows of {input_shape[0]} codes. "
            "Use MLP or ResidualMLP for tables."
        )
    return input_shape
