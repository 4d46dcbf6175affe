"""Kaplan-Meier curves of condensed sets, beside those of real rows.

What is computed from real rows is exact: no epsilon covers it, so it stays with those rows.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from skcondense.audit.outcomes import Floats, Outcomes, as_times

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "compare_kaplan_meier",
    "curve_distance",
    "kaplan_meier_distance",
    "kaplan_meier_limits",
]


def compare_kaplan_meier(
    condensed_y: Any,
    condensed_weight: ArrayLike,
    real_y: Any,
    real_weight: ArrayLike | None = None,
    *,
    times: ArrayLike | None = None,
) -> "pd.DataFrame":
    """Kaplan-Meier curve of a condensed set beside that of real rows.

    Parameters
    ----------
    condensed_y : structured array or two-column frame of shape (n_rows,)
        Outcomes of the condensed set.
    condensed_weight : array-like of shape (n_rows,)
        Its weights; the curve depends on their ratios.
    real_y : structured array or two-column frame of shape (n_real,)
        Outcomes of the real rows.
    real_weight : array-like of shape (n_real,), default=None
        Weights of the real rows, as numbers of patients; ones when None.
    times : array-like of shape (n_times,), default=None
        When to compare, in the unit of time. When None, every event time of either set up to the
        end of the shorter follow-up.

    Returns
    -------
    DataFrame of shape (n_times, 6)
        "time", then the probability of being without the event after it: "real", "condensed",
        their "difference" (condensed less real), and the real curve's "lower" and "upper" 95 %
        limits from Greenwood's variance on the log-log scale; NaN where the curve is 0 or 1.

    Raises
    ------
    TargetError
        If an outcome is none, or has no event.
    ValueError
        If weights do not fit, or `times` go beyond a set's follow-up.

    See Also
    --------
    kaplan_meier_distance : The difference in two numbers.

    References
    ----------
    Kaplan and Meier (1958), Nonparametric estimation from incomplete observations, JASA 53(282),
    doi:10.1080/01621459.1958.10501452.
    """
    import pandas as pd

    condensed = Outcomes.of(condensed_y, condensed_weight)
    real = Outcomes.of(real_y, real_weight)
    if times is None:
        at = _steps(condensed, real, min(condensed.last_time, real.last_time))
    else:
        at = as_times(times)
        if at[-1] > min(condensed.follow_up, real.follow_up):
            raise ValueError(
                "Curves can be compared while patients of both sets are under observation. Got "
                f"times up to {at[-1]:g}, beyond the follow-up of one. Leave out later times."
            )
    table = pd.DataFrame(
        {"time": at, "real": real.kaplan_meier(at), "condensed": condensed.kaplan_meier(at)}
    )
    table["difference"] = table["condensed"] - table["real"]
    table["lower"], table["upper"] = kaplan_meier_limits(real, at)
    return table


def kaplan_meier_distance(
    condensed_y: Any,
    condensed_weight: ArrayLike,
    real_y: Any,
    real_weight: ArrayLike | None = None,
    *,
    until: float | None = None,
) -> dict[str, float]:
    """How far the Kaplan-Meier curve of a condensed set is from that of real rows.

    Parameters
    ----------
    condensed_y : structured array or two-column frame of shape (n_rows,)
        Outcomes of the condensed set.
    condensed_weight : array-like of shape (n_rows,)
        Its weights.
    real_y : structured array or two-column frame of shape (n_real,)
        Outcomes of the real rows.
    real_weight : array-like of shape (n_real,), default=None
        Weights of the real rows; ones when None.
    until : float, default=None
        End of the comparison, in the unit of time; the end of the shorter follow-up when None.

    Returns
    -------
    dict of {str: float}
        "largest" : largest absolute difference of the two probabilities.
        "mean" : area between the curves from 0 to `until`, divided by `until`.

    Raises
    ------
    TargetError
        If an outcome is none, or has no event.
    ValueError
        If weights do not fit, or `until` is not positive or beyond a set's follow-up.

    Notes
    -----
    A condensed set knows a few event times only. The largest difference cannot become smaller than
    half of its largest step, even if all the curve's values at the ends of its bands are exact.
    """
    condensed = Outcomes.of(condensed_y, condensed_weight)
    real = Outcomes.of(real_y, real_weight)
    end = min(condensed.last_time, real.last_time) if until is None else float(until)
    if not 0 < end <= min(condensed.follow_up, real.follow_up):
        raise ValueError(
            "The comparison must end after time 0, while patients of both sets are under "
            f"observation. Got until={until}. Choose an earlier end, or check the unit of time."
        )
    at = _steps(condensed, real, end)
    return curve_distance(at, real.kaplan_meier(at), condensed.kaplan_meier(at), until=end)


def curve_distance(
    times: ArrayLike, first: ArrayLike, second: ArrayLike, *, until: float
) -> dict[str, float]:
    """Distance of two survival curves, wherever they come from.

    Parameters
    ----------
    times : array-like of shape (n_times,)
        Increasing; every time at which one of the curves steps down. Both are 1 before.
    first, second : array-like of shape (n_times,)
        Probability of being without the event after each of `times`.
    until : float
        End of the comparison; times after it do not count.

    Returns
    -------
    dict of {str: float}
        "largest" : largest absolute difference.
        "mean" : area between the curves from 0 to `until`, divided by `until`.

    Raises
    ------
    ValueError
        If shapes differ, times do not increase from 0 or later, or `until` is not positive.
    """
    at, gap = np.asarray(times, np.float64), np.subtract(first, second, dtype=np.float64)
    if at.ndim != 1 or at.shape != gap.shape:
        raise ValueError(
            f"Curves need one value for each time. Got {at.shape} times and {gap.shape} values."
        )
    if (np.diff(at, prepend=0.0) < 0).any() or not until > 0:
        raise ValueError(
            "Times must be increasing and not negative, and until must be positive. Got "
            f"until={until}. Sort the times, with their values."
        )
    counted = at <= until
    apart = np.abs(np.append(0.0, gap[counted]))
    widths = np.diff(np.concatenate([[0.0], at[counted], [until]]))
    return {"largest": float(apart.max()), "mean": float(apart @ widths / until)}


def kaplan_meier_limits(outcomes: Outcomes, times: Floats) -> tuple[Floats, Floats]:
    """95 % limits of a Kaplan-Meier curve, from Greenwood's variance on the log-log scale.

    Weights count patients. NaN where the curve is 0 or 1: Greenwood's variance has no meaning
    there.

    References
    ----------
    Borgan and Liestøl (1990), A note on confidence intervals and bands for the survival function
    based on transformations, Scandinavian Journal of Statistics 17(1).
    """
    event, time, weight = outcomes
    at = outcomes.event_times
    died = np.bincount(np.searchsorted(at, time[event]), weight[event], len(at) + 1)[:-1]
    order = np.argsort(time)
    before = np.append(0.0, np.cumsum(weight[order]))
    left = weight.sum() - before[np.searchsorted(time[order], at)]
    # Where all die the curve is 0, and has no limits.
    stay = np.maximum(left - died, 1e-12 * left)
    variance = np.append(0.0, np.cumsum(died / (left * stay)))
    deviation = np.sqrt(variance[np.searchsorted(at, times, side="right")])
    alive = outcomes.kaplan_meier(times)
    log_alive = np.log(np.where((alive > 1e-9) & (alive < 1), alive, np.nan))
    factor = np.exp(norm.ppf(0.975) * deviation / -log_alive)
    return np.exp(log_alive * factor), np.exp(log_alive / factor)


def _steps(one: Outcomes, other: Outcomes, until: float) -> Floats:
    """Every time at which one of two curves steps."""
    at = np.union1d(one.event_times, other.event_times)
    return at[at <= until]
