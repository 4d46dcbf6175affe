r"""Exact accounting in Gaussian differential privacy.

A mechanism is mu-GDP if telling two neighbouring tables apart from its answer is at least as hard
as telling N(0, 1) from N(mu, 1) by one draw. Every query of the door is mu-GDP, mu-GDP composes
exactly, also adaptively, as :math:`\mu = \sqrt{\sum_j \mu_j^2}`, and it holds if and only if
(epsilon, delta)-DP holds for every epsilon with

.. math:: \delta(\epsilon) = \Phi(-\epsilon/\mu + \mu/2) - e^{\epsilon} \Phi(-\epsilon/\mu - \mu/2).

Nothing here is an approximation. (The "GDP accountant" of some deep-learning libraries is one: it
applies a central limit theorem to sub-sampled mechanisms. The door claims no amplification by
sub-sampling.)

References
----------
Dong, Roth and Su (2022), Gaussian differential privacy, JRSS B 84(1), doi:10.1111/rssb.12454;
Corollaries 2.13 and 3.3.
"""

import math
from collections.abc import Iterable
from dataclasses import astuple, dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr, ndtri

__all__ = ["AttackCaps", "attack_caps", "compose", "delta_of", "epsilon_of", "mu_of", "range_of"]

# Search interval of the solvers; outside it a promise is either empty or useless.
SMALLEST, LARGEST = 1e-12, 1e3
# What a product of floats may be off, in thousandths.
ROUNDING = 1e-9


def compose(mus: Iterable[float]) -> float:
    """The mu of several mu-GDP mechanisms together.

    Parameters
    ----------
    mus : iterable of float
        One mu per mechanism; later ones may depend on earlier answers.

    Returns
    -------
    float
        Root of the sum of squares.
    """
    return math.sqrt(math.fsum(mu * mu for mu in mus))


def delta_of(mu: float, epsilon: float) -> float:
    """Smallest delta for which mu-GDP implies (epsilon, delta)-DP.

    Parameters
    ----------
    mu : float
        Gaussian-DP parameter, positive.
    epsilon : float
        Privacy-loss bound, not negative.

    Returns
    -------
    float
    """
    first = log_ndtr(-epsilon / mu + mu / 2)
    second = epsilon + log_ndtr(-epsilon / mu - mu / 2)
    # e^a - e^b without cancellation between two numbers that round to one.
    return float(np.exp(first) * -np.expm1(min(second - first, 0.0)))


def epsilon_of(mu: float, delta: float) -> float:
    """Smallest epsilon for which mu-GDP implies (epsilon, delta)-DP.

    Parameters
    ----------
    mu : float
        Gaussian-DP parameter; 0 for nothing spent.
    delta : float
        Between 0 and 1.

    Returns
    -------
    float
        Rounded up, by one part in 10 ** 9.
    """
    if mu == 0 or delta_of(mu, 0.0) <= delta:
        return 0.0
    # At this epsilon the first term alone is delta; the true one is smaller.
    bound = mu * (mu / 2 - float(ndtri(delta)))
    found = brentq(lambda epsilon: delta_of(mu, epsilon) - delta, 0.0, bound, xtol=1e-14)
    return float(found) * (1 + 1e-9)


def mu_of(epsilon: float, delta: float) -> float:
    """Largest mu for which mu-GDP implies (epsilon, delta)-DP: the budget to spend.

    Parameters
    ----------
    epsilon : float
        Positive.
    delta : float
        Between 0 and 1.

    Returns
    -------
    float
        Rounded down, so that `epsilon_of` never exceeds `epsilon`.

    Raises
    ------
    ValueError
        If the promise is so weak or so strong that no such mu can be computed.
    """
    if not delta_of(SMALLEST, epsilon) < delta < delta_of(LARGEST, epsilon):
        raise ValueError(
            f"No mechanism can be calibrated to epsilon={epsilon!r} and delta={delta!r}. Choose "
            "epsilon between 0.001 and 1000, and delta between 1e-12 and 0.1."
        )
    found = brentq(lambda mu: delta_of(mu, epsilon) - delta, SMALLEST, LARGEST, xtol=1e-14)
    return float(found) * (1 - 1e-8)


def range_of(mu: float) -> float:
    r"""Bounded range b of an exponential mechanism that is mu-GDP.

    Parameters
    ----------
    mu : float
        Gaussian-DP parameter.

    Returns
    -------
    float
        :math:`b = 2 \operatorname{logit} \Phi(\mu/2)`.

    Notes
    -----
    An exponential mechanism whose scores change by at most b between candidates on neighbouring
    tables has *bounded range* b: its likelihood ratios lie in an interval of length b. The
    hardest such mechanism to protect is generalised randomised response [1]_: an answer of
    probability p under one table and q under the other, with logit q - logit p = b. Its
    trade-off curve has one vertex, (p, 1 - q), and straight edges to (0, 1) and (1, 0). The
    curve of mu-GDP is convex and has the same ends, so it lies below if and only if it lies
    below the vertex: Phi(Phi^-1(1 - p) - mu) <= 1 - q, that is Phi^-1(q) - Phi^-1(p) <= mu.
    Over all pairs with logit q - logit p = b, the left side is largest at q = 1 - p, where it is
    2 Phi^-1(1 / (1 + e^(-b/2))). Setting that to mu gives the formula.

    References
    ----------
    .. [1] Dong, Durfee and Rogers (2020), Optimal differential privacy composition for
       exponential mechanisms, ICML, arXiv:1909.13830.
    """
    return 2 * float(log_ndtr(mu / 2) - log_ndtr(-mu / 2))


@dataclass(frozen=True)
class AttackCaps:
    """What no attacker can exceed in telling whether one patient was in the table.

    Attributes
    ----------
    advantage : float
        True-positive rate minus false-positive rate.
    auc : float
        Area under the ROC curve; 0.5 is guessing.
    tpr_at_1_percent_fpr : float
        True-positive rate where 1 % of the others are accused wrongly; 0.01 is guessing.
    """

    advantage: float
    auc: float
    tpr_at_1_percent_fpr: float

    @property
    def rounded_up(self) -> "AttackCaps":
        """To three decimals: what is shown still holds."""
        shown = (math.ceil(1000 * share - ROUNDING) / 1000 for share in astuple(self))
        return AttackCaps(*shown)


def attack_caps(mu: float) -> AttackCaps:
    """Caps on membership attacks against a mu-GDP release.

    They hold for an attacker who knows everything but whether the patient is in the table, has
    unlimited computing power, and sees every noised answer.

    Parameters
    ----------
    mu : float
        Gaussian-DP parameter.

    Returns
    -------
    AttackCaps
        Of the ROC curve Phi(Phi^-1(x) + mu): its largest height above the diagonal, its area
        Phi(mu / sqrt(2)) and its height at 1 %.
    """
    return AttackCaps(
        advantage=float(2 * ndtr(mu / 2) - 1),
        auc=float(ndtr(mu / math.sqrt(2))),
        tpr_at_1_percent_fpr=float(ndtr(ndtri(0.01) + mu)),
    )
