"""`RandomCondenser`: a stratified draw of real rows, the control of every report."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from skcondense._sklearn import HasMethods, StrOptions
from skcondense.base import DatasetCondenser, Prototypes
from skcondense.condensers.allocation import allocate
from skcondense.condensers.teacher import FoldTeacher
from skcondense.privacy import PrivacyLedger
from skcondense.private_table import PrivateTable
from skcondense.table import TableSchema, take_rows

__all__ = ["RandomCondenser"]


class RandomCondenser(DatasetCondenser):
    """Draw real rows at random within strata.

    At predict time nothing is drawn: new rows pass through `transform`, their number unchanged.
    The rows are patients' rows, so the result is a control and never a release.

    Parameters
    ----------
    n_prototypes : int, default=100
        Number of rows.
    labels : {"hard", "teacher"}, default="hard"
        The observed outcome, or soft labels of a teacher that has not seen the row.
    teacher : estimator or list of estimators, default=None
        Fitted to encoded rows, out of fold; a list is averaged. Regressors for regression,
        classifiers otherwise (survival is stacked into a classification problem). By default
        gradient boosting averaged with a linear model.
    allocation : {"balanced", "proportional"} or dict, default="proportional"
        How rows are shared over strata.
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
    X_condensed_ : array or frame of shape (n_condensed_rows, n_features)
        Condensed rows, in the container that came in.
    y_condensed_ : array, series or frame of shape (n_condensed_rows,)
        Their outcomes.
    sample_weight_ : ndarray of shape (n_condensed_rows,)
        Their weights, which sum to the number of real rows.
    prototype_ : ndarray of shape (n_condensed_rows,)
        Which prototype each row belongs to.
    schema_ : TableSchema
        What the columns may hold.
    task_ : Task
        What `y` was found to be.
    real_row_matches_ : RealRowMatches
        How many prototypes coincide with a real row.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skcondense import RandomCondenser
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> RandomCondenser(50, random_state=0).condense(X, y).real_row_matches
    RealRowMatches(exact=50, rounded=50)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DatasetCondenser._parameter_constraints,
        "labels": [StrOptions({"hard", "teacher"})],
        "teacher": [HasMethods(["fit", "predict"]), list, None],
    }

    def __init__(
        self,
        n_prototypes: int = 100,
        *,
        labels: str = "hard",
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

    _takes_images = True
    _not_private_because = (
        "it publishes rows of patients, and a published row gives its patient away however small "
        "epsilon is. Use ClusterCondenser, HerdingCondenser or ZeroOrderCondenser, which publish "
        "synthetic rows"
    )

    def _condense(self, table: PrivateTable, rng: np.random.Generator) -> Prototypes:
        counts = allocate(self.allocation, self.n_prototypes, table)
        rows, weight = draw_rows(table, counts, rng)
        X = take_rows(table.X, rows)
        if self.labels == "hard":
            return Prototypes(X, np.arange(len(rows)), table.y[rows], weight, {})
        teacher = FoldTeacher.of(table, self.teacher, rng)
        labels = teacher.label_real(table.Z[rows], rows)
        return Prototypes(X, *table.task.deliver(labels, weight), {})


def draw_rows(
    table: PrivateTable, counts: dict[int, int], rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Draw rows within strata, without replacement.

    Returns
    -------
    rows : ndarray of shape (n_prototypes,)
        Positions.
    weight : ndarray of shape (n_prototypes,)
        Each stratum's weight, shared equally by its rows.
    """
    rows, weight = [], []
    for stratum, count in counts.items():
        members = np.flatnonzero(table.strata == stratum)
        mass = table.weight[members]
        rows.append(rng.choice(members, count, replace=False, p=mass / mass.sum()))
        weight.append(np.full(count, mass.sum() / count))
    return np.concatenate(rows), np.concatenate(weight)
