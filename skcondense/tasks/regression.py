"""Regression: a label is a number."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcondense.exceptions import TargetError
from skcondense.table import ColumnSchema
from skcondense.tasks.base import N_ROUNDS, Floats, Integers, Task
from skcondense.tasks.losses import Loss, Rows

__all__ = ["RegressionTask"]

N_STRATA = 5
# Cells of a stratum, in which outcomes of a declared task are counted.
N_PARTS = 4


class SquaredError(Loss):
    """Squared error on outcomes scaled to [0, 1] by their bounds, in [0, 1]."""

    @property
    def largest(self) -> float:
        return 1.0

    def __call__(self, fitted: Any, X: Any, y: NDArray[Any], trained_on: Rows) -> Floats:
        low, high = self.task.bounds
        error = (self.task.predict(fitted, X) - y) / (high - low)
        return np.asarray(np.minimum(error**2, 1.0))


@dataclass(frozen=True)
class RegressionTask(Task):
    """A number per row.

    Parameters
    ----------
    bounds : tuple of (float, float)
        Smallest and largest outcome; no condensed outcome leaves them.
    edges : ndarray
        Inner edges of the outcome bands that serve as strata.
    """

    bounds: tuple[float, float]
    edges: Floats
    name: ClassVar[str] = "regression"
    metric_name: ClassVar[str] = "R2"
    loss_types: ClassVar[dict[str, type[Loss]]] = {"squared_error": SquaredError}

    @classmethod
    def of(cls, y: NDArray[Any]) -> "RegressionTask":
        """Read bounds and bands from `y`."""
        low, high = float(y.min()), float(y.max())
        if low == high:
            raise TargetError(
                "Regression needs an outcome that varies. Got one distinct value. "
                "Check the target column."
            )
        # Means are sums first, and a sum that overflows would end up as the largest outcome.
        if not np.isfinite([high - low, max(-low, high) * len(y)]).all():
            raise TargetError("Outcomes add up to more than a 64-bit float can hold. Rescale y.")
        inner = np.linspace(0, 1, N_STRATA + 1)[1:-1]
        edges = np.unique(np.quantile(y, inner))
        return cls((low, high), edges[(edges > low) & (edges <= high)])

    @classmethod
    def declared(cls, outcome: Any, y: NDArray[Any]) -> "tuple[RegressionTask, NDArray[Any]]":
        """Take bounds and bands from a numeric or integer outcome; clip to the bounds."""
        if not isinstance(outcome, ColumnSchema) or outcome.bounds is None:
            raise TargetError(
                "Regression needs an outcome that is declared with its bounds, such as "
                "ColumnSchema(name='stay', kind='numeric', bounds=(0, 60), unit='days')."
            )
        low, high = outcome.bounds
        if low == high:
            raise TargetError(f"The bounds of the outcome must differ. Got {outcome.bounds}.")
        edges = np.linspace(*(outcome.typical or outcome.bounds), N_STRATA + 1)[1:-1]
        return cls((low, high), np.unique(edges)), np.clip(y, low, high)

    @property
    def n_cells(self) -> int:
        return len(self._cell_edges) - 1

    @property
    def _cell_edges(self) -> Floats:
        knots = np.array([self.bounds[0], *self.edges, self.bounds[1]])
        parts = np.linspace(knots[:-1], knots[1:], N_PARTS, endpoint=False, axis=1)
        return np.append(parts.ravel(), self.bounds[1])

    def cells(self, y: NDArray[Any]) -> Integers:
        return np.searchsorted(self._cell_edges[1:-1], y, side="right")

    def from_cells(self, cells: Integers) -> NDArray[Any]:
        edges = self._cell_edges
        return (edges[cells] + edges[cells + 1]) / 2

    def strata(self, y: NDArray[Any]) -> Integers:
        return np.searchsorted(self.edges, y, side="right")

    def tilts(self, counts: Floats) -> Floats:
        """The outcome itself, standardised."""
        edges = self._cell_edges
        middle = (edges[:-1] + edges[1:]) / 2
        centred = middle - np.average(middle, weights=counts)
        return (centred / np.average(centred**2, weights=counts) ** 0.5)[:, np.newaxis]

    def typical(self, y: NDArray[Any]) -> NDArray[Any]:
        return y.mean(keepdims=True)

    def cell_labels(self, y: NDArray[Any], weight: Floats, cell: Integers, n_cells: int) -> Floats:
        total = np.bincount(cell, weight * y, minlength=n_cells)
        return (total / np.bincount(cell, weight, minlength=n_cells))[:, np.newaxis]

    def calibrated(self, labels: Floats, weight: Floats, overall: Floats) -> Floats:
        low, high = self.bounds
        labels = np.clip(labels, low, high)
        for _ in range(N_ROUNDS):
            missing = overall - weight @ labels / weight.sum()
            if np.abs(missing).max() <= 1e-9 * (high - low):
                break
            # Again and again, where they meet their bounds.
            labels = np.clip(labels + missing, low, high)
        return labels

    def deliver(self, labels: Floats, weight: Floats) -> tuple[Integers, NDArray[Any], Floats]:
        return np.arange(len(labels)), np.clip(labels[:, 0], *self.bounds), weight

    def to_free(self, labels: Floats) -> Floats:
        low, high = self.bounds
        return 10 * (labels - low) / (high - low) - 5

    def from_free(self, free: Floats) -> Floats:
        low, high = self.bounds
        return low + (high - low) * (np.clip(free, -5, 5) + 5) / 10

    def default_teachers(self, random_state: int) -> list[Any]:
        boosting = HistGradientBoostingRegressor(
            max_iter=150,
            learning_rate=0.06,
            min_samples_leaf=30,
            early_stopping=False,
            random_state=random_state,
        )
        return [boosting, make_pipeline(StandardScaler(), Ridge())]

    def teacher_labels(self, fitted: Any, Z: Floats) -> Floats:
        return np.clip(self.predict(fitted, Z), *self.bounds)[:, np.newaxis]

    def predict(self, fitted: Any, X: Any) -> Floats:
        return np.asarray(fitted.predict(X), dtype=np.float64).ravel()

    def metric(self, fitted: Any, X: Any, y: NDArray[Any]) -> float:
        """Coefficient of determination."""
        return float(r2_score(y, self.predict(fitted, X)))
