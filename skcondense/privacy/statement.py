"""What a release promises, in facts and in plain sentences."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from skcondense.exceptions import LedgerError
from skcondense.privacy.accountant import AttackCaps, attack_caps, compose, epsilon_of
from skcondense.privacy.ledger import Spend

__all__ = ["PrivacyStatement"]

NEIGHBORS = {
    ("add_remove", "patient"): "with and without all rows of any one patient",
    ("add_remove", "row"): "with and without any one row",
    ("replace", "patient"): "with all rows of any one patient replaced by any others",
    ("replace", "row"): "with any one row replaced by any other",
}
FORMAT = "skcondense privacy statement, version 1"


@dataclass(frozen=True)
class PrivacyStatement:
    """The promise of one fit.

    Attributes
    ----------
    epsilon, delta : float
        The fit is (epsilon, delta)-differentially private.
    mu : float
        And it is mu-GDP, from which epsilon follows for every delta.
    neighbors : {"add_remove", "replace"}
        Which tables count as neighbours.
    unit : {"patient", "row"}
        Whose presence is protected.
    spends : tuple of Spend
        What was asked, in order: the ledger's extract for this fit.
    seeded_noise : bool
        Whether the noise could be repeated: then nothing is promised.
    sampling_rate : float
        Public probability of each patient to be in the sample that was asked; 1 where all were.
    """

    epsilon: float
    delta: float
    mu: float
    neighbors: str
    unit: str
    spends: tuple[Spend, ...]
    seeded_noise: bool
    sampling_rate: float = 1.0

    @classmethod
    def of(
        cls, spends: Iterable[Spend], *, delta: float, neighbors: str, unit: str, seeded_noise: bool
    ) -> Self:
        """State what some spends amount to."""
        spends = tuple(spends)
        mu = compose(spend.mu for spend in spends)
        return cls(epsilon_of(mu, delta), delta, mu, neighbors, unit, spends, seeded_noise)

    @property
    def is_releasable(self) -> bool:
        """Whether the promise holds: the noise was secret."""
        return not self.seeded_noise

    @property
    def short(self) -> str:
        """The promise in a few words."""
        if self.seeded_noise:
            return "seeded noise: not for release"
        return f"epsilon={self.epsilon:.4g}, delta={self.delta:.4g}, per {self.unit}"

    @property
    def caps(self) -> AttackCaps:
        """What no attacker can exceed."""
        return attack_caps(self.mu)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The promise, what it means, and what it does not cover."""
        caps = self.caps.rounded_up
        table = NEIGHBORS[self.neighbors, self.unit]
        promise = (
            f"This condensed set is ({self.epsilon:.4g}, {self.delta:.4g})-differentially private "
            f"({self.mu:.4g}-GDP): it would have come out almost as likely {table}."
        )
        if self.seeded_noise:
            promise = (
                "SEEDED NOISE: NOT FOR RELEASE. The noise of this fit can be repeated by whoever "
                "knows the seed, so nothing is promised."
            )
        return (
            promise,
            f"Whoever sees it, whatever else they know, cannot tell whether a given {self.unit} is "
            f"in the table much better than by guessing: at most {caps.advantage:.1%} more true "
            f"than false accusations, an area under the ROC curve of at most {caps.auc:.3f}, and "
            f"at most {caps.tpr_at_1_percent_fpr:.1%} of members found where 1 % of others are "
            "accused wrongly.",
            f"The table was asked {len(self.spends)} questions; each answer was noised, and the "
            "rows, weights and labels were computed from the answers alone.",
            *self._sampling,
            "Taken as public, and not protected: the schema (columns, bounds, categories, "
            "outcome), column types, the settings of the fit, and whatever is true of people like "
            f"a given {self.unit} whether or not it is in the table.",
            "It covers this fit alone. Other releases and other fits on the same patients add up; "
            "a shared ledger counts them.",
        )

    @property
    def _sampling(self) -> tuple[str, ...]:
        if self.sampling_rate == 1:
            return ()
        return (
            f"The questions were asked of a random sample: a secret coin put each {self.unit} into "
            f"it with the public probability {self.sampling_rate:.4g}, whatever its rows hold. The "
            f"promise holds for every {self.unit} of the table, in the sample or not, and no "
            "stronger one is claimed for the sampling. Weights are divided by that probability, so "
            "they estimate the whole table.",
        )

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    def to_json(self) -> str:
        """Write facts and sentences as JSON text."""
        facts = {"format": FORMAT, **asdict(self)}
        facts["caps"] = asdict(self.caps)
        facts["sentences"] = self.sentences
        return json.dumps(facts, indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a statement, and check its arithmetic.

        Parameters
        ----------
        text : str
            What `to_json` wrote.

        Returns
        -------
        PrivacyStatement

        Raises
        ------
        LedgerError
            If the text is no statement, or its spends amount to more than it says.
        """
        try:
            facts: dict[str, Any] = json.loads(text)
            spends = tuple(Spend(**spend) for spend in facts["spends"])
            terms = {name: facts[name] for name in ("delta", "neighbors", "unit", "seeded_noise")}
            rate = float(facts.get("sampling_rate", 1.0))
            statement = replace(cls.of(spends, **terms), sampling_rate=rate)
            said = {"epsilon": facts["epsilon"], "mu": facts["mu"]}
            claims = {name: float(value) for name, value in {**said, **facts["caps"]}.items()}
            if (statement.neighbors, statement.unit) not in NEIGHBORS:
                raise ValueError("neighbors or unit are unknown")
            if not (0 < rate <= 1 and 0 < statement.delta < 1):
                raise ValueError("delta and the sampling rate must be probabilities")
            if not isinstance(statement.seeded_noise, bool):
                raise ValueError("seeded_noise must be true or false")
        # What a file can make of lists, numbers and nesting raises nearly anything.
        except Exception as error:
            raise LedgerError(f"This is not a privacy statement in JSON: {error}.") from error
        statement._check_claims(claims)
        return statement

    def _check_claims(self, claims: dict[str, float]) -> None:
        """Refuse numbers that promise more than the spends do."""
        least = {"epsilon": self.epsilon, "mu": self.mu, **asdict(self.caps)}
        for name, claim in claims.items():
            # Not the other way round: no number is larger than NaN.
            if not least.get(name, math.nan) <= claim * (1 + 1e-6):
                raise LedgerError(
                    f"The statement says {name}={claim:.4g}, but its spends amount to "
                    f"{least.get(name, math.nan):.4g}."
                )
