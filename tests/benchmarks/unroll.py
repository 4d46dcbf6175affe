"""Memory and time of one iteration of trajectory matching: the exact adjoint and one large graph.

Each way runs in a process of its own, which says by how much its peak resident memory grew. Run:
python -m tests.benchmarks.unroll [--width 128] [--steps 40] [--rows 100] [--dtype float32]
"""

import argparse
import math
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from skcondense.neural import AUGMENTATIONS, ConvNet, ExactAdjoint, FullGraph, Tesla
from skcondense.neural.compute import Compute
from skcondense.neural.network import make_network
from skcondense.neural.unroll import FlatNetwork, Student, TrajectoryLoss

SHAPE, N_CLASSES, RATE = (3, 32, 32), 4, 0.01
WAYS = {"one graph": FullGraph(), "exact adjoint": ExactAdjoint(), "TESLA": Tesla()}


class CrossEntropy:
    """The loss of the student."""

    def losses(self, outputs, targets):
        return functional.cross_entropy(outputs, targets, reduction="none")


class Distance(TrajectoryLoss):
    """Squared distance of the last step from a target, over that of the start."""

    def __init__(self, start, target):
        self._target, self._scale = target, ((start - target) ** 2).sum()

    def points(self, iterates):
        return (len(iterates) - 1,)

    def value(self, points):
        return ((points[0] - self._target) ** 2).sum() / self._scale


def measure(name: str, args: argparse.Namespace, folder: str) -> dict[str, float]:
    """One iteration; its gradients go to a file."""
    torch.set_num_threads(1)
    compute, generator = Compute("cpu", args.dtype), torch.Generator().manual_seed(0)
    made = make_network(ConvNet(args.width), SHAPE, N_CLASSES, generator, dtype=compute.storage)
    network = FlatNetwork(made)
    student = Student(network, CrossEntropy(), compute, compute.piece_length(SHAPE, args.rows))
    draw = lambda *shape: torch.randn(shape, generator=generator).to(compute.storage)  # noqa: E731
    x = draw(args.rows, *SHAPE).requires_grad_()
    targets, counted = torch.arange(args.rows) % N_CLASSES, torch.ones(args.rows).to(x)
    start = network.weights()
    loss = Distance(start, start + 0.02 * draw(len(network)))
    log_rate = torch.tensor(math.log(RATE), dtype=compute.storage).requires_grad_()
    changes = [AUGMENTATIONS["dsa"].draw(generator, args.rows) for _ in range(args.steps)]
    lessons = [lambda change=change: (change(x), targets, counted) for change in changes]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, spent = time.perf_counter(), time.process_time()
    WAYS[name].derive(student, start, lessons, log_rate, loss)
    seconds, processor = time.perf_counter() - began, time.process_time() - spent
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    np.savez(Path(folder) / f"{name}.npz", rows=x.grad.numpy(), rate=log_rate.grad.numpy())
    return {"MiB": grown, "seconds": seconds, "processor s": processor}


def gap(folder: str, name: str, other: str) -> float:
    """Relative distance of two gradients by the rows."""
    one, two = (np.load(Path(folder) / f"{n}.npz")["rows"] for n in (name, other))
    return float(np.linalg.norm(one - two) / np.linalg.norm(two))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    args = parser.parse_args()
    print(f"width {args.width}, {args.steps} steps of {args.rows} rows, {args.dtype}")
    print(f"{'way':16}{'MiB':>10}{'seconds':>10}{'cpu s':>10}{'memory':>10}{'time':>8}{'gap':>10}")
    with tempfile.TemporaryDirectory() as folder:
        first: dict[str, float] = {}
        for name in args.ways:
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                found = pool.submit(measure, name, args, folder).result()
            first = first or found
            print(
                f"{name:16}{found['MiB']:10.0f}{found['seconds']:10.1f}{found['processor s']:10.1f}"
                f"{found['MiB'] / first['MiB']:10.3f}"
                f"{found['processor s'] / first['processor s']:8.2f}"
                f"{gap(folder, name, args.ways[0]):10.1e}",
                flush=True,
            )


if __name__ == "__main__":
    main()
