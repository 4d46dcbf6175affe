"""Gradients through a student's steps: acceptance tests 1 to 3 of trajectory matching."""

import math

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from skcondense.neural.augmentation import AUGMENTATIONS  # noqa: E402
from skcondense.neural.compute import Compute  # noqa: E402
from skcondense.neural.convnet import ConvNet  # noqa: E402
from skcondense.neural.network import make_network  # noqa: E402
from skcondense.neural.unroll import (  # noqa: E402
    ExactAdjoint,
    FlatNetwork,
    FullGraph,
    Student,
    Tesla,
    TrajectoryLoss,
)

N_ROWS, N_CLASSES, BATCH, PIECE, RATE = 12, 4, 7, 3, 0.05
COMPUTE = Compute("cpu", "float64")


class CrossEntropy:
    def losses(self, outputs, targets):
        return functional.cross_entropy(outputs, targets, reduction="none")


class Distance(TrajectoryLoss):
    """Squared distance from a target, at the end and perhaps on the way."""

    def __init__(self, start, target, *, on_the_way=False):
        self._target, self._on_the_way = target, on_the_way
        self._scale = ((start - target) ** 2).sum()

    def points(self, iterates):
        last = len(iterates) - 1
        return (last // 2, last) if self._on_the_way else (last,)

    def value(self, points):
        return sum(((p - self._target) ** 2).sum() for p in points) / self._scale


class Case:
    """A student, its rows, and lessons with repeated rows under augmentation."""

    def __init__(self, n_steps, *, soft):
        generator = torch.Generator().manual_seed(n_steps)
        shape, storage = (1, 12, 12), COMPUTE.storage
        made = make_network(ConvNet(4, 2), shape, N_CLASSES, generator, dtype=storage)
        network = FlatNetwork(made)
        self.student = Student(network, CrossEntropy(), COMPUTE, PIECE)
        self.start = network.weights()
        noise = torch.randn(len(network), generator=generator, dtype=storage)
        self.target = self.start + 0.02 * noise
        x = torch.randn(N_ROWS, *shape, generator=generator, dtype=storage)
        logits = torch.randn(N_ROWS, N_CLASSES, generator=generator, dtype=storage)
        self.x = x.requires_grad_()
        self.counted = torch.rand(N_ROWS, generator=generator, dtype=storage) + 0.5
        self.labels = logits.requires_grad_() if soft else torch.arange(N_ROWS) % N_CLASSES
        self.log_rate = torch.tensor(math.log(RATE), dtype=storage).requires_grad_()
        self.batches = [
            torch.randint(N_ROWS, (BATCH,), generator=generator) for _ in range(n_steps)
        ]
        draws = [AUGMENTATIONS["dsa"].draw(generator, BATCH) for _ in range(n_steps)]
        self.lessons = [
            lambda rows=rows, draw=draw: (
                draw(self.x[rows]),
                self._targets(rows),
                self.counted[rows],
            )
            for rows, draw in zip(self.batches, draws, strict=True)
        ]

    def _targets(self, rows):
        chosen = self.labels[rows]
        return chosen.softmax(dim=1) if chosen.is_floating_point() else chosen

    def derived(self, unrolling, *, on_the_way=False):
        leaves = [self.x, self.log_rate, *([self.labels] if self.labels.requires_grad else [])]
        for leaf in leaves:
            leaf.grad = None
        loss = Distance(self.start, self.target, on_the_way=on_the_way)
        value = unrolling.derive(self.student, self.start, self.lessons, self.log_rate, loss)
        return value, [leaf.grad for leaf in leaves]


def apart(found, expected):
    return max(float((a - b).norm() / b.norm()) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize(("n_steps", "on_the_way"), [(1, False), (2, False), (2, True), (7, True)])
def test_exact_adjoint_equals_one_large_graph(n_steps, on_the_way, soft):
    case = Case(n_steps, soft=soft)
    value, expected = case.derived(FullGraph(), on_the_way=on_the_way)
    for exact in (ExactAdjoint(), ExactAdjoint(window=n_steps)):
        same, found = case.derived(exact, on_the_way=on_the_way)
        assert same == pytest.approx(value, rel=1e-12)
        assert apart(found, expected) < 1e-10


def test_a_shorter_window_forgets_early_steps():
    case = Case(5, soft=False)
    _, (by_rows, _) = case.derived(ExactAdjoint(window=2))
    seen = torch.zeros(N_ROWS, dtype=torch.bool)
    seen[torch.cat(case.batches[-2:])] = True
    assert (by_rows[~seen] == 0).all()
    assert (by_rows[seen].flatten(1).norm(dim=1) > 0).all()


def test_tesla_is_the_published_formula_and_exact_for_one_step_only():
    case = Case(1, soft=False)
    assert apart(case.derived(Tesla())[1], case.derived(ExactAdjoint())[1]) < 1e-12

    case = Case(4, soft=False)
    _, (by_rows, by_rate) = case.derived(Tesla())
    assert apart([by_rows], [case.derived(ExactAdjoint())[1][0]]) > 0.01

    path = [case.start]
    for lesson in case.lessons:
        path.append(path[-1] - RATE * case.student.gradient(path[-1], lesson))
    moved = (case.start - path[-1]) / RATE
    scale = ((case.start - case.target) ** 2).sum()
    constant = 2 * (RATE * (case.target - case.start) + RATE**2 * moved) / scale
    case.x.grad = None
    for weights, lesson in zip(path[:-1], case.lessons, strict=True):
        at = weights.detach().requires_grad_()
        mean = case.student.total(at, *lesson()) / BATCH
        (gradient,) = torch.autograd.grad(mean, at, create_graph=True)
        (gradient @ constant).backward(inputs=[case.x])
    assert apart([by_rows], [case.x.grad]) < 1e-10
    by_length = (2 * (path[-1] - case.target) / scale) @ -moved
    assert float(by_rate) == pytest.approx(float(RATE * by_length))


def test_a_flat_network_is_the_network():
    made = make_network(ConvNet(4, 1), (1, 8, 8), 2, torch.Generator().manual_seed(0))
    network = FlatNetwork(made)
    weights, x = network.weights(), torch.ones(3, 1, 8, 8)
    assert len(network) == len(weights)
    before = made(x).detach()
    assert torch.equal(network(weights, x), before)
    # What was taken out is a copy.
    weights += 1
    assert torch.equal(made(x), before)
