"""`NeuralCondenser`: what the condensers that match networks have in common."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone

from skcondense._sklearn import HasMethods, StrOptions, at_least, between
from skcondense.base import DatasetCondenser, Prototypes
from skcondense.condensers.allocation import allocate
from skcondense.condensers.teacher import FoldTeacher
from skcondense.exceptions import TargetError
from skcondense.neural.augmentation import AUGMENTATIONS, Augmentation
from skcondense.neural.checkpoint import Checkpoint, digest
from skcondense.neural.compute import Compute
from skcondense.neural.cost import CostEstimate, CostMeter
from skcondense.neural.inputs import InputSpace, Normaliser, input_shape
from skcondense.neural.loop import Matcher, MatchingLoop, Validation
from skcondense.neural.network import Architecture, Shape
from skcondense.neural.problem import MatchingProblem, is_learnable
from skcondense.neural.randomness import torch_generator
from skcondense.neural.settings import (
    NETWORKS,
    ByInput,
    NetworkSettings,
    resolve_architecture,
    resolve_augmentation,
)
from skcondense.neural.starts import STARTS, Start, given_start
from skcondense.neural.synthetic import SyntheticSet, mosaic
from skcondense.neural.validation import HeldOutScore, hold_out
from skcondense.private_table import PrivateTable
from skcondense.table import TableEncoder, is_images
from skcondense.tasks import ClassificationTask

__all__ = ["NeuralCondenser", "fingerprint", "outcomes_of"]

# Iterations from which a cost is estimated.
N_TRIED = 4


class NeuralCondenser(DatasetCondenser):
    """Abstract base of the condensers that learn rows by gradients through networks.

    A subclass writes `_matcher`, which says what one iteration does.

    Parameters
    ----------
    n_prototypes : int, default=100
        Rows (images) to learn. With `factor`, mosaics.
    network : str or Architecture, default="auto"
        "convnet", "mlp", "residual_mlp", "resnet18", "vgg11", "alexnet", or an object such as
        ``ConvNet(width=128)``. "auto" is `ByInput`: a ConvNet for images
        and an MLP for tables.
    augmentation : str or Augmentation, default="auto"
        "none", "dsa", "digits", "medical", "chest_xray", "histology", or an object. "auto" is
        "medical" for images and "none" for tables.
    labels : {"hard", "teacher"}, default="hard"
        Rows keep the outcome with which they were learned, or get soft labels of a teacher fitted
        to the real rows out of fold, delivered as weighted rows.
    teacher : estimator or list of estimators, default=None
        Fitted to encoded rows; a list is averaged. By default gradient boosting averaged with a
        linear model.
    init : str or array, default="auto"
        Where rows start: "noise", "mean", "kmeans", or "real", "herding", "correct", which start
        at real rows; or rows of your own, ordered by stratum. "auto" is "kmeans", and "mean" with
        `epsilon`.
    factor : int, default=1
        Every learned image is a mosaic of factor x factor images, enlarged before use: more, but
        coarser, images for the same storage. The result holds the enlarged ones.
    normalisation : {"fit", "declared"} or tuple of (mean, spread), default="fit"
        How inputs are standardised: by channel (by code for tables), with the moments of the
        real rows; with the middle of the bounds and a quarter of their range, which is what
        `epsilon` does; or with declared moments of each channel, in the unit of the pixels.
    batch_size : int, default=128
        Real rows of each stratum per step.
    max_iter : int
        Iterations.
    optimizer : {"adam", "sgd"}, default="adam"
        Of the learned rows. "sgd" has momentum 0.5, as in the literature.
    learning_rate : float, default=0.02
        In units of normalised inputs for "adam".
    early_stopping : bool, default=False
        Whether to hold rows out, score snapshots by a network trained on them, stop when scores no
        longer improve, and keep the best snapshot.
    validation_fraction : float, default=0.1
        Share of the rows (patients) to hold out.
    n_iter_no_change : int, default=5
        Scores without improvement after which the fit stops.
    max_time : float, default=None
        Seconds after which the fit stops with what it has.
    callback : callable, default=None
        Called after each iteration with a `FitProgress`; returning True stops the fit.
    checkpoint : str or Path, default=None
        File in which the state is kept. If it exists, the fit goes on from there, and on the CPU
        it ends where it would have ended without the break. Use a number as random_state.
    device : str, default="auto"
        A torch device; "auto" takes a GPU where there is one.
    dtype : {"float32", "float64", "bfloat16"}, default="float32"
        Precision of the networks.
    compile : bool, default=False
        Whether ``torch.compile`` makes code for the passes of rows that are not being learned: real
        rows, and rows on which networks are trained. It takes tens of seconds at the start of a
        fit, needs a C++ compiler on a CPU, and changes results by rounding only.
    allocation, task, schema, subsample, epsilon, delta, ledger, neighbors, random_state
        As in `DatasetCondenser`; `allocation` is "balanced" by default.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DatasetCondenser._parameter_constraints,
        "network": [StrOptions({"auto", *NETWORKS}), Architecture, ByInput],
        "augmentation": [StrOptions({"auto", *AUGMENTATIONS}), Augmentation],
        "labels": [StrOptions({"hard", "teacher"})],
        "teacher": [HasMethods(["fit", "predict"]), list, None],
        "init": [StrOptions({"auto", *STARTS}), "array-like"],
        "factor": [at_least(1)],
        "normalisation": [StrOptions({"fit", "declared"}), tuple],
        "batch_size": [at_least(1)],
        "max_iter": [at_least(0)],
        "optimizer": [StrOptions({"adam", "sgd"})],
        "learning_rate": [between(0, None)],
        "early_stopping": ["boolean"],
        "validation_fraction": [between(0, 1)],
        "n_iter_no_change": [at_least(1)],
        "max_time": [between(0, None), None],
        "callback": [callable, None],
        "checkpoint": [str, Path, None],
        "device": [str],
        "dtype": [StrOptions({"float32", "float64", "bfloat16"})],
        "compile": ["boolean"],
    }

    # Named parameter sets; "paper" holds what was published.
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {}

    def __init__(
        self,
        n_prototypes: int = 100,
        *,
        network: Any = "auto",
        augmentation: Any = "auto",
        labels: str = "hard",
        teacher: Any = None,
        init: Any = "auto",
        factor: Any = 1,
        normalisation: Any = "fit",
        batch_size: int = 128,
        max_iter: int = 1000,
        optimizer: str = "adam",
        learning_rate: float = 0.02,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        max_time: float | None = None,
        callback: Any = None,
        checkpoint: str | Path | None = None,
        device: str = "auto",
        dtype: str = "float32",
        compile: bool = False,
        allocation: Any = "balanced",
        task: str = "auto",
        schema: Any = None,
        subsample: int | None = 50_000,
        epsilon: float | None = None,
        delta: float = 1e-5,
        ledger: Any = None,
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
        self.network = network
        self.augmentation = augmentation
        self.labels = labels
        self.teacher = teacher
        self.init = init
        self.factor = factor
        self.normalisation = normalisation
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.max_time = max_time
        self.callback = callback
        self.checkpoint = checkpoint
        self.device = device
        self.dtype = dtype
        self.compile = compile

    _takes_images = True

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """A condenser with a named set of parameters.

        Parameters
        ----------
        name : {"fast", "cpu", "gpu", "paper"}
            "fast" takes less than two minutes on two cores for a few thousand small images,
            "cpu" up to twenty, "gpu" needs a GPU, "paper" is what was published.
        **changes
            Further parameters, which win over those of the set.

        Raises
        ------
        ValueError
            If there is no such set.
        """
        if name not in cls.PRESETS:
            raise ValueError(f"Presets are {list(cls.PRESETS)}. Got {name!r}.")
        return cls(**{**cls.PRESETS[name], **changes})

    # Iterations between scores of snapshots.
    _score_every: ClassVar[int] = 50
    # Parameters that a resumed run may change: they decide how long it goes on and who watches.
    _resumable: ClassVar[frozenset[str]] = frozenset(
        {"callback", "checkpoint", "compile", "device", "ledger", "max_iter", "max_time"}
    )

    def estimate_cost(self, X: Any, y: Any) -> CostEstimate:
        """Expected time and memory of a fit, from four iterations on the same rows.

        Parameters
        ----------
        X, y
            As for `fit`.

        Returns
        -------
        CostEstimate
            Print it for a sentence.

        Raises
        ------
        ValueError
            With `epsilon`: the rows may be read by a fit only.
        """
        if self.epsilon is not None:
            raise ValueError(
                "An estimate reads the rows, which with epsilon only a fit may do. Estimate with "
                "epsilon=None on public rows of the same shape."
            )
        with CostMeter() as meter:
            trial = clone(self).set_params(max_iter=N_TRIED, callback=meter)
            trial.set_params(max_time=None, checkpoint=None, **self._cheaper()).fit(X, y)
        planned = self._planned(min(len(y), self.subsample or len(y)), is_images(X))
        return meter.estimate({**planned, "match": self.max_iter})

    def _cheaper(self) -> dict[str, Any]:
        """Parameters that make less of what comes before the iterations, or between them."""
        return {"early_stopping": False}

    def _planned(self, n_rows: int, is_image: bool) -> dict[str, int]:
        """How often is done what comes before the iterations, by stage."""
        return {}

    @abstractmethod
    def _matcher(
        self, problem: MatchingProblem, settings: NetworkSettings, generator: torch.Generator
    ) -> Matcher:
        """What one iteration does."""

    def _condense(self, table: PrivateTable, rng: np.random.Generator) -> Prototypes:
        self._check_scored(table.task)
        compute = Compute(self.device, self.dtype, self.compile)
        space = InputSpace(table.encoder, self._normaliser(table), compute)
        settings = self._settings(space, table.task, compute)
        sizes = np.bincount(table.strata, table.weight).astype(np.float64)
        validation = None
        if self.early_stopping:
            table, held_out = hold_out(table, self.validation_fraction, rng)
            validation = self._validation(held_out, settings, rng)
        problem = MatchingProblem.of(table, space, compute)
        counts = allocate(self.allocation, self.n_prototypes, table)
        codes = self._start(table, problem, settings, counts, rng)
        synthetic = self._synthetic(codes, space, counts, outcomes_of(table, counts))
        generator = torch_generator(rng)
        matcher = self._matcher(problem, settings, generator)
        checkpoint = self._checkpoint(synthetic, table, matcher)
        loop = self._loop(synthetic, matcher, generator, checkpoint, validation)
        loop.run()
        labels = (
            self._teacher_labels(synthetic, table, sizes, rng)
            if self.labels == "teacher"
            else self._learned_labels(matcher, synthetic, table, sizes)
        )
        return self._deliver(synthetic, table, sizes, loop, settings, labels)

    def _check_scored(self, task: Any) -> None:
        """Refuse settings that train networks where there is no loss for the outcome."""
        if is_learnable(task):
            return
        is_correct = isinstance(self.init, str) and self.init == "correct"
        for used, setting, instead in [
            (self.early_stopping, "early_stopping=True", "early_stopping=False"),
            (is_correct, 'init="correct"', 'another start, such as init="kmeans"'),
        ]:
            if used:
                raise TargetError(
                    f"{setting} trains networks on outcomes, for which there is a loss for "
                    f"classification and regression only. Got task {task.name!r}. Use {instead}."
                )

    def _teacher_labels(
        self,
        synthetic: SyntheticSet,
        table: PrivateTable,
        sizes: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> NDArray[np.float64]:
        """What a teacher says of the rows as they will leave."""
        teacher = FoldTeacher.of(table, self.teacher, rng)
        Z = table.encoder.project(synthetic.space.codes(synthetic.all_images()))
        overall = table.task.overall(table.y, table.weight)
        return table.task.calibrated(teacher.label(Z), synthetic.weights(sizes), overall)

    def _learned_labels(
        self,
        matcher: Matcher,
        synthetic: SyntheticSet,
        table: PrivateTable,
        sizes: NDArray[np.float64],
    ) -> NDArray[np.float64] | None:
        """What the matcher learned beside the rows, if it did; prevalence is kept."""
        found = matcher.labels(synthetic)
        if found is None:
            return None
        overall = table.task.overall(table.y, table.weight)
        return table.task.calibrated(found, synthetic.weights(sizes), overall)

    def _validation(
        self, held_out: PrivateTable, settings: NetworkSettings, rng: np.random.Generator
    ) -> Validation:
        problem = MatchingProblem.of(held_out, settings.space, settings.compute)
        score = HeldOutScore(problem, settings, int(rng.integers(2**31 - 1)))
        return Validation(score, self._score_every, self.n_iter_no_change)

    def _settings(self, space: InputSpace, task: Any, compute: Compute) -> NetworkSettings:
        return NetworkSettings(
            architecture=resolve_architecture(self.network, is_image=space.is_image),
            augmentation=resolve_augmentation(self.augmentation, is_image=space.is_image),
            space=space,
            n_outputs=len(task.classes) if isinstance(task, ClassificationTask) else 1,
            compute=compute,
        )

    def _tiles_per_side(self, input_shape: Shape) -> int:
        if self.factor > 1 and len(input_shape) != 3:
            raise ValueError(
                f"factor={self.factor} cuts images into tiles. Got a table. Leave factor=1."
            )
        if self.factor > min(input_shape[-2:], default=1) and self.factor > 1:
            raise ValueError(
                f"factor={self.factor} leaves no pixel of images of shape {input_shape[1:]}. "
                "Choose a smaller one."
            )
        return int(self.factor)

    def _normaliser(self, table: PrivateTable) -> Normaliser:
        size = input_shape(table.encoder)[0]
        if self.normalisation == "fit":
            return Normaliser.fitted(table.Z, size, table.weight)
        return self._public_normaliser(table.encoder)

    def _public_normaliser(self, encoder: TableEncoder) -> Normaliser:
        """What does not look at rows."""
        size = input_shape(encoder)[0]
        if isinstance(self.normalisation, tuple):
            return _declared_moments(self.normalisation, encoder, size)
        return Normaliser.declared(size)

    def _start(
        self,
        table: PrivateTable,
        problem: MatchingProblem,
        settings: NetworkSettings,
        counts: dict[int, int],
        rng: np.random.Generator,
    ) -> NDArray[Any]:
        """Codes to start from: what a network is to see, before mosaics are made of them."""
        tiles = self._tiles_per_side(problem.space.shape) ** 2
        if not isinstance(self.init, str):
            return given_start(table, np.asarray(self.init), sum(counts.values()) * tiles)
        start = Start(table, problem, settings.architecture, rng)
        name = "kmeans" if self.init == "auto" else self.init
        return start.codes(name, {s: n * tiles for s, n in counts.items()})

    def _synthetic(
        self, codes: NDArray[Any], space: InputSpace, counts: dict[int, int], y: NDArray[Any]
    ) -> SyntheticSet:
        factor = self._tiles_per_side(space.shape)
        x = mosaic(space.inputs(codes), factor).clone()
        space.project(x)
        strata = np.repeat(list(counts), list(counts.values()))
        return SyntheticSet(space, x.requires_grad_(), strata, y, factor)

    def _loop(
        self,
        synthetic: SyntheticSet,
        matcher: Matcher,
        generator: torch.Generator,
        checkpoint: Checkpoint | None = None,
        validation: Validation | None = None,
    ) -> MatchingLoop:
        return MatchingLoop(
            synthetic,
            matcher,
            generator,
            max_iter=self.max_iter,
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            max_time=self.max_time,
            callback=self.callback,
            checkpoint=checkpoint,
            validation=validation,
            averaging=self._averaging(),
        )

    def _averaging(self) -> float | None:
        """Decay of a moving average of the rows; None to deliver the last iterate."""
        return None

    def _checkpoint(
        self, synthetic: SyntheticSet, table: PrivateTable, matcher: Matcher
    ) -> Checkpoint | None:
        if self.checkpoint is None:
            return None
        start = digest(synthetic.x.detach().cpu().numpy())
        settings = {**self._same_run(table), "start": start, "origin": matcher.origin()}
        return Checkpoint(self._state_file(Path(self.checkpoint)), settings)

    def _state_file(self, checkpoint: Path) -> Path:
        """Where the state of the iterations is kept."""
        return checkpoint

    def _same_run(self, table: PrivateTable) -> dict[str, str]:
        """What must be the same when a run goes on."""
        params = self.get_params(deep=False).items()
        same = {k: " ".join(repr(v).split()) for k, v in params if k not in self._resumable}
        # A run must not go on with other rows: what it learned would pass for theirs.
        same["data"] = fingerprint(table)
        return {"method": type(self).__name__, **same}

    def _deliver(
        self,
        synthetic: SyntheticSet,
        table: PrivateTable,
        sizes: NDArray[np.float64],
        loop: MatchingLoop,
        settings: NetworkSettings,
        labels: NDArray[np.float64] | None = None,
    ) -> Prototypes:
        """Legal rows, whose weights share that of their stratum."""
        space = synthetic.space
        X = table.decode(space.codes(synthetic.all_images()))
        weight = synthetic.weights(sizes)
        facts = {
            "n_iter_": loop.n_iter,
            "n_evals_": loop.n_steps,
            "n_skipped_": loop.n_skipped,
            "history_": {
                "loss": np.array(loop.history),
                "score": np.array(loop.scores),
                **loop.matcher.traces(),
            },
            "n_stored_": len(synthetic.x),
            "n_effective_": len(weight),
            "recipe_": _recipe(settings),
            **loop.matcher.facts(),
        }
        if labels is not None:
            return Prototypes(X, *table.task.deliver(labels, weight), facts)
        return Prototypes(X, np.arange(len(weight)), synthetic.repeated(synthetic.y), weight, facts)


def _recipe(settings: NetworkSettings) -> dict[str, Any]:
    """How a network is to be trained on the rows, for those who receive them."""
    return {
        "network": repr(settings.architecture),
        "augmentation": repr(settings.augmentation),
        "code_mean": settings.space.normaliser.mean,
        "code_spread": settings.space.normaliser.spread,
    }


def fingerprint(table: PrivateTable) -> str:
    """Tells a table from others."""
    groups = np.arange(0) if table.groups is None else table.groups
    patients = np.unique(groups, return_inverse=True)[1]
    return digest(table.Z, table.y, table.weight, patients)


def outcomes_of(table: PrivateTable, counts: dict[int, int]) -> NDArray[Any]:
    """Outcome of each prototype: that of its class, or typical of a part of its band."""
    found = []
    for stratum, count in counts.items():
        y = table.y[table.strata == stratum]
        parts = np.array_split(np.argsort(y, order=y.dtype.names, kind="stable"), count)
        found += [table.task.typical(y[part]) for part in parts]
    return np.concatenate(found)


def _declared_moments(moments: tuple[Any, ...], encoder: TableEncoder, size: int) -> Normaliser:
    """Moments in the unit of pixels, in units of codes."""
    column = encoder.schema.columns[0]
    try:
        mean, spread = (np.broadcast_to(np.asarray(m, np.float64), size) for m in moments)
    except ValueError:
        mean, spread = np.zeros(0), np.zeros(0)
    if column.bounds is None or not column.is_image or len(mean) == 0 or (spread <= 0).any():
        raise ValueError(
            f"normalisation must be a mean and a positive spread for each of {size} channel(s) of "
            "images. For tables use normalisation='fit' or 'declared'."
        )
    low, high = column.bounds
    return Normaliser((mean - (low + high) / 2) * 2 / (high - low), spread * 2 / (high - low))
