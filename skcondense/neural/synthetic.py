"""The synthetic rows while they are learned."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from skcondense.neural.inputs import InputSpace

__all__ = ["SyntheticSet", "expand", "mosaic"]


@dataclass(frozen=True)
class SyntheticSet:
    """Learned inputs with fixed outcomes.

    Attributes
    ----------
    space : InputSpace
        How inputs are rows.
    x : Tensor of shape (n_stored, *input_shape)
        What is optimised; needs gradients.
    strata : ndarray of shape (n_stored,)
        Stratum of each, in order.
    y : ndarray of shape (n_stored,)
        Outcome of each.
    factor : int
        Each stored image is a mosaic of factor**2 images, which are what a network sees.
    """

    space: InputSpace
    x: Any
    strata: NDArray[np.intp]
    y: NDArray[Any]
    factor: int = 1

    def slices(self) -> dict[int, slice]:
        """Positions of the stored rows of each stratum, which lie together."""
        strata, starts, counts = np.unique(self.strata, return_index=True, return_counts=True)
        return {
            int(s): slice(int(a), int(a + n))
            for s, a, n in zip(strata, starts, counts, strict=True)
        }

    def images(self, rows: slice) -> Any:
        """What a network sees of some stored rows; differentiable."""
        return expand(self.x[rows], self.factor)

    def all_images(self) -> Any:
        """What a network sees of all stored rows, without gradients."""
        return expand(self.x.detach(), self.factor)

    def repeated(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of stored rows, for each image that `images` makes of them."""
        return np.repeat(values, self.factor**2)

    def weights(self, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weight of each image that networks see: an equal share of its stratum.

        Parameters
        ----------
        sizes : ndarray of shape (n_strata,)
            Weight of each stratum.
        """
        strata = self.repeated(self.strata)
        counts = np.bincount(strata, minlength=len(sizes))
        return np.asarray((sizes / np.maximum(counts, 1))[strata])

    def project(self) -> None:
        """Move stored rows to legal values."""
        self.space.project(self.x.data)


def expand(x: Any, factor: int) -> Any:
    """Cut mosaics into their tiles and enlarge each to the size of the mosaic.

    Parameters
    ----------
    x : Tensor of shape (n, channels, height, width), or any with ``factor=1``
        Mosaics.
    factor : int
        Tiles per side.

    Returns
    -------
    Tensor of shape (n * factor**2, channels, height, width)
        Tiles of a mosaic lie together.
    """
    if factor == 1:
        return x
    n, channels, height, width = x.shape
    tiles = [
        functional.interpolate(part, (height, width), mode="bilinear", align_corners=False)
        for band in x.tensor_split(factor, dim=2)
        for part in band.tensor_split(factor, dim=3)
    ]
    return torch.stack(tiles, dim=1).reshape(n * factor**2, channels, height, width)


def mosaic(images: Any, factor: int) -> Any:
    """Make mosaics of images, each reduced to a tile: the counterpart of `expand`.

    Parameters
    ----------
    images : Tensor of shape (n * factor**2, channels, height, width)
        Images; those of a mosaic lie together.
    factor : int
        Tiles per side.

    Returns
    -------
    Tensor of shape (n, channels, height, width)
    """
    if factor == 1:
        return images
    out = torch.empty(len(images) // factor**2, *images.shape[1:]).to(images)
    position = 0
    for band in out.tensor_split(factor, dim=2):
        for part in band.tensor_split(factor, dim=3):
            tile = images[position :: factor**2]
            part.copy_(functional.interpolate(tile, part.shape[2:], mode="area"))
            position += 1
    return out
