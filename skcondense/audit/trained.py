"""Models that learned from one set of rows, beside each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from skcondense.audit.held_out import ALL, Replayed, Scorer
from skcondense.audit.releases import Floats
from skcondense.exceptions import BlackBoxError
from skcondense.tasks import Rows, Task, fit_weighted

__all__ = ["Tested"]


@dataclass(frozen=True)
class Tested:
    """Models that learned from one set of rows, and what they say of the held-out rows.

    Attributes
    ----------
    fitted : list of estimator
        The models.
    replayed : list of Replayed
        Their predictions for all held-out rows.
    scores : dict of {str: float}
        Their scores, by name.
    """

    fitted: list[Any]
    replayed: list[Replayed]
    scores: dict[str, float]

    @classmethod
    def of(
        cls, models: Mapping[str, Any], source: str, rows: Rows, test: Rows, task: Task
    ) -> "Tested":
        """Train models on the rows of `source`, and test them.

        Raises
        ------
        BlackBoxError
            If a model cannot be trained, or cannot predict.
        """
        classes = getattr(task, "classes", None)
        fitted, replayed = [], []
        for name, model in models.items():
            try:
                fitted.append(fit_weighted(clone(model), *rows, weights="replicate"))
                replayed.append(Replayed(task.predict(fitted[-1], test.X), classes))
            except Exception as error:
                # The message of the estimator may show cells: it stays in the chain.
                raise BlackBoxError(
                    f"Model {name!r} could not be trained on {source} and asked about the test "
                    f"rows: {type(error).__name__}. Mend it, or leave it out of estimators."
                ) from error
        every = np.arange(len(test.y))
        scores = [task.metric(model, every, test.y) for model in replayed]
        return cls(fitted, replayed, dict(zip(models, scores, strict=True)))

    def means(self, task: Task, y: NDArray[Any], samples: list[NDArray[np.intp]]) -> Floats:
        """Mean score of the models in each sample."""
        scorer = Scorer(task, y, min_rows=1)
        return scorer.of(self.replayed, {ALL: np.ones(len(y), dtype=bool)}, samples)[ALL]
