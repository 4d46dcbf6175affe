"""A small network that tells image and noise apart: the U-Net of diffusion models."""

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from skcondense.neural.convnet import padding_to
from skcondense.neural.layers import Halving
from skcondense.neural.network import Shape, initialise, normalisation

__all__ = ["Denoiser", "make_denoiser"]

# Channels of the levels, in units of the width; each level but the last halves the image.
LEVELS = (1, 2, 2)
# Side of the squares of pixels that are taken for channels, and least side of images that are cut
# so: fewer and wider maps are quicker for the same number of weights.
PATCH, SMALLEST_CUT = 2, 24
# Longest wave of the code of a noise level, which runs from 0 to 1.
LONGEST_WAVE = 1e4


class Denoiser(nn.Module):
    """A U-Net with one residual block per level, told the noise level and the stratum.

    Parameters
    ----------
    input_shape : tuple of int
        (channels, height, width).
    n_strata : int
        Kinds of images.
    width : int
        Channels of the first level, a multiple of 8.

    References
    ----------
    Ho, Jain and Abbeel (2020), Denoising diffusion probabilistic models, NeurIPS,
    arXiv:2006.11239: the network, here without attention; Perez, Strub, de Vries, Dumoulin and
    Courville (2018), FiLM, AAAI, arXiv:1709.07871: how it is told.
    """

    def __init__(self, input_shape: Shape, n_strata: int, width: int) -> None:
        super().__init__()
        channels, height, width_of_image = input_shape
        self._size = (height, width_of_image)
        self._n_waves = width
        told = 4 * width
        patch = PATCH if min(height, width_of_image) >= SMALLEST_CUT else 1
        self.padding = padding_to(patch * 2 ** (len(LEVELS) - 1), height, width_of_image)
        self.level = nn.Sequential(nn.Linear(width, told), nn.SiLU(), nn.Linear(told, told))
        self.stratum = nn.Linear(n_strata, told, bias=False)
        sizes = [width * level for level in LEVELS]
        cut = channels * patch**2
        self.first = nn.Sequential(nn.PixelUnshuffle(patch), nn.Conv2d(cut, width, 3, padding=1))
        before = [width, *sizes[:-1]]
        self.down = nn.ModuleList(_Block(a, b, told) for a, b in zip(before, sizes, strict=True))
        self.halving = Halving()
        self.middle = _Block(sizes[-1], sizes[-1], told)
        after = [*sizes[1:], sizes[-1]]
        self.up = nn.ModuleList(
            _Block(a + b, b, told) for a, b in reversed(list(zip(after, sizes, strict=True)))
        )
        self.last = nn.Sequential(
            normalisation("group", width),
            nn.SiLU(),
            nn.Conv2d(width, cut, 3, padding=1),
            nn.PixelShuffle(patch),
        )

    def forward(self, x: Any, level: Any, strata: Any) -> Any:
        """Velocity at which noise takes the place of images (see `diffusion.noised`).

        Parameters
        ----------
        x : Tensor of shape (n, channels, height, width)
            Noisy images.
        level : Tensor of shape (n,)
            Noise level of each, from 0 to 1.
        strata : Tensor of shape (n, n_strata)
            Indicators of the stratum; zeros where it is not told.

        Returns
        -------
        Tensor of shape (n, channels, height, width)
        """
        told = functional.silu(self.level(self._waves(level)) + self.stratum(strata))
        x = self.first(self.padding(x))
        kept = []
        for number, block in enumerate(self.down):
            x = block(self.halving(x) if number else x, told)
            kept.append(x)
        x = self.middle(x, told)
        for number, block in enumerate(self.up):
            x = functional.interpolate(x, scale_factor=2.0) if number else x
            x = block(torch.cat([x, kept.pop()], dim=1), told)
        return self._cut(self.last(x))

    def _waves(self, level: Any) -> Any:
        half = self._n_waves // 2
        steps = torch.arange(half, device=level.device, dtype=level.dtype) / half
        angles = 1000 * level[:, None] * torch.exp(-math.log(LONGEST_WAVE) * steps)
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    def _cut(self, x: Any) -> Any:
        """Without the padding."""
        left, _, top, _ = self.padding.padding
        height, width = self._size
        return x[:, :, top : top + height, left : left + width]


class _Block(nn.Module):
    """Two convolutions beside a short cut; what is told scales and shifts the maps between."""

    def __init__(self, before: int, after: int, told: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(
            normalisation("group", before), nn.SiLU(), nn.Conv2d(before, after, 3, padding=1)
        )
        self.norm = normalisation("group", after)
        self.told = nn.Linear(told, 2 * after)
        self.leave = nn.Conv2d(after, after, 3, padding=1)
        self.short = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(self, x: Any, told: Any) -> Any:
        scale, shift = self.told(told)[:, :, None, None].chunk(2, dim=1)
        inner = self.norm(self.enter(x)) * (1 + scale) + shift
        return self.short(x) + self.leave(functional.silu(inner))


def make_denoiser(
    input_shape: Shape,
    n_strata: int,
    width: int,
    generator: torch.Generator,
    device: Any = "cpu",
    dtype: Any = torch.float32,
) -> Denoiser:
    """Build a denoiser and initialise it from a generator; at first it finds nothing."""
    with torch.device("meta"):
        network = Denoiser(input_shape, n_strata, width)
    network = network.to_empty(device=device).to(dtype)
    initialise(network, generator)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, _Block):
                module.leave.weight.zero_()
        network.last[2].weight.zero_()
    return network
