"""A table as a bounded matrix of floats, and back.

=============  ==========================================  =======================
kind           coordinates                                 range
=============  ==========================================  =======================
numeric        1, piecewise linear in the value            [-1, 1]
integer        the same, rounded on the way back           [-1, 1]
binary         1                                           -1/2 or 1/2
ordinal        1, equal steps                              [-1, 1]
categorical    one per category                            0 or 1/sqrt(2)
image          one per pixel and channel, row by row       [-1, 1]
missing        1 more where cells may be empty             -1/4 or 1/4
=============  ==========================================  =======================

The ranges make columns comparable: two rows in different categories are one unit apart, as are
two numbers two standard deviations apart (a normal variable whose 5 % and 95 % quantiles are the
typical range has a standard deviation of 0.49 here). Decoding takes the nearest legal value, so
nothing outside the schema ever leaves.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcondense.table.columns import ColumnSchema
from skcondense.table.frames import Column
from skcondense.table.schema import TableSchema

__all__ = ["TableEncoder"]

Matrix = NDArray[np.floating[Any]]

TYPICAL = 0.8
BINARY = 0.5
ONE_HOT = 1 / np.sqrt(2)
MISSING = 0.25


@dataclass(frozen=True)
class _NumberCodec:
    column: ColumnSchema

    @property
    def box(self) -> list[tuple[float, float]]:
        low, high = self._knots[1][[0, -1]]
        return [(low, high)]

    @property
    def _knots(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        assert self.column.bounds is not None
        low, high = self.column.bounds
        typical = self.column.typical or (low, high)
        # A typical range that touches a bound (counts that start at zero) leaves that knot out.
        knots = {low: -1.0, high: 1.0}
        knots |= {v: c for v, c in zip(typical, (-TYPICAL, TYPICAL), strict=True) if low < v < high}
        if low == high:
            return np.array([low, low + 1]), np.array([0.0, 0.0])
        values = np.array(sorted(knots))
        return values, np.array([knots[value] for value in values])

    def encode(self, values: NDArray[Any]) -> Matrix:
        # A piece of a table may have no number in a column, which then arrives as objects.
        return np.interp(values.astype(np.float64), *self._knots)[:, np.newaxis]

    def decode(self, codes: Matrix) -> NDArray[Any]:
        assert self.column.bounds is not None
        values, knots = self._knots
        if self.column.bounds[0] == self.column.bounds[1]:
            return np.full(len(codes), values[0])
        numbers = np.interp(codes[:, 0], knots, values)
        low, high = self.column.bounds
        if self.column.kind == "integer":
            return np.clip(np.round(numbers), np.ceil(low), np.floor(high))
        # Interpolation may miss a bound by a rounding error.
        return np.clip(numbers, low, high)


@dataclass(frozen=True)
class _LevelCodec:
    """Binary and ordinal columns: equally spaced points on one axis."""

    column: ColumnSchema

    @property
    def box(self) -> list[tuple[float, float]]:
        return [(self._levels[0], self._levels[-1])]

    @property
    def _levels(self) -> NDArray[np.float64]:
        assert self.column.categories is not None
        reach = BINARY if self.column.kind == "binary" else 1.0
        n_levels = len(self.column.categories)
        return np.linspace(-reach, reach, n_levels) if n_levels > 1 else np.zeros(1)

    def encode(self, values: NDArray[Any]) -> Matrix:
        return self._levels[_positions(self.column, values)][:, np.newaxis]

    def decode(self, codes: Matrix) -> NDArray[Any]:
        return _pick(self.column, np.abs(codes - self._levels).argmin(axis=1))


@dataclass(frozen=True)
class _OneHotCodec:
    column: ColumnSchema

    @property
    def box(self) -> list[tuple[float, float]]:
        assert self.column.categories is not None
        return [(0.0, ONE_HOT)] * len(self.column.categories)

    def encode(self, values: NDArray[Any]) -> Matrix:
        codes = np.zeros((len(values), len(self.box)))
        codes[np.arange(len(values)), _positions(self.column, values)] = ONE_HOT
        return codes

    def decode(self, codes: Matrix) -> NDArray[Any]:
        return _pick(self.column, codes.argmax(axis=1))


@dataclass(frozen=True)
class _ImageCodec:
    """Pixels in C order, channels last as they came in."""

    column: ColumnSchema

    @property
    def box(self) -> list[tuple[float, float]]:
        assert self.column.shape is not None
        return [(-1.0, 1.0)] * math.prod(self.column.shape)

    @property
    def _middle_and_reach(self) -> tuple[float, float]:
        assert self.column.bounds is not None
        low, high = self.column.bounds
        return (low + high) / 2, (high - low) / 2 or 1.0

    def encode(self, values: NDArray[Any]) -> Matrix:
        middle, reach = self._middle_and_reach
        return np.clip((values.reshape(len(values), len(self.box)) - middle) / reach, -1.0, 1.0)

    def decode(self, codes: Matrix) -> NDArray[Any]:
        assert self.column.bounds is not None
        assert self.column.shape is not None
        middle, reach = self._middle_and_reach
        pixels = np.clip(middle + reach * codes.astype(np.float64), *self.column.bounds)
        return pixels.reshape(len(codes), *self.column.shape)


def _positions(column: ColumnSchema, values: NDArray[Any]) -> NDArray[np.intp]:
    assert column.categories is not None
    rank = {category: i for i, category in enumerate(column.categories)}
    return np.fromiter((rank[v] for v in values.tolist()), dtype=np.intp, count=len(values))


def _pick(column: ColumnSchema, positions: NDArray[np.intp]) -> NDArray[Any]:
    categories = np.empty(len(column.categories or ()), dtype=object)
    categories[:] = column.categories
    return categories[positions]


_CODECS: dict[str, type[_NumberCodec | _LevelCodec | _OneHotCodec | _ImageCodec]] = {
    "numeric": _NumberCodec,
    "integer": _NumberCodec,
    "binary": _LevelCodec,
    "ordinal": _LevelCodec,
    "categorical": _OneHotCodec,
    "image": _ImageCodec,
}


class TableEncoder:
    """Encode the columns of a table as a bounded float matrix, and decode it.

    Parameters
    ----------
    schema : TableSchema
        What the columns may hold.

    Attributes
    ----------
    lower, upper : ndarray of shape (n_codes,)
        Range of each coordinate.
    """

    def __init__(self, schema: TableSchema) -> None:
        self.schema = schema
        self._codecs = [_CODECS[column.kind](column) for column in schema]
        boxes = [
            box
            for codec in self._codecs
            for box in codec.box + [(-MISSING, MISSING)] * codec.column.missing
        ]
        self.lower, self.upper = np.array(boxes).T

    @property
    def slices(self) -> list[slice]:
        """Coordinates of each column, its missing indicator included."""
        widths = [len(codec.box) + codec.column.missing for codec in self._codecs]
        stops = np.cumsum(widths)
        return [slice(int(b - w), int(b)) for w, b in zip(widths, stops, strict=True)]

    def axis_of(self, column: int, values: NDArray[Any]) -> Matrix:
        """Codes of some values of a column that has one coordinate beside its missing indicator.

        Parameters
        ----------
        column : int
            Position of a numeric, integer, binary or ordinal column.
        values : ndarray of shape (n_values,)
            Legal values.

        Returns
        -------
        ndarray of shape (n_values,)
        """
        return self._codecs[column].encode(values)[:, 0]

    @property
    def n_codes(self) -> int:
        """Number of coordinates of a row."""
        return len(self.lower)

    def encode(self, columns: Sequence[Column], dtype: Any = np.float64) -> Matrix:
        """Map columns to a matrix.

        Parameters
        ----------
        columns : sequence of Column
            Cells that `schema.check` has let pass.
        dtype : numpy dtype, default=float64
            float32 halves the memory of large tables.

        Returns
        -------
        ndarray of shape (n_rows, n_codes)
            Codes within `lower` and `upper`; numbers beyond their bounds are clipped.
        """
        out = np.zeros((len(columns[0].values), self.n_codes), dtype=dtype)
        start = 0
        for codec, column in zip(self._codecs, columns, strict=True):
            stop = start + len(codec.box)
            present = ~column.missing
            out[present, start:stop] = codec.encode(column.values[present])
            if codec.column.missing:
                out[:, stop] = np.where(column.missing, MISSING, -MISSING)
            start = stop + codec.column.missing
        return out

    def decode(self, codes: Matrix) -> list[Column]:
        """Map any matrix of codes to the nearest legal cells.

        Parameters
        ----------
        codes : ndarray of shape (n_rows, n_codes)
            Real numbers; they need not be within `lower` and `upper`.

        Returns
        -------
        list of Column
        """
        columns, start = [], 0
        for codec in self._codecs:
            stop = start + len(codec.box)
            missing = np.zeros(len(codes), dtype=bool)
            if codec.column.missing:
                missing = codes[:, stop] > 0
            columns.append(Column(codec.decode(codes[:, start:stop]), missing))
            start = stop + codec.column.missing
        return columns

    def project(self, codes: Matrix) -> Matrix:
        """Codes of the nearest legal rows: what is left of `codes` after a round trip."""
        return self.encode(self.decode(codes), dtype=codes.dtype)
