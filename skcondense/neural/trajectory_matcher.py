"""A student on the path of an expert: what one iteration of trajectory matching does."""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from skcondense.neural.checkpoint import digest
from skcondense.neural.experts import (
    Descent,
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
from skcondense.neural.problem import Objective
from skcondense.neural.segments import ExpertPath, SnapshotPath
from skcondense.neural.settings import NetworkSettings
from skcondense.neural.synthetic import SyntheticSet, expand
from skcondense.neural.training import batches
from skcondense.neural.unroll import Lesson, Student, Unrolling

__all__ = ["LONGEST_STEP", "StudentPlan", "TrajectoryMatcher", "TrajectoryRecipe"]

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

    def __post_init__(self) -> None:
        if self.labels not in ("hard", "learned"):
            raise ValueError(
                f'labels of TrajectoryRecipe must be "hard" or "learned". Got {self.labels!r}.'
            )

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
    training : ExpertTraining
        Of the experts whom they follow.
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

    training: ExpertTraining
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
    objective : Objective
        What networks learn.
    sizes : ndarray of shape (n_strata,)
        Weight of each stratum of the real rows, of which nothing else is needed.
    settings : NetworkSettings
        Networks and augmentation.
    experts : list of ndarray of shape (n_vectors, n_weights)
        What is kept of each expert; read only where it is needed.
    recipe : TrajectoryRecipe
        What is matched.
    plan : StudentPlan
        How students learn.
    generator : torch.Generator
        Draws experts, stretches, batches and augmentations.
    """

    def __init__(
        self,
        objective: Objective,
        sizes: NDArray[np.float64],
        settings: NetworkSettings,
        experts: list[NDArray[np.float32]],
        recipe: TrajectoryRecipe,
        plan: StudentPlan,
        generator: torch.Generator,
    ) -> None:
        self._objective, self._sizes, self._settings = objective, sizes, settings
        self._experts, self._recipe, self._plan = experts, recipe, plan
        self._generator = generator
        self._student = Student.of(settings, objective, plan.batch_size)
        compute = settings.compute
        self._log_rate = compute.tensor(torch.tensor(math.log(plan.step_length), dtype=float))
        self._log_rate.requires_grad_()
        self._kept: Any = None
        self._traces: list[dict[str, float]] = []
        self._labels: Labels
        self._counted: Any

    def begin(self, synthetic: SyntheticSet) -> list[Learned]:
        """Labels start from what experts say of the rows."""
        targets = self._objective.targets(synthetic.repeated(synthetic.y))
        self._labels = FixedLabels(targets)
        if self._recipe.labels == "learned":
            outputs = [self._opinion(vectors[-1], synthetic) for vectors in self._experts]
            task = self._objective.task
            self._labels = LearnedLabels.of(task, torch.stack(outputs), targets)
        # Students count rows as those who receive them will.
        weight = self._settings.compute.tensor(synthetic.weights(self._sizes))
        self._counted = weight / weight.mean()
        if not self._plan.is_fixed:
            self._log_rate.data.add_(self._halvings(synthetic) * math.log(0.5))
        return [
            Learned(self._log_rate, self._plan.step_length_rate),
            *(Learned(tensor, self._plan.label_rate) for tensor in self._labels.learned()),
        ]

    def iterate(self, synthetic: SyntheticSet, step: Callable[[float], None]) -> None:
        """One student."""
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
        self._log_rate.data.clamp_(math.log(SHORTEST_STEP), math.log(LONGEST_STEP))

    def lessons(self, synthetic: SyntheticSet) -> Iterator[Lesson]:
        """What a student sees: augmented batches of learned rows, epoch after epoch."""
        rows = batches(len(synthetic.x), self._plan.batch_size, self._generator)
        tiles = synthetic.factor**2
        for _, chosen in zip(range(self._plan.n_steps), rows, strict=False):
            images = (chosen[:, None] * tiles + torch.arange(tiles)).flatten()
            draw = self._settings.augmentation.draw(self._generator, len(images))

            def lesson(chosen: Any = chosen, images: Any = images, draw: Any = draw) -> Any:
                x = draw(expand(synthetic.x[chosen], synthetic.factor))
                return x, self._labels.targets(images), self._counted[images]

            yield lesson

    def labels(self, synthetic: SyntheticSet) -> NDArray[np.float64] | None:
        """Learned labels as the task delivers them."""
        return self._labels.delivered()

    def origin(self) -> str:
        """A fingerprint of where the experts ended."""
        return digest(*(vectors[-1] for vectors in self._experts))

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
            self._kept = torch.from_numpy(state["kept"]).to(self._log_rate.device)
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
                    moved = (loss.segment.start - loss.segment.target).square().sum()
                losses[halvings] += float(away / moved)
        return int(np.nan_to_num(losses, nan=math.inf).argmin())

    def _loss(self) -> PathLoss:
        """What is matched in this iteration."""
        recipe, compute = self._recipe, self._settings.compute
        progress = len(self._traces) / max(self._plan.max_iter, 1)
        number = int(torch.randint(len(self._experts), (1,), generator=self._generator))
        segment = recipe.path.draw(
            self._experts[number],
            self._plan.training,
            self._plan.ahead,
            progress,
            self._generator,
            compute.tensor,
        )
        return PathLoss(
            segment, recipe.step, recipe.distance, recipe.mask, recipe.shape, progress, self._kept
        )

    def _opinion(self, last: NDArray[np.float32], synthetic: SyntheticSet) -> Any:
        """What an expert says of the rows at the end of its path."""
        compute = self._settings.compute
        weights = compute.tensor(last.copy())
        with torch.no_grad(), compute.precision():
            return self._student.network(weights, synthetic.all_images()).to(compute.storage)
