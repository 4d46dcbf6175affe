"""One verdict over all attacks of an audit, and the controls beside which it is read."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

__all__ = ["CONDENSED", "PUBLISHED", "SIGNIFICANT", "UNRELATED", "AttackVerdict"]

# What is called evidence.
SIGNIFICANT = 0.05
# What is attacked: the set, and controls in which there is something and nothing to find.
CONDENSED, PUBLISHED, UNRELATED = "condensed", "published rows", "unrelated rows"


class Tested(Protocol):
    """What an attack on a target found."""

    @property
    def p_value(self) -> float:
        """Probability of so much by chance."""


S = TypeVar("S", bound=Tested)


class AttackVerdict(ABC, Generic[S]):
    """Whether some attack on the set found more than chance explains."""

    @abstractmethod
    def _of(self, target: str) -> Mapping[str, S]:
        """What each attack found on a target."""

    def _strength(self, score: S) -> float:
        """What decides between attacks that are equally unlikely to be chance."""
        return 0.0

    @property
    def worst(self) -> tuple[str, S]:
        """The attack on the set whose success is least likely to be chance."""
        return self._worst(CONDENSED)

    @property
    def p_value(self) -> float:
        """Probability of the worst attack's success by chance, corrected for their number."""
        return self._p_value(CONDENSED)

    @property
    def has_evidence(self) -> bool:
        """Whether some attack on the set found more than chance explains."""
        return self.p_value < SIGNIFICANT

    def _worst(self, target: str) -> tuple[str, S]:
        own = self._of(target)
        attack = min(own, key=lambda name: (own[name].p_value, -self._strength(own[name])))
        return attack, own[attack]

    def _p_value(self, target: str) -> float:
        return min(1.0, len(self._of(target)) * self._worst(target)[1].p_value)
