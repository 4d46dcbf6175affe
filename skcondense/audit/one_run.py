"""One run: a lower bound of epsilon from a single fit with made-up patients."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import binom
from sklearn.utils import check_random_state

from skcondense.audit.canaries import Planted
from skcondense.base import DatasetCondenser

__all__ = ["OneRunAudit", "epsilon_lower_bound", "one_run_audit"]

# Beyond this no number of canaries that anybody would plant can tell.
LARGEST_EPSILON = 50.0
FEWEST_CANARIES = 20


@dataclass(frozen=True)
class OneRunAudit:
    """What canaries showed.

    Attributes
    ----------
    epsilon_low : float
        With this confidence, the fit is not (epsilon, delta)-differentially private for any
        smaller epsilon.
    confidence, delta : float
        Of the bound.
    n_canaries, n_guesses, n_correct : int
        Canaries that were planted or not, guesses of the best plan, and how many were right.
    most : float
        The bound had all guesses of some plan been right: what this audit could show at most.
    stated : float or None
        What the fit's privacy statement says; None without one.
    """

    epsilon_low: float
    confidence: float
    delta: float
    n_canaries: int
    n_guesses: int
    n_correct: int
    most: float
    stated: float | None

    @property
    def has_evidence(self) -> bool:
        """Whether the bound contradicts the statement, or exceeds 1 where there is none."""
        return self.epsilon_low > (1.0 if self.stated is None else self.stated)

    @property
    def table(self) -> pd.DataFrame:
        """All numbers in one row."""
        return pd.DataFrame([asdict(self)])

    def __str__(self) -> str:
        said = "The fit states no epsilon." if self.stated is None else (
            f"The fit states epsilon={self.stated:.4g}."
        )  # fmt: skip
        verdict = (
            "No contradiction: a small bound shows little, since better attacks exist."
            if self.stated is not None
            else "No evidence of a leak at this power; without a statement nothing bounds attacks."
        )
        if self.has_evidence and self.stated is not None:
            verdict = "THE BOUND CONTRADICTS THE STATEMENT: do not release this set."
        elif self.has_evidence:
            verdict = "Made-up patients could be found in the set, so real ones can."
        return (
            f"{self.n_canaries} made-up patients, each in the table by the toss of a coin; "
            f"{self.n_correct} of {self.n_guesses} guesses from the set were right. With "
            f"{self.confidence:.0%} confidence epsilon is at least {self.epsilon_low:.3g} (lower "
            f"is better; with all guesses right the bound would be {self.most:.3g}). "
            f"{said} {verdict}"
        )


def epsilon_lower_bound(
    n_canaries: int, n_guesses: int, n_correct: int, *, delta: float, significance: float
) -> float:
    """Least epsilon with which so many right guesses are no surprise.

    Parameters
    ----------
    n_canaries : int
        Records that were included by independent fair coins.
    n_guesses, n_correct : int
        Coins that were guessed from the output, and right guesses.
    delta : float
        Of (epsilon, delta)-differential privacy.
    significance : float
        Probability that the bound is too large.

    Returns
    -------
    float
        0 where the guesses show nothing.

    References
    ----------
    Steinke, Nasr and Jagielski (2023), Privacy auditing with one (1) training run, NeurIPS,
    arXiv:2305.08846, theorem 5.2: for every epsilon-DP fit right guesses are at most binomial with
    e^epsilon / (1 + e^epsilon), and delta adds 2 m delta max_i P[v - i <= guesses < v] / i.
    """
    if n_correct == 0:
        return 0.0
    steps = np.arange(1, n_correct + 1)

    def excess(epsilon: float) -> float:
        right = 1 / (1 + np.exp(-epsilon))
        tail = binom.sf(n_correct - 1, n_guesses, right)
        below = binom.cdf(n_correct - 1, n_guesses, right)
        near = below - binom.cdf(n_correct - 1 - steps, n_guesses, right)
        return float(tail + 2 * n_canaries * delta * (near / steps).max() - significance)

    if excess(0.0) > 0:
        return 0.0
    if excess(LARGEST_EPSILON) < 0:
        return LARGEST_EPSILON
    return float(brentq(excess, 0.0, LARGEST_EPSILON))


def one_run_audit(
    condenser: DatasetCondenser,
    X: Any,
    y: Any,
    *,
    groups: Any = None,
    n_canaries: int = 100,
    confidence: float = 0.95,
    random_state: Any = None,
) -> OneRunAudit:
    """Plant made-up patients by coin tosses, condense once, and guess the coins from the set.

    A made-up patient (a canary) is a random row with most cells near the ends of what the schema
    allows, and an outcome drawn from `y`. The auditor knows all rows but the coins, and takes
    prototypes, times their weights, for sums of the rows nearest to them: what known rows do not
    explain of a sum is explained by least squares as canaries that are in.

    Parameters
    ----------
    condenser : DatasetCondenser
        It is cloned and fitted once; no ledger counts this fit, which stays with the auditor.
    X, y, groups
        Rows, as for `DatasetCondenser.fit`.
    n_canaries : int, default=100
        20 at least. More show more, and disturb the table more.
    confidence : float, default=0.95
        Probability that the bound holds.
    random_state : int, RandomState instance or None, default=None
        Draws canaries and coins.

    Returns
    -------
    OneRunAudit
        Print it for sentences.

    Raises
    ------
    ValueError
        If there are too few canaries, or the confidence is no probability.

    Notes
    -----
    The fit that is audited is one of the table with canaries, not the one that is released. With
    ``neighbors="replace"`` another made-up patient takes the place of each that the coin leaves
    out. Canaries with the largest share in the sums are guessed to be in, and those with the
    smallest to be out; or, for published rows, those nearest to a prototype to be in. The best of
    these plans is corrected for the choice. No plan looks at labels, and sets that are neither
    means nor rows are attacked badly: a small bound proves nothing.

    References
    ----------
    Steinke, Nasr and Jagielski (2023), Privacy auditing with one (1) training run, NeurIPS,
    arXiv:2305.08846.
    """
    if n_canaries < FEWEST_CANARIES or not 0 < confidence < 1:
        raise ValueError(
            f"n_canaries must be {FEWEST_CANARIES} at least and confidence between 0 and 1. Got "
            f"{n_canaries} and {confidence}."
        )
    rng = np.random.default_rng(int(check_random_state(random_state).randint(2**31 - 1)))
    planted = Planted.into(condenser, X, y, groups, n_canaries, rng)
    condensed = planted.condense(condenser, int(rng.integers(2**31 - 1)))
    guesses = list(planted.guesses(condensed))
    # The best plan is corrected for the choice.
    delta, significance = condenser.delta, (1 - confidence) / len(guesses)
    plans = []
    for inside, outside in guesses:
        n_guesses = len(inside) + len(outside)
        n_correct = int(planted.is_in[inside].sum() + (~planted.is_in[outside]).sum())
        low, most = (
            epsilon_lower_bound(
                n_canaries, n_guesses, right, delta=delta, significance=significance
            )
            for right in (n_correct, n_guesses)
        )
        plans.append((low, n_guesses, n_correct, most))
    low, n_guesses, n_correct, _ = max(plans)
    return OneRunAudit(
        epsilon_low=low,
        confidence=confidence,
        delta=delta,
        n_canaries=n_canaries,
        n_guesses=n_guesses,
        n_correct=n_correct,
        most=max(most for *_, most in plans),
        stated=None if condensed.privacy is None else condensed.privacy.epsilon,
    )
