"""Survival curves of any black box: its own, or its risk scores with a baseline hazard."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gumbel_l, logistic, norm

from skcondense.tasks.losses import Rows
from skcondense.tasks.xgboost_survival import (
    innermost,
    is_survival,
    last_step,
    predicts_time,
    risk_score,
)

__all__ = ["kaplan_meier", "parts_of", "survival_curves"]

Floats = NDArray[np.float64]

# Log hazard ratios beyond this are not told apart: their exponentials would overflow.
LARGEST_SCORE = 50.0
# Distributions of log time around XGBoost's prediction, by its parameter's values.
AFT_NOISE = {"normal": norm, "logistic": logistic, "extreme": gumbel_l}


def survival_curves(fitted: Any, X: Any, times: Floats, trained_on: Rows) -> Floats:
    """Probability of being without the event after each of some times.

    Models that predict survival functions are asked for them. XGBoost's accelerated failure time
    models state theirs by a formula. For all others the risk score (minus the log of the time, for
    models that predict times) is taken for a log hazard ratio, and the baseline hazard is
    Breslow's, from the rows that the model was trained on: no other rows are read.

    Parameters
    ----------
    fitted : estimator
        A fitted survival model.
    X : array or frame of shape (n_rows, n_features)
        Rows to predict for.
    times : ndarray of shape (n_times,)
        Increasing.
    trained_on : Rows
        What the model was fitted to.

    Returns
    -------
    ndarray of shape (n_rows, n_times)
        Between 0 and 1, and never increasing along a row.

    References
    ----------
    Breslow (1974), Covariance analysis of censored survival data, Biometrics 30(1),
    doi:10.2307/2529620.
    """
    # A search predicts with its best estimator, which says more than the search does.
    fitted = getattr(fitted, "best_estimator_", fitted)
    last = innermost(fitted)
    if is_survival(last) and last.objective == "survival:aft":
        return _accelerated(fitted, X, times)
    if _has_curves(fitted):
        return _own_curves(fitted, X, times)
    own = _log_hazard_ratio(fitted, trained_on.X)
    centre = np.average(own, weights=trained_on.weight)
    hazard = _baseline_hazard(_within_reach(own - centre), trained_on, times)
    score = _within_reach(_log_hazard_ratio(fitted, X) - centre)
    return np.exp(-np.exp(score)[:, np.newaxis] * hazard)


def kaplan_meier(y: NDArray[Any], weight: Floats, times: Floats) -> Floats:
    """Weighted Kaplan-Meier estimate: probability of being without the event after `times`.

    Parameters
    ----------
    y : structured ndarray of shape (n_rows,)
        Event indicator and time.
    weight : ndarray of shape (n_rows,)
        Weights; the estimate depends on their ratios.
    times : ndarray of shape (n_times,)
        In the unit of `y`.

    Returns
    -------
    ndarray of shape (n_times,)

    References
    ----------
    Kaplan and Meier (1958), Nonparametric estimation from incomplete observations, JASA 53(282),
    doi:10.1080/01621459.1958.10501452.
    """
    at, died, at_risk = _risk_table(y, weight)
    alive = np.cumprod(1 - died / at_risk)
    return np.append(1.0, alive)[np.searchsorted(at, times, side="right")]


def parts_of(y: NDArray[Any]) -> tuple[NDArray[np.bool_], Floats]:
    """Event indicators and times of a structured array, as new arrays."""
    event, time = (y[field] for field in y.dtype.names or ())
    return event.astype(bool), time.astype(np.float64)


def _risk_table(y: NDArray[Any], weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Event times, the weight of their events, and the weight at risk."""
    event, time = parts_of(y)
    event &= weight > 0
    at, where = np.unique(time[event], return_inverse=True)
    died = np.bincount(where, weight[event], len(at)).astype(np.float64)
    # Rows at risk at an event time are those whose time is not before it.
    last = np.searchsorted(at, time, side="right")
    leaving = np.bincount(last, weight, len(at) + 1).astype(np.float64)
    at_risk = np.cumsum(leaving[::-1])[::-1][1:]
    return at, died, at_risk


def _baseline_hazard(score: Floats, rows: Rows, times: Floats) -> Floats:
    at, died, _ = _risk_table(rows.y, rows.weight)
    _, _, at_risk = _risk_table(rows.y, rows.weight * np.exp(score))
    hazard = np.append(0.0, np.cumsum(died / np.maximum(at_risk, 1e-300)))
    return np.asarray(hazard[np.searchsorted(at, times, side="right")])


def _log_hazard_ratio(fitted: Any, X: Any) -> Floats:
    score = risk_score(fitted, X)
    if predicts_time(fitted):
        score = -np.log(np.maximum(-score, 1e-30))
    elif is_survival(innermost(fitted)) or getattr(innermost(fitted), "low_memory", False):
        # XGBoost's Cox models predict the hazard ratio itself, forests a cumulative hazard.
        score = np.log(np.maximum(score, 1e-30))
    return score


def _within_reach(score: Floats) -> Floats:
    return np.clip(score, -LARGEST_SCORE, LARGEST_SCORE)


def _has_curves(fitted: Any) -> bool:
    last = innermost(fitted)
    # scikit-survival's Coxnet without a baseline, and its boosting of times, offer the method and
    # refuse to serve. Its boosting of Cox models estimates a baseline without the weights.
    # Trees with little memory keep none.
    has_baseline = getattr(last, "fit_baseline_model", True) and not predicts_time(fitted)
    has_baseline = has_baseline and not getattr(last, "low_memory", False)
    ignores_weights = type(last).__module__.startswith("sksurv.ensemble.boosting")
    return has_baseline and not ignores_weights and hasattr(fitted, "predict_survival_function")


def _own_curves(fitted: Any, X: Any, times: Floats) -> Floats:
    known = getattr(last_step(fitted), "unique_times_", None)
    if known is not None:
        values = fitted.predict_survival_function(X, return_array=True)
    else:
        steps = fitted.predict_survival_function(X)
        known, values = steps[0].x, np.stack([step.y for step in steps])
    padded = np.hstack([np.ones((len(values), 1)), values])
    return np.clip(padded[:, np.searchsorted(known, times, side="right")], 0.0, 1.0)


def _accelerated(fitted: Any, X: Any, times: Floats) -> Floats:
    last = innermost(fitted)
    given = last.get_xgb_params()
    noise = AFT_NOISE[given.get("aft_loss_distribution") or "normal"]
    scale = float(given.get("aft_loss_distribution_scale") or 1.0)
    centre = -risk_score(fitted, X)
    with np.errstate(divide="ignore"):
        z = (np.log(times) - np.log(np.maximum(centre, 1e-30))[:, np.newaxis]) / scale
    return np.asarray(noise.sf(z))
