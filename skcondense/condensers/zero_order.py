"""`ZeroOrderCondenser`: condense for any black box, by evaluating it and nothing else."""

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from skcondense._sklearn import HasMethods, StrOptions, at_least, between
from skcondense._threads import single_threaded
from skcondense.base import DatasetCondenser, Prototypes
from skcondense.callbacks import Callback
from skcondense.condensers.allocation import blocks_of
from skcondense.condensers.grouping import GROUP_SIZE, check_room_for_cells
from skcondense.condensers.informative import (
    FEWEST,
    column_importance,
    fewer_columns,
    with_typical_values,
)
from skcondense.condensers.measuring import check_request, measure, shares_of
from skcondense.condensers.private_search import (
    PrivateZeroOrderSearch,
    try_black_boxes,
)
from skcondense.condensers.private_teacher import N_ROWS, PrivateTeacher, refuse_other_teacher
from skcondense.condensers.rare_levels import with_rare_levels
from skcondense.condensers.search import PARTS, Found, ZeroOrderSearch
from skcondense.condensers.starts import Starts
from skcondense.condensers.teacher import FoldTeacher
from skcondense.privacy import Oracle, PrivacyLedger
from skcondense.private_table import PrivateTable
from skcondense.table import TableSchema
from skcondense.tasks import Loss, Task, loss_type

__all__ = ["ZeroOrderCondenser"]

# Shares of the budget of a private fit, in units of mu squared, before those of stages that the
# settings leave out are given to the others. Measured: docs/benchmarks.md.
SHARES = {
    "outcomes": 0.02,
    "histograms": 0.37,
    "correlations": 0.12,
    "residuals": 0.27,
    "labels": 0.02,
    "refine": 0.15,
    "gate": 0.05,
}


class ZeroOrderCondenser(DatasetCondenser):
    """Find prototypes on which black boxes train to a small loss on the real rows.

    *Columns*: how many columns vary is decided, by the black boxes' loss. *Select*: candidate sets
    of synthetic rows, labelled by a teacher, are compared. *Exchange*: members of the best set are
    swapped for others. With `max_iter`, *refine*: labels, weights or features move by random
    directions; and *gate*: of the start and several refined sets the best is kept, so refinement
    never makes the loss worse.

    At predict time nothing is optimised: new rows pass through `transform`, their number
    unchanged.

    Parameters
    ----------
    estimator : estimator, Pipeline, or list of them
        Black boxes with the scikit-learn interface, fitted to rows like those that come in. The
        objective is the mean over a list, which makes the result serve other estimators too.
    n_prototypes : int, default=100
        Number of synthetic feature rows.
    optimize : collection of {"features", "labels", "weights"}, default=("labels", "weights")
        What refinement moves. Labels and weights transfer between estimators and act smoothly
        on the leaves of a tree; features fit one estimator better and others worse.
    optimizer : str, default="two-point"
        "two-point" for random-direction gradients, "random" for random search, or the name of a
        nevergrad optimiser such as "CMA" or "DE".
    columns : {"auto", "informative", "all"}, default="auto"
        Columns that vary in the set. "informative": where it lowers the loss, only the half, a
        quarter, ... of the columns that most move the teacher's labels; the others are given
        their median or commonest category, so that no black box falls for what they do by chance
        in so few rows. "all": none is left out. "auto" is "informative", but "all" for survival,
        for ``init="real"``, and where features are optimised.
    init : {"mixed", "groups", "clusters", "real"}, default="mixed"
        What candidate sets make of cells of rows that are alike and of which a teacher says alike
        (found by k-means, or as leaves of a tree, in turn). "clusters": the cells' means. "groups":
        the mean of the row in the middle of the cell and its two nearest neighbours. "mixed": one
        and the other in turn. "real": the row in the middle. Not used with epsilon, where sets hold
        rows of the proxy.
    n_candidates : int, default=30
        Number of candidate sets.
    n_exchanges : int, default=30
        Rounds of exchange.
    max_iter : int, default=0
        Rounds of refinement. On the tables of our benchmarks it was worth nothing beside a
        teacher's labels, and with epsilon it is paid for.
    n_directions : int, default=6
        Directions per round; each costs two fits of every black box.
    batch_size : int, default=2000
        Rows that a round is scored on; a real row counts once for each class (but 500 real rows
        are scored, where `batch_size` is as large, whatever the number of classes).
    learning_rate : float, default=0.06
        Size of the first refinement step, in radii.
    momentum : float, default=0.9
        Share of a step carried over to the next.
    label_radius : float, default=0.5
        Smoothing radius of labels, in logits (outcomes: tenths of their range).
    weight_radius : float, default=0.4
        Smoothing radius of log-weights.
    feature_radius : float, default=0.1
        Smoothing radius of encoded features, whose axes are two units long.
    weights : {"condensed", "replicate", "uniform"}, default="condensed"
        What to do for black boxes that take no ``sample_weight``: raise an error, repeat rows in
        proportion to their weights, or ignore weights.
    loss : str, default="auto"
        What the black boxes are scored by on real rows: "log_loss", "brier" or "concordance" for
        classification, "squared_error" for regression; for survival "concordance",
        "discrete_hazard", "full_likelihood", "brier", and without epsilon "partial_likelihood"
        and "pseudo_observations". "auto" is the task's first.
    teacher : estimator or list of estimators, default=None
        Labels candidate rows, and the real rows that sets are scored on (survival: these keep
        their own outcomes); fitted to encoded rows, out of fold; a list is averaged.
        Regressors for regression, classifiers otherwise. By default gradient boosting averaged
        with a linear model.
    allocation : {"balanced", "proportional"} or dict, default="proportional"
        How prototypes are shared over strata; "proportional": as the rows are, cells may mix them.
    task : {"auto", "classification", "regression", "survival"}, default="auto"
        What `y` is.
    schema : TableSchema, default=None
        What the columns may hold. Learned from the table when None.
    subsample : int or None, default=50_000
        Largest number of rows to work on.
    n_jobs : int, default=None
        Candidates evaluated at the same time. The result does not depend on it.
    epsilon, delta, ledger, neighbors
        Differential privacy; as in `DatasetCondenser`.
    random_state : int, RandomState instance or None, default=None
        Seed.
    callbacks : iterable of callables, default=None
        Called after each round with a `FitProgress`; returning True ends the stage.

    Attributes
    ----------
    X_condensed_ : array or frame of shape (n_condensed_rows, n_features)
        Condensed rows, in the container that came in.
    y_condensed_ : array, series or frame of shape (n_condensed_rows,)
        Their outcomes.
    sample_weight_ : ndarray of shape (n_condensed_rows,)
        Their weights, which sum to the number of real rows.
    prototype_ : ndarray of shape (n_condensed_rows,)
        Which prototype each row belongs to.
    schema_ : TableSchema
        What the columns may hold.
    task_ : Task
        What `y` was found to be.
    real_row_matches_ : RealRowMatches
        How many prototypes coincide with a real row.
    n_iter_ : int
        Rounds of refinement.
    n_evals_ : int
        Candidates evaluated; each is a fit of every black box.
    varying_columns_ : list of str
        Names of the columns that vary in the set.
    history_ : dict of lists
        Stage, round, loss and evaluations of every round.

    Notes
    -----
    Cost: ``n_candidates + 2 * n_directions * (n_exchanges + max_iter)`` evaluations, some
    ``max_iter / 10`` more to choose from, and six for each number of columns. Each is a fit of
    every black box to the condensed rows and a prediction for `batch_size` real rows.

    This is our own algorithm, in the spirit of the zero-order condensation announced in [1]_;
    it does not reproduce that paper.

    References
    ----------
    .. [1] Thakur et al. (2026), Democratising clinical AI through dataset condensation for
       classical clinical models, arXiv:2603.09356.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skcondense import ZeroOrderCondenser
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> condenser = ZeroOrderCondenser(
    ...     DecisionTreeClassifier(max_depth=3), n_prototypes=20, max_iter=5, random_state=0
    ... )
    >>> condensed = condenser.condense(X, y)
    >>> condensed.n_prototypes, condensed.contains_real_rows
    (20, False)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DatasetCondenser._parameter_constraints,
        "estimator": [HasMethods(["fit", "predict"]), list],
        "optimize": [set, frozenset, tuple, list],
        "optimizer": [str],
        "columns": [StrOptions({"auto", "informative", "all"})],
        "init": [StrOptions({"mixed", "groups", "clusters", "real"})],
        "n_candidates": [at_least(1)],
        "n_exchanges": [at_least(0)],
        "max_iter": [at_least(0)],
        "n_directions": [at_least(1)],
        "batch_size": [at_least(1)],
        "learning_rate": [between(0, None)],
        "momentum": [between(0, 1, "left")],
        "label_radius": [between(0, None)],
        "weight_radius": [between(0, None)],
        "feature_radius": [between(0, None)],
        "weights": [StrOptions({"condensed", "replicate", "uniform"})],
        "loss": [str],
        "teacher": [HasMethods(["fit", "predict"]), list, None],
        "n_jobs": [int, None],
        "callbacks": ["array-like", None],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        n_prototypes: int = 100,
        optimize: Iterable[str] = ("labels", "weights"),
        optimizer: str = "two-point",
        columns: str = "auto",
        init: str = "mixed",
        n_candidates: int = 30,
        n_exchanges: int = 30,
        max_iter: int = 0,
        n_directions: int = 6,
        batch_size: int = 2000,
        learning_rate: float = 0.06,
        momentum: float = 0.9,
        label_radius: float = 0.5,
        weight_radius: float = 0.4,
        feature_radius: float = 0.1,
        weights: str = "condensed",
        loss: str = "auto",
        teacher: Any = None,
        allocation: Any = "proportional",
        task: str = "auto",
        schema: TableSchema | None = None,
        subsample: int | None = 50_000,
        epsilon: float | None = None,
        delta: float = 1e-5,
        ledger: PrivacyLedger | None = None,
        neighbors: str = "add_remove",
        n_jobs: int | None = None,
        random_state: Any = None,
        callbacks: Iterable[Callback] | None = None,
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
        self.estimator = estimator
        self.optimize = optimize
        self.optimizer = optimizer
        self.columns = columns
        self.init = init
        self.n_candidates = n_candidates
        self.n_exchanges = n_exchanges
        self.max_iter = max_iter
        self.n_directions = n_directions
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.label_radius = label_radius
        self.weight_radius = weight_radius
        self.feature_radius = feature_radius
        self.weights = weights
        self.loss = loss
        self.teacher = teacher
        self.n_jobs = n_jobs
        self.callbacks = callbacks

    def _condense(self, table: PrivateTable, rng: np.random.Generator) -> Prototypes:
        self._check_parts()
        self._loss_type(table.task)
        teacher = FoldTeacher.of(table, self.teacher, rng)
        label = teacher.label_real if self.init == "real" else teacher.label_members
        opinion = label(table.Z, np.arange(len(table)))
        # A mean of three rows is to mix three patients.
        rows = np.arange(len(table)) if self.init == "real" else table.row_of_each_patient(rng)
        source = table.take(rows)
        blocks = blocks_of(self.allocation, self.n_prototypes, source)
        kinds = _kinds(self.init, blocks)
        starts = Starts(source, opinion[rows], teacher.label, kinds, blocks, rng)
        # Losses of survival need times and censoring.
        scores = None if table.task.name == "survival" else opinion
        search = ZeroOrderSearch(self, table, scores, table, rng)
        found = search.run(starts, self._levels(starts))
        if self.init != "real":
            found = _with_rare_levels(found, source, teacher)
        return self._delivered(search, found, table.task.overall(table.y, table.weight))

    def _levels(self, starts: Starts) -> list[NDArray[np.bool_]]:
        """All columns and, where columns may be left out, fewer and fewer."""
        table = starts.table
        n_columns = len(table.encoder.schema)
        if self._columns(table.task) == "all" or n_columns < 2 * FEWEST:
            return [np.ones(n_columns, dtype=bool)]
        return fewer_columns(column_importance(starts.label, table, starts.rng))

    def _columns(self, task: Task) -> str:
        # A survival set is read for hazard ratios too, and Cox fails on constant columns.
        must_vary = task.name == "survival" or self.init == "real" or "features" in self.optimize
        if self.columns == "auto":
            return "all" if must_vary else "informative"
        return self.columns

    def _delivered(self, search: ZeroOrderSearch, found: Found, overall: Any) -> Prototypes:
        Z, weight = found.Z, found.weight
        labels = search.table.task.calibrated(found.labels, weight, overall)
        schema = search.table.encoder.schema
        facts = {
            "n_iter_": search.history["stage"].count("refine"),
            "n_evals_": search.objective.n_evals,
            "history_": search.history,
            "varying_columns_": [
                column.name for column, varies in zip(schema, found.varying, strict=True) if varies
            ],
        }
        table = search.table
        return Prototypes(table.decode(Z), *table.task.deliver(labels, weight), facts)

    def _condense_privately(
        self, facts: PrivateTable, oracle: Oracle, rng: np.random.Generator
    ) -> Prototypes:
        self._check_parts()
        refuse_other_teacher(self.teacher)
        if self.init == "real":
            raise ValueError(
                "init='real' releases rows of patients, which no noise protects. With epsilon use "
                "init='mixed', 'groups' or 'clusters': they start from proxy rows."
            )
        check_request(self.allocation, self.n_prototypes, facts, N_ROWS // 10)
        loss = self._loss_type(facts.task)
        if loss.not_private_because is not None:
            raise ValueError(
                f"loss={self.loss!r} cannot be used with epsilon: {loss.not_private_because} Use "
                "loss='auto'."
            )
        with single_threaded():
            try_black_boxes(self.estimator, self.weights, loss, self.n_prototypes, facts, rng)
        shares = self._shares(facts.encoder.schema)
        copula = measure(facts, oracle, shares)
        teacher = PrivateTeacher(copula, oracle, shares["residuals"], rng)
        if self.subsample is not None:
            # Black boxes are slow; what was asked so far is not.
            oracle.read_sample(self.subsample / copula.marginals.n_rows)
        opinion = teacher.label(teacher.proxy.Z)
        blocks = blocks_of(self.allocation, self.n_prototypes, teacher.proxy)
        starts = Starts(teacher.proxy, opinion, teacher.label, ["medoids"], blocks, rng)
        search = PrivateZeroOrderSearch(self, teacher, oracle, shares, rng)
        found = search.run(starts, self._levels(starts))
        return self._delivered(search, found, copula.marginals.overall)

    def _loss_type(self, task: Task) -> type[Loss]:
        return loss_type(task, self.loss)

    _not_private_because = None

    def _shares(self, schema: TableSchema) -> dict[str, float]:
        return shares_of(SHARES, schema, [] if self.max_iter else ["refine", "gate"])

    def _check_parts(self) -> None:
        if not self.optimize or not set(self.optimize) <= PARTS:
            raise ValueError(
                f"optimize must name some of {sorted(PARTS)}. Got {list(self.optimize)!r}."
            )
        if isinstance(self.estimator, list) and not self.estimator:
            raise ValueError("estimator must be an estimator or a list of some. Got [].")
        if self.columns == "informative" and (self.init == "real" or "features" in self.optimize):
            raise ValueError(
                "columns='informative' gives most columns one value, which goes neither with "
                "init='real' nor with features that are optimised. Use columns='all'."
            )


def _kinds(init: str, blocks: list[Any]) -> list[str]:
    """What candidate sets are made of."""
    if init == "real":
        return ["medoids"]
    has_room = all(len(rows) >= GROUP_SIZE * count for rows, count in blocks)
    if init == "clusters":
        for rows, count in blocks:
            check_room_for_cells(len(rows), count)
    if init == "mixed":
        return ["clusters", "groups"] if has_room else ["groups"]
    return [init]


def _with_rare_levels(found: Found, table: PrivateTable, teacher: FoldTeacher) -> Found:
    rare = with_rare_levels(table, found.Z, found.weight, found.varying)
    seats = list(rare.rows)
    if not seats:
        return found
    Z, labels = rare.Z.copy(), found.labels.copy()
    Z[seats] = with_typical_values(Z[seats], found.varying, table)
    labels[seats] = teacher.label(Z[seats])
    return Found(Z, labels, rare.weight, found.varying)
