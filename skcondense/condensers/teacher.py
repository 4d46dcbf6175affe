"""Teachers: strong models of the real rows that label prototypes, out of fold."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from skcondense._threads import single_threaded
from skcondense.exceptions import TargetError
from skcondense.private_table import PrivateTable

__all__ = ["FoldTeacher"]

N_FOLDS = 5


class FoldTeacher:
    """An ensemble of teachers, each fitted without one fold of the real rows.

    A real row is labelled by the teachers that did not see it (otherwise a label would repeat
    the row's own outcome), a synthetic row by the mean of all.

    Parameters
    ----------
    table : PrivateTable
        Real rows.
    estimators : sequence of estimators
        Their labels are averaged. They are fitted to encoded rows.
    seed : int
        Seed of the folds.
    """

    def __init__(self, table: PrivateTable, estimators: Sequence[Any], seed: int) -> None:
        self._task = table.task
        self.fold = _folds(table, seed)
        with single_threaded():
            self._fitted = [
                [_fit(table, estimator, rows) for estimator in estimators]
                for rows in self._training_rows()
            ]

    def _training_rows(self) -> list[NDArray[np.intp]]:
        n_folds = int(self.fold.max()) + 1
        if n_folds == 1:
            # A stratum of one row cannot be left out; synthetic rows may still be labelled.
            return [np.arange(len(self.fold))]
        return [np.flatnonzero(self.fold != k) for k in range(n_folds)]

    @classmethod
    def of(cls, table: PrivateTable, teacher: Any, rng: np.random.Generator) -> "FoldTeacher":
        """Fit what a `teacher` parameter asks for: one estimator, a list, or None for default."""
        seed = int(rng.integers(2**31 - 1))
        if teacher is None:
            teacher = table.task.default_teachers(seed)
        return cls(table, teacher if isinstance(teacher, list) else [teacher], seed)

    def label(self, Z: NDArray[Any]) -> NDArray[np.float64]:
        """Labels of synthetic rows, of shape (n_rows, n_label_columns)."""
        return np.mean([self._label_by(k, Z) for k in range(len(self._fitted))], axis=0)

    def label_real(self, Z: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Out-of-fold labels of real rows.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_codes)
            The chosen rows.
        rows : ndarray of shape (n_rows,)
            Their positions in the table.
        """
        if len(self._fitted) == 1:
            raise TargetError(
                "Teacher labels of real rows are learned out of fold and need two rows of every "
                "class (or band of the outcome). Got one with a single row. Merge it with another."
            )
        by_fold = np.array([self._label_by(k, Z) for k in range(len(self._fitted))])
        return by_fold[self.fold[rows], np.arange(len(rows))]

    def label_members(self, Z: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Labels of real rows whose mean will be a label: out of fold, where there are folds."""
        return self.label_real(Z, rows) if len(self._fitted) > 1 else self.label(Z)

    def _label_by(self, k: int, Z: NDArray[Any]) -> NDArray[np.float64]:
        with single_threaded():
            labels = [self._task.teacher_labels(fitted, Z) for fitted in self._fitted[k]]
        return np.mean(labels, axis=0)


def _fit(table: PrivateTable, estimator: Any, rows: NDArray[np.intp]) -> Any:
    # With metadata routing the default pipelines would have to ask for weights.
    with sklearn.config_context(enable_metadata_routing=False):
        return table.task.fit_teacher(estimator, table.Z[rows], table.y[rows], table.weight[rows])


def _folds(table: PrivateTable, seed: int) -> NDArray[np.intp]:
    """Fold of each row: strata are spread evenly, and a patient's rows stay together."""
    # Strata with all rows in one patient cannot be left out any more than those of one row.
    patients = np.arange(len(table)) if table.groups is None else table.groups
    pairs = np.unique(
        np.column_stack([table.strata, np.unique(patients, return_inverse=True)[1]]), axis=0
    )
    smallest = int(np.unique(pairs[:, 0], return_counts=True)[1].min())
    fold = np.zeros(len(table), dtype=np.intp)
    if smallest < 2:
        return fold
    kind = StratifiedKFold if table.groups is None else StratifiedGroupKFold
    splitter = kind(min(N_FOLDS, smallest), shuffle=True, random_state=seed)
    for k, (_, rows) in enumerate(splitter.split(table.Z, table.strata, table.groups)):
        fold[rows] = k
    return fold
