"""The search behind `ZeroOrderCondenser`: columns, select, exchange, refine, gate."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from joblib import Parallel
from numpy.typing import NDArray

from skcondense.callbacks import FitProgress
from skcondense.condensers.objective import Candidate, Objective
from skcondense.condensers.search_space import SearchSpace
from skcondense.condensers.starts import Pool, Starts
from skcondense.exceptions import BlackBoxError
from skcondense.optimizers import (
    BatchOptimizer,
    ExchangeSearch,
    NevergradOptimizer,
    RandomSearch,
    TwoPointOptimizer,
)
from skcondense.private_table import PrivateTable
from skcondense.tasks import Rows

if TYPE_CHECKING:
    from skcondense.condensers.zero_order import ZeroOrderCondenser

__all__ = ["PARTS", "Found", "ZeroOrderSearch"]

Vector = NDArray[np.float64]

PARTS = frozenset({"features", "labels", "weights"})
# The final choice is made on up to this many rows, more than a batch: it must not be luck.
GATE_ROWS = 5000
# Rows that sets are scored on at least, whatever the number of outcomes.
FEWEST_SCORED = 500
# Iterations between two sets that the final choice considers.
CHECKPOINT = 10
# Candidate sets that tell whether fewer columns are better.
COLUMN_SETS = 6
# Candidate sets per evaluation while selecting, so that callbacks hear from it.
SELECT_BATCH = 10


class Found(NamedTuple):
    """A condensed set, encoded.

    Attributes
    ----------
    Z : ndarray of shape (n_prototypes, n_codes)
        Rows.
    labels : ndarray of shape (n_prototypes, n_label_columns)
        Soft labels.
    weight : ndarray of shape (n_prototypes,)
        Weights.
    varying : ndarray of shape (n_columns,)
        Which columns vary.
    """

    Z: NDArray[Any]
    labels: Vector
    weight: Vector
    varying: NDArray[np.bool_]


class ZeroOrderSearch:
    """One fit of a `ZeroOrderCondenser`.

    Parameters
    ----------
    settings : ZeroOrderCondenser
        Read, never written.
    table : PrivateTable
        Rows to score candidates on: the real ones, or proxy rows.
    opinion : ndarray of shape (n_rows, n_label_columns) or None
        Soft labels by which those rows are scored in place of their own outcomes.
    background : PrivateTable
        Rows that losses compare with or estimate censoring from.
    rng : Generator
        Source of randomness.

    Attributes
    ----------
    objective : Objective
        Evaluates candidates, and counts.
    history : dict of lists
        One entry per round.
    """

    def __init__(
        self,
        settings: "ZeroOrderCondenser",
        table: PrivateTable,
        opinion: Vector | None,
        background: PrivateTable,
        rng: np.random.Generator,
    ) -> None:
        black_boxes = settings.estimator
        seed = int(rng.integers(2**31 - 1))
        self._settings = settings
        self.table = table
        self._opinion = opinion
        self._rng = rng
        # Nothing private is written to a memory-mapped file.
        self._parallel = Parallel(n_jobs=settings.n_jobs, max_nbytes=None)
        self.objective = Objective(
            black_boxes if isinstance(black_boxes, list) else [black_boxes],
            settings.weights,
            self._parallel,
            settings._loss_type(table.task).of(
                table.task,
                Rows(background.X, background.y, background.weight),
                np.random.default_rng(seed),
            ),
            seed,
        )
        self.history: dict[str, list[Any]] = {
            key: [] for key in ("stage", "n_iter", "loss", "n_evals")
        }

    def run(self, starts: Starts, levels: Sequence[NDArray[np.bool_]]) -> Found:
        """Search from candidate sets in one of several choices of the columns that vary."""
        first = starts.pool(levels[0], 1)
        self.objective.check(
            self._candidate(first, self.table.decode(first.Z), first.sets[0]), self.table
        )
        with self._parallel:
            pool = starts.pool(self._choose_columns(starts, levels), self._settings.n_candidates)
            rows = self.table.decode(pool.Z)
            members = self._exchange(pool, rows)
            labels = self._choose_labels(pool, rows, members)
            space = SearchSpace(
                self.table,
                pool.Z[members],
                labels,
                pool.weight[members],
                frozenset(self._settings.optimize),
                {
                    "features": self._settings.feature_radius,
                    "labels": self._settings.label_radius,
                    "weights": self._settings.weight_radius,
                },
            )
            found = space.unpack(self._gate(space, self._refine(space)))
            return Found(*found, pool.varying)

    def _choose_columns(
        self, starts: Starts, levels: Sequence[NDArray[np.bool_]]
    ) -> NDArray[np.bool_]:
        """The columns with which a few sets have the smallest mean loss, all on the same rows."""
        if len(levels) == 1:
            return levels[0]
        batch = self._draw(self._settings.batch_size)
        n_sets = min(COLUMN_SETS, self._settings.n_candidates)
        losses: list[float] = []
        for n_iter, varying in enumerate(levels, start=1):
            found = self._losses(starts.pool(varying, n_sets), batch)
            losses.append(float(np.mean(found)))
            if self._report("columns", n_iter, len(levels), found):
                break
        return levels[int(np.argmin(losses))]

    def _losses(self, pool: Pool, batch: PrivateTable) -> Vector:
        rows = self.table.decode(pool.Z)
        candidates = [self._candidate(pool, rows, members) for members in pool.sets]
        try:
            return self.objective(candidates, batch)
        except BlackBoxError:
            # Some black boxes cannot be fitted to constant columns: they get all of them.
            return np.full(len(candidates), np.inf)

    def _choose_labels(self, pool: Pool, rows: Any, members: NDArray[np.intp]) -> Vector:
        """Labels to start from: the teacher's."""
        return pool.labels[members]

    def _exchange(self, pool: Pool, rows: Any) -> NDArray[np.intp]:
        """Select the best set of the pool, then swap its members; both on the same rows."""
        batch = self._draw(self._settings.batch_size)
        losses: list[float] = []
        n_rounds = -(-len(pool.sets) // SELECT_BATCH)
        for n_iter in range(n_rounds):
            sets = pool.sets[n_iter * SELECT_BATCH : (n_iter + 1) * SELECT_BATCH]
            found = self.objective([self._candidate(pool, rows, s) for s in sets], batch)
            losses.extend(found)
            if self._report("select", n_iter + 1, n_rounds, found):
                break
        best = int(np.argmin(losses))
        search = ExchangeSearch(
            pool.sets[best],
            losses[best],
            n_pool=len(pool.Z),
            n_points=2 * self._settings.n_directions,
            max_iter=self._settings.n_exchanges,
            rng=self._rng,
        )
        for n_iter in range(self._settings.n_exchanges if len(pool.sets) > 1 else 0):
            candidates = [self._candidate(pool, rows, members) for members in search.ask()]
            found = self.objective(candidates, batch)
            search.tell(found)
            if self._report("exchange", n_iter + 1, self._settings.n_exchanges, found):
                break
        return search.solution

    def _candidate(
        self, pool: Pool, rows: Any, members: NDArray[np.intp], labels: Vector | None = None
    ) -> Candidate:
        task = self.table.task
        labels = pool.labels[members] if labels is None else labels
        prototype, y, weight = task.deliver(labels, pool.weight[members])
        scale = self.table.weight.sum() / weight.sum()
        return Candidate(rows, members[prototype], y, weight * scale)

    def _refine(self, space: SearchSpace) -> list[Vector]:
        """Move labels, weights or features; return the sets to choose from."""
        settings = self._settings
        optimizer = self._optimizer(space)
        checkpoints = []
        for n_iter in range(1, settings.max_iter + 1):
            found = self._step(space, optimizer)
            stop = self._report("refine", n_iter, settings.max_iter, found)
            if stop or n_iter % CHECKPOINT == 0 or n_iter == settings.max_iter:
                checkpoints.append(optimizer.solution)
            if stop:
                break
        return checkpoints

    def _step(self, space: SearchSpace, optimizer: BatchOptimizer) -> Vector:
        """Ask, evaluate, tell; return what was told."""
        batch = self._draw(self._settings.batch_size)
        found = self.objective(space.candidates(optimizer.ask()), batch)
        optimizer.tell(found)
        return found

    def _optimizer(self, space: SearchSpace) -> BatchOptimizer:
        settings = self._settings
        lower, upper = space.box
        box: dict[str, Any] = {"lower": lower, "upper": upper, "rng": self._rng}
        n_points = 2 * settings.n_directions
        if settings.optimizer == "two-point":
            return TwoPointOptimizer(
                space.start,
                space.radius,
                n_directions=settings.n_directions,
                learning_rate=settings.learning_rate,
                momentum=settings.momentum,
                max_iter=settings.max_iter,
                **box,
            )
        if settings.optimizer == "random":
            return RandomSearch(space.start, space.radius, n_points=n_points, **box)
        return NevergradOptimizer(
            settings.optimizer,
            space.start,
            space.radius,
            n_points=n_points,
            max_iter=settings.max_iter,
            **box,
        )

    def _gate(self, space: SearchSpace, checkpoints: Sequence[Vector]) -> Vector:
        """The best of the start and the checkpoints, all on the same rows."""
        if not checkpoints:
            return space.start
        points = np.stack([space.start, *checkpoints])
        return points[self._best_of(space.candidates(points))]

    def _best_of(self, candidates: list[Candidate]) -> int:
        return int(np.argmin(self.objective(candidates, self._draw(GATE_ROWS))))

    def _draw(self, n_rows: int) -> PrivateTable:
        """Rows to score on: each once, or once per outcome with the weight of its soft label."""
        if self._opinion is None:
            return self._part(n_rows)[1]
        # A row per outcome is to cost no more, but many outcomes must not leave a handful of rows.
        n_rows = max(n_rows // self._opinion.shape[1], min(n_rows, FEWEST_SCORED))
        rows, part = self._part(n_rows)
        return part.softened(self._opinion[rows])

    def _part(self, n_rows: int) -> tuple[NDArray[np.intp], PrivateTable]:
        if n_rows >= len(self.table):
            return np.arange(len(self.table)), self.table
        rows = self._rng.choice(len(self.table), n_rows, replace=False)
        return rows, self.table.take(rows)

    def _report(self, stage: str, n_iter: int, max_iter: int, losses: Vector) -> bool:
        """Record a round; whether a callback asks to end the stage."""
        progress = FitProgress(
            stage, n_iter, max_iter, float(np.mean(losses)), self.objective.n_evals
        )
        for key, values in self.history.items():
            values.append(getattr(progress, key))
        # Every callback hears of every round, also when an earlier one asks to stop.
        answers = [callback(progress) for callback in self._settings.callbacks or ()]
        return any(answer is True for answer in answers)
