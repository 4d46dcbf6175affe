"""How well survival models predict for real rows: discrimination and calibration.

What is computed from real rows is exact: no epsilon covers it, so it stays with those rows.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone

from skcondense._threads import single_threaded
from skcondense.audit.kaplan_meier import kaplan_meier_limits
from skcondense.audit.outcomes import Floats, Outcomes, as_times, working_rows
from skcondense.exceptions import missing_extra
from skcondense.models import WeightedCoxPH
from skcondense.tasks import Rows, fit_weighted
from skcondense.tasks.survival_curves import survival_curves
from skcondense.tasks.xgboost_survival import risk_score

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["calibration_by_risk", "survival_metrics", "survival_table"]

# The tails of the event times are left out: few patients die there, or few are left to compare.
N_TIMES, EARLY, LATE = 10, 0.1, 0.8
# Risks beyond these are not told apart: the complementary log-logs of 0 and 1 are infinite.
SMALLEST_RISK, LARGEST_RISK = 1e-4, 1 - 1e-9
# Keeps the slope of predictions that order the events perfectly finite; else too small to matter.
SLOPE_PENALTY = 1e-6


def survival_metrics(
    fitted: Any,
    test: Rows,
    trained_on: Rows,
    *,
    censoring_from: Any = None,
    times: ArrayLike | None = None,
    horizon: float | None = None,
) -> dict[str, float]:
    """Discrimination and calibration of a fitted survival model on real rows.

    Parameters
    ----------
    fitted : estimator
        A fitted survival model. Discrimination looks at its risk score, all else at its survival
        curves, or at Breslow's where it has none.
    test : Rows
        Real rows that neither the condenser nor the model has seen, each of weight one.
    trained_on : Rows
        What the model was fitted to.
    censoring_from : structured array or two-column frame of shape (n_others,), default=None
        Outcomes from which the distribution of censoring times is estimated; those of `test`
        when None.
    times : array-like of shape (n_times,), default=None
        When the Brier score and the AUC are evaluated, in the unit of time. When None, ten equally
        spaced times between the 10 % and the 80 % quantile of the event times of `test`, or fewer
        where they coincide.
    horizon : float, default=None
        When calibration is evaluated. The median event time of `test` when None.

    Returns
    -------
    dict of {str: float}
        "harrell_c" : Harrell's C-index.
        "uno_c" : Uno's C-index, of events before the last of `times`.
        "integrated_brier" : Brier score, averaged over the range of `times`; at one time, the
        score itself.
        "mean_auc" : cumulative/dynamic AUC, averaged over `times` with the share of patients who
        have the event since the time before as weight.
        "expected" : mean predicted risk of an event by the horizon.
        "observed" : one minus the Kaplan-Meier estimate there.
        "calibration_ratio" : observed by expected; above 1, risks are predicted too low.
        "calibration_slope" : coefficient of log(-log(1 - predicted risk)) in a Cox regression of
        the outcome until the horizon. Below 1, predictions are too extreme.

        What the rows cannot answer is NaN: the slope of constant predictions, the ratio where no
        risk at all is predicted, the C-indices where no two rows can be compared, and the
        measures over `times` where no row is followed beyond the first event.

    Raises
    ------
    TargetError
        If `test` has no event, or an outcome is none.
    ValueError
        If `times` or `horizon` are outside of the follow-up, or the rows of `test` are weighted.
    ImportError
        If scikit-survival is not installed.

    Notes
    -----
    Times must not be earlier than the first event of `test` and must be earlier than the last
    time, both in `test` and in `censoring_from`: only there the probability of being still under
    observation is known and positive. For the slope, predicted risks are kept between 0.0001 and
    1 - 1e-9: a tree's leaf without events promises no risk at all.

    A condensed set knows a few event times only, one per band of time, so the curve of a model that
    was fitted to one has a few large steps. Its risks are meant to hold at the ends of the bands:
    about half-way between two steps, where a horizon is fairest to it. Elsewhere up to half a
    band's events are missing or too early.

    References
    ----------
    Harrell, Lee and Mark (1996), Multivariable prognostic models, Statistics in Medicine 15(4),
    doi:10.1002/(SICI)1097-0258(19960229)15:4<361::AID-SIM168>3.0.CO;2-4.
    Uno, Cai, Pencina, D'Agostino and Wei (2011), On the C-statistics for evaluating overall
    adequacy of risk prediction procedures with censored survival data, Statistics in Medicine
    30(10), doi:10.1002/sim.4154.
    Graf, Schmoor, Sauerbrei and Schumacher (1999), Assessment and comparison of prognostic
    classification schemes for survival data, Statistics in Medicine 18(17-18),
    doi:10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5.
    Lambert and Chevret (2016), Summary measure of discrimination in survival models based on
    cumulative/dynamic time-dependent ROC curves, Statistical Methods in Medical Research 25(5),
    doi:10.1177/0962280213515571.
    Crowson, Atkinson and Therneau (2016), Assessing calibration of prognostic risk scores,
    Statistical Methods in Medical Research 25(4), doi:10.1177/0962280213497434.
    Austin, Harrell and van Klaveren (2020), Graphical calibration curves and the integrated
    calibration index (ICI) for survival models, Statistics in Medicine 39(21),
    doi:10.1002/sim.8570.
    """
    outcomes = _patients(test)
    censoring = outcomes if censoring_from is None else Outcomes.of(censoring_from)
    limit = min(outcomes.last_time, censoring.last_time)
    evaluated = _times_within(outcomes, limit, times)
    horizon = _horizon_within(outcomes, horizon)
    grid = np.union1d(evaluated, [horizon])
    curves = survival_curves(fitted, test.X, grid, working_rows(trained_on))
    score = risk_score(fitted, test.X)
    risk = 1 - curves[:, np.searchsorted(grid, horizon)]
    alive = curves[:, np.searchsorted(grid, evaluated)]
    return {
        "harrell_c": _harrell(outcomes, score),
        **_over_times(outcomes, censoring, evaluated, limit, score, alive),
        **_calibration(outcomes, risk, horizon),
    }


def survival_table(
    estimators: Mapping[str, Any],
    training_sets: Mapping[str, Rows],
    test: Rows,
    *,
    censoring_from: Any = None,
    times: ArrayLike | None = None,
    horizon: float | None = None,
) -> "pd.DataFrame":
    """`survival_metrics` of several models, each fitted to several sets of rows.

    Parameters
    ----------
    estimators : mapping of {str: estimator}
        Unfitted models; clones of them are fitted. Those that take no weights get rows replicated.
    training_sets : mapping of {str: Rows}
        What to fit to, for example ``{"real": ..., "condensed": ...}``.
    test : Rows
        Real rows that neither the condenser nor the models have seen, each of weight one.
    censoring_from, times, horizon
        See `survival_metrics`.

    Returns
    -------
    DataFrame
        A row per training set and model, in the order given; its index has the levels
        "trained_on" and "model". The columns are those of `survival_metrics`.

    Raises
    ------
    TargetError
        If `test` has no event, or an outcome is none.
    ValueError
        See `survival_metrics`.
    ImportError
        If scikit-survival is not installed.
    """
    import pandas as pd

    sets = {name: working_rows(rows) for name, rows in training_sets.items()}
    given = {"censoring_from": censoring_from, "times": times, "horizon": horizon}
    lines = {}
    with single_threaded():
        for name, rows in sets.items():
            for model, estimator in estimators.items():
                fitted = fit_weighted(clone(estimator), *rows, weights="replicate")
                lines[name, model] = survival_metrics(fitted, test, rows, **given)
    table = pd.DataFrame.from_dict(lines, orient="index")
    table.index = pd.MultiIndex.from_tuples(list(lines), names=["trained_on", "model"])
    return table


def calibration_by_risk(
    fitted: Any, test: Rows, trained_on: Rows, *, horizon: float, n_groups: int = 10
) -> "pd.DataFrame":
    """Predicted and observed risk of an event by the horizon, in groups of similar risk.

    Parameters
    ----------
    fitted : estimator
        A fitted survival model.
    test : Rows
        Real rows that neither the condenser nor the model has seen, each of weight one.
    trained_on : Rows
        What the model was fitted to.
    horizon : float
        In the unit of time.
    n_groups : int, default=10
        Groups of equal size, divided at quantiles of the predicted risk. Rows of equal risk stay
        together, so that fewer groups may come out.

    Returns
    -------
    DataFrame of shape (at most n_groups, 5)
        By rising risk: "n" rows, mean "predicted" risk, "observed" risk (one minus the
        Kaplan-Meier estimate) with its "lower" and "upper" 95 % limits from Greenwood's variance
        on the log-log scale. The observed risk of a group that nobody was followed in until the
        horizon is NaN, and so are limits where all or none had the event: Greenwood's
        variance has no meaning there.

    Raises
    ------
    TargetError
        If `test` has no event, or an outcome is none.
    ValueError
        If the horizon is outside of the follow-up, `n_groups` is no positive number, or the rows
        of `test` are weighted.

    References
    ----------
    Borgan and Liestøl (1990), A note on confidence intervals and bands for the survival function
    based on transformations, Scandinavian Journal of Statistics 17(1).
    """
    import pandas as pd

    if n_groups < 1:
        raise ValueError(f"n_groups must be at least 1. Got {n_groups}.")
    outcomes = _patients(test)
    horizon = _horizon_within(outcomes, horizon)
    at = np.array([horizon])
    risk = 1 - survival_curves(fitted, test.X, at, working_rows(trained_on))[:, 0]
    cuts = np.quantile(risk, np.linspace(0, 1, n_groups + 1)[1:-1])
    group = np.unique(np.searchsorted(cuts, risk), return_inverse=True)[1]
    members = [group == g for g in range(group.max() + 1)]
    lines = [_group(outcomes.take(rows), risk[rows], at) for rows in members]
    return pd.DataFrame(lines, index=pd.RangeIndex(1, len(lines) + 1, name="group"))


def _patients(test: Rows) -> Outcomes:
    """Outcomes of rows to test on."""
    outcomes = Outcomes.of(test.y, test.weight)
    if (outcomes.weight != 1).any():
        raise ValueError(
            "Models are tested on real patients, each of whom counts once. Got test rows with "
            "other weights. Pass real rows with weights of one."
        )
    return outcomes


def _times_within(outcomes: Outcomes, limit: float, times: ArrayLike | None) -> Floats:
    """Times at which every measure exists: from the first event on, and before the limit."""
    if times is None:
        return _usual_times(outcomes, limit)
    at = as_times(times)
    if at[0] < outcomes.event_times[0] or at[-1] >= limit:
        raise ValueError(
            "times must not be earlier than the first event among the test rows, and must be "
            "earlier than the end of the follow-up, there and in censoring_from. Got times "
            f"from {at[0]:g} to {at[-1]:g}. Leave out those that are too early or too late."
        )
    return at


def _usual_times(outcomes: Outcomes, limit: float) -> Floats:
    at_event = outcomes.time[outcomes.event]
    if at_event.min() >= limit:
        return np.empty(0)
    early, late = np.quantile(at_event, [EARLY, LATE])
    late = min(late, outcomes.time[outcomes.time < limit].max())
    return np.unique(np.linspace(min(early, late), late, N_TIMES))


def _horizon_within(outcomes: Outcomes, horizon: float | None) -> float:
    if horizon is None:
        return float(np.quantile(outcomes.time[outcomes.event], 0.5, method="inverted_cdf"))
    if not 0 < horizon <= outcomes.follow_up:
        raise ValueError(
            "The horizon must be positive and within the follow-up of the test rows. Got "
            f"horizon={horizon}. Choose an earlier one, or check the unit of time."
        )
    return float(horizon)


def _sksurv_metrics() -> Any:
    try:
        from sksurv import metrics
    except ImportError as error:
        raise missing_extra("Survival metrics", "scikit-survival", "survival") from error
    return metrics


def _harrell(outcomes: Outcomes, score: Floats) -> float:
    event, time, _ = outcomes
    metrics = _sksurv_metrics()
    first = time[event].min()
    if not ((time > first) | (~event & (time == first))).any():
        return float("nan")
    return float(metrics.concordance_index_censored(event, time, score)[0])


def _over_times(
    outcomes: Outcomes,
    censoring: Outcomes,
    times: Floats,
    limit: float,
    score: Floats,
    alive: Floats,
) -> dict[str, float]:
    names = ("uno_c", "integrated_brier", "mean_auc")
    if not len(times):
        return dict.fromkeys(names, float("nan"))
    metrics = _sksurv_metrics()
    event, time, weight = outcomes
    last = times[-1]
    # What happens after the last time counts as censored, no later than censoring is known: no
    # measure depends on it, but scikit-survival looks it up.
    until_last = Outcomes(
        event & (time <= last), np.where(time > last, np.minimum(time, limit), time), weight
    )
    given = (censoring.array, until_last.array)
    has_pairs = (event & (time < last)).any()
    uno = metrics.concordance_index_ipcw(*given, score, tau=last)[0] if has_pairs else np.nan
    average = metrics.integrated_brier_score if len(times) > 1 else _one_brier_score
    auc = metrics.cumulative_dynamic_auc(*given, score, times)[1]
    values = (uno, average(*given, alive, times), auc)
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def _one_brier_score(censoring: Any, outcomes: Any, alive: Floats, times: Floats) -> float:
    return float(_sksurv_metrics().brier_score(censoring, outcomes, alive, times)[1][0])


def _calibration(outcomes: Outcomes, risk: Floats, horizon: float) -> dict[str, float]:
    expected = float(risk.mean())
    observed = 1 - float(outcomes.kaplan_meier(np.array([horizon]))[0])
    return {
        "expected": expected,
        "observed": observed,
        "calibration_ratio": observed / expected if expected > 0 else float("nan"),
        "calibration_slope": _slope(outcomes.known_by(horizon), risk),
    }


def _slope(outcomes: Outcomes, risk: Floats) -> float:
    kept = np.clip(risk, SMALLEST_RISK, LARGEST_RISK)
    log_hazard = np.log(-np.log1p(-kept))
    deviation = log_hazard.std()
    if deviation < 1e-9 or not outcomes.event.any():
        return float("nan")
    cox = WeightedCoxPH(SLOPE_PENALTY).fit(log_hazard[:, np.newaxis] / deviation, outcomes.array)
    return float(cox.coef_[0] / deviation)


def _group(outcomes: Outcomes, risk: Floats, horizon: Floats) -> dict[str, float]:
    is_known = horizon[0] <= outcomes.follow_up
    alive = outcomes.kaplan_meier(horizon)[0] if is_known else np.nan
    lower, upper = kaplan_meier_limits(outcomes, horizon) if is_known else np.full((2, 1), np.nan)
    return {
        "n": len(risk),
        "predicted": float(risk.mean()),
        "observed": 1 - float(alive),
        "lower": 1 - float(upper[0]),
        "upper": 1 - float(lower[0]),
    }
