"""What distribution matching asks of private rows: noised mean rows and noised mean features.

Networks are drawn before any row is seen and never change. Each row's features are brought to
length one, so a patient moves the sums by a known amount; the sums are asked once, and matching
them for as long as one likes is free.

References
----------
Harder, Adamczewski and Park (2021), DP-MERF: differentially private mean embeddings with random
features for practical privacy-preserving data generation, AISTATS, arXiv:2002.11603: the same
idea with random Fourier features in place of networks.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from skcondense.condensers.marginals import count_outcomes
from skcondense.neural.loop import Matcher
from skcondense.neural.mean_features import means_of_parts
from skcondense.neural.network import Network
from skcondense.neural.settings import NetworkSettings
from skcondense.neural.single_rows import of_single_rows
from skcondense.neural.synthetic import SyntheticSet
from skcondense.privacy import Oracle, SumQuery
from skcondense.private_table import PrivateTable

__all__ = [
    "SHARES",
    "OutcomeCounts",
    "ReleasedFeatureMatcher",
    "ask_features",
    "ask_means",
    "example_row",
]

Floats = NDArray[np.float64]

# Shares of the budget of a private fit, in units of mu squared.
SHARES = {"outcomes": 0.02, "means": 0.28, "features": 0.70}
# No stratum is taken to be smaller, however the noise falls.
SMALLEST_STRATUM = 20.0


@dataclass(frozen=True)
class OutcomeCounts:
    """Noised counts of the outcomes.

    Attributes
    ----------
    facts : PrivateTable
        Public facts, with strata that suit the counts; no rows.
    cells : ndarray of shape (n_cells,)
        Rows per outcome cell.
    """

    facts: PrivateTable
    cells: Floats

    @classmethod
    def ask(cls, facts: PrivateTable, oracle: Oracle, share: float) -> "OutcomeCounts":
        """Count the outcomes."""
        cells = count_outcomes(facts, oracle, share)
        return cls(replace(facts, task=facts.task.informed(cells)), cells)

    @classmethod
    def equal(cls, facts: PrivateTable) -> "OutcomeCounts":
        """Made-up counts, to check a request before anything is asked."""
        return cls(facts, np.ones(facts.task.n_cells))

    @cached_property
    def sizes(self) -> Floats:
        """Rows per stratum."""
        task = self.facts.task
        strata = task.strata(task.from_cells(np.arange(task.n_cells)))
        return np.maximum(np.bincount(strata, self.cells), SMALLEST_STRATUM)

    def outcomes(self, n_each: int) -> PrivateTable:
        """A table without columns, of outcomes that each stand for their share of a cell."""
        cells = np.repeat(np.arange(len(self.cells)), n_each)
        weight = self.cells[cells] / n_each
        return replace(self.facts, y=self.facts.task.from_cells(cells), weight=weight)


def ask_means(counts: OutcomeCounts, oracle: Oracle, share: float) -> Floats:
    """Noised mean codes of each stratum, of shape (n_strata, n_codes)."""
    encoder = counts.facts.encoder
    # No row is longer than the corner of the box that holds all codes.
    bound = float(np.linalg.norm(np.maximum(np.abs(encoder.lower), np.abs(encoder.upper))))

    def padded(rows: PrivateTable) -> Floats:
        # With one more code all rows are as long as the bound, so that clipping a patient with many
        # rows makes of their sum what it makes of their count.
        rest = np.sqrt(np.maximum(bound**2 - (rows.Z**2).sum(axis=1), 0.0))
        return np.column_stack([rows.Z, rest])

    sums = _ask_by_stratum("means", share, bound, counts, oracle, padded, False)[:, :-1]
    return np.clip(sums / counts.sizes[:, np.newaxis], encoder.lower, encoder.upper)


def ask_features(
    counts: OutcomeCounts,
    oracle: Oracle,
    share: float,
    networks: list[Network],
    settings: NetworkSettings,
) -> Floats:
    """Noised mean features of each stratum, of shape (n_strata, n_networks * n_features)."""
    # In double precision, since the query counts on vectors that are no longer than one.
    device = settings.compute.exact_device
    exact = [deepcopy(network).to(device).double() for network in networks]

    def features(rows: PrivateTable) -> Floats:
        x = settings.space.inputs(rows.Z).to(device).double()
        with torch.no_grad():
            found = of_single_rows(joined, x)
        return np.asarray(found.cpu().numpy(), dtype=np.float64)

    def joined(x: Any) -> Any:
        return torch.cat([_unit_features(net, x)[0] for net in exact]) / len(exact) ** 0.5

    sums = _ask_by_stratum("features", share, 1.0, counts, oracle, features, True)
    return sums / counts.sizes[:, np.newaxis]


def _ask_by_stratum(
    name: str,
    share: float,
    bound: float,
    counts: OutcomeCounts,
    oracle: Oracle,
    vectors: Callable[[PrivateTable], Floats],
    nonnegative: bool,
) -> Floats:
    """Noised sums of a vector per row, one for each stratum."""
    task, n_strata = counts.facts.task, len(counts.sizes)
    width = vectors(example_row(counts.facts)).shape[1]

    def in_stratum(rows: PrivateTable) -> Floats:
        out = np.zeros((len(rows), n_strata, width))
        out[np.arange(len(rows)), task.strata(rows.y)] = vectors(rows)
        return out.reshape(len(rows), -1)

    query = SumQuery(name, share, n_strata * width, bound, in_stratum, nonnegative=nonnegative)
    return oracle.ask(query).value.reshape(n_strata, width)


def example_row(facts: PrivateTable) -> PrivateTable:
    """One made-up row, to learn how long its vector is."""
    y = facts.task.from_cells(np.zeros(1, dtype=np.intp))
    return facts.with_rows(facts.encoder.lower[np.newaxis], y, np.ones(1))


def _unit_features(network: Network, x: Any) -> Any:
    """Features of each row, of length one and without negative entries.

    The package's architectures have none; of others they are cut off here, before anything is
    asked and matched, since the query says that there are none.
    """
    return torch.nn.functional.normalize(torch.relu(network.features(x)), dim=1)


class ReleasedFeatureMatcher(Matcher):
    """Match released mean features; no real row is needed.

    Parameters
    ----------
    networks : list of Network
        The networks whose features were released.
    targets : Tensor of shape (n_strata, n_networks * n_features)
        Released mean features.
    """

    def __init__(self, networks: list[Network], targets: Any) -> None:
        self._networks = networks
        self._targets = targets.chunk(len(networks), dim=1)
        self._scale = len(networks) ** 0.5

    def iterate(self, synthetic: SyntheticSet, step: Callable[[float], None]) -> None:
        """One step on the squared distance from all released means."""
        total, slices = 0.0, synthetic.slices()
        for network, target in zip(self._networks, self._targets, strict=True):
            parts = [synthetic.images(rows) for rows in slices.values()]
            features = _unit_features(network, torch.cat(parts)) / self._scale
            loss = ((means_of_parts(features, parts) - target[list(slices)]) ** 2).sum()
            loss.backward()
            total += float(loss.detach())
        step(total)
