"""Losses of classifiers: bounded, and of a row that depends on no other real row."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from skcondense.table import take_rows
from skcondense.tasks.losses import Floats, Loss, Rows

if TYPE_CHECKING:
    from skcondense.tasks.classification import ClassificationTask

__all__ = ["Brier", "Concordance", "LogLoss"]

# Probabilities beyond these are not told apart by the log loss: it bounds what a row contributes.
CLIP = 0.02
# Rows of each class that others are ranked against.
N_ANCHORS = 150


class LogLoss(Loss):
    """Log loss of clipped probabilities, in [-log(0.98), -log(0.02)]."""

    @property
    def largest(self) -> float:
        return -math.log(CLIP)

    def __call__(self, fitted: Any, X: Any, y: NDArray[Any], trained_on: Rows) -> Floats:
        own = self.task.predict(fitted, X)[np.arange(len(y)), self.task.strata(y)]
        return np.asarray(-np.log(np.clip(own, CLIP, 1 - CLIP)))


class Brier(Loss):
    """Squared distance of the probabilities from the outcome's indicator, halved: in [0, 1].

    References
    ----------
    Brier (1950), Verification of forecasts expressed in terms of probability, Monthly Weather
    Review 78(1).
    """

    @property
    def largest(self) -> float:
        return 1.0

    def __call__(self, fitted: Any, X: Any, y: NDArray[Any], trained_on: Rows) -> Floats:
        proba = self.task.predict(fitted, X)
        distance = proba - np.eye(proba.shape[1])[self.task.strata(y)]
        return np.minimum((distance**2).sum(axis=1) / 2, 1.0)


@dataclass(frozen=True)
class Concordance(Loss):
    """Share of anchors of other classes against which a row is ranked wrongly: one minus AUROC.

    A row should get a higher probability of its own class than rows of other classes get of it;
    a tie counts half. Anchors are drawn from the background rows, as many of each class.

    Parameters
    ----------
    task : ClassificationTask
        Knows the classes.
    anchors : array or frame of shape (n_anchors, n_features)
        Rows that others are ranked against.
    strata : ndarray of shape (n_anchors,)
        Their classes, numbered.

    References
    ----------
    Hand and Till (2001), A simple generalisation of the area under the ROC curve for multiple
    class classification problems, Machine Learning 45, doi:10.1023/A:1010920819831.
    """

    task: "ClassificationTask"
    anchors: Any
    strata: NDArray[np.intp]

    @classmethod
    def of(cls, task: Any, background: Rows, rng: np.random.Generator) -> Self:
        X, y, weight = background
        strata = task.strata(y)
        rows = np.concatenate([_drawn(strata == k, weight, rng) for k in np.unique(strata)])
        return cls(task, take_rows(X, rows), strata[rows])

    @property
    def largest(self) -> float:
        return 1.0

    def __call__(self, fitted: Any, X: Any, y: NDArray[Any], trained_on: Rows) -> Floats:
        strata = self.task.strata(y)
        proba = self.task.predict(fitted, X)
        of_anchors = self.task.predict(fitted, self.anchors)
        out = np.zeros(len(y))
        for k in np.unique(strata):
            rows = strata == k
            others = np.sort(of_anchors[self.strata != k, k])
            above = len(others) - np.searchsorted(others, proba[rows, k], side="right")
            tied = np.searchsorted(others, proba[rows, k], side="right") - np.searchsorted(
                others, proba[rows, k], side="left"
            )
            out[rows] = (above + 0.5 * tied) / max(len(others), 1)
        return out


def _drawn(
    candidates: NDArray[np.bool_], weight: Floats, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Positions of anchors among some rows, in proportion to their weights."""
    rows = np.flatnonzero(candidates)
    share = weight[rows] / weight[rows].sum()
    return rng.choice(rows, N_ANCHORS, p=share)
