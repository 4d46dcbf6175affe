"""The private rows, as a condenser sees them while it fits. Never kept."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcondense.table import Container, TableEncoder, take_rows
from skcondense.tasks import Task

__all__ = ["EXACT", "ROUNDED", "PrivateTable", "matching"]

# Two encoded numbers closer than this are the same number up to floating-point error, and the
# same number for someone who rounds.
EXACT, ROUNDED = 1e-9, 1e-2
# Real rows are compared with others in pieces of this many codes, which bounds the memory.
PIECE = 5_000_000


@dataclass(frozen=True)
class PrivateTable:
    """Validated rows with everything needed to read and write them.

    Attributes
    ----------
    X : array or frame of shape (n_rows, n_features)
        Rows as they came in.
    y : ndarray of shape (n_rows,)
        Outcomes in the task's working form.
    weight : ndarray of shape (n_rows,)
        The caller's weights, or ones.
    groups : ndarray of shape (n_rows,) or None
        Patient of each row.
    task : Task
        What `y` is.
    container : Container
        How the table arrived.
    encoder : TableEncoder
        Rows as a bounded float matrix, and back.
    dtype : numpy dtype, default=float64
        Precision of the codes. It does not follow the number of rows: a row's codes must not
        depend on how many others there are.
    """

    X: Any
    y: NDArray[Any]
    weight: NDArray[np.float64]
    groups: NDArray[Any] | None
    task: Task
    container: Container
    encoder: TableEncoder
    dtype: Any = np.float64

    def __len__(self) -> int:
        return len(self.y)

    @cached_property
    def Z(self) -> NDArray[Any]:
        """Encoded rows, of shape (n_rows, n_codes)."""
        return self.encoder.encode(self.container.read(self.X), self.dtype)

    @cached_property
    def strata(self) -> NDArray[np.intp]:
        """Stratum of each row."""
        return self.task.strata(self.y)

    def take(self, rows: NDArray[np.intp]) -> "PrivateTable":
        """Select rows by position."""
        groups = None if self.groups is None else self.groups[rows]
        return replace(
            self,
            X=take_rows(self.X, rows),
            y=self.y[rows],
            weight=self.weight[rows],
            groups=groups,
        )

    def with_rows(
        self, Z: NDArray[Any], y: NDArray[Any], weight: NDArray[np.float64]
    ) -> "PrivateTable":
        """A table of the same make with other rows, such as synthetic ones, given as codes."""
        return replace(self, X=self.decode(Z), y=y, weight=weight, groups=None)

    def softened(self, labels: NDArray[np.float64]) -> "PrivateTable":
        """Every row once per outcome, weighted by a soft label in place of its own outcome."""
        row, y, weight = self.task.deliver(labels, self.weight)
        return replace(self.take(row), y=y, weight=weight)

    def subsample(self, n_rows: int | None, rng: np.random.Generator) -> "PrivateTable":
        """A random part of the rows, whose weights still sum to those of all.

        Each stratum keeps its share, and at least one row.
        """
        if n_rows is None or n_rows >= len(self):
            return self
        order = rng.permutation(len(self))
        rank = np.empty(len(self), dtype=np.intp)
        for stratum in np.unique(self.strata):
            members = order[self.strata[order] == stratum]
            quota = max(1, round(n_rows * len(members) / len(self)))
            rank[members] = np.arange(len(members)) >= quota
        part = self.take(np.flatnonzero(rank == 0))
        return replace(part, weight=part.weight * (self.weight.sum() / part.weight.sum()))

    def one_row_per_patient(self, rng: np.random.Generator) -> "PrivateTable":
        """One random row of each patient, so that the mean of a few rows mixes patients."""
        return self if self.groups is None else self.take(self.row_of_each_patient(rng))

    def row_of_each_patient(self, rng: np.random.Generator) -> NDArray[np.intp]:
        """Position of one random row of each patient; all, where no groups are given."""
        if self.groups is None:
            return np.arange(len(self))
        order = rng.permutation(len(self))
        _, first = np.unique(self.groups[order], return_index=True)
        return np.sort(order[first])

    def decode(self, Z: NDArray[Any]) -> Any:
        """Rows in the container that came in, from codes."""
        return self.container.build(self.encoder.decode(Z))

    def matches(self, Z: NDArray[Any], precision: float) -> NDArray[np.bool_]:
        """Which encoded rows coincide with a real row, up to `precision` in each coordinate."""
        return matching(Z, self.pieces(), [precision])[0]

    def pieces(self) -> Iterator[NDArray[Any]]:
        """All rows, encoded in double precision, some at a time."""
        n_rows = max(1, PIECE // self.encoder.n_codes)
        for start in range(0, len(self), n_rows):
            rows = take_rows(self.X, np.arange(start, min(start + n_rows, len(self))))
            yield self.encoder.encode(self.container.read(rows))


def matching(
    Z: NDArray[Any], pieces: Iterable[NDArray[Any]], precisions: Sequence[float]
) -> NDArray[np.bool_]:
    """Which encoded rows coincide with any of many others.

    Parameters
    ----------
    Z : ndarray of shape (n_rows, n_codes)
        Encoded rows.
    pieces : iterable of ndarray of shape (n_others, n_codes)
        The others, some at a time.
    precisions : sequence of float
        How far apart coordinates of rows that coincide may be.

    Returns
    -------
    ndarray of shape (n_precisions, n_rows)
    """
    keys = [_as_keys(Z, precision) for precision in precisions]
    found = np.zeros((len(precisions), len(Z)), dtype=bool)
    for piece in pieces:
        for known, mine, precision in zip(found, keys, precisions, strict=True):
            known |= np.isin(mine, _as_keys(piece, precision))
    return found


def _as_keys(Z: NDArray[Any], precision: float) -> NDArray[np.uint64]:
    """Rows as numbers that can be compared: equal for rows that are, up to `precision`.

    And for others with a probability of some 2^-60, as the factors are random.
    """
    factors = np.random.default_rng(0).integers(2**64 - 1, size=Z.shape[1], dtype=np.uint64)
    grid = np.round(Z / precision).astype(np.int64).view(np.uint64)
    # Overflow wraps around, as it should.
    return grid @ (factors | np.uint64(1))
