"""Public bins of every column, in which private rows are counted."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcondense.table.encoder import MISSING, TableEncoder
from skcondense.table.schema import ColumnSchema

__all__ = ["TableBins"]

Matrix = NDArray[Any]
Positions = NDArray[np.intp]


class TableBins:
    """Divide the encoded axis of numbers into equal bins; give every category one of its own.

    Missing cells have a bin too, the last of their column. Bins follow from the schema alone.

    Parameters
    ----------
    encoder : TableEncoder
        Codes of the columns.
    n_number_bins : int, default=16
        Bins of a numeric or integer column.

    Attributes
    ----------
    sizes : ndarray of shape (n_columns,)
        Number of bins of each column.
    starts : ndarray of shape (n_columns,)
        Position of each column's first bin among all bins.
    n_ordered : ndarray of shape (n_columns,)
        Bins of each column that have an order: all but that of missing cells, or none.
    has_missing : ndarray of bool of shape (n_columns,)
        Whether the last bin of a column is for missing cells.
    """

    def __init__(self, encoder: TableEncoder, n_number_bins: int = 16) -> None:
        self._encoder = encoder
        self._n_values = np.array([_n_values(c, n_number_bins) for c in encoder.schema])
        self.has_missing = np.array([column.missing for column in encoder.schema])
        self.n_ordered = np.where(
            [column.kind == "categorical" for column in encoder.schema], 0, self._n_values
        )
        self.sizes = self._n_values + self.has_missing
        self.starts = np.cumsum(self.sizes) - self.sizes

    def __len__(self) -> int:
        return int(self.sizes.sum())

    def of(self, Z: Matrix) -> Positions:
        """Bin of each cell, among all bins.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_codes)
            Encoded rows.

        Returns
        -------
        ndarray of shape (n_rows, n_columns)
        """
        found = np.empty((len(Z), len(self.sizes)), dtype=np.intp)
        for j, (column, codes) in enumerate(self._columns()):
            part = Z[:, codes]
            if column.kind == "categorical":
                position = part[:, : self._n_values[j]].argmax(axis=1)
            else:
                low, high = self._encoder.lower[codes.start], self._encoder.upper[codes.start]
                share = (part[:, 0] - low) / max(high - low, 1e-12)
                position = self._to_bin(j, column, share)
            if column.missing:
                position = np.where(part[:, -1] > 0, self._n_values[j], position)
            found[:, j] = self.starts[j] + position
        return found

    def _to_bin(self, j: int, column: ColumnSchema, share: Matrix) -> Positions:
        n = self._n_values[j]
        position = np.floor(share * n) if column.is_number else np.rint(share * (n - 1))
        return np.clip(position, 0, n - 1).astype(np.intp)

    def indicators(self, Z: Matrix) -> NDArray[np.float64]:
        """One column per bin, 1 where a row's cell is in it; each row has n_columns ones."""
        out = np.zeros((len(Z), len(self)))
        np.put_along_axis(out, self.of(Z), 1.0, axis=1)
        return out

    def rows(self, bins: Positions, rng: np.random.Generator) -> Matrix:
        """Legal encoded rows whose cells are in given bins, uniform within bins of numbers.

        Parameters
        ----------
        bins : ndarray of shape (n_rows, n_columns)
            As `of` returns them.
        rng : Generator
            Draws the place within a bin.

        Returns
        -------
        ndarray of shape (n_rows, n_codes)
        """
        Z = np.zeros((len(bins), self._encoder.n_codes))
        for j, (column, codes) in enumerate(self._columns()):
            position = bins[:, j] - self.starts[j]
            gone = position >= self._n_values[j]
            if column.kind == "categorical":
                values = self._encoder.upper[codes.start] * np.eye(self._n_values[j] + 1)[position]
                Z[:, codes.start : codes.start + self._n_values[j]] = values[:, :-1]
            else:
                low, high = self._encoder.lower[codes.start], self._encoder.upper[codes.start]
                share = self._to_share(j, column, position, rng)
                Z[:, codes.start] = np.where(gone, 0.0, low + (high - low) * share)
            if column.missing:
                Z[:, codes.stop - 1] = np.where(gone, MISSING, -MISSING)
        return self._encoder.project(Z)

    def _to_share(
        self, j: int, column: ColumnSchema, position: Positions, rng: np.random.Generator
    ) -> Matrix:
        n = self._n_values[j]
        if column.is_number:
            return (position + rng.random(len(position))) / n
        return position / max(n - 1, 1)

    def _columns(self) -> list[tuple[ColumnSchema, slice]]:
        return list(zip(self._encoder.schema, self._encoder.slices, strict=True))


def _n_values(column: ColumnSchema, n_number_bins: int) -> int:
    if column.categories is not None:
        return len(column.categories)
    assert column.bounds is not None
    low, high = column.bounds
    if column.kind == "integer":
        return int(min(n_number_bins, np.floor(high) - np.ceil(low) + 1))
    return n_number_bins if low < high else 1
