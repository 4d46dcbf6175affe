"""Candidate sets to start from: synthetic rows with a teacher's soft labels."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcondense.condensers.grouping import (
    GROUP_SIZE,
    check_room_for_cells,
    cluster,
    group_means,
    means_of,
    synthetic_only,
    with_opinion,
)
from skcondense.condensers.random import draw_rows
from skcondense.condensers.teacher import FoldTeacher
from skcondense.private_table import PrivateTable

__all__ = ["Pool", "make_pool", "without_real_rows"]

Matrix = NDArray[Any]

# k-means for a starting set works on at most this many rows: sets are to differ anyway.
CLUSTER_ROWS = 5000


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


def make_pool(
    table: PrivateTable,
    teacher: FoldTeacher,
    init: str,
    counts: dict[int, int],
    n_sets: int,
    rng: np.random.Generator,
) -> Pool:
    """Build candidate sets.

    Parameters
    ----------
    table : PrivateTable
        Real rows.
    teacher : FoldTeacher
        Labels the rows.
    init : {"mixed", "groups", "clusters", "real"}
        Means of three neighbours around random rows; means of k-means cells of rows that are
        alike and of which the teacher says alike; half of the sets each (all from groups, where
        the table is too small for cells); or real rows.
    counts : dict of {int: int}
        Prototypes per stratum.
    n_sets : int
        Number of sets.
    rng : Generator
        Source of randomness.

    Returns
    -------
    Pool
    """
    size = sum(counts.values())
    if init == "clusters":
        check_room_for_cells(table, size)
    n_mixed = n_sets // 2 if len(table) >= GROUP_SIZE * size else 0
    n_clustered = {"mixed": n_mixed, "clusters": n_sets}.get(init, 0)
    draws = [draw_rows(table, counts, rng) for _ in range(n_sets - n_clustered)]
    parts = []
    if draws:
        seeds, weight = (np.concatenate(part) for part in zip(*draws, strict=True))
        if init == "real":
            parts.append((table.Z[seeds], teacher.label_real(table.Z[seeds], seeds), weight))
        else:
            Z = group_means(table, seeds, table.Z)
            parts.append((Z, teacher.label(Z), weight))
    if n_clustered:
        parts.append(_cluster_means(table, teacher, size, n_clustered, rng))
    Z, labels, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
    sets = np.arange(len(Z)).reshape(n_sets, size)
    varying = np.ones(len(table.encoder.schema), dtype=bool)
    pool = Pool(Z, labels, weight, sets, varying)
    return pool if init == "real" else without_real_rows(pool, table, rng)


def without_real_rows(pool: Pool, table: PrivateTable, rng: np.random.Generator) -> Pool:
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


def _cluster_means(
    table: PrivateTable,
    teacher: FoldTeacher,
    n_clusters: int,
    n_sets: int,
    rng: np.random.Generator,
) -> tuple[Matrix, NDArray[np.float64], NDArray[np.float64]]:
    """Means, mean labels and weights of the cells of several clusterings, one after the other."""
    means, labels, weights = [], [], []
    for _ in range(n_sets):
        size = min(len(table), max(CLUSTER_ROWS, 3 * n_clusters))
        rows = rng.choice(len(table), size, replace=False)
        part = table.take(rows)
        opinion = teacher.label_members(part.Z, rows)
        geometry = with_opinion(part.Z, part.task.to_free(opinion))
        cell = cluster(geometry, n_clusters, rng, part.weight)
        means.append(part.encoder.project(means_of(part.Z, cell, part.weight)))
        labels.append(means_of(opinion, cell, part.weight))
        weight = np.bincount(cell, part.weight)
        weights.append(weight * (table.weight.sum() / weight.sum()))
    return np.concatenate(means), np.concatenate(labels), np.concatenate(weights)
