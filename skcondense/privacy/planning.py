"""What to expect of a budget, before any data are touched."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from skcondense.privacy.accountant import attack_caps, epsilon_of, mu_of

__all__ = ["BudgetPlan", "Feasibility", "feasibility"]

# Share of mu squared for refining, and for counting bins, of a private fit that refines.
REFINE, COUNT = 0.15, 0.38
# Size of the mean gradient in units of the rows' root mean square: .02 to .15 in our trials.
COHERENCE = 0.05
# Bins over which the rows of a class are spread.
N_BINS = 8
# Fewer directions than this are not worth a search.
FEWEST_DIRECTIONS = 10


@dataclass(frozen=True)
class Feasibility:
    """What a private fit can be expected to do.

    Attributes
    ----------
    verdict : {"not useful", "measure only", "labels", "features"}
        Noise drowns the counts; counts are useful but refining is not; the data can tell how to
        refine labels and weights; features too, for smooth (linear) black boxes.
    mu : float
        Gaussian-DP parameter of the budget.
    noise : float
        Standard deviation of the noise on each counted bin, in patients.
    patients : float
        Patients of the smaller class that a bin holds on average.
    directions : float
        Directions of a search that the data can tell from noise.
    """

    verdict: str
    mu: float
    noise: float
    patients: float
    directions: float

    def __str__(self) -> str:
        caps = attack_caps(self.mu).rounded_up
        return (
            f"{self.verdict}: a bin holds about {self.patients:.0f} patients of the smaller class "
            f"under noise of {self.noise:.0f}; about {self.directions:.0f} directions can be told "
            f"from noise; no membership attack can exceed an area under the ROC curve of "
            f"{caps.auc:.3f}."
        )


def feasibility(
    n_patients: int,
    n_columns: int,
    epsilon: float,
    *,
    n_prototypes: int = 100,
    prevalence: float = 0.5,
    delta: float = 1e-5,
    neighbors: str = "add_remove",
) -> Feasibility:
    """Judge a budget by public numbers.

    Parameters
    ----------
    n_patients : int
        Order of magnitude of the number of patients; use a public figure, not the exact count.
    n_columns : int
        Number of feature columns.
    epsilon : float
        Budget.
    n_prototypes : int, default=100
        Number of prototypes.
    prevalence : float, default=0.5
        Share of the smaller class, as far as it is public.
    delta : float, default=1e-5
        The delta that goes with epsilon.
    neighbors : {"add_remove", "replace"}, default="add_remove"
        Which tables count as neighbours.

    Returns
    -------
    Feasibility

    Notes
    -----
    A rule of thumb, not a bound. The noise on a histogram bin is sqrt(n_columns) / mu. Summed over
    a run, a search in d directions has a signal-to-noise ratio of mu * n * c / sqrt(d), whatever
    the number of rounds, where c is the length of the mean gradient over the root mean square of
    the rows' gradients.

    Examples
    --------
    >>> from skcondense.privacy import feasibility
    >>> feasibility(300, 130, epsilon=1.0).verdict
    'not useful'
    >>> feasibility(5_000, 20, epsilon=1.0).verdict
    'labels'
    """
    mu = mu_of(epsilon, delta)
    strict = 1.0 if neighbors == "add_remove" else 2.0
    noise = strict**0.5 * math.sqrt(n_columns / COUNT) / mu
    patients = n_patients * min(prevalence, 1 - prevalence) / N_BINS
    directions = (mu * math.sqrt(REFINE) / strict * n_patients * COHERENCE) ** 2
    if noise > patients:
        verdict = "not useful"
    elif directions < FEWEST_DIRECTIONS:
        verdict = "measure only"
    elif directions < n_prototypes * n_columns * 5:
        verdict = "labels"
    else:
        verdict = "features"
    return Feasibility(verdict, mu, noise, patients, directions)


@dataclass(frozen=True)
class BudgetPlan:
    """How a fit will divide its budget.

    Attributes
    ----------
    epsilon, delta : float
        Budget.
    shares : mapping of {str: float}
        Share of each stage, in units of mu squared; they add up to one.
    """

    epsilon: float
    delta: float
    shares: Mapping[str, float]

    @property
    def mus(self) -> dict[str, float]:
        """Gaussian-DP parameter of each stage; their squares add up to that of the budget."""
        mu = mu_of(self.epsilon, self.delta)
        return {stage: mu * math.sqrt(share) for stage, share in self.shares.items()}

    def __str__(self) -> str:
        lines = [f"{'stage':<14}{'share':>7}{'mu':>9}{'epsilon alone':>15}"]
        for stage, mu in self.mus.items():
            alone = epsilon_of(mu, self.delta)
            lines.append(f"{stage:<14}{self.shares[stage]:>7.1%}{mu:>9.4f}{alone:>15.3f}")
        total = mu_of(self.epsilon, self.delta)
        lines.append(f"{'together':<14}{1:>7.1%}{total:>9.4f}{self.epsilon:>15.3f}")
        return "\n".join(lines)
