"""`TrajectoryMatchingCondenser`: rows on which networks take the path that real rows lead them."""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from skcondense._sklearn import StrOptions, at_least, between
from skcondense.callbacks import Callback, FitProgress
from skcondense.neural.base import NeuralCondenser
from skcondense.neural.convnet import ConvNet
from skcondense.neural.experts import (
    Descent,
    ExpertBuffer,
    ExpertTrainer,
    ExpertTraining,
    SteepestDescent,
)
from skcondense.neural.learned_labels import FixedLabels, Labels, LearnedLabels
from skcondense.neural.loop import Learned, Matcher
from skcondense.neural.path_loss import (
    AllWeights,
    LastStep,
    Mask,
    NoShape,
    PathLoss,
    RatioOfSums,
    Shape,
    StudentStep,
    WeightDistance,
)
from skcondense.neural.problem import MatchingProblem
from skcondense.neural.segments import ExpertPath, SnapshotPath
from skcondense.neural.settings import ByInput, NetworkSettings
from skcondense.neural.synthetic import SyntheticSet, expand
from skcondense.neural.training import batches
from skcondense.neural.unroll import ExactAdjoint, Lesson, Unrolling

__all__ = ["TrajectoryMatcher", "TrajectoryMatchingCondenser", "TrajectoryRecipe"]

# The length of a student's steps never leaves these bounds.
SHORTEST_STEP, LONGEST_STEP = 1e-5, 1.0
# Lengths that are tried at first, and stretches on which they are.
N_HALVINGS, N_TRIED = 8, 5


@dataclass(frozen=True)
class TrajectoryRecipe:
    """What distinguishes one method of trajectory matching from another.

    Parameters
    ----------
    descent : Descent, default=SteepestDescent()
        How experts step; `FlatDescent` keeps them where the loss is flat.
    path : ExpertPath, default=SnapshotPath()
        What of an expert's path is matched.
    step : StudentStep, default=LastStep()
        Which step of the student is compared with the target.
    distance : WeightDistance, default=RatioOfSums()
        How.
    mask : Mask, default=AllWeights()
        Over which weights.
    shape : Shape, default=NoShape()
        How the shapes of both paths are compared.
    labels : {"hard", "learned"}, default="hard"
        Whether labels are learned beside the rows.
    averaging : float or None, default=None
        Decay of a moving average of the rows, which is then delivered.
    largest_loss : float, default=inf
        Students with a larger loss change nothing.
    """

    descent: Descent = field(default_factory=SteepestDescent)
    path: ExpertPath = field(default_factory=SnapshotPath)
    step: StudentStep = field(default_factory=LastStep)
    distance: WeightDistance = field(default_factory=RatioOfSums)
    mask: Mask = field(default_factory=AllWeights)
    shape: Shape = field(default_factory=NoShape)
    labels: str = "hard"
    averaging: float | None = None
    largest_loss: float = math.inf

    def for_stretches(self, ahead: int, n_steps: int) -> "TrajectoryRecipe":
        """The recipe for stretches that may have no middle, where a shape has no meaning.

        Warns
        -----
        ConvergenceWarning
            If the shape is left out.
        """
        is_curve = not isinstance(self.path, SnapshotPath)
        if not self.shape.needs_middle or (n_steps > 1 and (ahead > 1 or is_curve)):
            return self
        warnings.warn(
            "A path of one step, or between neighbouring snapshots, has no middle point, so its "
            f"shape is not matched. Got n_student_steps={n_steps} and n_expert_snapshots={ahead}; "
            "use 2 or more of each.",
            ConvergenceWarning,
            stacklevel=2,
        )
        return replace(self, shape=NoShape())


@dataclass(frozen=True)
class StudentPlan:
    """How students learn.

    Attributes
    ----------
    n_steps, ahead, batch_size : int
        Steps, snapshots that they cover, and learned rows per step.
    step_length : float
        Length of their steps at first.
    is_fixed : bool
        Whether that is meant; otherwise shorter ones are tried.
    step_length_rate, label_rate : float
        Learning rates of its logarithm, and of labels.
    unrolling : Unrolling
        How their paths are derived.
    max_iter : int
        Iterations.
    """

    n_steps: int
    ahead: int
    batch_size: int
    step_length: float
    is_fixed: bool
    step_length_rate: float
    label_rate: float
    unrolling: Unrolling
    max_iter: int


class TrajectoryMatcher(Matcher):
    """Let a student start at an expert's weights and arrive where the expert did.

    Parameters
    ----------
    problem : MatchingProblem
        Real rows; the student sees none.
    trainer : ExpertTrainer
        Of the experts.
    experts : ExpertBuffer
        Trained experts.
    recipe : TrajectoryRecipe
        What is matched.
    plan : StudentPlan
        How students learn.
    generator : torch.Generator
        Draws experts, stretches, batches and augmentations.
    """

    def __init__(
        self,
        problem: MatchingProblem,
        trainer: ExpertTrainer,
        experts: ExpertBuffer,
        recipe: TrajectoryRecipe,
        plan: StudentPlan,
        generator: torch.Generator,
    ) -> None:
        self._problem, self._trainer, self._experts = problem, trainer, experts
        self._recipe, self._plan, self._generator = recipe, plan, generator
        student, _ = trainer.student()
        compute, shape = trainer.settings.compute, trainer.settings.space.shape
        self._student = replace(student, length=compute.piece_length(shape, plan.batch_size))
        self._log_rate = compute.tensor(torch.tensor(math.log(plan.step_length), dtype=float))
        self._log_rate.requires_grad_()
        self._kept: Any = None
        self._traces: list[dict[str, float]] = []
        self._labels: Labels
        self._counted: Any

    def begin(self, synthetic: SyntheticSet) -> list[Learned]:
        """Labels start from what experts say of the rows."""
        targets = self._problem.objective.targets(synthetic.repeated(synthetic.y))
        self._labels = FixedLabels(targets)
        if self._recipe.labels == "learned":
            outputs = [self._opinion(k, synthetic) for k in range(len(self._experts))]
            self._labels = LearnedLabels.of(self._problem, torch.stack(outputs), targets)
        # Students count rows as those who receive them will.
        sizes = np.bincount(self._problem.strata, self._problem.weight.numpy()).astype(np.float64)
        weight = self._problem.compute.tensor(synthetic.weights(sizes))
        self._counted = weight / weight.mean()
        if not self._plan.is_fixed:
            self._log_rate.data.add_(self._halvings(synthetic) * math.log(0.5))
        return [
            Learned(self._log_rate, self._plan.step_length_rate),
            *(Learned(tensor, self._plan.label_rate) for tensor in self._labels.learned()),
        ]

    def iterate(self, synthetic: SyntheticSet, step: Callable[[float], None]) -> None:
        """One student."""
        bounds = math.log(SHORTEST_STEP), math.log(LONGEST_STEP)
        self._log_rate.data.clamp_(*bounds)
        loss = self._loss()
        lessons = list(self.lessons(synthetic))
        value = self._plan.unrolling.derive(
            self._student, loss.segment.start, lessons, self._log_rate, loss
        )
        self._kept = loss.kept
        rate = float(self._log_rate.detach().exp())
        self._traces.append({**loss.facts, "step": loss.chosen, "step_length": rate})
        if value > self._recipe.largest_loss:
            for tensor in (synthetic.x, self._log_rate, *self._labels.learned()):
                tensor.grad = None
            return
        step(value)

    def lessons(self, synthetic: SyntheticSet) -> Iterator[Lesson]:
        """What a student sees: augmented batches of learned rows, epoch after epoch."""
        rows = batches(len(synthetic.x), self._plan.batch_size, self._generator)
        tiles = synthetic.factor**2
        for _, chosen in zip(range(self._plan.n_steps), rows, strict=False):
            images = (chosen[:, None] * tiles + torch.arange(tiles)).flatten()
            draw = self._trainer.settings.augmentation.draw(self._generator, len(images))

            def lesson(chosen: Any = chosen, images: Any = images, draw: Any = draw) -> Any:
                x = draw(expand(synthetic.x[chosen], synthetic.factor))
                return x, self._labels.targets(images), self._counted[images]

            yield lesson

    def labels(self, synthetic: SyntheticSet) -> NDArray[np.float64] | None:
        """Learned labels as the task delivers them."""
        return self._labels.delivered()

    def facts(self) -> dict[str, Any]:
        """The length of the steps that were learned, and the number of experts."""
        rate = float(self._log_rate.detach().exp())
        return {"step_length_": rate, "n_experts_": len(self._experts)}

    def traces(self) -> dict[str, NDArray[np.float64]]:
        """Parts of the loss, and what was chosen."""
        names = self._traces[0] if self._traces else {}
        return {name: np.array([one[name] for one in self._traces], float) for name in names}

    def state(self) -> dict[str, NDArray[Any]]:
        """What masks remember, and the traces."""
        kept = {} if self._kept is None else {"kept": self._kept.cpu().numpy()}
        return {**kept, **{f"trace/{name}": values for name, values in self.traces().items()}}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take it back."""
        if "kept" in state:
            self._kept = torch.from_numpy(state["kept"]).to(self._problem.x.device)
        traces = {k.removeprefix("trace/"): v for k, v in state.items() if k != "kept"}
        rows = zip(*traces.values(), strict=True)
        self._traces = [dict(zip(traces, map(float, row), strict=True)) for row in rows]

    def _halvings(self, synthetic: SyntheticSet) -> int:
        """How often to halve the length of the steps before anything is learned.

        Few rows pull harder in one direction than many do, so that students may end much farther
        away than they started.
        """
        losses = np.zeros(N_HALVINGS)
        for _ in range(N_TRIED):
            loss, lessons = self._loss(), list(self.lessons(synthetic))
            for halvings in range(N_HALVINGS):
                rate = self._plan.step_length * 0.5**halvings
                path = self._student.path(loss.segment.start, lessons, rate)
                with torch.no_grad():
                    away = (path[-1] - loss.segment.target).square().sum()
                    losses[halvings] += (
                        away / (loss.segment.start - loss.segment.target).square().sum()
                    )
        return int(np.nan_to_num(losses, nan=math.inf).argmin())

    def _loss(self) -> PathLoss:
        """What is matched in this iteration."""
        recipe, compute = self._recipe, self._problem.compute
        progress = len(self._traces) / max(self._plan.max_iter, 1)
        number = int(torch.randint(len(self._experts), (1,), generator=self._generator))
        segment = recipe.path.draw(
            self._experts[number],
            self._trainer.training,
            self._plan.ahead,
            progress,
            self._generator,
            compute.tensor,
        )
        return PathLoss(
            segment, recipe.step, recipe.distance, recipe.mask, recipe.shape, progress, self._kept
        )

    def _opinion(self, number: int, synthetic: SyntheticSet) -> Any:
        """What an expert says of the rows at the end of its path."""
        weights = self._problem.compute.tensor(self._experts[number][-1].copy())
        compute = self._problem.compute
        with torch.no_grad(), compute.precision():
            return self._student.network(weights, synthetic.all_images()).to(compute.storage)


class TrajectoryMatchingCondenser(NeuralCondenser):
    """Learn rows on which a network takes the path that real rows led it (trajectory matching).

    Experts are trained on real rows, and their weights on the way are kept. In every iteration a
    student starts where an expert was, takes a few steps on the learned rows, and these are moved
    so that it arrives where the expert did some time later. The student's path is derived exactly,
    with the memory of one step. Students count rows by the weights with which these are delivered;
    the length of their steps is learned, as a logarithm.

    What distinguishes the published methods is a `TrajectoryRecipe`: `MTTCondenser`,
    `FTDCondenser`, `DATMCondenser`, `ATTCondenser`, `HoPTMCondenser` and
    `BezierTrajectoryCondenser` are this class with theirs.

    For classification (cross-entropy) and regression (squared error).

    Parameters
    ----------
    n_prototypes : int, default=100
        Rows (images) to learn.
    recipe : TrajectoryRecipe or "auto", default="auto"
        What is matched; "auto" is the class's own.
    experts : ExpertTraining or "auto", default="auto"
        How many experts are trained, and how long; "auto" is ``ExpertTraining()``.
    expert_folder : str or Path, default=None
        Folder in which experts are kept, for this run if it is cut off, and for others with the
        same rows and settings. Its experts are used whatever the random_state. They are as private
        as the rows. By default experts stay in memory. Rows that are held out for `early_stopping`
        hang on random_state, and so do the experts then.
    n_student_steps : int, default=20
        Steps of a student.
    n_expert_snapshots : int, default=6
        Snapshots of the expert that they are to cover. Over few steps an expert moves by little
        more than the noise of its batches, which no student can follow.
    step_length : float or "auto", default="auto"
        Length of a student's steps at first. "auto" is the one with which students of the first
        rows come closest: that which lets their steps cover as much as the expert's, or a half, a
        quarter, and so on of it.
    step_length_rate : float, default=0.01
        Learning rate of its logarithm. The length stays between 1e-5 and 1.
    label_rate : float, default=0.05
        Learning rate of labels, if they are learned.
    unrolling : Unrolling, default=None
        How paths are derived; by default ``ExactAdjoint()``.
    labels : {"auto", "hard", "learned", "teacher"}, default="auto"
        As in `NeuralCondenser`; or learned beside the rows, as probabilities (or amounts), from
        what the experts that are right about a row say of it. "auto" is what the recipe says.
    network, augmentation, teacher, init, factor, normalisation
        As in `NeuralCondenser`.
    batch_size : int, default=100
        Learned rows per step of a student.
    max_iter : int, default=500
        Iterations, each with one student.
    optimizer, early_stopping, validation_fraction, n_iter_no_change
        As in `NeuralCondenser`.
    learning_rate : float, default=0.05
        In units of normalised inputs for "adam".
    max_time : float, default=None
        Seconds after which the fit stops with what it has; experts are trained before.
    callback, checkpoint, device, dtype
        As in `NeuralCondenser`. Experts are the stage "experts".
    allocation, task, schema, subsample, epsilon, delta, ledger, neighbors, random_state
        As in `DatasetCondenser`; `allocation` is "balanced" by default. `epsilon` is refused.

    Attributes
    ----------
    X_condensed_, y_condensed_, sample_weight_, prototype_, schema_, task_, real_row_matches_
        As in `RandomCondenser`.
    n_iter_, n_evals_, n_skipped_, n_stored_, n_effective_, recipe_
        As in `DistributionMatchingCondenser`.
    step_length_ : float
        Length of the steps that was learned.
    n_experts_ : int
        Experts that were matched.
    history_ : dict of {str: ndarray}
        Per iteration: "loss", its parts "distance" and "shape", the share of the weights that was
        matched, "used_share", the "step" that was compared, and "step_length". The loss is NaN
        where nothing was changed.

    References
    ----------
    Cazenavette, Wang, Torralba, Efros and Zhu (2022), Dataset distillation by matching training
    trajectories, CVPR, arXiv:2203.11932.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skcondense.neural import ExpertTraining, TrajectoryMatchingCondenser
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> experts = ExpertTraining(n_experts=1, n_snapshots=3, steps_per_snapshot=5)
    >>> condenser = TrajectoryMatchingCondenser(
    ...     4, experts=experts, n_expert_snapshots=2, max_iter=2, random_state=0
    ... )
    >>> condenser.condense(X, y).n_prototypes
    4
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **{k: v for k, v in NeuralCondenser._parameter_constraints.items() if k != "compile"},
        "labels": [StrOptions({"auto", "hard", "learned", "teacher"})],
        "recipe": [TrajectoryRecipe, StrOptions({"auto"})],
        "experts": [ExpertTraining, StrOptions({"auto"})],
        "expert_folder": [str, Path, None],
        "n_student_steps": [at_least(1)],
        "n_expert_snapshots": [at_least(1)],
        "step_length": [between(0, None), StrOptions({"auto"})],
        "step_length_rate": [between(0, None)],
        "label_rate": [between(0, None)],
        "unrolling": [Unrolling, None],
    }

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {
            "max_iter": 120,
            "experts": ExpertTraining(n_experts=6, n_snapshots=8),
            "network": ByInput(ConvNet(width=16)),
        },
        "cpu": {"max_iter": 500},
        "gpu": {
            "max_iter": 5000,
            "n_student_steps": 40,
            "experts": ExpertTraining(50, 100, batch_size=256),
            "network": ByInput(ConvNet(width=128)),
        },
        "paper": {
            "max_iter": 5000,
            "n_student_steps": 30,
            "n_expert_snapshots": 2,
            "experts": ExpertTraining(100, 22, None, batch_size=256),
            "network": ByInput(ConvNet(width=128)),
            "augmentation": "dsa",
            "init": "real",
            "optimizer": "sgd",
            "learning_rate": 100.0,
            "step_length": 0.01,
        },
    }

    # What "auto" stands for.
    RECIPE: ClassVar[TrajectoryRecipe] = TrajectoryRecipe()

    _score_every = 25
    # What is matched when hangs on the share of the iterations that are done.
    _resumable = NeuralCondenser._resumable - {"max_iter"}

    _not_private_because = (
        "experts are trained on real rows. Use DistributionMatchingCondenser, which asks once"
    )

    def __init__(
        self,
        n_prototypes: int = 100,
        *,
        recipe: Any = "auto",
        experts: Any = "auto",
        expert_folder: str | Path | None = None,
        n_student_steps: int = 20,
        n_expert_snapshots: int = 6,
        step_length: Any = "auto",
        step_length_rate: float = 0.01,
        label_rate: float = 0.05,
        unrolling: Unrolling | None = None,
        network: Any = "auto",
        augmentation: Any = "auto",
        labels: str = "auto",
        teacher: Any = None,
        init: Any = "auto",
        factor: int = 1,
        normalisation: Any = "fit",
        batch_size: int = 100,
        max_iter: int = 500,
        optimizer: str = "adam",
        learning_rate: float = 0.05,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        max_time: float | None = None,
        callback: Any = None,
        checkpoint: Any = None,
        device: str = "auto",
        dtype: str = "float32",
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
            network=network,
            augmentation=augmentation,
            labels=labels,
            teacher=teacher,
            init=init,
            factor=factor,
            normalisation=normalisation,
            batch_size=batch_size,
            max_iter=max_iter,
            optimizer=optimizer,
            learning_rate=learning_rate,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            max_time=max_time,
            callback=callback,
            checkpoint=checkpoint,
            device=device,
            dtype=dtype,
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
        self.recipe = recipe
        self.experts = experts
        self.expert_folder = expert_folder
        self.n_student_steps = n_student_steps
        self.n_expert_snapshots = n_expert_snapshots
        self.step_length = step_length
        self.step_length_rate = step_length_rate
        self.label_rate = label_rate
        self.unrolling = unrolling

    def _matcher(
        self, problem: MatchingProblem, settings: NetworkSettings, generator: torch.Generator
    ) -> Matcher:
        recipe = self._recipe().for_stretches(self.n_expert_snapshots, self.n_student_steps)
        training = self._training()
        recipe.path.check(training, self.n_expert_snapshots)
        trainer = ExpertTrainer(problem, settings, training, recipe.descent)
        # Drawn in any case, so that a folder with experts changes nothing else.
        seed = int(torch.randint(2**31, (1,), generator=generator))
        facts = {**trainer.facts(), **recipe.path.facts()}
        buffer = ExpertBuffer(self.expert_folder, facts, seed)
        fill(buffer, trainer, recipe.path, self.callback)
        plan = self._plan(recipe, training, len(problem.x))
        return TrajectoryMatcher(problem, trainer, buffer, recipe, plan, generator)

    def _plan(self, recipe: TrajectoryRecipe, training: ExpertTraining, n_rows: int) -> StudentPlan:
        length = self.step_length
        if length == "auto":
            covered = recipe.path.n_steps(training, n_rows, self.n_expert_snapshots)
            length = min(training.learning_rate * covered / self.n_student_steps, LONGEST_STEP)
        return StudentPlan(
            n_steps=self.n_student_steps,
            ahead=self.n_expert_snapshots,
            batch_size=self.batch_size,
            step_length=length,
            is_fixed=self.step_length != "auto",
            step_length_rate=self.step_length_rate,
            label_rate=self.label_rate,
            unrolling=ExactAdjoint() if self.unrolling is None else self.unrolling,
            max_iter=self.max_iter,
        )

    def _recipe(self) -> TrajectoryRecipe:
        recipe: TrajectoryRecipe = self.RECIPE if self.recipe == "auto" else self.recipe
        if self.labels == "auto":
            return recipe
        return replace(recipe, labels="learned" if self.labels == "learned" else "hard")

    def _training(self) -> ExpertTraining:
        found: ExpertTraining = ExpertTraining() if self.experts == "auto" else self.experts
        return found

    def _averaging(self) -> float | None:
        return self._recipe().averaging

    def _cheaper(self) -> dict[str, Any]:
        return {"experts": replace(self._training(), n_experts=1), "expert_folder": None}

    def _planned(self) -> dict[str, int]:
        return {"experts": self._training().n_experts}


def fill(
    buffer: ExpertBuffer, trainer: ExpertTrainer, path: ExpertPath, callback: Callback | None
) -> None:
    """Train the experts that are missing.

    Raises
    ------
    ValueError
        If experts that were found are shorter than what is asked for.
    """
    training = trainer.training
    for number in range(training.n_experts):
        if number == len(buffer):
            buffer.append(path.record(trainer, buffer.seed_of(number)))
        needed, found = path.n_vectors(training), len(buffer[number])
        if found < needed:
            raise ValueError(
                f"{buffer.folder} holds experts of {found - 1} snapshots. Got n_snapshots="
                f"{training.n_snapshots}. Ask for less, or choose another folder."
            )
        progress = FitProgress("experts", number + 1, training.n_experts, math.nan, 0)
        if callback is not None and callback(progress) is True:
            return
