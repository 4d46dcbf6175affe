"""Splits that keep events on every side."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, train_test_split

from skcondense.tasks import resolve_task

__all__ = ["EventStratifiedKFold", "event_stratified_split"]


class EventStratifiedKFold(StratifiedKFold):
    """Stratified k-fold cross-validation for censored outcomes.

    Folds get equal shares of events and of censored rows. scikit-learn's `StratifiedKFold` takes
    each (event, time) pair for a class; its `KFold` may leave a fold without events.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds.
    shuffle : bool, default=False
        Whether to shuffle before splitting.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffle.

    Examples
    --------
    >>> import numpy as np
    >>> from skcondense import EventStratifiedKFold
    >>> y = np.array([(i % 5 == 0, 1.0 + i) for i in range(50)], dtype="bool, float")
    >>> [int(y["f0"][test].sum()) for _, test in EventStratifiedKFold(5).split(y, y)]
    [2, 2, 2, 2, 2]
    """

    def split(
        self, X: Any, y: Any, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield positions of training and test rows.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows; only their number counts.
        y : structured array or (event, time) frame of shape (n_rows,)
            Survival outcomes.
        groups : object, default=None
            Ignored, for compatibility.

        Yields
        ------
        train, test : ndarrays
        """
        event = _events(y)
        yield from super().split(np.zeros(len(event)), event)


def event_stratified_split(
    X: Any, y: Any, *arrays: Any, test_size: float = 0.25, random_state: Any = None
) -> list[Any]:
    """Split rows into training and test rows with equal shares of events.

    Parameters
    ----------
    X : array or frame of shape (n_rows, n_features)
        Rows.
    y : structured array or (event, time) frame of shape (n_rows,)
        Survival outcomes.
    *arrays : arrays or frames of shape (n_rows, ...)
        Anything else with one entry per row, such as weights or patients.
    test_size : float, default=0.25
        Share of the test rows.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffle.

    Returns
    -------
    list
        Training and test part of X, then of y, then of each array, as from scikit-learn's
        `train_test_split`.

    Examples
    --------
    >>> import numpy as np
    >>> from skcondense import event_stratified_split
    >>> y = np.array([(i % 5 == 0, 1.0 + i) for i in range(50)], dtype="bool, float")
    >>> X_train, X_test, y_train, y_test = event_stratified_split(np.eye(50), y, test_size=0.2)
    >>> int(y_train["f0"].sum()), int(y_test["f0"].sum())
    (8, 2)
    """
    return list(
        train_test_split(
            X, y, *arrays, test_size=test_size, stratify=_events(y), random_state=random_state
        )
    )


def _events(y: Any) -> NDArray[np.intp]:
    _, values = resolve_task("survival", y)
    return np.asarray(values[(values.dtype.names or ())[0]].astype(np.intp))
