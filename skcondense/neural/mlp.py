"""Networks for tables."""

from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

from torch import nn

from skcondense.neural.network import Architecture, Shape

__all__ = ["MLP", "ResidualMLP"]


@dataclass(frozen=True)
class MLP(Architecture):
    """Linear layers with ReLU; images are flattened.

    Parameters
    ----------
    width : int, default=128
        Units of every hidden layer.
    depth : int, default=2
        Number of hidden layers.
    norm : {"layer", "none"}, default="none"
        Normalisation before each ReLU.
    """

    width: int = 128
    depth: int = 2
    norm: str = "none"

    def body(self, input_shape: Shape) -> nn.Module:
        """Hidden layers."""
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in pairwise([prod(input_shape)] + [self.width] * self.depth):
            norm = nn.LayerNorm(after) if self.norm == "layer" else nn.Identity()
            layers += [nn.Linear(before, after), norm, nn.ReLU()]
        return nn.Sequential(*layers)


@dataclass(frozen=True)
class ResidualMLP(Architecture):
    """A linear layer, then blocks that add to their input.

    Parameters
    ----------
    width : int, default=128
        Units of the residual stream.
    depth : int, default=2
        Number of blocks.

    References
    ----------
    Gorishniy, Rubachev, Khrulkov and Babenko (2021), Revisiting deep learning models for tabular
    data, NeurIPS, arXiv:2106.11959. Layer normalisation takes the place of batch normalisation,
    and there is no dropout: both would change between two passes of the same network.
    """

    width: int = 128
    depth: int = 2

    def body(self, input_shape: Shape) -> nn.Module:
        """The first layer and the blocks."""
        blocks = [_ResidualBlock(self.width) for _ in range(self.depth)]
        first = nn.Linear(prod(input_shape), self.width)
        return nn.Sequential(nn.Flatten(), first, *blocks, nn.LayerNorm(self.width), nn.ReLU())


class _ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Any) -> Any:
        return x + self.change(x)
