"""What of an expert's path is matched: where a student starts and where it should arrive."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from skcondense.neural.experts import ExpertTrainer, ExpertTraining
from skcondense.neural.unroll import Student

__all__ = ["BezierPath", "ExpertPath", "Segment", "SnapshotPath", "StartRange"]

Vectors = NDArray[np.float32]
# Places at which the length of a curve is measured.
N_PLACES = 65


@dataclass(frozen=True)
class Segment:
    """A stretch of an expert's path, as vectors of weights.

    Attributes
    ----------
    start, target : Tensor of shape (n_weights,)
        Its ends.
    middle : Tensor of shape (n_weights,) or None
        A point between them; None where snapshots are too far apart for one.
    """

    start: Any
    middle: Any
    target: Any


class ExpertPath(ABC):
    """What is kept of an expert, and which stretches of it are matched."""

    @abstractmethod
    def facts(self, training: ExpertTraining) -> dict[str, Any]:
        """What decides on the vectors that are kept, beside the training."""

    @abstractmethod
    def n_vectors(self, training: ExpertTraining) -> int:
        """Vectors kept of each expert, at least."""

    @abstractmethod
    def record(self, trainer: ExpertTrainer, seed: int) -> Vectors:
        """Train an expert; what is kept of it."""

    @abstractmethod
    def check(self, training: ExpertTraining, ahead: int) -> None:
        """Refuse an expert that is too short.

        Raises
        ------
        ValueError
            If no stretch fits into the path.
        """

    @abstractmethod
    def n_steps(self, training: ExpertTraining, n_rows: int, ahead: int) -> float:
        """Steps of the expert along a stretch, on average."""

    def straightness(self, vectors: Vectors, training: ExpertTraining, ahead: int) -> float | None:
        """How straight stretches are, from 1 (a line) to -1 (back and forth).

        None where they have no middle, or are smooth by construction.
        """
        return None

    @abstractmethod
    def draw(
        self,
        vectors: Vectors,
        training: ExpertTraining,
        ahead: int,
        progress: float,
        generator: torch.Generator,
        tensor: Callable[[Any], Any],
    ) -> Segment:
        """Draw a stretch.

        Parameters
        ----------
        vectors : ndarray of shape (n_vectors, n_weights)
            What was recorded; read only where it is needed.
        training : ExpertTraining
            How the expert was trained.
        ahead : int
            Snapshots between start and target.
        progress : float
            Share of the iterations that are done.
        generator : torch.Generator
            Draws.
        tensor : callable
            Brings a vector to where it is used.
        """


@dataclass(frozen=True)
class StartRange:
    """Snapshots at which students may start; both ends are included.

    Parameters
    ----------
    first : int, default=0
        The earliest.
    last : int or None, default=None
        The latest; None for the last that has a target.
    grow_from : float, default=1.0
        Share of the range that is open at first: later starts, which are harder to match, are added
        one after the other.
    grow_until : float, default=0.1
        Share of the iterations after which all of the range is open.

    References
    ----------
    Guo, Wang, Cazenavette, Li, Zhang and You (2024), Towards lossless dataset distillation via
    difficulty-aligned trajectory matching, ICLR, arXiv:2310.05773: "sequential generation".
    """

    first: int = 0
    last: int | None = None
    grow_from: float = 1.0
    grow_until: float = 0.1

    def __post_init__(self) -> None:
        if not (0 < self.grow_from <= 1 and 0 <= self.grow_until <= 1):
            raise ValueError(
                "grow_from and grow_until of StartRange must be shares, the first above 0. Got "
                f"{self.grow_from} and {self.grow_until}."
            )

    def latest(self, n_snapshots: int, ahead: int) -> int:
        """The last start of all."""
        return n_snapshots - ahead if self.last is None else self.last

    def draw(self, latest: int, progress: float, generator: torch.Generator) -> int:
        """Draw a start."""
        grown = min(progress / self.grow_until, 1.0) if self.grow_until > 0 else 1.0
        share = self.grow_from + (1 - self.grow_from) * grown
        n_open = max(1, round(share * (latest - self.first + 1)))
        return self.first + int(torch.randint(n_open, (1,), generator=generator))


@dataclass(frozen=True)
class SnapshotPath(ExpertPath):
    """Match stretches between snapshots (MTT).

    Parameters
    ----------
    starts : StartRange, default=StartRange()
        Where students start.
    """

    starts: StartRange = StartRange()

    def facts(self, training: ExpertTraining) -> dict[str, Any]:
        """Snapshots are what training gives, and those of longer training begin alike."""
        return {"kept": "snapshots"}

    def n_vectors(self, training: ExpertTraining) -> int:
        """All snapshots and the start."""
        return training.n_snapshots + 1

    def record(self, trainer: ExpertTrainer, seed: int) -> Vectors:
        """The snapshots."""
        return trainer.snapshots(seed)

    def check(self, training: ExpertTraining, ahead: int) -> None:
        """A start needs a target."""
        latest = self.starts.latest(training.n_snapshots, ahead)
        if not 0 <= self.starts.first <= latest <= training.n_snapshots - ahead:
            raise ValueError(
                f"Students start at snapshots {self.starts.first} to {latest} and look {ahead} "
                f"ahead, but experts have snapshots 0 to {training.n_snapshots}. Train longer "
                "experts (n_snapshots of ExpertTraining), or start earlier."
            )

    def n_steps(self, training: ExpertTraining, n_rows: int, ahead: int) -> float:
        """Those between `ahead` snapshots."""
        return ahead * training.n_steps(n_rows)

    def straightness(self, vectors: Vectors, training: ExpertTraining, ahead: int) -> float | None:
        """Cosine between the halves of a stretch, mean over the earliest, a middle and the latest.

        About 0 if snapshots differ by the noise of batches alone, as the steps of a random walk do.
        """
        if ahead < 2:
            return None
        first, latest = self.starts.first, self.starts.latest(training.n_snapshots, ahead)
        starts = {first, (first + latest) // 2, latest}
        return float(np.mean([_cosine(vectors, start, ahead) for start in starts]))

    def draw(
        self,
        vectors: Vectors,
        training: ExpertTraining,
        ahead: int,
        progress: float,
        generator: torch.Generator,
        tensor: Callable[[Any], Any],
    ) -> Segment:
        """See `ExpertPath`."""
        latest = self.starts.latest(training.n_snapshots, ahead)
        start = self.starts.draw(latest, progress, generator)
        middle = tensor(vectors[start + ahead // 2].copy()) if ahead > 1 else None
        return Segment(tensor(vectors[start].copy()), middle, tensor(vectors[start + ahead].copy()))


def _cosine(vectors: Vectors, start: int, ahead: int) -> float:
    """Of the angle between a stretch's first and second half; 0 where one of them is a point."""
    ends = [start, start + ahead // 2, start + ahead]
    one, other = np.diff(vectors[ends].astype(np.float64), axis=0)
    length = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / length) if length > 0 else 0.0


@dataclass(frozen=True)
class BezierPath(ExpertPath):
    """Match stretches of a quadratic Bezier curve from an expert's start to its end.

    The curve's control point is fitted so that the loss of real rows is small all along the
    curve. Three vectors are kept of each expert, and targets are as smooth as the curve.

    Parameters
    ----------
    n_fit_steps : int, default=300
        Steps of Adam of the control point, each on one batch at one place of the curve.
    learning_rate : float, default=0.002
        Of the control point, in units of the expert's root mean square move. A large one finds a
        detour along which the loss is smaller yet, but no student can follow it.
    shortest, longest : float, default=0.2, 0.3
        Length of the stretches, as a share of the curve's length. Students take equally many steps,
        of one length, along each.

    Notes
    -----
    Only the abstracts of the papers were at hand: how the control point is fitted and how stretches
    are drawn is this package's.

    References
    ----------
    arXiv:2510.05805 and arXiv:2604.21638 (Bezier trajectory matching); Garipov, Izmailov,
    Podoprikhin, Vetrov and Wilson (2018), Loss surfaces, mode connectivity, and fast ensembling of
    DNNs, NeurIPS, arXiv:1802.10026: the curve.
    """

    n_fit_steps: int = 300
    learning_rate: float = 0.002
    shortest: float = 0.2
    longest: float = 0.3

    def facts(self, training: ExpertTraining) -> dict[str, Any]:
        """Where the curve ends, and how the control point is fitted."""
        return {
            "kept": "curve",
            "n_snapshots": training.n_snapshots,
            "n_fit_steps": self.n_fit_steps,
            "fit_rate": self.learning_rate,
        }

    def n_vectors(self, training: ExpertTraining) -> int:
        """Both ends and the control point."""
        return 3

    def check(self, training: ExpertTraining, ahead: int) -> None:
        """Stretches must fit onto the curve."""
        if not 0 < self.shortest <= self.longest <= 1:
            raise ValueError(
                "shortest and longest of BezierPath must be shares of the curve, in this order. "
                f"Got {self.shortest} and {self.longest}."
            )

    def n_steps(self, training: ExpertTraining, n_rows: int, ahead: int) -> float:
        """Their share of all steps."""
        share = (self.shortest + self.longest) / 2
        return share * training.n_snapshots * training.n_steps(n_rows)

    def record(self, trainer: ExpertTrainer, seed: int) -> Vectors:
        """Train an expert, and fit the curve between its ends."""
        snapshots = trainer.snapshots(seed)
        first, middle, last = snapshots[0], snapshots[len(snapshots) // 2], snapshots[-1]
        control = self._fitted(trainer, seed, [first, middle, last])
        return np.stack([first, control, last])

    def draw(
        self,
        vectors: Vectors,
        training: ExpertTraining,
        ahead: int,
        progress: float,
        generator: torch.Generator,
        tensor: Callable[[Any], Any],
    ) -> Segment:
        """See `ExpertPath`."""
        one, other = torch.rand(2, generator=generator).tolist()
        length = self.shortest + one * (self.longest - self.shortest)
        start = other * (1 - length)
        points = [tensor(vector.copy()) for vector in vectors]
        places = _at_lengths(points, [start, start + length / 2, start + length])
        return Segment(*(_on_curve(points, place) for place in places))

    def _fitted(self, trainer: ExpertTrainer, seed: int, vectors: list[Any]) -> NDArray[np.float32]:
        """The control point, from the one with which the curve passes the middle snapshot."""
        # Another stream than that which trained the expert.
        generator = torch.Generator().manual_seed(seed ^ 0x5EED)
        tensor = trainer.settings.compute.tensor
        first, middle, last = (tensor(vector) for vector in vectors)
        control = (2 * middle - (first + last) / 2).requires_grad_()
        scale = float((last - first).square().mean().sqrt())
        optimizer = torch.optim.Adam([control], lr=self.learning_rate * scale)
        student = trainer.student()
        for _, lesson in zip(range(self.n_fit_steps), trainer.lessons(generator), strict=False):
            place = float(torch.rand(1, generator=generator))
            control.grad = _by_control(student, [first, control.detach(), last], place, lesson)
            optimizer.step()
        found: NDArray[np.float32] = control.detach().to("cpu", torch.float32).numpy()
        return found


def _on_curve(points: list[Any], place: float) -> Any:
    """A point of the quadratic Bezier curve, at a place from 0 to 1."""
    rest = 1 - place
    return rest**2 * points[0] + 2 * place * rest * points[1] + place**2 * points[2]


def _at_lengths(points: list[Any], shares: list[float]) -> list[float]:
    """Places of the curve that are at shares of its length from the start.

    A curve runs fast where an expert did, at first, and slowly later on.
    """
    one, other = points[1] - points[0], points[2] - points[1]
    products = [float(one @ one), float(one @ other), float(other @ other)]
    place = np.linspace(0, 1, N_PLACES)
    weights = np.stack([(1 - place) ** 2, 2 * place * (1 - place), place**2], axis=1)
    speed = np.sqrt(np.maximum(weights @ products, 0))
    length = np.concatenate([[0.0], np.cumsum(speed[1:] + speed[:-1])])
    found: list[float] = np.interp(np.multiply(shares, length[-1]), length, place).tolist()
    return found


def _by_control(student: Student, points: list[Any], place: float, lesson: Any) -> Any:
    """Gradient of the loss at a place, by the control point."""
    return 2 * place * (1 - place) * student.gradient(_on_curve(points, place), lesson)
