"""Labels that together say of a table what is known of it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcondense.tasks import RegressionTask, Task

__all__ = ["meeting_total"]

Floats = NDArray[np.float64]

# Smallest share of a class, so that a factor can move every label.
LEAST = 1e-3
# A bound on rounds of shifting; far fewer are needed.
N_ROUNDS = 1000


def meeting_total(task: Task, labels: Floats, weight: Floats, overall: Floats) -> Floats:
    """Labels whose weighted mean is that of the whole table.

    The odds of each class change by one factor, so prototypes keep their order; numbers are moved
    by one shift, again and again where they meet their bounds.

    Parameters
    ----------
    task : Task
        Classification or regression.
    labels : ndarray of shape (n_prototypes, n_label_columns)
        Labels.
    weight : ndarray of shape (n_prototypes,)
        Weights.
    overall : ndarray of shape (n_label_columns,)
        Label of the whole table.

    Returns
    -------
    ndarray of shape (n_prototypes, n_label_columns)
    """
    shifted = _shifted_numbers if isinstance(task, RegressionTask) else _shifted_shares
    return shifted(task, labels, weight / weight.sum(), overall)


def _shifted_numbers(task: Any, labels: Floats, weight: Floats, overall: Floats) -> Floats:
    low, high = task.bounds
    labels = np.clip(labels, low, high)
    for _ in range(N_ROUNDS):
        missing = overall - weight @ labels
        if np.abs(missing).max() <= 1e-9 * (high - low):
            break
        labels = np.clip(labels + missing, low, high)
    return labels


def _shifted_shares(task: Any, labels: Floats, weight: Floats, overall: Floats) -> Floats:
    shares = np.maximum(labels, LEAST)
    for _ in range(N_ROUNDS):
        shares = shares / shares.sum(axis=1, keepdims=True)
        found = weight @ shares
        if np.abs(found - overall).max() <= 1e-9:
            break
        shares = shares * (overall / found)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
