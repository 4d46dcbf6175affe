"""Codes of a table as inputs of a network, and back: shape, normalisation and legal values."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from skcondense.neural.compute import Compute
from skcondense.neural.network import Shape
from skcondense.table import TableEncoder

__all__ = ["ASSUMED_SPREAD", "InputSpace", "Normaliser"]

Matrix = NDArray[Any]

# Spread that is assumed where none may be learned: half of the encoded axis for pixels, and what
# `TableEncoder` aims at for columns.
ASSUMED_SPREAD = 0.5
# A code that varies less is not blown up further: a rare category would outweigh all else.
SMALLEST_SPREAD = 0.25


@dataclass(frozen=True)
class Normaliser:
    """A mean and a spread per channel of images, or per code of a table.

    Attributes
    ----------
    mean, spread : ndarray of shape (n_channels,) or (n_codes,)
        In units of codes, which for pixels run from -1 to 1.
    """

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]

    @classmethod
    def declared(cls, size: int) -> "Normaliser":
        """The middle of the codes and an assumed spread; knows nothing of any row."""
        return cls(np.zeros(size), np.full(size, ASSUMED_SPREAD))

    @classmethod
    def fitted(cls, Z: Matrix, size: int, weight: NDArray[np.float64]) -> "Normaliser":
        """Weighted mean and standard deviation of real codes.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_codes)
            Codes; those of an image hold all its pixels, channels last.
        size : int
            Number of channels, or of codes.
        weight : ndarray of shape (n_rows,)
            Weights.
        """
        share = weight / weight.sum()
        n_pixels = Z.shape[1] // size
        first = (share @ Z).reshape(n_pixels, size).mean(axis=0)
        second = (share @ Z**2).reshape(n_pixels, size).mean(axis=0)
        spread = np.sqrt(np.maximum(second - first**2, 0.0))
        # Channels are never rare categories, but a constant one must not be divided by zero.
        least = SMALLEST_SPREAD if n_pixels == 1 else 0.01
        return cls(first, np.maximum(spread, least))

    @classmethod
    def of_varying(cls, Z: Matrix, size: int, weight: NDArray[np.float64]) -> "Normaliser":
        """As `fitted`, but what never varies becomes zero, in whatever rows come later.

        A network learns nothing about such a code: its first weights would speak for new rows.
        """
        found = cls.fitted(Z, size, weight)
        values = Z[weight > 0].reshape(-1, size)
        varies = values.min(axis=0) < values.max(axis=0)
        return cls(found.mean, np.where(varies, found.spread, np.inf))


class InputSpace:
    """Rows of a table as inputs of a network.

    Parameters
    ----------
    encoder : TableEncoder
        Codes of the table.
    normaliser : Normaliser
        Of the codes.
    compute : Compute
        Where inputs are stored.

    Attributes
    ----------
    shape : tuple of int
        (channels, height, width) of an image, (n_codes,) of a row.
    """

    def __init__(self, encoder: TableEncoder, normaliser: Normaliser, compute: Compute) -> None:
        self._encoder = encoder
        self._compute = compute
        self.normaliser = normaliser
        self.shape = input_shape(encoder)
        per_input = (-1, 1, 1) if self.is_image else (-1,)
        self._mean = compute.tensor(normaliser.mean).view(per_input)
        self._spread = compute.tensor(normaliser.spread).view(per_input)
        self._lower = self._box(encoder.lower)
        self._upper = self._box(encoder.upper)
        self._blocks = _categorical_blocks(encoder)

    @property
    def is_image(self) -> bool:
        """Whether inputs are images."""
        return len(self.shape) == 3

    def _box(self, limit: NDArray[np.float64]) -> Any:
        return self.inputs(limit[np.newaxis])[0]

    def inputs(self, Z: Matrix) -> Any:
        """Normalised inputs of shape (n, *shape), from codes of shape (n, n_codes)."""
        codes = self._compute.tensor(np.ascontiguousarray(Z))
        if self.is_image:
            channels, height, width = self.shape
            codes = codes.view(-1, height, width, channels).permute(0, 3, 1, 2).contiguous()
        return (codes - self._mean) / self._spread

    def codes(self, x: Any) -> Matrix:
        """Codes of shape (n, n_codes), from inputs."""
        codes = x.detach() * self._spread + self._mean
        if self.is_image:
            codes = codes.permute(0, 2, 3, 1)
        return codes.reshape(len(x), -1).to("cpu", torch.float64).numpy()

    def project(self, x: Any) -> None:
        """Move inputs to the nearest ones that decode to something legal, in place.

        Every number goes into its bounds. The codes of a categorical column become shares of
        categories: they are projected onto the simplex.
        """
        with torch.no_grad():
            torch.clamp(x, self._lower, self._upper, out=x)
            for block in self._blocks:
                mean, spread = self._mean[block], self._spread[block]
                reach = self._upper[block] * spread + mean
                shares = _onto_simplex((x[:, block] * spread + mean) / reach)
                x[:, block] = (shares * reach - mean) / spread


def input_shape(encoder: TableEncoder) -> Shape:
    """(channels, height, width) of a table of images, else (n_codes,)."""
    column = encoder.schema.columns[0]
    if column.shape is None:
        return (encoder.n_codes,)
    height, width, *channels = column.shape
    return (channels[0] if channels else 1, height, width)


def _categorical_blocks(encoder: TableEncoder) -> list[slice]:
    """Coordinates of the categories of each categorical column."""
    pairs = zip(encoder.schema, encoder.slices, strict=True)
    return [
        slice(codes.start, codes.stop - column.missing)
        for column, codes in pairs
        if column.kind == "categorical"
    ]


def _onto_simplex(shares: Any) -> Any:
    """Nearest rows that are not negative and add up to one.

    References
    ----------
    Held, Wolfe and Crowder (1974), Validation of subgradient optimization, Mathematical
    Programming 6, doi:10.1007/BF01580223.
    """
    ordered = shares.sort(dim=1, descending=True).values
    excess = ordered.cumsum(dim=1) - 1
    rank = torch.arange(1, shares.shape[1] + 1, device=shares.device)
    kept = (ordered * rank > excess).sum(dim=1, keepdim=True)
    return (shares - excess.gather(1, kept - 1) / kept).clamp(min=0)
