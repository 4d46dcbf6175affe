"""The private search behind `ZeroOrderCondenser`: exchange on the proxy, then ask the door.

Selecting and exchanging work on proxy rows that carry the private teacher's labels, and are free.
What remains asks real rows: which labels suit them best, in which direction labels and weights
should move, and which of the visited sets to release.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from skcondense.condensers.objective import Candidate
from skcondense.condensers.private_teacher import PrivateTeacher
from skcondense.condensers.search import ZeroOrderSearch
from skcondense.condensers.search_space import SearchSpace
from skcondense.condensers.starts import Pool
from skcondense.exceptions import WeightsNotSupportedError
from skcondense.optimizers import BatchOptimizer
from skcondense.privacy import Oracle, SelectQuery, SumQuery
from skcondense.private_table import PrivateTable
from skcondense.table import TableBins
from skcondense.tasks import Loss, Rows, fit_weighted

if TYPE_CHECKING:
    from skcondense.condensers.zero_order import ZeroOrderCondenser

__all__ = ["PrivateZeroOrderSearch", "soft_proxy", "try_black_boxes"]

Vector = NDArray[np.float64]

# Proxy rows, counted once per outcome, on which candidate sets are compared, for free.
N_SCORED = 8000
# The teacher's labels, sharper and softer: logits are multiplied by these.
SHARPNESS = (1.0, 0.8, 1.25, 1.5)
# Share of the proxy's rows whose contrasts the clip norm leaves alone.
UNCLIPPED = 0.75


def soft_proxy(teacher: PrivateTeacher) -> PrivateTable:
    """Proxy rows, once per outcome, weighted by the teacher's labels."""
    proxy = teacher.proxy
    labels = teacher.label(proxy.Z)
    part = np.arange(min(N_SCORED // labels.shape[1], len(proxy)))
    return proxy.take(part).softened(labels[part])


def try_black_boxes(
    estimator: Any,
    weights: Any,
    loss: type[Loss],
    n_rows: int,
    facts: PrivateTable,
    rng: np.random.Generator,
) -> None:
    """Fit black boxes to `n_rows` random legal rows, and predict every category and gap.

    A black box that fails on rows that the schema allows would fail on real rows, where no error
    may show.

    Raises
    ------
    ValueError
        If one fails. No private row is involved.
    """
    task, bins = facts.task, TableBins(facts.encoder)
    cells = np.resize(np.arange(task.n_cells), max(n_rows, 5 * task.n_cells))
    some = bins.starts + (rng.random((len(cells), len(bins.sizes))) * bins.sizes).astype(np.intp)
    # One row per bin of every column, the other cells as in the first row.
    every = np.tile(some[0], (len(bins), 1))
    column = np.repeat(np.arange(len(bins.sizes)), bins.sizes)
    every[np.arange(len(bins)), column] = np.arange(len(bins))
    y = task.from_cells(cells)
    rows = facts.with_rows(bins.rows(some, rng), y, np.ones(len(y)))
    train = Rows(rows.X, rows.y, rows.weight)
    score = loss.of(task, train, rng)
    test = facts.with_rows(bins.rows(every, rng), np.resize(y, len(every)), np.ones(len(every)))
    for black_box in estimator if isinstance(estimator, list) else [estimator]:
        try:
            fitted = fit_weighted(clone(black_box), *train, weights)
            score(fitted, test.X, test.y, train)
        except WeightsNotSupportedError:
            raise
        except Exception as error:
            raise ValueError(
                f"The black box {type(black_box).__name__} fails on rows that the schema allows: "
                f"{error} Let it take every declared category and gap, for example with "
                "SchemaVectorizer(schema) or OneHotEncoder(handle_unknown='ignore'). Nothing was "
                "spent."
            ) from error


class PrivateZeroOrderSearch(ZeroOrderSearch):
    """One private fit of a `ZeroOrderCondenser`.

    Parameters
    ----------
    settings : ZeroOrderCondenser
        Read, never written.
    teacher : PrivateTeacher
        Gives proxy rows and their labels.
    oracle : Oracle
        Answers.
    shares : dict of {str: float}
        Shares of the budget: "labels", "refine" and "gate".
    rng : Generator
        Source of randomness.
    """

    def __init__(
        self,
        settings: "ZeroOrderCondenser",
        teacher: PrivateTeacher,
        oracle: Oracle,
        shares: dict[str, float],
        rng: np.random.Generator,
    ) -> None:
        # Labels know no early exits, the proxy's own outcomes do.
        super().__init__(settings, soft_proxy(teacher), None, teacher.proxy, rng)
        self._oracle = oracle
        self._shares = shares
        self._bound: float | None = None

    def _draw(self, n_rows: int) -> PrivateTable:
        """All of the proxy: its rows come once per outcome, and belong together."""
        return self.table

    def _choose_labels(self, pool: Pool, rows: Any, members: NDArray[np.intp]) -> Vector:
        task = self.table.task
        free = task.to_free(pool.labels[members])
        choices = [task.from_free(sharpness * free) for sharpness in SHARPNESS]
        candidates = [self._candidate(pool, rows, members, labels) for labels in choices]
        return choices[self._select("labels", candidates)]

    def _step(self, space: SearchSpace, optimizer: BatchOptimizer) -> Vector:
        candidates = space.candidates(optimizer.ask())

        def contrasts(rows: PrivateTable) -> Vector:
            return optimizer.contrasts(self.objective.by_row(candidates, rows))

        # On the proxy, contrasts cost nothing, and say how long those of real rows will be.
        if self._bound is None:
            lengths = np.linalg.norm(contrasts(self.table), axis=1)
            self._bound = max(float(np.quantile(lengths, UNCLIPPED)), 1e-9)
            self._size = contrasts(self.table.take(np.arange(1))).shape[1]
        share = self._shares["refine"] / self._settings.max_iter
        query = SumQuery("refine", share, self._size, self._bound, contrasts)
        answer = self._oracle.ask(query)
        # Counted here: how often the door calls the function depends on the number of rows.
        self.objective.n_evals += len(candidates)
        optimizer.tell_contrasts(answer.value, answer.noise)
        return np.asarray(answer.value)

    def _best_of(self, candidates: list[Candidate]) -> int:
        return self._select("gate", candidates)

    def _select(self, stage: str, candidates: list[Candidate]) -> int:
        def losses(rows: PrivateTable) -> Vector:
            return self.objective.by_row(candidates, rows)

        self.objective.n_evals += len(candidates)
        query = SelectQuery(
            stage, self._shares[stage], len(candidates), self.objective.loss.largest, losses
        )
        return int(self._oracle.ask(query).value)
