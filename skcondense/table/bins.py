"""Public bins of every column, in which private rows are counted."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcondense.exceptions import SchemaError
from skcondense.table.columns import ColumnSchema
from skcondense.table.encoder import MISSING, TableEncoder

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
        if any(column.is_image for column in encoder.schema):
            raise SchemaError(
                "Images cannot be counted in bins, as this method would. Got a column of images. "
                "Use a condenser of skcondense.neural."
            )
        self._encoder = encoder
        self._levels = [_levels(encoder, j, n_number_bins) for j in range(len(encoder.schema))]
        self._n_values = np.array(
            [
                len(column.categories or ()) if levels is None else len(levels)
                for column, levels in zip(encoder.schema, self._levels, strict=True)
            ]
        )
        self._n_values[[_is_divided(c, n_number_bins) for c in encoder.schema]] = n_number_bins
        self.has_missing = np.array([column.missing for column in encoder.schema])
        is_listed = [column.kind == "categorical" for column in encoder.schema]
        self.n_ordered = np.where(is_listed, 0, self._n_values)
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
            position = self._position(j, column, Z[:, codes])
            if column.missing:
                position = np.where(Z[:, codes.stop - 1] > 0, self._n_values[j], position)
            found[:, j] = self.starts[j] + position
        return found

    def _position(self, j: int, column: ColumnSchema, part: Matrix) -> Positions:
        n, levels = self._n_values[j], self._levels[j]
        if column.kind == "categorical":
            return part[:, :n].argmax(axis=1)
        if levels is not None:
            return np.abs(part[:, :1] - levels).argmin(axis=1)
        # Numbers fill the axis from -1 to 1.
        return np.clip(np.floor((part[:, 0] + 1) / 2 * n), 0, n - 1).astype(np.intp)

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
            position, n = bins[:, j] - self.starts[j], self._n_values[j]
            gone = position >= n
            if column.kind == "categorical":
                Z[:, codes.start : codes.start + n] = np.eye(n + 1)[position][:, :-1]
            else:
                Z[:, codes.start] = np.where(gone, 0.0, self._value(j, position, rng))
            if column.missing:
                Z[:, codes.stop - 1] = np.where(gone, MISSING, -MISSING)
        return self._encoder.project(Z)

    def _value(self, j: int, position: Positions, rng: np.random.Generator) -> Matrix:
        n, levels = self._n_values[j], self._levels[j]
        if levels is not None:
            return levels[np.minimum(position, n - 1)]
        return (position + rng.random(len(position))) / n * 2 - 1

    def _columns(self) -> list[tuple[ColumnSchema, slice]]:
        return list(zip(self._encoder.schema, self._encoder.slices, strict=True))


def _is_divided(column: ColumnSchema, n_number_bins: int) -> bool:
    """Whether the column's axis is divided, rather than its values listed."""
    if column.bounds is None:
        return False
    low, high = column.bounds
    if column.kind == "integer":
        return bool(np.floor(high) - np.ceil(low) + 1 > n_number_bins)
    return low < high


def _levels(encoder: TableEncoder, j: int, n_number_bins: int) -> Matrix | None:
    """Codes of a column's values, where they are few and have an order."""
    column = encoder.schema.columns[j]
    if column.kind == "categorical" or _is_divided(column, n_number_bins):
        return None
    if column.bounds is None:
        values = np.empty(len(column.categories or ()), dtype=object)
        values[:] = column.categories
        return encoder.axis_of(j, values)
    low, high = column.bounds
    return encoder.axis_of(
        j, np.arange(np.ceil(low), np.floor(high) + 1) if low < high else np.array([low])
    )
