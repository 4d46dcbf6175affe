"""`ClusterCondenser`: k-means cells, each replaced by its mean row."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from skcondense._sklearn import HasMethods, StrOptions
from skcondense.base import DatasetCondenser, Prototypes
from skcondense.condensers.allocation import allocate
from skcondense.condensers.grouping import (
    GROUP_SIZE,
    check_room_for_cells,
    cluster,
    means_of,
    medoids_of,
    with_opinion,
)
from skcondense.condensers.measuring import check_request, measure, shares_of
from skcondense.condensers.private_teacher import PrivateTeacher, refuse_other_teacher
from skcondense.condensers.rare_levels import RareLevels, with_rare_levels
from skcondense.condensers.teacher import FoldTeacher
from skcondense.privacy import Oracle, PrivacyLedger, SumQuery
from skcondense.private_table import PrivateTable
from skcondense.table import TableSchema

__all__ = ["ClusterCondenser"]

# Shares of the budget of a private fit, in units of mu squared.
SHARES = {
    "outcomes": 0.02,
    "histograms": 0.33,
    "correlations": 0.10,
    "residuals": 0.25,
    "cells": 0.30,
}
# Proxy rows that are clustered.
N_CLUSTERED = 5000
# Patients that the teacher's word counts for, in standard deviations of the noise.
TEACHER_PULL = 2.0


class ClusterCondenser(DatasetCondenser):
    """Replace k-means cells of at least three rows by their means.

    With soft labels, rare categories that no mean would show get prototypes of their own, and
    survival labels are shifted to the life table of the whole table. With epsilon cells and
    prototypes are of proxy rows: see the method's page.

    At predict time nothing is clustered: new rows pass through `transform`, their number
    unchanged.

    Parameters
    ----------
    n_prototypes : int, default=100
        Number of cells; the table must have three rows (patients) for each.
    labels : {"auto", "teacher", "mean", "hard"}, default="auto"
        How a prototype is labelled. "teacher": cells are of rows that are alike and of which a
        teacher says alike, and carry the mean of its labels. "mean": cells ignore the outcome and
        carry its mean as a soft label (for survival, an actuarial life table). "hard": cells stay
        within a stratum, as `allocation` says, and carry its typical outcome. "auto": "teacher",
        but "mean" for images if no `teacher` is given: their many columns make one slow.
    teacher : estimator or list of estimators, default=None
        Fitted to encoded rows, out of fold; a list is averaged. Regressors for regression,
        classifiers otherwise. By default gradient boosting averaged with a linear model.
    allocation : {"balanced", "proportional"} or dict, default="proportional"
        How prototypes are shared over strata; used with ``labels="hard"``.
    task : {"auto", "classification", "regression", "survival"}, default="auto"
        What `y` is.
    schema : TableSchema, default=None
        What the columns may hold. Learned from the table when None.
    subsample : int or None, default=50_000
        Largest number of rows to work on.
    epsilon, delta, ledger, neighbors
        Differential privacy; as in `DatasetCondenser`.
    random_state : int, RandomState instance or None, default=None
        Seed.

    Attributes
    ----------
    X_condensed_, y_condensed_, sample_weight_, prototype_, schema_, task_, real_row_matches_
        As in `RandomCondenser`.

    Notes
    -----
    Distances are those of `TableEncoder`. Time O(n_rows * n_prototypes * n_features) per k-means
    iteration.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skcondense import ClusterCondenser
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> ClusterCondenser(20, random_state=0).condense(X, y).contains_real_rows
    False
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DatasetCondenser._parameter_constraints,
        "labels": [StrOptions({"auto", "teacher", "mean", "hard"})],
        "teacher": [HasMethods(["fit", "predict"]), list, None],
    }

    def __init__(
        self,
        n_prototypes: int = 100,
        *,
        labels: str = "auto",
        teacher: Any = None,
        allocation: Any = "proportional",
        task: str = "auto",
        schema: TableSchema | None = None,
        subsample: int | None = 50_000,
        epsilon: float | None = None,
        delta: float = 1e-5,
        ledger: PrivacyLedger | None = None,
        neighbors: str = "add_remove",
        random_state: Any = None,
    ) -> None:
        super().__init__(
            n_prototypes,
            allocation=allocation,
            task=task,
            schema=schema,
            subsample=subsample,
            epsilon=epsilon,
            delta=delta,
            ledger=ledger,
            neighbors=neighbors,
            random_state=random_state,
        )
        self.labels = labels
        self.teacher = teacher

    def _condense(self, table: PrivateTable, rng: np.random.Generator) -> Prototypes:
        table = table.one_row_per_patient(rng)
        origin = self._labels(table.encoder.schema)
        if origin == "hard":
            return self._hard(table, self._cells_within_strata(table, rng))
        check_room_for_cells(len(table), self.n_prototypes)
        opinion, geometry = None, table.Z
        if origin == "teacher":
            teacher = FoldTeacher.of(table, self.teacher, rng)
            opinion = teacher.label_members(table.Z, np.arange(len(table)))
            geometry = with_opinion(table.Z, table.task.to_free(opinion))
        cell = cluster(geometry, self.n_prototypes, rng, table.weight)
        weight: NDArray[np.float64] = np.bincount(cell, table.weight).astype(np.float64)
        Z = table.encoder.project(means_of(table.Z, cell, table.weight))
        every = np.ones(len(table.encoder.schema), dtype=bool)
        found = with_rare_levels(table, Z, weight, every)
        labels = _mean_labels(table, opinion, cell, found)
        labels = table.task.calibrated(
            labels, found.weight, table.task.overall(table.y, table.weight)
        )
        return Prototypes(table.decode(found.Z), *table.task.deliver(labels, found.weight), {})

    def _labels(self, schema: TableSchema) -> str:
        if self.labels == "auto":
            is_image = any(column.is_image for column in schema)
            return "mean" if is_image and self.teacher is None else "teacher"
        return self.labels

    _takes_images = True
    _not_private_because = None

    def _shares(self, schema: TableSchema) -> dict[str, float]:
        return shares_of(SHARES, schema)

    def _condense_privately(
        self, facts: PrivateTable, oracle: Oracle, rng: np.random.Generator
    ) -> Prototypes:
        refuse_other_teacher(self.teacher)
        most = N_CLUSTERED // GROUP_SIZE
        check_request(self.allocation, self.n_prototypes, facts, most, GROUP_SIZE)
        shares = self._shares(facts.encoder.schema)
        copula = measure(facts, oracle, shares)
        teacher = PrivateTeacher(copula, oracle, shares["residuals"], rng)
        proxy = teacher.proxy.take(np.arange(min(N_CLUSTERED, len(teacher.proxy))))

        def geometry(Z: NDArray[Any]) -> NDArray[np.float64]:
            return with_opinion(Z, proxy.task.to_free(teacher.label(Z)))

        origin = self._labels(facts.encoder.schema)
        if origin == "hard":
            cell = self._cells_within_strata(proxy, rng)
        else:
            cell = cluster(geometry(proxy.Z), self.n_prototypes, rng)
        Z = proxy.Z[medoids_of(geometry(proxy.Z), cell)]
        counts, noise = _count_outcomes(facts, oracle, shares["cells"], Z, geometry)
        weight = np.maximum(counts.sum(axis=1), noise)
        # Small cells are drawn upwards by that; all together are known better.
        weight *= copula.marginals.n_rows / weight.sum()
        X = facts.decode(Z)
        if origin == "hard":
            y = np.concatenate([facts.task.typical(proxy.y[cell == k]) for k in range(len(Z))])
            return Prototypes(X, np.arange(len(Z)), y, weight, {})
        outcomes = teacher.outcomes(Z)
        if origin == "mean":
            # Where the noise leaves little of a count, the teacher speaks.
            outcomes = np.maximum(counts, 0) + TEACHER_PULL * noise * outcomes
        labels = copula.marginals.labels(outcomes)
        labels = facts.task.calibrated(labels, weight, copula.marginals.overall)
        return Prototypes(X, *facts.task.deliver(labels, weight), {})

    def _cells_within_strata(
        self, table: PrivateTable, rng: np.random.Generator
    ) -> NDArray[np.intp]:
        counts = allocate(self.allocation, self.n_prototypes, table, smallest=GROUP_SIZE)
        cell, start = np.zeros(len(table), dtype=np.intp), 0
        for stratum, count in counts.items():
            rows = np.flatnonzero(table.strata == stratum)
            cell[rows] = start + cluster(table.Z[rows], count, rng, table.weight[rows])
            start += count
        return np.unique(cell, return_inverse=True)[1]

    @staticmethod
    def _hard(table: PrivateTable, cell: NDArray[np.intp]) -> Prototypes:
        Z = table.encoder.project(means_of(table.Z, cell, table.weight))
        y = np.concatenate([table.task.typical(table.y[cell == k]) for k in range(len(Z))])
        weight = np.bincount(cell, table.weight).astype(np.float64)
        return Prototypes(table.decode(Z), np.arange(len(Z)), y, weight, {})


def _mean_labels(
    table: PrivateTable,
    opinion: NDArray[np.float64] | None,
    cell: NDArray[np.intp],
    found: RareLevels,
) -> NDArray[np.float64]:
    """Label of each cell: of its outcomes, or the mean of what a teacher says of its rows."""
    # A row speaks for its cell, and for the rare levels that it has.
    rows = np.flatnonzero(~np.isin(cell, list(found.rows)))
    cell = cell[rows]
    for seat, members in found.rows.items():
        rows = np.append(rows, members)
        cell = np.append(cell, np.full(len(members), seat))
    if opinion is not None:
        return means_of(opinion[rows], cell, table.weight[rows])
    return table.task.cell_labels(table.y[rows], table.weight[rows], cell, len(found.Z))


def _count_outcomes(
    facts: PrivateTable,
    oracle: Oracle,
    share: float,
    centres: NDArray[Any],
    geometry: Callable[[NDArray[Any]], NDArray[np.float64]],
) -> tuple[NDArray[np.float64], float]:
    """Noised count of each outcome among the rows nearest to each centre, and the noise."""
    nearest = NearestNeighbors(n_neighbors=1).fit(geometry(centres))
    n_outcomes = facts.task.n_cells

    def indicators(rows: PrivateTable) -> NDArray[np.float64]:
        cell = nearest.kneighbors(geometry(rows.Z), return_distance=False)[:, 0]
        out = np.zeros((len(rows), len(centres), n_outcomes))
        out[np.arange(len(rows)), cell, rows.task.cells(rows.y)] = 1
        return out.reshape(len(rows), -1)

    query = SumQuery("cells", share, len(centres) * n_outcomes, 1.0, indicators, nonnegative=True)
    answer = oracle.ask(query)
    return answer.value.reshape(len(centres), n_outcomes), answer.noise
