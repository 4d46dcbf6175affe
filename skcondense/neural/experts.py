"""Experts: networks trained on real rows, whose weights on the way are what students match.

An expert's weights are vectors of single precision. The seed of an expert hangs on the seed of all
and on its number alone, so experts can be made one by one, on any day, and are the same.
"""

import itertools
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from skcondense.neural.checkpoint import digest
from skcondense.neural.problem import MatchingProblem
from skcondense.neural.randomness import choose_rows
from skcondense.neural.settings import NetworkSettings
from skcondense.neural.training import batches
from skcondense.neural.unroll import FlatNetwork, Lesson, Student
from skcondense.table.storage import write_atomically

__all__ = [
    "Descent",
    "ExpertBuffer",
    "ExpertTrainer",
    "ExpertTraining",
    "FlatDescent",
    "SteepestDescent",
    "n_experts_in",
    "stored",
]

Vectors = NDArray[np.float32]
# Least steps between two snapshots, where an epoch is shorter: on a few hundred rows an epoch moves
# the weights by no more than its noise.
SHORTEST = 50


class Descent(ABC):
    """The direction in which an expert steps."""

    # Gradients that a step takes.
    n_gradients: ClassVar[int] = 1

    @abstractmethod
    def direction(self, gradient: Callable[[Any], Any], weights: Any) -> Any:
        """What to step against.

        Parameters
        ----------
        gradient : callable
            The gradient of one batch's loss at any weights.
        weights : Tensor of shape (n_weights,)
            Where the expert is.
        """


@dataclass(frozen=True)
class SteepestDescent(Descent):
    """Step against the gradient."""

    def direction(self, gradient: Callable[[Any], Any], weights: Any) -> Any:
        """The gradient."""
        return gradient(weights)


@dataclass(frozen=True)
class FlatDescent(Descent):
    """Step so that the path stays where the loss is flat (GSAM); takes two gradients.

    Parameters
    ----------
    rho : float, default=0.01
        Length of the step towards larger loss, at whose end the gradient is taken; weights move in
        proportion to their size.
    alpha : float, default=0.3
        Share of the first gradient's part across the second one that is taken away.

    References
    ----------
    Zhuang et al. (2022), Surrogate gap minimization improves sharpness-aware training, ICLR,
    arXiv:2203.08065; Du, Jiang, Tan, Zhou and Li (2023), Minimizing the accumulated trajectory
    error to improve dataset distillation, CVPR, arXiv:2211.11004.
    """

    rho: float = 0.01
    alpha: float = 0.3
    n_gradients: ClassVar[int] = 2

    def direction(self, gradient: Callable[[Any], Any], weights: Any) -> Any:
        """The gradient uphill, less a share of how the two differ."""
        here = gradient(weights)
        length = (weights.abs() * here).norm().clamp(min=1e-12)
        uphill = gradient(weights + self.rho * weights**2 * here / length)
        along = (here @ uphill) / (uphill @ uphill).clamp(min=1e-24)
        return uphill - self.alpha * (here - along * uphill)


@dataclass(frozen=True)
class ExpertTraining:
    """How many experts are trained, and for how long.

    Parameters
    ----------
    n_experts : int, default=8
        Networks.
    n_snapshots : int, default=30
        Snapshots of each after its start.
    steps_per_snapshot : int or None, default=50
        Gradient steps between two. None for an epoch, but no fewer than 50 steps.
    batch_size : int, default=64
        Real rows per step.
    learning_rate : float, default=0.01
        Length of the steps, without momentum or decay, as in the literature.

    Raises
    ------
    ValueError
        If a number is not positive.
    """

    n_experts: int = 8
    n_snapshots: int = 30
    steps_per_snapshot: int | None = 50
    batch_size: int = 64
    learning_rate: float = 0.01

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is None and name == "steps_per_snapshot":
                continue
            kind, called = (
                (Real, "number") if name == "learning_rate" else (Integral, "whole number")
            )
            if not (isinstance(value, kind) and float(value) > 0):
                raise ValueError(
                    f"{name} of ExpertTraining must be a positive {called}. Got {value!r}."
                )

    def n_steps(self, n_rows: int) -> int:
        """Steps between two snapshots for a number of real rows."""
        if self.steps_per_snapshot is not None:
            return self.steps_per_snapshot
        return max(math.ceil(n_rows / self.batch_size), SHORTEST)


@dataclass(frozen=True)
class ExpertTrainer:
    """What an expert is trained with.

    Attributes
    ----------
    problem : MatchingProblem
        Real rows.
    settings : NetworkSettings
        Networks and augmentation.
    training : ExpertTraining
        Steps.
    descent : Descent
        Their direction.
    """

    problem: MatchingProblem
    settings: NetworkSettings
    training: ExpertTraining
    descent: Descent

    def student(self) -> Student:
        """What takes gradients of batches."""
        return Student.of(self.settings, self.problem.objective, self.training.batch_size)

    def lessons(self, generator: torch.Generator) -> Iterator[Lesson]:
        """Augmented batches of real rows, epoch after epoch, without end."""
        problem = self.problem
        for rows in self._batches(generator):
            draw = self.settings.augmentation.draw(generator, len(rows))
            batch = draw(problem.x[rows]), problem.targets[rows], self._counted(len(rows))
            yield partial(tuple, batch)

    def snapshots(self, seed: int) -> Vectors:
        """Weights of an expert at its start and after every stretch.

        Returns
        -------
        ndarray of shape (n_snapshots + 1, n_weights)
        """
        generator = torch.Generator().manual_seed(seed)
        student, lessons = self.student(), self.lessons(generator)
        weights = FlatNetwork(self.settings.network(generator)).weights()
        # What is stored in single precision is a copy, never the weights that go on changing.
        found = [stored(weights)]
        for _ in range(self.training.n_snapshots):
            for _ in range(self.training.n_steps(len(self.problem.x))):
                gradient = partial(student.gradient, lesson=next(lessons))
                step = self.descent.direction(gradient, weights)
                weights = weights - self.training.learning_rate * step
            found.append(stored(weights))
        return np.stack(found)

    def facts(self) -> dict[str, Any]:
        """What decides on the experts of a seed, in a form that JSON keeps."""
        space, problem = self.settings.space, self.problem
        targets = problem.targets.cpu().numpy()
        rows = digest(problem.x.cpu().numpy(), targets, problem.weight.numpy())
        classes = getattr(problem.task, "classes", ())
        return {
            "network": repr(self.settings.architecture),
            "augmentation": repr(self.settings.augmentation),
            "input_shape": list(space.shape),
            "code_mean": space.normaliser.mean.tolist(),
            "code_spread": space.normaliser.spread.tolist(),
            "task": problem.task.name,
            "classes": [str(name) for name in classes],
            "rows": rows,
            "dtype": self.settings.compute.dtype,
            "steps_per_snapshot": self.training.n_steps(len(problem.x)),
            "batch_size": self.training.batch_size,
            "learning_rate": self.training.learning_rate,
            "descent": repr(self.descent),
        }

    def _batches(self, generator: torch.Generator) -> Iterator[Any]:
        """Positions of real rows; where weights differ, drawn by them."""
        weight, size = self.problem.weight, self.training.batch_size
        if bool((weight == weight[0]).all()):
            yield from batches(len(weight), size, generator)
        while True:
            yield choose_rows(weight, size, generator)

    def _counted(self, n_rows: int) -> Any:
        return torch.ones(n_rows).to(self.problem.x)


def stored(weights: Any) -> Vectors:
    """A copy of weights in the form in which experts are kept."""
    return weights.to("cpu", torch.float32, copy=True).numpy()


FORMAT = "skcondense experts, version 1"
MANIFEST = "experts.json"


def n_experts_in(folder: Path) -> int:
    """Number of experts that a folder holds, which are numbered without a gap."""
    return next(number for number in itertools.count() if not _file_in(folder, number).exists())


def _file_in(folder: Path, number: int) -> Path:
    return folder / f"expert_{number:05d}.npy"


class ExpertBuffer:
    """Experts in a folder, or in memory.

    The folder holds a manifest and one array file per expert, each written to the end before it
    gets its name: what a run that was cut off has made is there for the next. Files are mapped, so
    that only the snapshots in use are read. Nothing is pickled.

    Weights of networks trained on real rows may give those rows away: keep the folder where the
    rows are kept, and release it with as much care.

    Parameters
    ----------
    folder : str, Path or None
        Where experts are kept; None for memory.
    facts : dict
        What decides on the experts; the manifest must say the same.
    seed : int
        Of the experts. If there is a manifest, its seed holds.

    Raises
    ------
    ValueError
        If the manifest is damaged or is one of other experts.
    """

    def __init__(self, folder: str | Path | None, facts: dict[str, Any], seed: int) -> None:
        self.folder = None if folder is None else Path(folder)
        self._facts = json.loads(json.dumps(facts))
        self.seed = seed
        self._kept: list[Vectors] = []
        if self.folder is not None:
            self._open(self.folder)

    def __len__(self) -> int:
        """Number of experts, which are numbered without a gap."""
        return len(self._kept) if self.folder is None else n_experts_in(self.folder)

    def __getitem__(self, number: int) -> Vectors:
        """Vectors of an expert, of shape (n_vectors, n_weights); of a folder, mapped read-only.

        Raises
        ------
        ValueError
            If the file is damaged.
        """
        if self.folder is None:
            return self._kept[number]
        path = self._file(number)
        try:
            found: Vectors = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ValueError(
                f"{path} is not an expert, or damaged ({type(error).__name__}). Delete it, and it "
                "is trained anew."
            ) from error
        return found

    def append(self, number: int, vectors: Vectors) -> None:
        """Keep an expert under its number, which another run may have written meanwhile."""
        if self.folder is None:
            self._kept.append(vectors)
            return

        def write(part: Path) -> None:
            with part.open("wb") as file:
                np.save(file, vectors, allow_pickle=False)

        write_atomically(self._file(number), write)

    def seed_of(self, number: int) -> int:
        """Seed of an expert."""
        return int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])

    def _file(self, number: int) -> Path:
        assert self.folder is not None
        return _file_in(self.folder, number)

    def _open(self, folder: Path) -> None:
        path = folder / MANIFEST
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            # A hidden file is what a run left that was cut off while it wrote.
            if any(not other.name.startswith(".") for other in folder.iterdir()):
                raise ValueError(
                    f"{folder} holds other files and no {MANIFEST}. Choose an empty folder."
                )
            text = json.dumps({"format": FORMAT, "seed": self.seed, "facts": self._facts}, indent=1)
            write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))
        # Also what was just written: another run may have done so, with another seed.
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            known, self.seed, before = found["format"], int(found["seed"]), dict(found["facts"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} is damaged ({type(error).__name__}). Delete the folder, and experts are "
                "trained anew."
            ) from error
        if known != FORMAT:
            raise ValueError(f"{path} is a {known!r}; this version reads {FORMAT!r}.")
        names = sorted({*before, *self._facts})
        changed = [name for name in names if before.get(name) != self._facts.get(name)]
        if changed:
            raise ValueError(
                f"{folder} holds experts of other settings: {changed} differ. Restore them, or "
                "choose another folder."
            )
