"""Classification: a label is a probability per class."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.multiclass import check_classification_targets

from skcondense.exceptions import TargetError
from skcondense.table import ColumnSchema
from skcondense.tasks.base import N_ROUNDS, Floats, Integers, Task, weighted_rows
from skcondense.tasks.classification_losses import Brier, Concordance, LogLoss
from skcondense.tasks.losses import Loss

__all__ = ["ClassificationTask", "boosted_and_linear_classifiers"]

# Logits of labels stay finite.
FLOOR = 1e-3


def _are_whole(y: Floats) -> bool:
    return bool(((np.abs(y) < 2**53) & (y == np.rint(y))).all())


@dataclass(frozen=True)
class ClassificationTask(Task):
    """Two or more classes of any label type.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted class labels.
    """

    classes: NDArray[Any]
    name: ClassVar[str] = "classification"
    metric_name: ClassVar[str] = "AUROC"
    loss_types: ClassVar[dict[str, type[Loss]]] = {
        "log_loss": LogLoss,
        "brier": Brier,
        "concordance": Concordance,
    }

    @classmethod
    def of(cls, y: NDArray[Any]) -> "ClassificationTask":
        """Read the classes from `y`."""
        try:
            classes = np.unique(y)
        except TypeError as error:
            raise TargetError(
                "Class labels must be of one type that can be sorted. Got a mixture, for example "
                "text and numbers. Convert y to one type."
            ) from error
        if y.dtype.kind == "f" and not _are_whole(y):
            # scikit-learn would say so too, but of huge numbers only after a warning.
            raise TargetError(
                "Unknown label type: continuous. Numbers with fractions, or beyond 9e15, are no "
                "classes. Pass task='regression' (--task regression), or make classes of y."
            )
        try:
            check_classification_targets(y)
        except ValueError:
            # Whole numbers of more than 64 bits, for example.
            raise TargetError(
                "Unknown label type. Classes must be texts, whole numbers within 64 bits, or "
                "True and False. Recode y, or choose another task."
            ) from None
        if len(classes) < 2:
            raise TargetError(
                f"Classification needs at least two classes. Got {len(classes)} class. "
                "Check the target column, or choose another task."
            )
        return cls(classes)

    @classmethod
    def declared(cls, outcome: Any, y: NDArray[Any]) -> "tuple[ClassificationTask, NDArray[Any]]":
        """Take the classes from a binary, ordinal or categorical outcome."""
        if not isinstance(outcome, ColumnSchema) or outcome.categories is None:
            raise TargetError(
                "Classification needs an outcome that is declared with its categories, such as "
                "ColumnSchema(name='death', kind='binary', categories=(0, 1))."
            )
        unknown = set(y.tolist()) - set(outcome.categories)
        if unknown:
            raise TargetError(
                f"The outcome has {len(unknown)} unknown classes, not among the "
                f"{len(outcome.categories)} that the schema declares. Add them to the schema, or "
                "recode y."
            )
        classes = np.array(sorted(outcome.categories))
        if y.dtype.kind in "biuf":
            classes = classes.astype(y.dtype)
        return cls(classes), y.astype(classes.dtype)

    @property
    def n_cells(self) -> int:
        return len(self.classes)

    def cells(self, y: NDArray[Any]) -> Integers:
        return self.strata(y)

    def from_cells(self, cells: Integers) -> NDArray[Any]:
        return self.classes[cells]

    def strata(self, y: NDArray[Any]) -> Integers:
        return np.searchsorted(self.classes, y)

    def typical(self, y: NDArray[Any]) -> NDArray[Any]:
        return self.classes[[np.bincount(self.strata(y)).argmax()]]

    def cell_labels(self, y: NDArray[Any], weight: Floats, cell: Integers, n_cells: int) -> Floats:
        total = np.zeros((n_cells, len(self.classes)))
        np.add.at(total, (cell, self.strata(y)), weight)
        return total / total.sum(axis=1, keepdims=True)

    def calibrated(self, labels: Floats, weight: Floats, overall: Floats) -> Floats:
        # No share is zero, so that a factor can move every label.
        shares = np.maximum(labels, FLOOR)
        for _ in range(N_ROUNDS):
            shares = shares / shares.sum(axis=1, keepdims=True)
            found = weight @ shares / weight.sum()
            if np.abs(found - overall).max() <= 1e-9:
                break
            shares = shares * (overall / found)
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    def deliver(self, labels: Floats, weight: Floats) -> tuple[Integers, NDArray[Any], Floats]:
        prototype, outcome, row_weight = weighted_rows(labels, weight)
        return prototype, self.classes[outcome], row_weight

    def to_free(self, labels: Floats) -> Floats:
        logits = np.log(np.maximum(labels, FLOOR))
        return logits - logits.mean(axis=1, keepdims=True)

    def from_free(self, free: Floats) -> Floats:
        odds = np.exp(free - free.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def default_teachers(self, random_state: int) -> list[Any]:
        return boosted_and_linear_classifiers(random_state)

    def teacher_labels(self, fitted: Any, Z: Floats) -> Floats:
        return self.predict(fitted, Z)

    def predict(self, fitted: Any, X: Any) -> Floats:
        """Probability per class; a class the model never met gets 0."""
        if hasattr(fitted, "predict_proba"):
            found = np.asarray(fitted.predict_proba(X), dtype=np.float64)
            if np.array_equal(fitted.classes_, self.classes):
                return found
            out = np.zeros((len(found), len(self.classes)))
            out[:, np.searchsorted(self.classes, fitted.classes_)] = found
            return out
        # Without probabilities a model is scored by its decisions.
        return np.eye(len(self.classes))[self.strata(np.asarray(fitted.predict(X)))]

    def metric(self, fitted: Any, X: Any, y: NDArray[Any]) -> float:
        """Area under the ROC curve; macro one-versus-rest for several classes."""
        proba = self.predict(fitted, X)
        unknown = ~np.isin(y, self.classes)
        if unknown.any():
            raise TargetError(
                f"{int(unknown.sum())} outcomes are of classes that the model was not made for. "
                "Drop those rows, or condense a table that has these classes."
            )
        present = np.isin(self.classes, y)
        if present.sum() < 2:
            raise TargetError("AUROC needs rows of at least two classes. Got one class.")
        if len(self.classes) == 2:
            return float(roc_auc_score(y == self.classes[1], proba[:, 1]))
        scores = [
            roc_auc_score(y == label, proba[:, k])
            for k, label in enumerate(self.classes)
            if present[k]
        ]
        return float(np.mean(scores))


def boosted_and_linear_classifiers(random_state: int) -> list[Any]:
    """Gradient boosting and logistic regression: together strong on curved and straight data."""
    boosting = HistGradientBoostingClassifier(
        max_iter=150,
        learning_rate=0.06,
        min_samples_leaf=30,
        early_stopping=False,
        random_state=random_state,
    )
    return [boosting, make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))]
