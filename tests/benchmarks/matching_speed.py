"""One iteration of distribution and gradient matching against the published loop, re-stated.

All do the same work in the same run: same weights, rows and augmentation, so losses and gradients
must agree. Times are of the processor, with one thread; the median over repeats that take turns.
Run: python -m tests.benchmarks.matching_speed [--width 32] [--repeats 9]
"""

import argparse
import os
import tempfile
import time
from copy import deepcopy
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import nn

from skcondense import TableEncoder
from skcondense.neural import ConvNet
from skcondense.neural.compute import Compute
from skcondense.neural.distribution import DistributionMatcher
from skcondense.neural.gradient import GradientMatcher, gradient_distance
from skcondense.neural.inputs import InputSpace, Normaliser
from skcondense.neural.layers import Halving, Padding
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
    # Channel by channel, as the published code keeps images.
    x = problem.x.flatten(1).unflatten(1, problem.x.shape[1:])
    problem = replace(problem, x=x)
    chosen = np.concatenate([np.arange(per_class) + 300 * k for k in range(n_classes)])
    x = problem.x[chosen].clone().requires_grad_()
    return problem, settings, SyntheticSet(space, x, y[chosen], y[chosen])


def published(network):
    """The same weights between the layers of the literature."""
    own = {Padding: lambda layer: nn.ZeroPad2d(layer.padding), Halving: lambda _: nn.AvgPool2d(2)}
    copy = deepcopy(network)
    copy.body = nn.Sequential(*(own.get(type(x), lambda layer: layer)(x) for x in copy.body))
    return copy


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


PLAIN = {"DM": plain_distribution, "GM": plain_gradient}


def run_plain(method, problem, settings, synthetic, batch_size):
    """Seconds, loss and gradient of the published loop."""
    network, generator = drawn(method, settings)
    # As much as a matcher draws for a network of its own.
    settings.network(generator)
    run = partial(PLAIN[method], published(network), problem, settings, synthetic, generator)
    return timed(lambda: run(batch_size))


def run_ours(method, problem, settings, synthetic, batch_size):
    """Seconds, loss and gradient of the package, for the same draws."""
    network, generator = drawn(method, settings)
    if method == "DM":
        matcher = DistributionMatcher(problem, settings, generator, batch_size, 1)
        return timed(lambda: our_distribution(matcher, network, synthetic))
    matcher = GradientMatcher(problem, settings, generator, batch_size, 1, 1)
    return timed(lambda: our_gradient(matcher, network, synthetic))


def drawn(method, settings):
    """A network, and the generator of everything else."""
    network = settings.network(torch.Generator().manual_seed(1)).requires_grad_(method == "GM")
    return network, torch.Generator().manual_seed(2)


def timed(run):
    start = time.process_time()
    loss, gradient = run()
    return time.process_time() - start, loss, gradient


def compiled(settings):
    """The same settings with ``torch.compile``."""
    return replace(settings, compute=replace(settings.compute, compile=True))


def measure(method, problem, settings, synthetic, repeats, batch_size=128):
    """A line of the table."""
    first = time.perf_counter()
    run_ours(method, problem, compiled(settings), synthetic, batch_size)
    first = time.perf_counter() - first
    runs = {
        "plain": partial(run_plain, method, problem, settings, synthetic, batch_size),
        "ours": partial(run_ours, method, problem, settings, synthetic, batch_size),
        "compiled": partial(run_ours, method, problem, compiled(settings), synthetic, batch_size),
    }
    done = [{name: run() for name, run in runs.items()} for _ in range(repeats + 1)][1:]
    ms = {name: 1e3 * np.median([found[name][0] for found in done]) for name in runs}
    faster = {
        name: np.median([found["plain"][0] / found[name][0] for found in done]) for name in runs
    }
    gradient = {name: found[2] for name, found in done[0].items()}
    gaps = {
        name: float((g - gradient["plain"]).abs().max() / gradient["plain"].abs().max())
        for name, g in gradient.items()
    }
    return (
        f"{ms['plain']:8.0f}{ms['ours']:8.0f}{faster['ours']:8.2f}{gaps['ours']:10.0e}"
        f"{ms['compiled']:10.0f}{faster['compiled']:8.2f}{gaps['compiled']:10.0e}{first:12.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--dtype", default="float32")
    args = parser.parse_args()
    # What an earlier run compiled is not used again, so that compiling is timed.
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = tempfile.mkdtemp()
    torch.set_num_threads(1)
    print(
        f"{'method':8}{'images':>14}{'plain':>8}{'ours':>8}{'faster':>8}{'gap':>10}"
        f"{'compiled':>10}{'faster':>8}{'gap':>10}{'compile s':>12}"
    )
    for size, channels, n_classes in [(28, 1, 2), (32, 1, 4), (32, 3, 3)]:
        for method in PLAIN:
            case = setting(size, channels, n_classes, 10, args.width, args.dtype)
            name = f"{n_classes} x {size}x{size}x{channels}"
            print(f"{method:8}{name:>14}{measure(method, *case, args.repeats)}", flush=True)


if __name__ == "__main__":
    main()
