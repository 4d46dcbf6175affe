"""One iteration of distribution and gradient matching against the published loop, re-stated.

All do the same work in the same run: same weights, rows and augmentation, so losses and gradients
must agree. Times are of the processor, with one thread: medians over repeats that take turns.
Run: python -m tests.benchmarks.matching_speed [--width 32] [--repeats 9]
"""

import argparse
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from dataclasses import replace
from functools import partial
from multiprocessing import get_context

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


# Real rows of each class.
BATCH = 128
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


def turns(run_one, run_other, repeats):
    """Milliseconds of both, median ratio of the first to the second, largest difference."""
    pairs = [(run_one(), run_other()) for _ in range(repeats + 1)][1:]
    ms = np.array([[1e3 * found[0] for found in pair] for pair in pairs])
    one, other = (found[2] for found in pairs[0])
    gap = float((one - other).abs().max() / one.abs().max())
    return *np.median(ms, axis=0), np.median(ms[:, 0] / ms[:, 1]), gap


def measure(method, shape, args):
    """A line of the table."""
    torch.set_num_threads(1)
    size, channels, n_classes = shape
    case = setting(size, channels, n_classes, 10, args.width, args.dtype)
    problem, settings, synthetic = case
    plain = partial(run_plain, method, *case, BATCH)
    before, ours, faster, gap = turns(plain, partial(run_ours, method, *case, BATCH), args.repeats)
    code = partial(run_ours, method, problem, compiled(settings), synthetic, BATCH)
    start = time.perf_counter()
    code()
    seconds = time.perf_counter() - start
    again, fast, gain, distance = turns(plain, code, args.repeats)
    return (
        f"{method:8}{f'{n_classes} x {size}x{size}x{channels}':>14}"
        f"{before:8.0f}{ours:8.0f}{faster:8.2f}{gap:10.0e}"
        f"{again:10.0f}{fast:10.0f}{gain:8.2f}{distance:10.0e}{seconds:12.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--dtype", default="float32")
    args = parser.parse_args()
    # What an earlier run compiled is not used again, so that compiling is timed.
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = tempfile.mkdtemp()
    print(
        f"{'method':8}{'images':>14}{'plain':>8}{'ours':>8}{'faster':>8}{'gap':>10}"
        f"{'plain':>10}{'compiled':>10}{'faster':>8}{'gap':>10}{'compile s':>12}"
    )
    for shape in [(28, 1, 2), (32, 1, 4), (32, 3, 3)]:
        for method in PLAIN:
            # A process of its own: how fast memory is handed out depends on what was done before.
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                print(pool.submit(measure, method, shape, args).result(), flush=True)


if __name__ == "__main__":
    main()
