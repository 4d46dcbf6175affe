"""The loss of a student's path: which step, which weights and which shape are matched."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional

from skcondense.neural.segments import Segment
from skcondense.neural.unroll import TrajectoryLoss

__all__ = [
    "AllWeights",
    "ClosestStep",
    "LastStep",
    "Mask",
    "MeanOfRatios",
    "MiddleAngle",
    "NoShape",
    "PathLoss",
    "RankMask",
    "RatioOfSums",
    "Shape",
    "StudentStep",
    "ThresholdMask",
    "TriangleAngles",
    "WeightDistance",
]

TINY = 1e-12
# Sides of a triangle that are shorter than this share of the expert's have no direction.
SHORTEST_SIDE = 1e-6


class StudentStep(ABC):
    """Which step of a student is compared with the target."""

    @abstractmethod
    def choose(self, iterates: Sequence[Any], target: Any) -> int:
        """Number of the step, from 1 on."""


@dataclass(frozen=True)
class LastStep(StudentStep):
    """The last one (MTT)."""

    def choose(self, iterates: Sequence[Any], target: Any) -> int:
        """The last."""
        return len(iterates) - 1


@dataclass(frozen=True)
class ClosestStep(StudentStep):
    """The one closest to the target, by squared distance; of several, the last (ATT).

    References
    ----------
    Liu, Gu, Cao, Huang, Hu, Xu and Yang (2024), Dataset distillation by automatic training
    trajectories, ECCV, arXiv:2407.14245.
    """

    def choose(self, iterates: Sequence[Any], target: Any) -> int:
        """The closest."""
        away = [float(((weights - target) ** 2).sum()) for weights in iterates[1:]]
        return len(away) - min(range(len(away)), key=list(reversed(away)).__getitem__)


class WeightDistance(ABC):
    """How far the student is from the target, in units of what the expert moved."""

    @abstractmethod
    def difficulty(self, errors: Any, moves: Any) -> Any:
        """What masks compare: of shape (n_weights,), small where a weight is easy to match.

        Parameters
        ----------
        errors, moves : Tensor of shape (n_weights,)
            Squared distances of the student, and of the segment's start, from the target.
        """

    @abstractmethod
    def value(self, errors: Any, moves: Any, kept: Any) -> Any:
        """The distance over the weights that are kept, of shape ()."""


@dataclass(frozen=True)
class RatioOfSums(WeightDistance):
    """Squared distance from the target over that of the start: equation 3 of MTT.

    References
    ----------
    Cazenavette, Wang, Torralba, Efros and Zhu (2022), Dataset distillation by matching training
    trajectories, CVPR, arXiv:2203.11932.
    """

    def difficulty(self, errors: Any, moves: Any) -> Any:
        """The error."""
        return errors

    def value(self, errors: Any, moves: Any, kept: Any) -> Any:
        """Ratio of sums."""
        return (errors * kept).sum() / (moves * kept).sum().clamp(min=TINY)


@dataclass(frozen=True)
class MeanOfRatios(WeightDistance):
    """Mean over weights of the same ratio of each: the text of HoP-TM, read word for word.

    Parameters
    ----------
    damping : float, default=0.01
        Share of the mean move that is added to every move: an expert moves some weights hardly.
    """

    damping: float = 0.01

    def difficulty(self, errors: Any, moves: Any) -> Any:
        """The ratio of each weight."""
        return errors / (moves + self.damping * moves.mean() + TINY)

    def value(self, errors: Any, moves: Any, kept: Any) -> Any:
        """Mean ratio."""
        return (self.difficulty(errors, moves) * kept).sum() / kept.sum()


class Mask(ABC):
    """Which weights are matched; what it remembers is kept by the caller."""

    @abstractmethod
    def keep(self, difficulty: Any, before: Any, progress: float) -> Any:
        """Choose weights.

        Parameters
        ----------
        difficulty : Tensor of shape (n_weights,)
            Small where a weight is easy to match.
        before : Tensor of shape (n_weights,) or None
            What was kept in the last iteration, True or False; None at first.
        progress : float
            Share of the iterations that are done.

        Returns
        -------
        Tensor of shape (n_weights,)
            True or False.
        """

    def filled(self, kept: Any, difficulty: Any) -> Any:
        """What is matched where too little was kept; never nothing."""
        return kept


@dataclass(frozen=True)
class AllWeights(Mask):
    """All of them."""

    def keep(self, difficulty: Any, before: Any, progress: float) -> Any:
        """All."""
        return torch.ones_like(difficulty, dtype=torch.bool)


@dataclass(frozen=True)
class RankMask(Mask):
    """The easiest weights, by a share that grows to all: needs no threshold.

    Parameters
    ----------
    first_share : float, default=0.3
        Share of the weights at the start.
    all_from : float, default=0.6
        Share of the iterations after which all are matched.
    """

    first_share: float = 0.3
    all_from: float = 0.6

    def keep(self, difficulty: Any, before: Any, progress: float) -> Any:
        """The easiest; the share grows geometrically."""
        grown = min(progress / self.all_from, 1.0) if self.all_from > 0 else 1.0
        return _easiest(difficulty, self.first_share ** (1 - grown))


@dataclass(frozen=True)
class ThresholdMask(Mask):
    """Weights below a threshold that grows in paces: equations 5 and 6 of HoP-TM.

    Parameters
    ----------
    threshold : float
        At first, in units of the difficulty.
    growth : float
        Factor of every pace.
    pace : float, default=0.05
        Length of a pace as a share of the iterations; the paper's 500 of 10,000.
    sticky : bool, default=False
        Whether a weight stays once it was matched, as in the released code.
    least_share : float, default=0.05
        Share of the weights that are matched whatever the threshold; this is not remembered.

    Raises
    ------
    ValueError
        If a pace has no length.

    References
    ----------
    HoP-TM, High-order progressive trajectory matching for medical image dataset distillation.
    """

    threshold: float
    growth: float
    pace: float = 0.05
    sticky: bool = False
    least_share: float = 0.05

    def __post_init__(self) -> None:
        if not self.pace > 0:
            raise ValueError(f"pace of ThresholdMask must be positive. Got {self.pace}.")

    def keep(self, difficulty: Any, before: Any, progress: float) -> Any:
        """What is below the threshold."""
        # Rounding must not delay a pace that is due.
        threshold = self.threshold * self.growth ** int(progress / self.pace + 1e-9)
        kept = difficulty < threshold
        return kept | before if self.sticky and before is not None else kept

    def filled(self, kept: Any, difficulty: Any) -> Any:
        """With the easiest weights, up to the least share."""
        if kept.float().mean() >= self.least_share:
            return kept
        return kept | _easiest(difficulty, self.least_share)


def _easiest(difficulty: Any, share: float) -> Any:
    """The share of smallest values, at least one."""
    count = max(1, round(share * len(difficulty)))
    kept = torch.zeros_like(difficulty, dtype=torch.bool)
    kept[difficulty.argsort(stable=True)[:count]] = True
    return kept


class Shape(ABC):
    """A term that compares the shape of the student's path with that of the expert's."""

    needs_middle = True

    @abstractmethod
    def value(self, segment: Segment, middle: Any, end: Any) -> Any:
        """The term, of shape ().

        Parameters
        ----------
        segment : Segment
            The expert's path.
        middle, end : Tensor of shape (n_weights,)
            The student's, from the same start.
        """


@dataclass(frozen=True)
class NoShape(Shape):
    """None."""

    needs_middle = False

    def value(self, segment: Segment, middle: Any, end: Any) -> Any:
        """Nothing."""
        return torch.zeros_like(end[0])


@dataclass(frozen=True)
class MiddleAngle(Shape):
    """Angle at the middle point: equations 3 and 4 of HoP-TM.

    Parameters
    ----------
    weight : float, default=0.5
        Of the term.
    """

    weight: float = 0.5

    def value(self, segment: Segment, middle: Any, end: Any) -> Any:
        """Smooth L1 distance of two cosines."""
        expert, student = (
            cosines(segment, segment.middle, segment.target),
            cosines(segment, middle, end),
        )
        return self.weight * functional.smooth_l1_loss(student[1], expert[1])


@dataclass(frozen=True)
class TriangleAngles(Shape):
    """Angles at all three points: the released code of HoP-TM.

    The code averages over the 27 inner products of directions between three points, of which 6 are
    three cosines, twice each, and the others constants; so each cosine counts by 2/27.

    Parameters
    ----------
    weight : float, default=0.5
        Of the term.
    """

    weight: float = 0.5

    def value(self, segment: Segment, middle: Any, end: Any) -> Any:
        """Smooth L1 distances of three cosines."""
        expert = cosines(segment, segment.middle, segment.target)
        student = cosines(segment, middle, end)
        total = functional.smooth_l1_loss(student, expert, reduction="sum")
        return self.weight * 2 / 27 * total


def cosines(segment: Segment, middle: Any, end: Any) -> Any:
    """Cosines of the angles at the start, the middle and the end of a path, of shape (3,).

    A side that is too short to have a direction makes the angles next to it right ones.
    """
    least = SHORTEST_SIDE * (segment.target - segment.start).norm()
    first, second = _unit(middle - segment.start, least), _unit(end - middle, least)
    whole = _unit(end - segment.start, least)
    return torch.stack([first @ whole, -(first @ second), whole @ second])


def _unit(side: Any, least: Any) -> Any:
    length = side.norm()
    # Not the length of a zero vector in a denominator: its derivative has no bound.
    return torch.zeros_like(side) if length <= least else side / length


@dataclass
class PathLoss(TrajectoryLoss):
    """The loss of one iteration, and what it found.

    Attributes
    ----------
    segment : Segment
        The expert's path.
    step : StudentStep
        Which step is compared.
    distance : WeightDistance
        With the target.
    mask : Mask
        Over which weights.
    shape : Shape
        Of the path.
    progress : float
        Share of the iterations that are done.
    kept : Tensor of shape (n_weights,) or None
        Weights that the mask kept in the last iteration; after `value`, in this one.
    chosen : int
        The step that was compared.
    facts : dict of {str: float}
        Parts of the loss.
    """

    segment: Segment
    step: StudentStep
    distance: WeightDistance
    mask: Mask
    shape: Shape
    progress: float
    kept: Any = None
    chosen: int = 0
    facts: dict[str, float] = field(default_factory=dict)

    def points(self, iterates: Sequence[Any]) -> tuple[int, ...]:
        """The step that is compared, and the middle of the path where its shape counts."""
        self.chosen = self.step.choose(iterates, self.segment.target)
        middle = self.chosen // 2
        return (middle, self.chosen) if self.shape.needs_middle else (self.chosen,)

    def value(self, points: Sequence[Any]) -> Any:
        """Distance and shape."""
        middle, end = points[0], points[-1]
        errors = (end - self.segment.target) ** 2
        moves = (self.segment.start - self.segment.target) ** 2
        difficulty = self.distance.difficulty(errors.detach(), moves)
        self.kept = self.mask.keep(difficulty, self.kept, self.progress)
        used = self.mask.filled(self.kept, difficulty)
        distance = self.distance.value(errors, moves, used.to(errors))
        shape = self.shape.value(self.segment, middle, end)
        self.facts = {
            "distance": float(distance.detach()),
            "shape": float(shape.detach()),
            "used_share": float(used.float().mean()),
        }
        return distance + shape
