"""Steps of a student on learned rows, and gradients through all of them.

A student starts at given weights and takes a few steps of plain gradient descent on batches of
learned rows. A loss of where it passes is derived by those rows, by their labels and by the
logarithm of the step length. `ExactAdjoint` gets what one large graph would give while it keeps
the weights of every step and the graph of one step at a time.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from skcondense.neural.compute import Compute
from skcondense.neural.problem import Objective
from skcondense.neural.settings import NetworkSettings

__all__ = [
    "ExactAdjoint",
    "FlatNetwork",
    "FullGraph",
    "Lesson",
    "Student",
    "Tesla",
    "TrajectoryLoss",
    "Unrolling",
]

# Makes the inputs, targets and weights of one step, anew whenever it is called; differentiable.
# Weights are constants.
Lesson = Callable[[], tuple[Any, Any, Any]]


class TrajectoryLoss(ABC):
    """A loss of some of the weights that a student passes."""

    @abstractmethod
    def points(self, iterates: Sequence[Any]) -> tuple[int, ...]:
        """Which of the iterates the loss looks at, in increasing order; 0 is the start."""

    @abstractmethod
    def value(self, points: Sequence[Any]) -> Any:
        """The loss, of shape (), differentiable by the iterates that `points` named."""


class FlatNetwork:
    """A network as a function of its weights in one vector.

    Parameters
    ----------
    network : Module
        The layers.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._shapes = {name: tuple(p.shape) for name, p in network.named_parameters()}
        self._sizes = [p.numel() for p in network.parameters()]

    def __len__(self) -> int:
        """Number of weights."""
        return sum(self._sizes)

    def __call__(self, weights: Any, *inputs: Any) -> Any:
        """Outputs for inputs."""
        parts = zip(self._shapes.items(), weights.split(self._sizes), strict=True)
        named = {name: part.view(shape) for (name, shape), part in parts}
        return functional_call(self._network, named, inputs)

    def weights(self) -> Any:
        """A copy of the weights that the layers hold."""
        return torch.cat([p.detach().flatten() for p in self._network.parameters()])


@dataclass(frozen=True)
class Student:
    """How a network learns from one batch.

    Attributes
    ----------
    network : FlatNetwork
        The network.
    objective : Objective
        Its loss.
    compute : Compute
        Precision.
    length : int
        Rows that pass at once; a batch is cut into such pieces.
    """

    network: FlatNetwork
    objective: Objective
    compute: Compute
    length: int

    @classmethod
    def of(cls, settings: NetworkSettings, objective: Objective, batch_size: int) -> "Student":
        """A student of a kind of network, for batches of a size."""
        # Its own weights are of no account.
        network = FlatNetwork(settings.network(torch.Generator()))
        length = settings.compute.piece_length(settings.space.shape, batch_size)
        return cls(network, objective, settings.compute, length)

    def losses(self, weights: Any, x: Any, targets: Any) -> Any:
        """Loss of each row, differentiable more than once."""
        with self.compute.precision():
            outputs = self.network(weights, x).to(self.compute.storage)
        return self.objective.losses(outputs, targets)

    def total(self, weights: Any, x: Any, targets: Any, counted: Any) -> Any:
        """Sum of the losses of some rows, each counted by its weight."""
        return (self.losses(weights, x, targets) * counted).sum()

    def gradient(self, weights: Any, lesson: Lesson) -> Any:
        """Gradient of the weighted mean loss by the network's weights, as a constant."""
        with torch.no_grad():
            batch = lesson()
        weights = weights.detach().requires_grad_()
        for piece in self._pieces(*batch):
            (self.total(weights, *piece) / len(batch[0])).backward()
        return weights.grad

    def pull_back(self, weights: Any, lesson: Lesson, cotangent: Any) -> tuple[Any, Any]:
        """Derive the product of a constant vector with the gradient of the weighted mean loss.

        By the learned tensors behind the lesson, whose ``.grad`` is added to; and by the weights.

        Returns
        -------
        product : Tensor of shape ()
            The product.
        by_weights : Tensor of shape (n_weights,)
            Its derivative: the vector times the Hessian.
        """
        batch = lesson()
        weights = weights.detach().requires_grad_()
        # Pieces end at leaves of their own, so that what made the batch is derived once.
        leaves = [made.detach().requires_grad_(made.requires_grad) for made in batch]
        learned = [leaf for leaf in leaves if leaf.requires_grad]
        total = torch.zeros((), device=weights.device, dtype=weights.dtype)
        for piece in self._pieces(*leaves):
            loss = self.total(weights, *piece) / len(batch[0])
            (gradient,) = torch.autograd.grad(loss, weights, create_graph=True)
            product = gradient @ cotangent
            product.backward(inputs=[weights, *learned])
            total += product.detach()
        made = [m for m in batch if m.requires_grad]
        torch.autograd.backward(made, [leaf.grad for leaf in learned])
        return total, weights.grad

    def path(self, start: Any, lessons: Sequence[Lesson], rate: float) -> list[Any]:
        """Weights before and after every step, as constants."""
        path = [start.detach()]
        for lesson in lessons:
            path.append(path[-1] - rate * self.gradient(path[-1], lesson))
        return path

    def _pieces(self, *batch: Any) -> Any:
        return zip(*(part.split(self.length) for part in batch), strict=True)


class Unrolling(ABC):
    """A way to derive a loss of a student's path."""

    @abstractmethod
    def derive(
        self,
        student: Student,
        start: Any,
        lessons: Sequence[Lesson],
        log_rate: Any,
        loss: TrajectoryLoss,
    ) -> float:
        """Let the student take its steps, and derive the loss of its path.

        Parameters
        ----------
        student : Student
            Who learns.
        start : Tensor of shape (n_weights,)
            Where it starts; a constant.
        lessons : sequence of Lesson
            What it sees, a step each.
        log_rate : Tensor of shape ()
            Logarithm of the length of its steps, which is therefore positive.
        loss : TrajectoryLoss
            Of its path.

        Returns
        -------
        float
            The loss. Its gradients are added to the ``.grad`` of the learned tensors behind the
            lessons, and of `log_rate`.
        """


@dataclass(frozen=True)
class ExactAdjoint(Unrolling):
    """Walk back step by step, linearising each anew.

    Equal to one graph of all steps up to rounding. Memory is one vector of weights per step and the
    graph of a piece of one batch; time is about that of the large graph plus one pass more.

    Parameters
    ----------
    window : int, default=None
        Last steps through which to walk back; earlier ones are taken for constants. By default
        all.
    """

    window: int | None = None

    def __post_init__(self) -> None:
        if self.window is not None and self.window < 1:
            raise ValueError(f"window of ExactAdjoint must be 1 or more. Got {self.window}.")

    def derive(
        self,
        student: Student,
        start: Any,
        lessons: Sequence[Lesson],
        log_rate: Any,
        loss: TrajectoryLoss,
    ) -> float:
        """See `Unrolling`."""
        rate = float(log_rate.detach().exp())
        path = student.path(start, lessons, rate)
        value, cotangents = _cotangents(path, loss)
        last = max(cotangents)
        first = 0 if self.window is None else max(last - self.window, 0)
        adjoint = torch.zeros_like(start)
        for step in reversed(range(first, last)):
            adjoint = adjoint + cotangents.get(step + 1, 0)
            pulled = student.pull_back(path[step], lessons[step], -rate * adjoint)
            # A step moves by its own length when the logarithm of the rate does by one.
            _add_gradient(log_rate, pulled[0])
            adjoint = adjoint + self._passed_on(pulled[1])
        return value

    def _passed_on(self, by_weights: Any) -> Any:
        """What earlier steps are told of how later gradients hang on the weights."""
        return by_weights


class Tesla(ExactAdjoint):
    """As `ExactAdjoint`, but a step is not told what later steps made of it.

    The gradient of TESLA, which is not exact for more than one step: what a batch did to the
    weights at which later gradients are taken is left out. It is here to be compared with, and
    takes as much time and memory as the exact one.

    References
    ----------
    Cui, Wang, Si and Hsieh (2023), Scaling up dataset distillation to ImageNet-1K with constant
    memory, ICML, arXiv:2211.10586.
    """

    def _passed_on(self, by_weights: Any) -> Any:
        return torch.zeros_like(by_weights)


@dataclass(frozen=True)
class FullGraph(Unrolling):
    """One graph of all steps, derived by torch: what the references do, for small networks."""

    def derive(
        self,
        student: Student,
        start: Any,
        lessons: Sequence[Lesson],
        log_rate: Any,
        loss: TrajectoryLoss,
    ) -> float:
        """See `Unrolling`."""
        path = [start.detach().requires_grad_()]
        for lesson in lessons:
            batch = lesson()
            mean = student.total(path[-1], *batch) / len(batch[0])
            (gradient,) = torch.autograd.grad(mean, path[-1], create_graph=True)
            path.append(path[-1] - log_rate.exp() * gradient)
        constants = [weights.detach() for weights in path]
        value = loss.value([path[i] for i in loss.points(constants)])
        value.backward()
        return float(value.detach())


def _cotangents(path: Sequence[Any], loss: TrajectoryLoss) -> tuple[float, dict[int, Any]]:
    """The loss, and its derivatives by the iterates that it looks at."""
    chosen = loss.points(path)
    points = [path[i].detach().requires_grad_() for i in chosen]
    value = loss.value(points)
    # A path that hardly moves has no shape, and its middle no part in the loss.
    found = torch.autograd.grad(value, points, materialize_grads=True)
    return float(value.detach()), dict(zip(chosen, found, strict=True))


def _add_gradient(leaf: Any, gradient: Any) -> None:
    leaf.grad = gradient if leaf.grad is None else leaf.grad + gradient
