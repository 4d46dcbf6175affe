"""Prototype rows that are no patient's row: means of small groups and of clusters.

Averaging groups of at least three rows is microaggregation, a classic of disclosure control.

References
----------
Domingo-Ferrer and Mateo-Sanz (2002), Practical data-oriented microaggregation for statistical
disclosure control, IEEE TKDE 14(1), doi:10.1109/69.979982.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.neighbors import NearestNeighbors
from sklearn.tree import DecisionTreeRegressor

from skcondense.private_table import EXACT, ROUNDED, PrivateTable

__all__ = [
    "GROUP_SIZE",
    "check_room_for_cells",
    "cluster",
    "group_means",
    "means_of",
    "medoids_of",
    "synthetic_only",
    "tree_cells",
    "with_opinion",
]

Matrix = NDArray[Any]

GROUP_SIZE = 3
# Weight of a teacher's opinion beside the encoded columns. Measured: docs/benchmarks.md.
OPINION = 2.0
# Share of the columns that a tree looks at for a split, so that no two trees are alike.
COLUMNS_PER_SPLIT = 0.5


def check_room_for_cells(n_rows: int, n_cells: int) -> None:
    """Refuse cells so small that their mean is a patient's row.

    Raises
    ------
    ValueError
        If there are fewer than three rows for each cell.
    """
    if n_rows < GROUP_SIZE * n_cells:
        raise ValueError(
            f"n_prototypes={n_cells} needs {GROUP_SIZE} rows (patients, where groups are given) "
            f"for each cell, or a prototype would be a patient's row. Got n_samples = "
            f"{n_rows}. Ask for {n_rows // GROUP_SIZE} at most."
        )


def group_means(table: PrivateTable, seeds: NDArray[np.intp], geometry: NDArray[Any]) -> Matrix:
    """Mean of each seed row and its two nearest neighbours, as legal rows.

    Parameters
    ----------
    table : PrivateTable
        Real rows.
    seeds : ndarray of shape (n_seeds,)
        Positions of rows.
    geometry : ndarray of shape (n_rows, n_dimensions)
        Coordinates in which nearness is measured.

    Returns
    -------
    ndarray of shape (n_seeds, n_codes)
    """
    size = min(GROUP_SIZE, len(table))
    nearest = NearestNeighbors(n_neighbors=size).fit(geometry)
    members = nearest.kneighbors(geometry[seeds], return_distance=False)
    return table.encoder.project(table.Z[members].mean(axis=1))


def cluster(
    geometry: NDArray[Any],
    n_clusters: int,
    rng: np.random.Generator,
    weight: NDArray[np.float64] | None = None,
) -> NDArray[np.intp]:
    """k-means cells of at least three rows each, where the number of rows allows it.

    Cells that come out smaller are dissolved into their neighbours, and the largest cells are
    split in their place. Where none is large enough, several give rows away.

    Parameters
    ----------
    geometry : ndarray of shape (n_rows, n_dimensions)
        Coordinates.
    n_clusters : int
        Number of cells.
    rng : Generator
        Seeds k-means.
    weight : ndarray of shape (n_rows,), default=None
        Weights of the rows.

    Returns
    -------
    ndarray of shape (n_rows,)
        Cell of each row, numbered from 0.
    """
    return _repaired(geometry, _kmeans(geometry, n_clusters, rng, weight), n_clusters)


def tree_cells(
    geometry: NDArray[Any],
    n_opinions: int,
    n_cells: int,
    rng: np.random.Generator,
    weight: NDArray[np.float64],
) -> NDArray[np.intp]:
    """Leaves of a randomised tree that predicts a teacher's opinion, of three rows or more.

    k-means cells are round; those of a tree end where an outcome changes, which is what the models
    that learn from prototypes have to find.

    Parameters
    ----------
    geometry : ndarray of shape (n_rows, n_dimensions)
        Coordinates, of `with_opinion`.
    n_opinions : int
        How many of the last ones are the opinion.
    n_cells : int
        Number of cells.
    rng : Generator
        Seeds the tree.
    weight : ndarray of shape (n_rows,)
        Weights of the rows.

    Returns
    -------
    ndarray of shape (n_rows,)
        Cell of each row, numbered from 0.
    """
    if n_cells == 1:
        return np.zeros(len(geometry), dtype=np.intp)
    rows, opinion = geometry[:, :-n_opinions], geometry[:, -n_opinions:]
    tree = DecisionTreeRegressor(
        max_leaf_nodes=n_cells,
        min_samples_leaf=min(GROUP_SIZE, len(geometry) // n_cells),
        max_features=COLUMNS_PER_SPLIT,
        random_state=int(rng.integers(2**31 - 1)),
    )
    leaves = tree.fit(rows, opinion, sample_weight=weight).apply(rows)
    return _repaired(geometry, np.unique(leaves, return_inverse=True)[1], n_cells)


def _repaired(geometry: NDArray[Any], cell: NDArray[np.intp], n_cells: int) -> NDArray[np.intp]:
    """Dissolve cells that are too small, and split large ones until there are enough; in place."""
    smallest = min(GROUP_SIZE, len(geometry) // n_cells)
    sizes = np.bincount(cell)
    small = np.flatnonzero(sizes < smallest)
    if 0 < len(small) < len(sizes):
        homeless = np.isin(cell, small)
        _, cell[~homeless] = np.unique(cell[~homeless], return_inverse=True)
        centres = means_of(geometry[~homeless], cell[~homeless])
        nearest = NearestNeighbors(n_neighbors=1).fit(centres)
        cell[homeless] = nearest.kneighbors(geometry[homeless], return_distance=False)[:, 0]
    for new in range(int(cell.max()) + 1, n_cells):
        if np.bincount(cell).max() >= 2 * smallest:
            _split_largest(geometry, cell, new)
        else:
            _gather_spare(geometry, cell, new, smallest)
    return cell


def _kmeans(
    geometry: NDArray[Any],
    n_clusters: int,
    rng: np.random.Generator,
    weight: NDArray[np.float64] | None,
) -> NDArray[np.intp]:
    n_distinct = len(np.unique(geometry, axis=0)) if n_clusters > len(geometry) // 20 else None
    if n_distinct is not None:
        n_clusters = min(n_clusters, n_distinct)
    kmeans = KMeans(n_clusters, n_init=1, random_state=int(rng.integers(2**31 - 1)))
    return kmeans.fit(geometry, sample_weight=weight).labels_.astype(np.intp)


def _split_largest(geometry: NDArray[Any], cell: NDArray[np.intp], new: int) -> None:
    """Give the further half of the largest cell a number of its own, in place."""
    rows = np.flatnonzero(cell == np.bincount(cell).argmax())
    spread = geometry[rows] - geometry[rows].mean(axis=0)
    widest = spread.var(axis=0).argmax()
    order = rows[np.argsort(spread[:, widest], kind="stable")]
    cell[order[len(order) // 2 :]] = new


def _gather_spare(geometry: NDArray[Any], cell: NDArray[np.intp], new: int, smallest: int) -> None:
    """Form a cell of rows that others can spare, close to one of them, in place."""
    spare = np.bincount(cell) - smallest
    seed = np.flatnonzero(cell == spare.argmax())[0]
    distance = ((geometry - geometry[seed]) ** 2).sum(axis=1)
    chosen: list[int] = []
    for row in np.argsort(distance, kind="stable").tolist():
        if len(chosen) < smallest and spare[cell[row]] > 0:
            spare[cell[row]] -= 1
            chosen.append(row)
    cell[chosen] = new


def means_of(
    rows: NDArray[Any],
    cell: NDArray[np.intp],
    weight: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Mean row of each cell, of shape (n_cells, n_columns)."""
    weight = np.ones(len(rows)) if weight is None else weight
    total = np.bincount(cell, weight)
    columns = [np.bincount(cell, weight * column) / total for column in rows.T]
    return np.stack(columns, axis=1)


def medoids_of(geometry: NDArray[Any], cell: NDArray[np.intp]) -> NDArray[np.intp]:
    """Position of the row nearest to the mean of each cell, of shape (n_cells,)."""
    distance = ((geometry - means_of(geometry, cell)[cell]) ** 2).sum(axis=1)
    order = np.lexsort((distance, cell))
    return order[np.unique(cell[order], return_index=True)[1]]


def with_opinion(Z: Matrix, free: NDArray[np.float64]) -> Matrix:
    """Coordinates in which rows are near if they are alike and a teacher says alike of them.

    Parameters
    ----------
    Z : ndarray of shape (n_rows, n_codes)
        Encoded rows.
    free : ndarray of shape (n_rows, n_label_columns)
        The teacher's labels, as unconstrained numbers.

    Returns
    -------
    ndarray of shape (n_rows, n_codes + n_label_columns)
    """
    return np.hstack([Z, OPINION / free.shape[1] ** 0.5 * free])


def synthetic_only(table: PrivateTable, Z: Matrix) -> NDArray[np.bool_]:
    """Which rows coincide with no real row, after rounding too where enough others remain.

    All, where hardly any other row exists: in a table of a few binary columns every legal row is
    somebody's row.
    """
    for precision in (ROUNDED, EXACT):
        free = ~table.matches(Z, precision)
        if free.mean() > 0.5:
            return free
    return np.ones(len(Z), dtype=bool)
