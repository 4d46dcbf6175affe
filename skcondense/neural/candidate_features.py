"""Features in which candidates are compared with real rows, on one scale."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from skcondense.neural.checkpoint import digest
from skcondense.neural.network import Network
from skcondense.neural.problem import MatchingProblem
from skcondense.neural.settings import NetworkSettings
from skcondense.neural.training import TrainingRecipe, train

__all__ = ["FeatureMap", "RealFeatures", "random_networks", "trained_network"]

Floats = NDArray[np.float64]

# Training of the network whose features are used: enough to tell strata apart.
RECIPE = TrainingRecipe(n_steps=300)
# A feature that varies less is not blown up.
LEAST_SPREAD = 1e-6


@dataclass(frozen=True)
class FeatureMap:
    """Features of one network, standardised by real rows.

    Squared distances between them are means over features, whatever their number.

    Attributes
    ----------
    network : Module
        Gives features: a `Network`, or what the caller passed.
    settings : NetworkSettings
        Precision, and sizes of pieces.
    mean, spread : Tensor of shape (n_features,), or 0 and 1
        Of the real rows.
    """

    network: Any
    settings: NetworkSettings
    mean: Any = 0.0
    spread: Any = 1.0

    def __call__(self, x: Any) -> Any:
        """Features of a piece of inputs, differentiable, of shape (n, n_features)."""
        with self.settings.compute.precision():
            is_ours = isinstance(self.network, Network)
            found = self.network.features(x) if is_ours else self.network(x).flatten(1)
        found = (found.to(self.settings.compute.storage) - self.mean) / self.spread
        return found / found.shape[1] ** 0.5

    def pieces(self, x: Any) -> Any:
        """Inputs cut up so that a piece's maps stay in the processor's cache."""
        length = self.settings.compute.piece_length(self.settings.space.shape, len(x))
        return x.split(length)

    def constant(self, x: Any) -> Any:
        """Features of any number of inputs, without gradients."""
        with torch.no_grad():
            return torch.cat([self(piece) for piece in self.pieces(x)])

    def standardised(self, x: Any) -> "FeatureMap":
        """The same on the scale of the features of real inputs."""
        found = self.constant(x)
        scale = found.shape[1] ** 0.5
        spread = (found.std(dim=0, correction=0) * scale).clamp(min=LEAST_SPREAD)
        return replace(self, mean=found.mean(dim=0) * scale, spread=spread)


def random_networks(
    settings: NetworkSettings, n_networks: int, generator: torch.Generator
) -> list[Any]:
    """Networks as they are drawn."""
    return [settings.network(generator).requires_grad_(False) for _ in range(n_networks)]


def trained_network(
    problem: MatchingProblem, settings: NetworkSettings, generator: torch.Generator
) -> Any:
    """A network that learned the outcomes of real rows."""
    network = settings.network(generator)
    rows = (problem.x, problem.targets, problem.compute.tensor(problem.weight))
    augmentation, compute = settings.augmentation, problem.compute
    train(network, rows, problem.objective, RECIPE, augmentation, generator, compute)
    return network.requires_grad_(False)


@dataclass(frozen=True)
class RealFeatures:
    """Real rows in features.

    Attributes
    ----------
    maps : sequence of FeatureMap
        One per network.
    problem : MatchingProblem
        Real rows.
    """

    maps: Sequence[FeatureMap]
    problem: MatchingProblem

    @classmethod
    def of(
        cls, networks: Sequence[Any], problem: MatchingProblem, settings: NetworkSettings
    ) -> "RealFeatures":
        """Standardise the features of networks."""
        plain = [FeatureMap(network, settings) for network in networks]
        return cls([one.standardised(problem.x) for one in plain], problem)

    def origin(self) -> str:
        """A fingerprint of the networks, drawn, trained or given."""
        weights = [p for one in self.maps for p in one.network.parameters()]
        return digest(*(p.detach().to("cpu", torch.float64).numpy() for p in weights))

    def joint(self, x: Any) -> Floats:
        """Features of all networks beside each other, of shape (n, n_features)."""
        parts = [one.constant(x) for one in self.maps]
        joined = torch.cat(parts, dim=1) / len(parts) ** 0.5
        return joined.to("cpu", torch.float64).numpy()

    @cached_property
    def real(self) -> Floats:
        """Those of the real rows."""
        return self.joint(self.problem.x)

    @cached_property
    def positions(self) -> dict[int, NDArray[np.intp]]:
        """Those of the rows of each stratum."""
        return {stratum: rows.numpy() for stratum, rows in self.problem.members.items()}

    @cached_property
    def means(self) -> dict[int, Floats]:
        """Mean of each stratum."""
        weight = self.problem.weight.numpy()
        return {
            stratum: np.average(self.real[rows], axis=0, weights=weight[rows])
            for stratum, rows in self.positions.items()
        }

    def moments(self, number: int) -> dict[int, tuple[Any, Any]]:
        """Mean and standard deviation of one network's features in each stratum."""
        found = self.maps[number].constant(self.problem.x)
        weight = self.problem.weight.to(found)
        moments = {}
        for stratum, rows in self.problem.members.items():
            share = (weight[rows] / weight[rows].sum()).unsqueeze(1)
            mean = (share * found[rows]).sum(dim=0)
            moments[stratum] = mean, (share * (found[rows] - mean).square()).sum(dim=0).sqrt()
        return moments
