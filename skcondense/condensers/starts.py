"""Candidate sets to start from: rows with a teacher's soft labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcondense.condensers.grouping import (
    cluster,
    group_means,
    means_of,
    medoids_of,
    synthetic_only,
    tree_cells,
    with_opinion,
)
from skcondense.condensers.informative import with_typical_values
from skcondense.private_table import PrivateTable

__all__ = ["Pool", "Starts"]

Matrix = NDArray[Any]
Floats = NDArray[np.float64]
Positions = NDArray[np.intp]
Block = tuple[Positions, int]

# Cells are of so many rows, or so many for each, where the table has them.
CLUSTER_ROWS, ROWS_PER_CELL = 5000, 5


@dataclass(frozen=True)
class Pool:
    """Labelled rows, and sets of them.

    Attributes
    ----------
    Z : ndarray of shape (n_pool, n_codes)
        Encoded rows.
    labels : ndarray of shape (n_pool, n_label_columns)
        Soft labels.
    weight : ndarray of shape (n_pool,)
        Weights.
    sets : ndarray of shape (n_sets, n_prototypes)
        Positions in the pool.
    varying : ndarray of shape (n_columns,)
        Which columns have more than their typical value.
    """

    Z: Matrix
    labels: NDArray[np.float64]
    weight: NDArray[np.float64]
    sets: NDArray[np.intp]
    varying: NDArray[np.bool_]


@dataclass(frozen=True)
class Starts:
    """Where candidate sets come from: cells of random parts of the rows.

    Cells are of rows that are alike, in the columns that vary, and of which a teacher says alike:
    of every two sets of a kind, one has k-means cells, the next the leaves of a tree.

    Parameters
    ----------
    table : PrivateTable
        Real rows, or proxy rows.
    opinion : ndarray of shape (n_rows, n_label_columns)
        What the teacher says of them.
    label : callable
        The teacher's labels of other rows.
    kinds : sequence of {"clusters", "groups", "medoids"}
        What a set is made of, in turn: the cells' mean rows with their mean labels; means of the
        row in the middle of a cell and its two nearest neighbours; or those middle rows.
    blocks : sequence of (ndarray, int)
        Parts of the rows to form cells in, and the number of cells in each.
    rng : Generator
        Source of randomness.
    """

    table: PrivateTable
    opinion: Floats
    label: Callable[[Matrix], Floats]
    kinds: Sequence[str]
    blocks: Sequence[Block]
    rng: np.random.Generator

    def pool(self, varying: NDArray[np.bool_], n_sets: int) -> Pool:
        """Build candidate sets.

        Parameters
        ----------
        varying : ndarray of shape (n_columns,)
            Which columns vary; the others get a typical value.
        n_sets : int
            Number of sets.

        Returns
        -------
        Pool
            Each row has the weight of its cell.
        """
        codes = np.concatenate(
            [np.arange(c.start, c.stop) for c in np.array(self.table.encoder.slices)[varying]]
        )
        free = self.table.task.to_free(self.opinion)
        geometry = with_opinion(self.table.Z[:, codes], free)
        parts = []
        for k in range(n_sets):
            turn, kind = divmod(k, len(self.kinds))
            make = _MAKERS[self.kinds[kind]]
            for rows, count in self.blocks:
                part = self._part(rows, count)
                mass = self.table.weight[part]
                cell = (
                    tree_cells(geometry[part], free.shape[1], count, self.rng, mass)
                    if turn % 2
                    else cluster(geometry[part], count, self.rng, mass)
                )
                weight = np.bincount(cell, mass) * (self.table.weight[rows].sum() / mass.sum())
                parts.append((*make(self, geometry, part, cell), weight))
        Z, labels, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
        # Labels stay: they average over the columns that are left out.
        Z = with_typical_values(Z, varying, self.table)
        pool = Pool(Z, labels, weight, np.arange(len(Z)).reshape(n_sets, -1), varying)
        return pool if "medoids" in self.kinds else _without_real_rows(pool, self.table, self.rng)

    def _part(self, rows: Positions, count: int) -> Positions:
        """Some of the rows: another part makes another set."""
        size = min(len(rows), max(CLUSTER_ROWS, ROWS_PER_CELL * count))
        return self.rng.choice(rows, size, replace=False)


def _means(
    starts: Starts, geometry: Floats, part: Positions, cell: Positions
) -> tuple[Matrix, Floats]:
    table, mass = starts.table, starts.table.weight[part]
    Z = table.encoder.project(means_of(table.Z[part], cell, mass))
    return Z, means_of(starts.opinion[part], cell, mass)


def _groups(
    starts: Starts, geometry: Floats, part: Positions, cell: Positions
) -> tuple[Matrix, Floats]:
    middle = part[medoids_of(geometry[part], cell)]
    Z = group_means(starts.table, middle, geometry)
    return Z, starts.label(Z)


def _medoids(
    starts: Starts, geometry: Floats, part: Positions, cell: Positions
) -> tuple[Matrix, Floats]:
    middle = part[medoids_of(geometry[part], cell)]
    return starts.table.Z[middle], starts.opinion[middle]


_MAKERS = {"clusters": _means, "groups": _groups, "medoids": _medoids}


def _without_real_rows(pool: Pool, table: PrivateTable, rng: np.random.Generator) -> Pool:
    """Replace members that happen to equal a real row by members of other sets, and drop them."""
    synthetic = synthetic_only(table, pool.Z)
    free = np.flatnonzero(synthetic)
    sets = pool.sets.copy()
    for members in sets:
        real = np.flatnonzero(~synthetic[members])
        others = np.setdiff1d(free, members)
        if not len(others):
            # A single set has no others to borrow from: it repeats its own synthetic members.
            others = members[synthetic[members]]
        members[real] = rng.choice(others, len(real), replace=len(others) < len(real))
    # Exchanging draws from the whole pool.
    kept = synthetic.copy()
    kept[sets] = True
    position = np.cumsum(kept) - 1
    return replace(
        pool,
        Z=pool.Z[kept],
        labels=pool.labels[kept],
        weight=pool.weight[kept],
        sets=position[sets],
    )
