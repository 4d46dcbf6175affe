"""What private neural condensers share: the order of a private fit, and what is refused."""

import math
import warnings
from abc import abstractmethod
from copy import copy
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray

from skcondense.base import Prototypes
from skcondense.callbacks import Callback, FitProgress
from skcondense.condensers.allocation import allocate
from skcondense.neural.base import NeuralCondenser, outcomes_of
from skcondense.neural.compute import Compute
from skcondense.neural.inputs import ASSUMED_SPREAD, InputSpace
from skcondense.neural.loop import Matcher
from skcondense.neural.private_features import OutcomeCounts, ask_means, example_row
from skcondense.neural.randomness import torch_generator
from skcondense.neural.settings import NetworkSettings
from skcondense.neural.starts import JITTER, given_start
from skcondense.neural.synthetic import SyntheticSet
from skcondense.privacy import Oracle, RehearsalOracle
from skcondense.private_table import PrivateTable
from skcondense.table import TableSchema

__all__ = ["PrivateNeuralCondenser"]


class PrivateNeuralCondenser(NeuralCondenser):
    """Abstract base of the condensers that can work from noised answers.

    Counts of the outcomes are asked, mean rows where rows start at them, and what the method
    matches. All else is computed from the answers. The whole fit is rehearsed on a made-up row
    first: what cannot be done must cost nothing.
    """

    # Shares of the budget, in units of mu squared: of "outcomes", "means", and what is matched.
    _private_shares: ClassVar[dict[str, float]]

    @abstractmethod
    def _private_matcher(
        self,
        counts: OutcomeCounts,
        oracle: Oracle,
        settings: NetworkSettings,
        generator: torch.Generator,
    ) -> Matcher:
        """Ask for what is matched, and say what one iteration does."""

    def _shares(self, schema: TableSchema) -> dict[str, float]:
        shares = dict(self._private_shares)
        if not self._starts_at_means():
            shares[list(shares)[-1]] += shares.pop("means")
        return shares

    def _starts_at_means(self) -> bool:
        return isinstance(self.init, str) and self.init != "noise"

    def _condense_privately(
        self, facts: PrivateTable, oracle: Oracle, rng: np.random.Generator
    ) -> Prototypes:
        self._check_private(facts)
        rehearsal = RehearsalOracle(example_row(facts))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._rehearsing()._by_answers(facts, rehearsal, np.random.default_rng(0))
        if not math.isclose(rehearsal.share, 1.0):
            raise ValueError(
                f"The fit would ask for {rehearsal.share:.4g} of its budget, not for all of it. "
                "Does a descent of yours take another number of gradients than its n_gradients?"
            )
        return self._by_answers(facts, oracle, rng)

    def _rehearsing(self) -> Self:
        """The same condenser with at most one iteration, which nobody watches."""
        trial = copy(self)
        trial.max_iter, trial.callback = min(self.max_iter, 1), None
        return trial

    def _by_answers(
        self, facts: PrivateTable, oracle: Oracle, rng: np.random.Generator
    ) -> Prototypes:
        shares = self._shares(facts.encoder.schema)
        compute = Compute(self.device, "float32")
        space = InputSpace(facts.encoder, self._public_normaliser(facts.encoder), compute)
        settings = self._settings(space, facts.task, compute)
        generator = torch_generator(rng)
        counts = OutcomeCounts.ask(facts, oracle, shares["outcomes"])
        means = np.zeros((len(counts.sizes), facts.encoder.n_codes))
        if "means" in shares:
            means = ask_means(counts, oracle, shares["means"])
        matcher = self._private_matcher(counts, oracle, settings, generator)
        # From here on everything is computed from answers.
        synthetic = self._begin(counts, means, space, rng)
        loop = self._loop(synthetic, matcher, generator)
        loop.callback = self._watcher()
        loop.run()
        labels = self._learned_labels(matcher, synthetic, counts.outcomes(1), counts.sizes)
        return self._deliver(synthetic, counts.facts, counts.sizes, loop, settings, labels)

    def _watcher(self) -> Callback | None:
        """The callback, which may watch but not stop: a private fit must be repeatable."""
        callback = self.callback
        if callback is None:
            return None

        def watch(progress: FitProgress) -> None:
            callback(progress)

        return watch

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

    def _check_private(self, facts: PrivateTable) -> None:
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
