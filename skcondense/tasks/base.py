"""What every kind of outcome must be able to do."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from skcondense.tasks.losses import Loss
from skcondense.tasks.weighting import fit_weighted

__all__ = ["N_ROUNDS", "Floats", "Integers", "Task", "weighted_rows"]

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

# Delivered rows with a smaller share of their prototype are left out: a ten-class problem would
# otherwise ship ten rows per prototype, most of them weightless.
NEGLIGIBLE = 0.005
# A bound on rounds of calibration; far fewer are needed.
N_ROUNDS = 1000
# Overall shares below this are not kept to.
IMPOSSIBLE = 1e-6


class Task(ABC):
    """A kind of outcome: how to check it, label prototypes with it, and score models on it.

    A *label* is a row of numbers per prototype: a probability per class, a number, or a
    probability per survival outcome. Labels are delivered as weighted rows, so that every
    estimator that takes ``sample_weight`` can learn from them.

    Attributes
    ----------
    name : str
        "classification", "regression" or "survival".
    metric_name : str
        What `metric` measures.
    loss_types : dict of {str: type}
        Losses by name, the default first.
    """

    name: ClassVar[str]
    metric_name: ClassVar[str]
    loss_types: ClassVar[dict[str, type[Loss]]]

    @classmethod
    @abstractmethod
    def of(cls, y: NDArray[Any]) -> "Task":
        """Read what is to be known from outcomes in their working form, and check them."""

    @classmethod
    @abstractmethod
    def declared(cls, outcome: Any, y: NDArray[Any]) -> "tuple[Task, NDArray[Any]]":
        """Take everything from a declared outcome and nothing from `y` but its dtype.

        Returns
        -------
        task : Task
        values : ndarray of shape (n_rows,)
            `y`, brought within what is declared.

        Raises
        ------
        TargetError
            If an outcome is not what was declared. The message never shows one.
        """

    @property
    @abstractmethod
    def n_cells(self) -> int:
        """Number of cells into which a declared task divides outcomes, to count them."""

    @abstractmethod
    def cells(self, y: NDArray[Any]) -> Integers:
        """Cell of each outcome, numbered from 0."""

    @abstractmethod
    def from_cells(self, cells: Integers) -> NDArray[Any]:
        """An outcome that stands for each cell."""

    @abstractmethod
    def strata(self, y: NDArray[Any]) -> Integers:
        """Stratum of each row, numbered from 0."""

    def informed(self, counts: Floats) -> "Task":
        """The task with strata that suit the number of rows in each outcome cell.

        Parameters
        ----------
        counts : ndarray of shape (n_cells,)
            Rows per cell; all positive.
        """
        return self

    def tilts(self, counts: Floats) -> Floats:
        """Functions of the outcome by which outcome probabilities may be tilted.

        Parameters
        ----------
        counts : ndarray of shape (n_cells,)
            Rows per cell; all positive.

        Returns
        -------
        ndarray of shape (n_cells, n_tilts)
            Of order one.
        """
        return np.eye(self.n_cells)

    @abstractmethod
    def typical(self, y: NDArray[Any]) -> NDArray[Any]:
        """One outcome that stands for several, of shape (1,): a hard label."""

    @abstractmethod
    def cell_labels(self, y: NDArray[Any], weight: Floats, cell: Integers, n_cells: int) -> Floats:
        """Mean label of the rows in each cell, of shape (n_cells, n_label_columns)."""

    def overall(self, y: NDArray[Any], weight: Floats) -> Floats:
        """Label of all rows together, of shape (n_label_columns,)."""
        return self.cell_labels(y, weight, np.zeros(len(y), dtype=np.intp), 1)[0]

    @abstractmethod
    def calibrated(self, labels: Floats, weight: Floats, overall: Floats) -> Floats:
        """Labels that together say of the whole table what is known of it.

        Classification: the odds of each class change by one factor, so that the weighted mean is
        the prevalence. Regression: outcomes are moved by one shift. Survival: see `SurvivalTask`.

        Parameters
        ----------
        labels : ndarray of shape (n_prototypes, n_label_columns)
            Labels.
        weight : ndarray of shape (n_prototypes,)
            Weights of the prototypes.
        overall : ndarray of shape (n_label_columns,)
            Label of the whole table.

        Returns
        -------
        ndarray of shape (n_prototypes, n_label_columns)
        """

    def outcome_labels(self, outcomes: Floats) -> Floats:
        """Labels of prototypes with given outcomes; each depends on its own row only.

        Parameters
        ----------
        outcomes : ndarray of shape (n_prototypes, n_cells)
            Counts or probabilities of the outcome cells.
        """
        row, cell = np.divmod(np.arange(outcomes.size), self.n_cells)
        return self.cell_labels(self.from_cells(cell), outcomes.ravel(), row, len(outcomes))

    @abstractmethod
    def deliver(self, labels: Floats, weight: Floats) -> tuple[Integers, NDArray[Any], Floats]:
        """Turn labels into weighted rows.

        Returns
        -------
        prototype : ndarray of shape (n_rows,)
            Which prototype each delivered row repeats.
        y : ndarray of shape (n_rows,)
            Its outcome, in the form estimators take.
        weight : ndarray of shape (n_rows,)
            Its share of the prototype's weight.
        """

    @abstractmethod
    def to_free(self, labels: Floats) -> Floats:
        """Map labels to unconstrained numbers of order one, for the optimisers."""

    @abstractmethod
    def from_free(self, free: Floats) -> Floats:
        """Invert `to_free`; any finite numbers become a valid label."""

    @abstractmethod
    def default_teachers(self, random_state: int) -> list[Any]:
        """Strong estimators on encoded rows, whose mean labels beat observed ones."""

    def fit_teacher(self, teacher: Any, Z: Floats, y: NDArray[Any], weight: Floats) -> Any:
        """Fit a clone of `teacher` to encoded rows."""
        return fit_weighted(clone(teacher), Z, y, weight, weights="replicate")

    @abstractmethod
    def teacher_labels(self, fitted: Any, Z: Floats) -> Floats:
        """Labels that a fitted teacher gives to encoded rows."""

    @abstractmethod
    def predict(self, fitted: Any, X: Any) -> Floats:
        """Prediction of a fitted black box that losses and metric score."""

    @abstractmethod
    def metric(self, fitted: Any, X: Any, y: NDArray[Any]) -> float:
        """The metric people report for this task; greater is better."""


def weighted_rows(
    shares: Floats, weight: Floats, negligible: float = NEGLIGIBLE
) -> tuple[Integers, Integers, Floats]:
    """Split each prototype's weight over its outcomes.

    Parameters
    ----------
    shares : ndarray of shape (n_prototypes, n_outcomes)
        Probability of each outcome.
    weight : ndarray of shape (n_prototypes,)
        Weight of each prototype.
    negligible : float, default=0.005
        Smaller shares are left out, unless the outcome is so rare that most of it would go; the
        other shares of the outcome make up for them.

    Returns
    -------
    prototype, outcome : ndarrays of shape (n_rows,)
        Which prototype and which outcome each row stands for.
    row_weight : ndarray of shape (n_rows,)
        Sums to the sum of `weight`.
    """
    totals = weight @ shares
    keep = shares >= np.minimum(negligible, totals / weight.sum() / 2)
    # No outcome may vanish from the whole set: estimators would not learn that it exists.
    keep[shares.argmax(axis=0), np.arange(shares.shape[1])] = True
    kept = np.where(keep, np.maximum(shares, negligible / 10), 0.0)
    occurs = totals > IMPOSSIBLE * weight.sum()
    kept *= np.divide(totals, weight @ kept, out=np.ones_like(totals), where=occurs)
    kept /= kept.sum(axis=1, keepdims=True)
    prototype, outcome = np.nonzero(keep)
    return prototype, outcome, kept[prototype, outcome] * weight[prototype]
