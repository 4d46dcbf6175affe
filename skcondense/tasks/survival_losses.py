r"""Losses of survival models, most of them a bounded sum over patients.

A patient with time t, in band k of the task's bands, and event indicator :math:`\delta`, is scored
by the survival curve S that a black box predicts for their row. With the end :math:`\tau_j` of
band j,

.. math:: H_j = \log S(\tau_{j-1}) - \log S(\tau_j), \qquad h_j = 1 - e^{-H_j}

are the cumulative and the discrete hazard of a band. A curve comes from the black box alone (see
`survival_curves`), so a private loss of a patient depends on that patient only, and one patient
more or less moves a sum of losses by `Loss.largest` at most.

That is not so of Cox's partial likelihood, in which every patient is in the risk set of all who die
earlier; of jackknife pseudo-observations, each of which is made of all patients; nor of censoring
weights from the private Kaplan-Meier curve. The first two are refused with epsilon. The third are
estimated from the background rows, which with epsilon are made of noised counts.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from skcondense.table import take_rows
from skcondense.tasks.losses import Loss, Rows
from skcondense.tasks.survival_curves import kaplan_meier, parts_of, survival_curves
from skcondense.tasks.xgboost_survival import risk_score

if TYPE_CHECKING:
    from skcondense.tasks.survival import SurvivalTask

__all__ = [
    "CensoredBrier",
    "Concordance",
    "DiscreteHazard",
    "FullLikelihood",
    "PartialLikelihood",
    "PseudoObservations",
]

Floats = NDArray[np.float64]

# Predicted survival stays off 0, and the hazard of a band off 0.
FLOOR, LEAST_HAZARD = 1e-3, 1e-4
# A patient's log-likelihood counts within these limits.
LOWEST, HIGHEST = -2.0, 6.0
# Patients that others are ranked against.
N_ANCHORS = 256
# Nobody stands for more than this many censored patients.
LARGEST_WEIGHT = 5.0


class _OfCurves(Loss):
    """A loss that reads survival curves at the ends of the task's bands."""

    task: "SurvivalTask"

    def _curves(self, fitted: Any, X: Any, trained_on: Rows) -> Floats:
        return np.maximum(survival_curves(fitted, X, self.task.ends, trained_on), FLOOR)

    def _hazards(self, fitted: Any, X: Any, trained_on: Rows) -> Floats:
        """Cumulative hazard of each band."""
        log = np.log(self._curves(fitted, X, trained_on))
        return np.maximum(-np.diff(log, axis=1, prepend=0.0), LEAST_HAZARD)


class DiscreteHazard(_OfCurves):
    r"""Likelihood of the bands that a patient went through, as a sum that is then clipped.

    .. math:: -\delta \log h_k - (1 - \delta) c \log(1 - h_k) - \sum_{j<k} \log(1 - h_j)

    with c = 1/2 for patients who leave within the band and 1 for those who reach the horizon.
    Fits every survival estimator. Sensitivity: `largest`.

    References
    ----------
    Singer and Willett (1993), It's about time, J. Educ. Stat. 18(2),
    doi:10.3102/10769986018002155.
    """

    @property
    def largest(self) -> float:
        return HIGHEST

    def __call__(self, fitted: Any, X: Any, y: NDArray[Any], trained_on: Rows) -> Floats:
        hazard = self._hazards(fitted, X, trained_on)
        event, _ = parts_of(y)
        rows, band = np.arange(len(y)), self.task.band(y)
        before = np.cumsum(hazard, axis=1)[rows, band] - hazard[rows, band]
        last = hazard[rows, band]
        exposed = np.where(self.task.left_early(y), 0.5, 1.0)
        loss = before + np.where(event, -np.log(-np.expm1(-last)), exposed * last)
        return np.minimum(loss, HIGHEST)


class FullLikelihood(_OfCurves):
    r"""Likelihood of the exact time, with a constant hazard within each band.

    .. math::

        H(t) - \delta \log \lambda_k, \qquad
        H(t) = \sum_{j<k} H_j + (t - \tau_{j-1}) \lambda_k

    with :math:`\lambda_k` the hazard per mean width of a band, clipped and shifted to start at 0.
    For Cox models the baseline is Breslow's on the condensed rows; for accelerated failure time
    models this is their likelihood, rounded to bands. Fits every survival estimator. Sensitivity:
    `largest`.

    References
    ----------
    Friedman (1982), Piecewise exponential models for survival data with covariates,
    Ann. Statist. 10(1), doi:10.1214/aos/1176345693.
    """

    @property
    def largest(self) -> float:
        return HIGHEST - LOWEST

    def __call__(self, fitted: Any, X: Any, y: NDArray[Any], trained_on: Rows) -> Floats:
        hazard = self._hazards(fitted, X, trained_on)
        event, time = parts_of(y)
        rows, band = np.arange(len(y)), self.task.band(y)
        starts = np.append(0.0, self.task.ends[:-1])
        width = np.maximum(self.task.ends - starts, 1e-9 * self.task.ends[-1])
        before = np.cumsum(hazard, axis=1)[rows, band] - hazard[rows, band]
        last = hazard[rows, band]
        passed = np.clip((time - starts[band]) / width[band], 0.0, 1.0)
        rate = last * width.mean() / width[band]
        loss = before + passed * last - event * np.log(rate)
        return np.clip(loss, LOWEST, HIGHEST) - LOWEST


@dataclass(frozen=True)
class Concordance(Loss):
    """Share of comparable anchors against which a patient is ranked wrongly.

    Only the order of risk scores counts, so it fits every model that gives one. Anchors are drawn
    from the background rows. Sensitivity: 1.

    References
    ----------
    Harrell et al. (1982), Evaluating the yield of medical tests, JAMA 247(18),
    doi:10.1001/jama.1982.03320430047030.
    """

    anchors: tuple[Any, NDArray[Any]]

    @classmethod
    def of(cls, task: Any, background: Rows, rng: np.random.Generator) -> Self:
        X, y, weight = background
        rows = rng.choice(len(y), N_ANCHORS, p=weight / weight.sum())
        return cls(task, (take_rows(X, rows), y[rows]))

    @property
    def largest(self) -> float:
        return 1.0

    def __call__(self, fitted: Any, X: Any, y: NDArray[Any], trained_on: Rows) -> Floats:
        event, time = parts_of(y)
        anchor_event, anchor_time = parts_of(self.anchors[1])
        earlier = event[:, None] & (time[:, None] < anchor_time)
        later = anchor_event & (anchor_time < time[:, None])
        gap = risk_score(fitted, X)[:, None] - risk_score(fitted, self.anchors[0])
        wrong = np.where(earlier, gap < 0, later & (gap > 0)) + 0.5 * (
            (gap == 0) & (earlier | later)
        )
        return wrong.sum(axis=1) / np.maximum((earlier | later).sum(axis=1), 1)


@dataclass(frozen=True)
class CensoredBrier(_OfCurves):
    r"""Brier score at the ends of the bands, with weights for the censored.

    .. math::

        \frac{1}{J} \sum_j
        \frac{S(\tau_j)^2 \, [t \le \tau_j, \delta = 1]}{G(t)} +
        \frac{(1 - S(\tau_j))^2 \, [t > \tau_j]}{G(\tau_j)}

    G, the probability of not being censored before, is the Kaplan-Meier estimate of the background
    rows; weights are capped. Fits every survival estimator. Sensitivity: `largest`.

    Parameters
    ----------
    task : SurvivalTask
        Knows the bands.
    background : ndarray of shape (n_rows,)
        Outcomes with the event indicator turned: leaving is the event.
    weight : ndarray of shape (n_rows,)
        Their weights.

    References
    ----------
    Graf et al. (1999), Assessment and comparison of prognostic classification schemes for survival
    data, Statist. Med. 18(17-18), 2529-2545.
    """

    background: NDArray[Any]
    weight: Floats

    @classmethod
    def of(cls, task: Any, background: Rows, rng: np.random.Generator) -> Self:
        leaving = background.y.copy()
        leaving[task.dtype.names[0]] = ~parts_of(leaving)[0]
        return cls(task, leaving, background.weight)

    @property
    def largest(self) -> float:
        return LARGEST_WEIGHT

    def _weights(self, times: Floats) -> Floats:
        # Who is censored at a time was still there: the estimate just before it counts.
        staying = kaplan_meier(self.background, self.weight, np.nextafter(times, -np.inf))
        return 1 / np.maximum(staying, 1 / LARGEST_WEIGHT)

    def __call__(self, fitted: Any, X: Any, y: NDArray[Any], trained_on: Rows) -> Floats:
        alive = self._curves(fitted, X, trained_on)
        event, time = parts_of(y)
        ends = self.task.ends
        died = event[:, None] & (time[:, None] <= ends)
        # At its end a band is survived by those who are censored there, or later.
        there = (time[:, None] > ends) | (~event[:, None] & (time[:, None] == ends))
        own = self._weights(time)[:, None]
        loss = died * own * alive**2 + there * self._weights(ends) * (1 - alive) ** 2
        return loss.mean(axis=1)


class PartialLikelihood(_OfCurves):
    """Cox's partial likelihood within the batch of rows that is scored.

    The score is the log of the cumulative hazard at the horizon, which for proportional hazards is
    the linear predictor up to a constant. Not for epsilon.

    References
    ----------
    Cox (1972), Regression models and life-tables, JRSS B 34(2),
    doi:10.1111/j.2517-6161.1972.tb00899.x.
    """

    not_private_because: ClassVar[str | None] = (
        "in the partial likelihood each patient is in the risk set of all who die earlier, so it "
        "is no sum over patients, and clipping its terms does not bound what one patient changes."
    )

    @property
    def largest(self) -> float:
        return np.inf

    def __call__(self, fitted: Any, X: Any, y: NDArray[Any], trained_on: Rows) -> Floats:
        score = np.log(self._hazards(fitted, X, trained_on).sum(axis=1))
        event, time = parts_of(y)
        order = np.argsort(-time, kind="stable")
        at_risk = np.searchsorted(-time[order], -time, side="right")
        log_total = np.logaddexp.accumulate(score[order])[at_risk - 1]
        return event * (log_total - score)


class PseudoObservations(_OfCurves):
    r"""Squared distance of predicted survival from jackknife pseudo-observations.

    With n rows in the batch, the pseudo-observation of row i at :math:`\tau` is
    :math:`n S(\tau) - (n - 1) S_{-i}(\tau)`, S being Kaplan-Meier estimates with all rows and
    without row i. Not for epsilon.

    References
    ----------
    Andersen, Klein and Rosthoj (2003), Generalised linear models for correlated
    pseudo-observations, Biometrika 90(1), doi:10.1093/biomet/90.1.15.
    """

    not_private_because: ClassVar[str | None] = (
        "each pseudo-observation is made of all patients, so a patient changes everybody's loss."
    )

    @property
    def largest(self) -> float:
        return np.inf

    def __call__(self, fitted: Any, X: Any, y: NDArray[Any], trained_on: Rows) -> Floats:
        alive = self._curves(fitted, X, trained_on)
        pseudo = pseudo_observations(y, self.task.ends)
        return ((alive - pseudo) ** 2).mean(axis=1)


def pseudo_observations(y: NDArray[Any], times: Floats) -> Floats:
    """Jackknife pseudo-observations of survival at some times, of shape (n_rows, n_times)."""
    event, time = parts_of(y)
    n = len(y)
    at, died = np.unique(time[event], return_counts=True)
    at_risk = n - np.searchsorted(np.sort(time), at, side="left")
    with_all = _log_survival(died, at_risk)
    # A row that is left out is missed in the risk sets up to its own time, and in its own death.
    up_to = _log_survival(died, at_risk - 1)
    own = np.searchsorted(at, time, side="right")
    of_death = np.zeros(n)
    k = own[event] - 1
    less = np.diff(up_to)[k] - np.diff(_log_survival(died - 1, at_risk - 1))[k]
    of_death[event] = less
    end = np.searchsorted(at, times, side="right")[np.newaxis]
    shared = np.minimum(end, own[:, np.newaxis])
    log_left_out = up_to[shared] + with_all[end] - with_all[shared]
    log_left_out -= np.where(end >= own[:, np.newaxis], of_death[:, np.newaxis], 0.0)
    return n * np.exp(with_all[end]) - (n - 1) * np.exp(log_left_out)


def _log_survival(died: NDArray[Any], at_risk: NDArray[Any]) -> Floats:
    """Log of the Kaplan-Meier curve before the first and after each event time."""
    alive = 1 - died / np.maximum(at_risk, 1)
    return np.append(0.0, np.cumsum(np.log(np.maximum(alive, 1e-12))))
