"""`HerdingCondenser`: kernel mean matching, one small group at a time."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.kernel_approximation import RBFSampler

from skcondense._sklearn import at_least, between
from skcondense.base import DatasetCondenser, Prototypes
from skcondense.condensers.allocation import allocate
from skcondense.condensers.grouping import GROUP_SIZE, group_means
from skcondense.condensers.measuring import check_request, measure, shares_of
from skcondense.condensers.random import draw_rows
from skcondense.privacy import Oracle, PrivacyLedger, SumQuery
from skcondense.private_table import PrivateTable
from skcondense.table import TableSchema
from skcondense.tasks import Task

__all__ = ["HerdingCondenser", "herd"]

# Shares of the budget of a private fit, in units of mu squared.
SHARES = {"outcomes": 0.02, "histograms": 0.43, "correlations": 0.15, "embeddings": 0.40}
# Proxy rows to choose from, at least: rare strata need some too.
N_PROXY = 10_000


class HerdingCondenser(DatasetCondenser):
    """Choose prototypes whose kernel mean is that of the real rows.

    Within each stratum prototypes are taken greedily from means of small groups, so that the
    mean of their random Fourier features approaches the mean of the real rows.

    At predict time nothing is chosen: new rows pass through `transform`, their number unchanged.

    Parameters
    ----------
    n_prototypes : int, default=100
        Number of prototypes.
    gamma : float, default=1.0
        Coefficient of the Gaussian kernel ``exp(-gamma * d**2)`` between encoded rows, times the
        number of columns (so that one value suits narrow and wide tables).
    n_components : int, default=500
        Number of random Fourier features.
    n_pool : int, default=2000
        Number of small-group means to choose from.
    allocation : {"balanced", "proportional"} or dict, default="proportional"
        How prototypes are shared over strata.
    task : {"auto", "classification", "regression", "survival"}, default="auto"
        What `y` is.
    schema : TableSchema, default=None
        What the columns may hold. Learned from the table when None.
    subsample : int or None, default=50_000
        Largest number of rows to work on.
    epsilon, delta, ledger, neighbors
        Differential privacy; as in `DatasetCondenser`.
    random_state : int, RandomState instance or None, default=None
        Seed.

    Attributes
    ----------
    X_condensed_, y_condensed_, sample_weight_, prototype_, schema_, task_, real_row_matches_
        As in `RandomCondenser`.

    References
    ----------
    Chen, Welling and Smola (2010), Super-samples from kernel herding, UAI, arXiv:1203.3472.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skcondense import HerdingCondenser
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> HerdingCondenser(20, random_state=0).condense(X, y).n_prototypes
    20
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DatasetCondenser._parameter_constraints,
        "gamma": [between(0, None)],
        "n_components": [at_least(1)],
        "n_pool": [at_least(1)],
    }

    def __init__(
        self,
        n_prototypes: int = 100,
        *,
        gamma: float = 1.0,
        n_components: int = 500,
        n_pool: int = 2000,
        allocation: Any = "proportional",
        task: str = "auto",
        schema: TableSchema | None = None,
        subsample: int | None = 50_000,
        epsilon: float | None = None,
        delta: float = 1e-5,
        ledger: PrivacyLedger | None = None,
        neighbors: str = "add_remove",
        random_state: Any = None,
    ) -> None:
        super().__init__(
            n_prototypes,
            allocation=allocation,
            task=task,
            schema=schema,
            subsample=subsample,
            epsilon=epsilon,
            delta=delta,
            ledger=ledger,
            neighbors=neighbors,
            random_state=random_state,
        )
        self.gamma = gamma
        self.n_components = n_components
        self.n_pool = n_pool

    def _condense(self, table: PrivateTable, rng: np.random.Generator) -> Prototypes:
        table = table.one_row_per_patient(rng)
        counts = allocate(self.allocation, self.n_prototypes, table)
        features = self._features(table, rng)
        chosen, outcomes, weights = [], [], []
        for stratum, count in counts.items():
            members = np.flatnonzero(table.strata == stratum)
            part = table.take(members)
            n_pool = min(len(part), max(self.n_pool * count // self.n_prototypes, count))
            seeds, _ = draw_rows(part, {stratum: n_pool}, rng)
            if len(part) >= GROUP_SIZE:
                pool = group_means(part, seeds, part.Z)
            else:
                # A tiny class borrows neighbours, or its mean would be a patient's row.
                pool = group_means(table, members[seeds], table.Z)
            goal = np.average(features.transform(part.Z), axis=0, weights=part.weight)
            picked = herd(features.transform(pool), goal, count)
            chosen.append(pool[picked])
            outcomes.append(part.y[seeds[picked]])
            weights.append(np.full(count, part.weight.sum() / count))
        X = table.decode(np.concatenate(chosen))
        y = np.concatenate(outcomes)
        return Prototypes(X, np.arange(len(y)), y, np.concatenate(weights), {})

    _not_private_because = None

    def _shares(self, schema: TableSchema) -> dict[str, float]:
        return shares_of(SHARES, schema)

    def _condense_privately(
        self, facts: PrivateTable, oracle: Oracle, rng: np.random.Generator
    ) -> Prototypes:
        check_request(self.allocation, self.n_prototypes, facts, N_PROXY // 10)
        shares = self._shares(facts.encoder.schema)
        copula = measure(facts, oracle, shares)
        proxy = copula.draw(max(self.n_pool, N_PROXY), rng)
        counts = allocate(self.allocation, self.n_prototypes, proxy)
        features = self._features(proxy, rng)
        sizes = copula.marginals.sizes
        goals = self._mean_embeddings(proxy.task, oracle, shares["embeddings"], features, sizes)
        chosen, weights = [], []
        for stratum, count in counts.items():
            pool = np.flatnonzero(proxy.strata == stratum)
            picked = herd(features.transform(proxy.Z[pool]), goals[stratum], count)
            chosen.append(pool[picked])
            weights.append(np.full(count, sizes[stratum] / count))
        rows = proxy.take(np.concatenate(chosen))
        return Prototypes(rows.X, np.arange(len(rows)), rows.y, np.concatenate(weights), {})

    def _mean_embeddings(
        self,
        task: Task,
        oracle: Oracle,
        share: float,
        features: RBFSampler,
        sizes: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Noised mean of the random features of each stratum's rows."""

        def embeddings(rows: PrivateTable) -> NDArray[np.float64]:
            out = np.zeros((len(rows), len(sizes), self.n_components))
            out[np.arange(len(rows)), task.strata(rows.y)] = features.transform(rows.Z)
            return out.reshape(len(rows), -1)

        # Each of the features is at most sqrt(2 / n_components).
        size = len(sizes) * self.n_components
        answer = oracle.ask(SumQuery("embeddings", share, size, 2**0.5, embeddings))
        return answer.value.reshape(len(sizes), -1) / sizes[:, np.newaxis]

    def _features(self, table: PrivateTable, rng: np.random.Generator) -> RBFSampler:
        return RBFSampler(
            gamma=self.gamma / len(table.encoder.schema),
            n_components=self.n_components,
            random_state=int(rng.integers(2**31 - 1)),
        ).fit(table.Z)


def herd(pool: Any, goal: Any, count: int) -> list[int]:
    """Greedy choice without repetition: what points most towards the goal is taken next."""
    picked: list[int] = []
    direction = goal.copy()
    free = np.ones(len(pool), dtype=bool)
    for _ in range(count):
        best = int(np.where(free, pool @ direction, -np.inf).argmax())
        picked.append(best)
        free[best] = False
        direction += goal - pool[best]
    return picked
