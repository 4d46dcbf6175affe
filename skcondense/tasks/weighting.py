"""Fit any estimator to weighted rows, or say clearly why that is impossible."""

from collections.abc import Hashable
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from skcondense.exceptions import WeightsNotSupportedError
from skcondense.table import take_encoded
from skcondense.tasks import xgboost_survival
from skcondense.tasks.xgboost_survival import last_step

__all__ = ["Weights", "fit_weighted", "replicate"]

Weights = Literal["condensed", "replicate", "uniform"]

# Rows after replication, as a multiple of the rows before; more would slow every fit down.
REPLICATION = 5


def fit_weighted(
    estimator: Any,
    X: Any,
    y: NDArray[Any],
    sample_weight: NDArray[np.float64],
    weights: Weights = "condensed",
) -> Any:
    """Fit an estimator to weighted rows, in place.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Anything with `fit`. In a Pipeline the weights go to the last step; with metadata routing
        enabled the steps that asked for ``sample_weight`` get them.
    X : array-like or data frame of shape (n_rows, n_features)
        Rows.
    y : ndarray of shape (n_rows,)
        Outcomes; a structured array for survival, which XGBoost's survival objectives get
        translated.
    sample_weight : ndarray of shape (n_rows,)
        Weights.
    weights : {"condensed", "replicate", "uniform"}, default="condensed"
        What to do for an estimator that takes no weights: raise, repeat rows in proportion to
        their weights, or use every row once. Estimators that take weights get them, except with
        "uniform" and where all weights are one; equal weights need none of this.

    Returns
    -------
    estimator

    Raises
    ------
    WeightsNotSupportedError
        If the estimator takes no weights and `weights` is "condensed".
    """
    # Weights of one say nothing, and scikit-learn 1.9 bins weighted columns a percentile at a time.
    if weights == "uniform" or (sample_weight == 1).all():
        return _fit(estimator, X, y, {})
    if takes_weights(estimator):
        return _fit(estimator, X, y, _weight_kwargs(estimator, sample_weight))
    if np.ptp(sample_weight) == 0:
        return _fit(estimator, X, y, {})
    if weights == "replicate":
        rows = replicate(sample_weight)
        return _fit(estimator, take_encoded(X, rows), y[rows], {})
    raise WeightsNotSupportedError(
        f"{last_step(estimator).__class__.__name__} takes no sample_weight, but condensed rows "
        'are weighted. Pass weights="replicate" to repeat rows in proportion to their weights, or '
        'weights="uniform" to ignore the weights.'
    )


def replicate(sample_weight: NDArray[np.float64]) -> NDArray[np.intp]:
    """Row indices in which each row occurs in proportion to its weight.

    The total is five times the number of rows, shared out by the largest-remainder method.
    """
    total = REPLICATION * len(sample_weight)
    exact = sample_weight / sample_weight.sum() * total
    times = np.floor(exact).astype(np.intp)
    short = total - int(times.sum())
    times[np.argsort(times - exact, kind="stable")[:short]] += 1
    return np.repeat(np.arange(len(times)), times)


def takes_weights(estimator: Any) -> bool:
    """Whether `fit` of the estimator, or of a Pipeline's last step, takes ``sample_weight``."""
    return _class_takes_weights(last_step(estimator).__class__)


# Reading a signature takes as long as the fit of a small tree.
@lru_cache(maxsize=256)
def _class_takes_weights(kind: Hashable) -> bool:
    return bool(has_fit_parameter(kind, "sample_weight"))


def _weight_kwargs(estimator: Any, sample_weight: NDArray[np.float64]) -> dict[str, Any]:
    if get_config()["enable_metadata_routing"] or not isinstance(estimator, Pipeline):
        return {"sample_weight": sample_weight}
    name, step = estimator.steps[-1]
    return {f"{name}__{key}": w for key, w in _weight_kwargs(step, sample_weight).items()}


def _fit(estimator: Any, X: Any, y: NDArray[Any], kwargs: dict[str, Any]) -> Any:
    if y.dtype.names is not None and xgboost_survival.is_survival(last_step(estimator)):
        return xgboost_survival.fit(estimator, X, y, kwargs)
    return estimator.fit(X, y, **kwargs)
