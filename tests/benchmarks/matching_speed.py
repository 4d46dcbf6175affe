"""One iteration of distribution and gradient matching against the published loop, re-stated.

Both do the same work in the same run: same network, rows and augmentation, so losses and gradients
must agree. Run: python -m tests.benchmarks.matching_speed [--width 32] [--repeats 5]
"""

import argparse
import time

import numpy as np
import torch

from skcondense import TableEncoder
from skcondense.neural import ConvNet
from skcondense.neural.compute import Compute
from skcondense.neural.distribution import DistributionMatcher
from skcondense.neural.gradient import GradientMatcher, gradient_distance
from skcondense.neural.inputs import InputSpace, Normaliser
from skcondense.neural.mean_features import mean_feature_loss
from skcondense.neural.problem import MatchingProblem
from skcondense.neural.settings import NetworkSettings, resolve_augmentation
from skcondense.neural.synthetic import SyntheticSet
from skcondense.private_table import PrivateTable
from skcondense.table import Container, infer_schema
from skcondense.tasks import ClassificationTask


def setting(size, channels, n_classes, per_class, width, dtype="float32", augmentation="dsa"):
    """A problem of random images, its networks and a synthetic set."""
    rng = np.random.default_rng(0)
    X = rng.random((300 * n_classes, size, size, channels))
    y = np.repeat(np.arange(n_classes), 300)
    container, compute = Container.of(X), Compute("cpu", dtype)
    encoder = TableEncoder(infer_schema(container, container.read(X)))
    task = ClassificationTask.of(y)
    table = PrivateTable(X, y, np.ones(len(y)), None, task, container, encoder)
    space = InputSpace(encoder, Normaliser.fitted(table.Z, channels, table.weight), compute)
    draws = resolve_augmentation(augmentation, is_image=True)
    settings = NetworkSettings(ConvNet(width), draws, space, n_classes, compute)
    problem = MatchingProblem.of(table, space, compute)
    chosen = np.concatenate([np.arange(per_class) + 300 * k for k in range(n_classes)])
    x = problem.x[chosen].clone().requires_grad_()
    return problem, settings, SyntheticSet(space, x, y[chosen], y[chosen])


def plain_distribution(network, problem, settings, synthetic, generator, batch_size):
    """Class by class, each with a pass of its own, all graphs kept until the end."""
    loss = 0.0
    for stratum, rows in synthetic.slices().items():
        draw = settings.augmentation.draw(generator)
        batch = problem.draw(stratum, batch_size, generator)
        real = network.features(draw(problem.x[batch])).detach()
        learned = network.features(draw(synthetic.images(rows)))
        loss = loss + mean_feature_loss(real.mean(0)[None], learned.mean(0)[None]).sum()
    synthetic.x.grad = None
    loss.backward()
    return float(loss.detach()), synthetic.x.grad.clone()


def plain_gradient(network, problem, settings, synthetic, generator, batch_size):
    """Gradients by every weight, all classes' graphs kept until the end."""
    loss, weights = 0.0, list(network.parameters())
    targets = problem.objective.targets(synthetic.y)
    for stratum, rows in synthetic.slices().items():
        draw = settings.augmentation.draw(generator)
        batch = problem.draw(stratum, batch_size, generator)
        outputs = network.head(network.features(draw(problem.x[batch])))
        real_loss = problem.objective.losses(outputs, problem.targets[batch]).mean()
        real = [g.detach().clone() for g in torch.autograd.grad(real_loss, weights)]
        outputs = network.head(network.features(draw(synthetic.images(rows))))
        own_loss = problem.objective.losses(outputs, targets[rows]).mean()
        learned = torch.autograd.grad(own_loss, weights, create_graph=True)
        loss = loss + gradient_distance(real, list(learned))
    synthetic.x.grad = None
    loss.backward()
    return float(loss.detach()), synthetic.x.grad.clone()


def our_distribution(matcher, network, synthetic):
    """What the package does."""
    synthetic.x.grad = None
    loss = matcher.loss(network, synthetic)
    loss.backward()
    return float(loss.detach()), synthetic.x.grad.clone()


def our_gradient(matcher, network, synthetic):
    """What the package does."""
    targets = matcher.objective.targets(synthetic.y)
    synthetic.x.grad, total = None, 0.0
    for stratum, rows in synthetic.slices().items():
        loss = matcher.loss(network, synthetic, stratum, rows, targets)
        loss.backward(inputs=[synthetic.x])
        total += float(loss.detach())
    return total, synthetic.x.grad.clone()


PAIRS = {"DM": (plain_distribution, our_distribution), "GM": (plain_gradient, our_gradient)}


def compare(method, problem, settings, synthetic, batch_size):
    """Seconds, losses and gradients of both, for the same draws."""
    plain, ours = PAIRS[method]
    network = settings.network(torch.Generator().manual_seed(1)).requires_grad_(method == "GM")
    generator = torch.Generator().manual_seed(2)
    if method == "DM":
        matcher = DistributionMatcher(problem, settings, generator, batch_size, 1)
    else:
        matcher = GradientMatcher(problem, settings, generator, batch_size, 1, 1)
    again = torch.Generator()
    again.set_state(generator.get_state())
    mine = timed(lambda: ours(matcher, network, synthetic))
    theirs = timed(lambda: plain(network, problem, settings, synthetic, again, batch_size))
    return theirs, mine


def timed(run):
    start = time.perf_counter()
    loss, gradient = run()
    return time.perf_counter() - start, loss, gradient


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    print(
        f"{'method':8}{'images':>18}{'plain ms':>10}{'ours ms':>10}{'faster':>8}{'difference':>12}"
    )
    for size, channels, n_classes in [(28, 1, 2), (32, 1, 4), (32, 3, 3)]:
        for method in PAIRS:
            case = setting(size, channels, n_classes, 10, args.width)
            runs = [compare(method, *case, 128) for _ in range(args.repeats + 1)][1:]
            plain, ours = (min(run[k][0] for run in runs) * 1e3 for k in (0, 1))
            one, two = runs[0]
            gap = float((one[2] - two[2]).abs().max() / one[2].abs().max())
            name = f"{n_classes} x {size}x{size}x{channels}"
            print(f"{method:8}{name:>18}{plain:12.1f}{ours:12.1f}{plain / ours:12.2f}{gap:12.1e}")


if __name__ == "__main__":
    main()
