"""How well an attack tells members from others, with intervals that count patients once."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, fisher_exact, norm, rankdata
from sklearn.metrics import roc_curve

__all__ = ["AttackScore", "by_patient", "score_attack"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AttackScore:
    """One attack.

    Attributes
    ----------
    auc, auc_low, auc_high : float
        Area under the ROC curve and its 95 % interval; 0.5 is chance.
    tpr : dict of {float: tuple of float}
        By false positive rate: members that are found, and the 95 % interval of that share.
    p_value : float
        Probability of so large an area, or of so many found members at one of the rates, if there
        were nothing to find; corrected for looking at all of them.
    n_members, n_others : int
        Records; patients, where rows were grouped.
    roc : ndarray of shape (2, n_thresholds)
        By falling threshold, the share of the others that pass it (false alarms) and the share of
        the members that do (found).
    """

    auc: float
    auc_low: float
    auc_high: float
    tpr: dict[float, tuple[float, float, float]]
    p_value: float
    n_members: int
    n_others: int
    roc: Floats = field(repr=False, compare=False)


def score_attack(
    members: Floats,
    others: Floats,
    *,
    member_groups: NDArray[Any] | None = None,
    other_groups: NDArray[Any] | None = None,
    rates: tuple[float, ...] = (0.01, 0.001),
) -> AttackScore:
    """Score an attack by what it says of members and of others.

    Parameters
    ----------
    members, others : ndarray of shape (n,)
        Greater for those that the attack takes for members.
    member_groups, other_groups : ndarray of shape (n,), default=None
        Patients: rows of one are no independent records, so their scores are averaged.
    rates : tuple of float
        False positive rates at which found members are counted; the threshold is the strictest at
        which no more than that share of the others passes.

    Returns
    -------
    AttackScore

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44, doi:10.2307/2531595: the standard
    error; Clopper and Pearson (1934), doi:10.1093/biomet/26.4.404: intervals of shares.
    """
    members, others = by_patient(members, member_groups), by_patient(others, other_groups)
    m, n = len(members), len(others)
    joint = rankdata(np.concatenate([members, others]))
    # Share of the others below each member, and of the members above each other.
    over = (joint[:m] - rankdata(members)) / n
    under = 1 - (joint[m:] - rankdata(others)) / m
    auc = float(over.mean())
    error = np.sqrt(_variance_of_mean(over) + _variance_of_mean(under))
    reach = float(norm.ppf(0.975) * error)
    found = {rate: _found_at(rate, members, others) for rate in rates}
    chances = [
        _chance_of_area(auc, error, m, n),
        *(_chance_of(round(share * m), m, int(rate * n), n) for rate, (share, *_) in found.items()),
    ]
    return AttackScore(
        auc=auc,
        auc_low=max(auc - reach, 0.0),
        auc_high=min(auc + reach, 1.0),
        tpr=found,
        p_value=min(1.0, len(chances) * min(chances)),
        n_members=m,
        n_others=n,
        roc=_roc(members, others),
    )


def by_patient(scores: Floats, groups: NDArray[Any] | None) -> Floats:
    """Mean score of each patient: what is independent of each other."""
    if groups is None:
        return scores
    patient = np.unique(groups, return_inverse=True)[1]
    return np.asarray(np.bincount(patient, scores) / np.bincount(patient))


def _chance_of_area(auc: float, error: float, m: int, n: int) -> float:
    """Probability of so large an area; of one without error, that of this very order."""
    if error > 0:
        return float(norm.sf((auc - 0.5) / error))
    return 1 / math.comb(m + n, m) if auc > 0.5 else 1.0


def _chance_of(hits: int, m: int, allowed: int, n: int) -> float:
    """Fisher's exact test that members pass a threshold no more often than others do."""
    passed, missed = [hits, allowed], [m - hits, n - allowed]
    return float(fisher_exact([passed, missed], alternative="greater")[1])


def _roc(members: Floats, others: Floats) -> Floats:
    """Every point of the curve: on logarithmic axes none can be left out."""
    is_member = np.repeat([1, 0], [len(members), len(others)])
    scores = np.concatenate([members, others])
    # Ranks: an attack may be infinitely sure.
    found = roc_curve(is_member, rankdata(scores), drop_intermediate=False)
    return np.stack(found[:2])


def _variance_of_mean(values: Floats) -> float:
    return float(values.var(ddof=1) / len(values)) if len(values) > 1 else float("inf")


def _found_at(rate: float, members: Floats, others: Floats) -> tuple[float, float, float]:
    """Share of members above the threshold that at most `rate` of the others pass."""
    allowed = int(rate * len(others))
    threshold = np.sort(others)[::-1][allowed]
    hits = int((members > threshold).sum())
    interval = binomtest(hits, len(members)).proportion_ci(0.95)
    return hits / len(members), float(interval.low), float(interval.high)
