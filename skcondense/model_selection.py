"""Cross-validation that keeps events in every fold."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from skcondense.tasks import resolve_task

__all__ = ["EventStratifiedKFold"]


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
        _, values = resolve_task("survival", y)
        event = values[(values.dtype.names or ())[0]].astype(int)
        yield from super().split(np.zeros(len(event)), event)
