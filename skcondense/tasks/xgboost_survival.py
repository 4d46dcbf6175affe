"""XGBoost's two survival objectives, which speak neither scikit-survival's y nor its risks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

__all__ = [
    "fit",
    "innermost",
    "is_survival",
    "last_step",
    "predicts_time",
    "risk_score",
    "to_bounds",
    "to_signed_time",
]


def to_signed_time(y: NDArray[Any]) -> NDArray[np.float64]:
    """Times for ``survival:cox``: negative where censored.

    Parameters
    ----------
    y : structured ndarray of shape (n_rows,)
        Event indicator and time.

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    event, time = _parts(y)
    return np.where(event, time, -time)


def to_bounds(y: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper bounds of the survival time for ``survival:aft``.

    Parameters
    ----------
    y : structured ndarray of shape (n_rows,)
        Event indicator and time.

    Returns
    -------
    lower, upper : ndarrays of shape (n_rows,)
        Equal for events; the upper bound of a censored time is infinite.
    """
    event, time = _parts(y)
    return time, np.where(event, time, np.inf)


def _parts(y: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Events and times; XGBoost has no sign and no logarithm for a time of zero."""
    event, time = (y[field] for field in y.dtype.names or ())
    time = time.astype(np.float64)
    smallest = time[time > 0].min(initial=np.inf)
    return event.astype(bool), np.where(time > 0, time, min(smallest, 2.0) / 2)


def is_survival(estimator: Any) -> bool:
    """Whether `estimator` is an XGBoost model with a survival objective."""
    objective = getattr(estimator, "objective", None)
    return (
        hasattr(estimator, "get_xgb_params")
        and isinstance(objective, str)
        and objective.startswith("survival:")
    )


def fit(estimator: Any, X: Any, y: NDArray[Any], kwargs: dict[str, Any]) -> Any:
    """Fit an XGBoost survival model, or a Pipeline that ends in one, to a structured `y`."""
    last = last_step(estimator)
    if last.objective == "survival:cox":
        return estimator.fit(X, to_signed_time(y), **kwargs)
    X = _fit_steps_before(estimator, X, to_signed_time(y))
    _fit_aft(last, X, y, next(iter(kwargs.values()), None))
    return estimator


def last_step(estimator: Any) -> Any:
    """The estimator itself, or the last step of a Pipeline, however deep."""
    return last_step(estimator[-1]) if isinstance(estimator, Pipeline) else estimator


def _fit_steps_before(estimator: Any, X: Any, y: NDArray[Any]) -> Any:
    """Fit all but the last step, in place, and return what reaches it."""
    if not isinstance(estimator, Pipeline):
        return X
    if len(estimator) > 1:
        # Slices share their steps with the Pipeline, so that both parts end up fitted.
        X = estimator[:-1].fit_transform(X, y)
    return _fit_steps_before(estimator[-1], X, y)


def _fit_aft(estimator: Any, X: Any, y: NDArray[Any], sample_weight: Any) -> None:
    """Train through the native interface: the scikit-learn one cannot express two bounds."""
    import xgboost

    lower, upper = to_bounds(y)
    data = xgboost.DMatrix(X, label_lower_bound=lower, label_upper_bound=upper)
    if sample_weight is not None:
        data.set_weight(sample_weight)
    booster = xgboost.train(
        estimator.get_xgb_params(), data, num_boost_round=estimator.get_num_boosting_rounds()
    )
    estimator.load_model(booster.save_raw("ubj"))


def risk_score(estimator: Any, X: Any) -> NDArray[np.float64]:
    """Risk score of any survival model: greater means an earlier event.

    Models that predict times get their sign turned.
    """
    predicted = np.asarray(estimator.predict(X), dtype=np.float64).ravel()
    return -predicted if predicts_time(estimator) else predicted


def innermost(estimator: Any) -> Any:
    """What predicts in the end: the last step of Pipelines, the inner one of meta-estimators."""
    last = last_step(estimator)
    # An ensemble's `estimator_` is the pattern of its members, not what predicts.
    while hasattr(last, "best_estimator_") or (
        hasattr(last, "estimator_") and not hasattr(last, "estimators_")
    ):
        last = last_step(getattr(last, "best_estimator_", None) or last.estimator_)
    return last


def predicts_time(estimator: Any) -> bool:
    """Whether predictions are survival times, so that greater means a later event."""
    last = innermost(estimator)
    if is_survival(last):
        return bool(last.objective == "survival:aft")
    # scikit-survival's own scorers read the same attribute.
    return not getattr(last, "_predict_risk_score", True)
