"""What private neural condensers have in common: where rows start, and what is refused."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcondense.condensers.allocation import allocate
from skcondense.neural.base import NeuralCondenser, outcomes_of
from skcondense.neural.inputs import ASSUMED_SPREAD, InputSpace
from skcondense.neural.private_features import OutcomeCounts
from skcondense.neural.starts import JITTER, given_start
from skcondense.neural.synthetic import SyntheticSet
from skcondense.private_table import PrivateTable

__all__ = ["PrivateNeuralCondenser"]


class PrivateNeuralCondenser(NeuralCondenser):
    """Abstract base of the condensers whose rows may start from noised answers."""

    def _begin(
        self,
        counts: OutcomeCounts,
        means: NDArray[Any],
        space: InputSpace,
        rng: np.random.Generator,
    ) -> SyntheticSet:
        """The set before matching, from answers alone."""
        made_up = counts.outcomes(self.n_prototypes)
        allocated = allocate(self.allocation, self.n_prototypes, made_up)
        tiles = self._tiles_per_side(space.shape) ** 2
        strata = np.repeat(list(allocated), list(allocated.values())).repeat(tiles)
        codes = self._private_start(counts.facts, means[strata], rng)
        return self._synthetic(codes, space, allocated, outcomes_of(made_up, allocated))

    def _private_start(
        self, facts: PrivateTable, means: NDArray[Any], rng: np.random.Generator
    ) -> NDArray[Any]:
        """Noised means with a little noise, noise alone, or what the caller says is public."""
        if not isinstance(self.init, str):
            return given_start(facts, np.asarray(self.init), len(means))
        noise = ASSUMED_SPREAD * rng.normal(size=means.shape)
        return noise if self.init == "noise" else means + JITTER * noise

    def _check_private(self) -> None:
        """Refuse what would look at rows again, or make the fit one that cannot be replayed."""
        if isinstance(self.init, str) and self.init not in ("auto", "mean", "noise"):
            raise ValueError(
                'With epsilon, rows start at noised means (init="mean"), at "noise", or at public '
                f"rows that you pass. Got init={self.init!r}, which looks at real rows."
            )
        if self.labels == "teacher":
            raise ValueError(
                'With epsilon a teacher must not see real rows. Got labels="teacher". Use "hard".'
            )
        if self.early_stopping:
            raise ValueError(
                "With epsilon no rows are held out: scoring them would have to be paid for. Use "
                "early_stopping=False."
            )
        if self.checkpoint is not None or self.max_time is not None:
            raise ValueError(
                "With epsilon a fit must be repeatable from its recorded answers, which no "
                "checkpoint holds and no clock repeats. Leave checkpoint and max_time at None; "
                "use max_iter."
            )
