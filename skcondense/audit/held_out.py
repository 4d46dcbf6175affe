"""Models that were asked once about the held-out rows, and scored again on parts of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from skcondense.audit.releases import Floats
from skcondense.condensed_set import CondensedSet
from skcondense.tasks import ClassificationTask, Task, fit_weighted, resolve_task
from skcondense.tasks.survival_curves import parts_of

__all__ = ["ALL", "Replayed", "Scorer", "common_task", "interval_columns", "predictions_of"]

# Name of the whole table among subgroups.
ALL = "(all)"


@dataclass(frozen=True)
class Replayed:
    """A model that was asked already: its rows are positions among those that it was asked of."""

    predictions: Floats
    classes_: Any

    def predict(self, rows: NDArray[np.intp]) -> Floats:
        """What it said of rows: values, or risks."""
        return self.predictions[rows]

    def predict_proba(self, rows: NDArray[np.intp]) -> Floats:
        """The same of classes."""
        return self.predictions[rows]


def common_task(condensed: CondensedSet, train: tuple[Any, Any] | None) -> Task:
    """The set's task, which knows the classes of all models."""
    task, y = resolve_task(condensed.task, condensed.y)
    if train is None or not isinstance(task, ClassificationTask):
        return task
    return task.of(np.concatenate([y, resolve_task(condensed.task, train[1])[1]]))


def predictions_of(
    models: Mapping[str, Any], task: Task, rows: tuple[Any, Any, Floats], X: Any
) -> list[Replayed]:
    """What models trained on weighted rows say of others."""
    X_train, y, weight = rows
    y = resolve_task(task.name, y)[1]
    classes = getattr(task, "classes", None)
    fitted = (
        fit_weighted(clone(model), X_train, y, weight, weights="replicate")
        for model in models.values()
    )
    return [Replayed(task.predict(model, X), classes) for model in fitted]


@dataclass(frozen=True)
class Scorer:
    """The task's metric on parts of the test rows."""

    task: Task
    y: NDArray[Any]
    min_rows: int

    def of(
        self,
        models: list[Replayed],
        masks: Mapping[str, NDArray[np.bool_]],
        samples: list[NDArray[np.intp]],
    ) -> dict[str, Floats]:
        """Mean metric of the models, by level and sample; the first sample are the rows."""
        return {
            name: np.array([self._mean(models, rows[mask[rows]]) for rows in samples])
            if self.can_score(np.flatnonzero(mask))
            else np.full(len(samples), np.nan)
            for name, mask in masks.items()
        }

    def can_score(self, rows: NDArray[np.intp]) -> bool:
        """Whether there are enough rows, of outcomes that can be told apart."""
        return len(rows) >= self.min_rows and self._varies(rows)

    def n_events(self, mask: NDArray[np.bool_]) -> float:
        """Rows with an event, of the second of two classes, or of the rarest of several."""
        if self.task.name == "survival":
            return int(parts_of(self.y[mask])[0].sum())
        if not isinstance(self.task, ClassificationTask):
            return float("nan")
        classes = self.task.classes
        counted = (self.y[:, np.newaxis] == classes).sum(axis=0)
        which = 1 if len(classes) == 2 else counted.argmin()
        return int((self.y[mask] == classes[which]).sum())

    def _varies(self, rows: NDArray[np.intp]) -> bool:
        y = self.y[rows]
        if self.task.name != "survival":
            return len(np.unique(y)) > 1
        event, time = parts_of(y)
        # The C-index needs somebody who outlived somebody else.
        return bool(event.any() and time[event].min() < time.max())

    def _mean(self, models: list[Replayed], rows: NDArray[np.intp]) -> float:
        if not len(rows) or not self._varies(rows):
            return float("nan")
        return float(np.mean([self.task.metric(model, rows, self.y[rows]) for model in models]))


def interval_columns(name: str, values: Floats) -> dict[str, float]:
    """The first value, and its interval over the others, which are of resampled patients."""
    # Percentiles of a hundred would hang on the outermost few.
    reach = 1.96 * np.nanstd(values[1:]) if not np.isnan(values[0]) else np.nan
    low, high = values[0] - reach, min(values[0] + reach, 1.0)
    return {name: float(values[0]), f"{name}_low": float(low), f"{name}_high": float(high)}
