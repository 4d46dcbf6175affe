"""Candidate sets to start from: synthetic rows with a teacher's soft labels."""

from dataclasses import dataclass
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
)
from skcondense.condensers.random import draw_rows
from skcondense.condensers.teacher import FoldTeacher, Teacher
from skcondense.private_table import PrivateTable

__all__ = ["Pool", "make_pool"]

Matrix = NDArray[Any]

# k-means for a starting set works on at most this many rows: sets are to differ anyway.
CLUSTER_ROWS = 5000
# Rows on which the teacher's sensitivity to each column is measured.
SENSITIVITY_ROWS = 500
# Weight of the teacher's opinion, in logits, beside the encoded columns.
OPINION = 0.2


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
    """

    Z: Matrix
    labels: NDArray[np.float64]
    weight: NDArray[np.float64]
    sets: NDArray[np.intp]


def make_pool(
    table: PrivateTable,
    teacher: Teacher,
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
    teacher : Teacher
        Labels the rows.
    init : {"mixed", "groups", "clusters", "real"}
        Means of three neighbours around random rows; means of k-means cells in a geometry that
        stretches the columns the teacher listens to; a third of sets from clusters and the rest
        from groups (all from groups, where the table is too small for cells); or real rows.
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
    n_mixed = n_sets // 3 if len(table) >= GROUP_SIZE * size else 0
    n_clustered = {"mixed": n_mixed, "clusters": n_sets}.get(init, 0)
    draws = [draw_rows(table, counts, rng) for _ in range(n_sets - n_clustered)]
    parts = []
    if draws:
        seeds = np.concatenate([rows for rows, _ in draws])
        if init == "real":
            assert isinstance(teacher, FoldTeacher)
            parts.append((table.Z[seeds], teacher.label_real(table.Z[seeds], seeds)))
        else:
            Z = group_means(table, seeds, table.Z)
            parts.append((Z, teacher.label(Z)))
    if n_clustered:
        Z = _cluster_means(table, teacher, size, n_clustered, rng)
        parts.append((Z, teacher.label(Z)))
    Z, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
    uniform = np.full(n_clustered * size, table.weight.sum() / size)
    weight = np.concatenate([*(weight for _, weight in draws), uniform])
    sets = np.arange(len(Z)).reshape(n_sets, size)
    if init != "real":
        sets = _without_real_rows(sets, synthetic_only(table, Z), rng)
    return Pool(Z, labels, weight, sets)


def _without_real_rows(
    sets: NDArray[np.intp], synthetic: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Replace members that happen to equal a real row by members of other sets."""
    free = np.flatnonzero(synthetic)
    sets = sets.copy()
    for members in sets:
        real = np.flatnonzero(~synthetic[members])
        others = np.setdiff1d(free, members)
        if not len(others):
            # A single set has no others to borrow from: it repeats its own synthetic members.
            others = members[synthetic[members]]
        members[real] = rng.choice(others, len(real), replace=len(others) < len(real))
    return sets


def _cluster_means(
    table: PrivateTable,
    teacher: Teacher,
    n_clusters: int,
    n_sets: int,
    rng: np.random.Generator,
) -> Matrix:
    means = []
    stretch = np.sqrt(_sensitivity(table, teacher, rng))
    for _ in range(n_sets):
        size = min(len(table), max(CLUSTER_ROWS, 3 * n_clusters))
        part = table.take(rng.choice(len(table), size, replace=False))
        opinion = part.task.to_free(teacher.label(part.Z))
        cell = cluster(np.hstack([part.Z * stretch, OPINION * opinion]), n_clusters, rng)
        means.append(part.encoder.project(means_of(part.Z, cell)))
    return np.concatenate(means)


def _sensitivity(
    table: PrivateTable, teacher: Teacher, rng: np.random.Generator
) -> NDArray[np.float64]:
    """How much the teacher's labels move when a column is shuffled, per code; at most 1."""
    Z = table.Z[rng.choice(len(table), min(len(table), SENSITIVITY_ROWS), replace=False)]
    before = table.task.to_free(teacher.label(Z))
    moved = np.zeros(Z.shape[1])
    for codes in table.encoder.slices:
        shuffled = Z.copy()
        shuffled[:, codes] = rng.permutation(Z[:, codes])
        after = table.task.to_free(teacher.label(shuffled))
        moved[codes] = np.sqrt(np.mean((after - before) ** 2))
    return moved / max(moved.max(), 1e-12)
