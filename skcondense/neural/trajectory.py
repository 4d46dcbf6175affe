"""`TrajectoryMatchingCondenser`: rows on which networks take the path that real rows lead them."""

import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from skcondense._sklearn import StrOptions, at_least, between
from skcondense.callbacks import Callback, FitProgress
from skcondense.neural.augmentation import Augmentation
from skcondense.neural.base import NeuralCondenser
from skcondense.neural.convnet import ConvNet
from skcondense.neural.experts import (
    ExpertBuffer,
    ExpertTrainer,
    ExpertTraining,
    n_experts_in,
)
from skcondense.neural.loop import Matcher
from skcondense.neural.private_base import PrivateNeuralCondenser
from skcondense.neural.private_experts import PRIVATE_TRAINING, SHARES, PrivateExperts
from skcondense.neural.private_features import OutcomeCounts
from skcondense.neural.problem import MatchingProblem, Objective, check_learnable
from skcondense.neural.segments import ExpertPath, SnapshotPath
from skcondense.neural.settings import ByInput, NetworkSettings
from skcondense.neural.trajectory_matcher import (
    LONGEST_STEP,
    StudentPlan,
    TrajectoryMatcher,
    TrajectoryRecipe,
)
from skcondense.neural.unroll import ExactAdjoint, Unrolling
from skcondense.privacy import Oracle, mu_of
from skcondense.private_table import PrivateTable

__all__ = ["TrajectoryMatchingCondenser"]

# Cosine between the halves of a stretch below which a path counts as noise; a random walk has 0.
LEAST_COSINE = 0.2


class TrajectoryMatchingCondenser(PrivateNeuralCondenser):
    """Learn rows on which a network takes the path that real rows led it (trajectory matching).

    Experts are trained on real rows, and their weights on the way are kept. In every iteration a
    student starts where an expert was, takes a few steps on the learned rows, and these are moved
    so that it arrives where the expert did some time later. The student's path is derived exactly,
    with the memory of one step. Students count rows by the weights with which these are delivered;
    the length of their steps is learned, as a logarithm.

    What distinguishes the published methods is a `TrajectoryRecipe`: `MTTCondenser`,
    `FTDCondenser`, `DATMCondenser`, `ATTCondenser`, `HoPTMCondenser` and
    `BezierTrajectoryCondenser` are this class with theirs.

    With `epsilon` experts take few long steps, each against the noised mean of the clipped
    gradients of all rows (no augmentation); rows start at noised means, and matching is free.

    For classification (cross-entropy) and regression (squared error).

    Parameters
    ----------
    n_prototypes : int, default=100
        Rows (images) to learn.
    recipe : TrajectoryRecipe or "auto", default="auto"
        What is matched; "auto" is the class's own.
    experts : ExpertTraining or "auto", default="auto"
        How many experts are trained, and how long; "auto" is ``ExpertTraining()``.
    private_experts : ExpertTraining or "auto", default="auto"
        The same with `epsilon`, where each of their steps is paid for; "auto" is one expert of 48
        steps of length 0.5, in 12 snapshots.
    expert_folder : str or Path, default=None
        Folder in which experts are kept, for this run if it is cut off, and for others with the
        same rows and settings. Its first `n_experts` are used, whatever the random_state. They are
        as private as the rows. By default experts stay in memory. With `early_stopping`, or more
        rows than `subsample`, the rows hang on random_state, and so do the experts.
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
        As in `NeuralCondenser`. Snapshots are scored with the rows' outcomes, also where labels are
        learned.
    learning_rate : float, default=0.05
        In units of normalised inputs for "adam".
    max_time : float, default=None
        Seconds after which the fit stops with what it has; experts are trained before.
    callback, checkpoint, device, dtype
        As in `NeuralCondenser`. Experts are the stage "experts". With `epsilon` a callback cannot
        stop the fit, and networks are in single precision.
    allocation, task, schema, subsample, epsilon, delta, ledger, neighbors, random_state
        As in `DatasetCondenser`; `allocation` is "balanced" by default.

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
        "private_experts": [ExpertTraining, StrOptions({"auto"})],
        "expert_folder": [str, Path, None],
        "n_student_steps": [at_least(1)],
        "n_expert_snapshots": [at_least(1)],
        "step_length": [between(0, 1, "right"), StrOptions({"auto"})],
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
        # A step costs as much as its rows: of ten per class, half of them at a time do as well.
        "cpu": {
            "max_iter": 200,
            "experts": ExpertTraining(n_experts=8, n_snapshots=10),
            "network": ByInput(ConvNet(width=16)),
            "batch_size": 20,
        },
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
            "step_length": 0.001,
        },
    }

    # What "auto" stands for.
    RECIPE: ClassVar[TrajectoryRecipe] = TrajectoryRecipe()

    _score_every = 25
    # What is matched when hangs on the share of the iterations that are done.
    _resumable = NeuralCondenser._resumable - {"max_iter"}

    _not_private_because: ClassVar[str | None] = None
    _private_shares = SHARES

    def __init__(
        self,
        n_prototypes: int = 100,
        *,
        recipe: Any = "auto",
        experts: Any = "auto",
        private_experts: Any = "auto",
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
        self.private_experts = private_experts
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
        check_learnable(problem.task)
        recipe = self._recipe().for_stretches(self.n_expert_snapshots, self.n_student_steps)
        training = self._training()
        recipe.path.check(training, self.n_expert_snapshots)
        trainer = ExpertTrainer(problem, settings, training, recipe.descent)
        # Drawn in any case, so that a folder with experts changes nothing else.
        seed = int(torch.randint(2**31, (1,), generator=generator))
        facts = {**trainer.facts(), **recipe.path.facts(training)}
        buffer = ExpertBuffer(self.expert_folder, facts, seed)
        experts = filled(buffer, trainer, recipe.path, self.callback)
        warn_of_wandering(experts, recipe.path, training, self.n_expert_snapshots)
        plan = self._plan(recipe, training, len(problem.x))
        sizes = np.bincount(problem.strata, problem.weight.numpy()).astype(np.float64)
        return TrajectoryMatcher(
            problem.objective, sizes, settings, experts, recipe, plan, generator
        )

    def _plan(self, recipe: TrajectoryRecipe, training: ExpertTraining, n_rows: int) -> StudentPlan:
        length = self.step_length
        if length == "auto":
            covered = recipe.path.n_steps(training, n_rows, self.n_expert_snapshots)
            length = min(training.learning_rate * covered / self.n_student_steps, LONGEST_STEP)
        return StudentPlan(
            training=training,
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

    def _private_matcher(
        self,
        counts: OutcomeCounts,
        oracle: Oracle,
        settings: NetworkSettings,
        generator: torch.Generator,
    ) -> Matcher:
        facts, training = counts.facts, self._private_training()
        recipe = self._recipe().for_stretches(self.n_expert_snapshots, self.n_student_steps)
        # Of a row that is changed at random there is no gradient that a query could ask for.
        settings = replace(settings, augmentation=Augmentation(transforms=()))
        objective = Objective(facts.task, settings.compute)
        asked = PrivateExperts(
            counts=counts,
            oracle=oracle,
            settings=settings,
            objective=objective,
            training=training,
            descent=recipe.descent,
            share=self._shares(facts.encoder.schema)["gradients"],
            tell=self._tell_of_snapshots,
        )
        assert self.epsilon is not None
        reach = 1.0 if self.neighbors == "add_remove" else 2.0
        asked.warn_of_noise(mu_of(self.epsilon, self.delta), reach)
        experts = [asked.snapshots(generator) for _ in range(training.n_experts)]
        warn_of_wandering(experts, recipe.path, training, self.n_expert_snapshots)
        plan = self._plan(recipe, training, 0)
        return TrajectoryMatcher(
            objective, counts.sizes, settings, experts, recipe, plan, generator
        )

    def _private_training(self) -> ExpertTraining:
        is_auto = self.private_experts == "auto"
        found: ExpertTraining = PRIVATE_TRAINING if is_auto else self.private_experts
        return found

    def _tell_of_snapshots(self, n_done: int) -> None:
        watcher, planned = self._watcher(), self._private_training().n_snapshots
        if watcher is not None:
            watcher(FitProgress("experts", n_done, planned, math.nan, 0))

    def _rehearsing(self) -> Self:
        trial = super()._rehearsing()
        # Which step length is best would be found by trials of its own.
        trial.step_length = LONGEST_STEP if self.step_length == "auto" else self.step_length
        return trial

    def _check_private(self, facts: PrivateTable) -> None:
        super()._check_private(facts)
        check_learnable(facts.task)
        self._check_private_experts(self._recipe(), self._private_training())

    def _check_private_experts(self, recipe: TrajectoryRecipe, training: ExpertTraining) -> None:
        """Refuse what would look at rows again, or cannot be paid for."""
        recipe.path.check(training, self.n_expert_snapshots)
        if not isinstance(recipe.path, SnapshotPath):
            raise ValueError(
                "With epsilon, curves would have to be fitted to real rows. Got a recipe with "
                f"{type(recipe.path).__name__}. Use one with SnapshotPath."
            )
        if self.expert_folder is not None:
            raise ValueError(
                "With epsilon experts are made of this fit's answers, which are recorded. Leave "
                "expert_folder=None."
            )
        if training.steps_per_snapshot is None:
            raise ValueError(
                "With epsilon experts learn from all rows at once, so there are no epochs. Give "
                "ExpertTraining a number of steps_per_snapshot; each is paid for."
            )

    def _averaging(self) -> float | None:
        return self._recipe().averaging

    def _cheaper(self) -> dict[str, Any]:
        # Two: before the first one ends, the table is read as well.
        training = self._training()
        few = replace(training, n_experts=min(training.n_experts, 2))
        return {**super()._cheaper(), "experts": few, "expert_folder": None}

    def _planned(self, n_rows: int, is_image: bool) -> dict[str, int]:
        kept = 0 if self.expert_folder is None else n_experts_in(Path(self.expert_folder))
        return {"experts": max(self._training().n_experts - kept, 0)}


def filled(
    buffer: ExpertBuffer, trainer: ExpertTrainer, path: ExpertPath, callback: Callback | None
) -> list[NDArray[np.float32]]:
    """Train the experts that are missing, and return as much of all as is asked for.

    Raises
    ------
    ValueError
        If experts that were found are shorter than what is asked for, or one diverged.
    """
    training, found = trainer.training, []
    needed = path.n_vectors(training)
    for number in range(training.n_experts):
        if number >= len(buffer):
            buffer.append(number, path.record(trainer, buffer.seed_of(number)))
        vectors = buffer[number]
        if len(vectors) < needed:
            raise ValueError(
                f"{buffer.folder} holds experts of {len(vectors) - 1} snapshots. Got n_snapshots="
                f"{training.n_snapshots}. Ask for less, or choose another folder."
            )
        if not np.isfinite(vectors[needed - 1]).all():
            raise ValueError(
                "An expert's weights are no finite numbers any more: its steps were too long. Got "
                f"learning_rate={training.learning_rate} of ExpertTraining; lower it, and choose "
                "another expert_folder if you have one."
            )
        found.append(vectors[:needed])
        progress = FitProgress("experts", number + 1, training.n_experts, math.nan, 0)
        if callback is not None and callback(progress) is True:
            break
    return found


def warn_of_wandering(
    experts: list[NDArray[np.float32]], path: ExpertPath, training: ExpertTraining, ahead: int
) -> None:
    """Warn if experts' stretches have no direction, which students could only take by chance.

    Warns
    -----
    ConvergenceWarning
        If the two halves of a stretch hardly point the same way.
    """
    found = [path.straightness(vectors, training, ahead) for vectors in experts]
    cosines = [cosine for cosine in found if cosine is not None]
    if cosines and np.mean(cosines) < LEAST_COSINE:
        warnings.warn(
            "The paths of the experts are mostly noise: the cosine between the halves of a stretch "
            f"is {np.mean(cosines):.2f} on average, below {LEAST_COSINE}. Take more snapshots or "
            "steps per stretch (n_expert_snapshots, steps_per_snapshot), larger batches, or "
            "earlier starts.",
            ConvergenceWarning,
            stacklevel=2,
        )
