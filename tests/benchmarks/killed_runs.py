"""Trajectory matching in processes that are killed at random points, against one that is not.

A process is killed (SIGKILL) after a random time of work, and started again, until it has been
killed as often as asked; then it may end. Its condensed set must be that of an undisturbed
process, byte by byte. Run: python -m tests.benchmarks.killed_runs [--kills 20]
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RUN = """
import sys
from pathlib import Path
import numpy as np
from sklearn.datasets import load_breast_cancer
from skcondense.neural import MLP, ExpertTraining, HoPTMCondenser, loop
folder, n_iter = Path(sys.argv[1]), int(sys.argv[2])
loop.CHECKPOINT_EVERY = 0.0
X, y = load_breast_cancer(return_X_y=True)
print("begins", flush=True)
condenser = HoPTMCondenser(
    20, network=MLP(32), experts=ExpertTraining(4, 8, 10), max_iter=n_iter, random_state=0,
    device="cpu", checkpoint=folder / "run.npz", expert_folder=folder / "experts",
)
found = condenser.condense(X, y)
np.savez(folder / "found.npz", X=found.X, y=found.y, weight=found.sample_weight)
"""


def start(folder: Path, n_iter: int) -> subprocess.Popen:
    """A process that is past its imports."""
    command = [sys.executable, "-c", RUN, str(folder), str(n_iter)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    return process


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--iterations", type=int, default=60)
    args = parser.parse_args()
    rng = np.random.default_rng()
    with tempfile.TemporaryDirectory() as name:
        whole, broken = Path(name) / "whole", Path(name) / "broken"
        whole.mkdir()
        broken.mkdir()
        began = time.monotonic()
        start(whole, args.iterations).wait()
        seconds = time.monotonic() - began
        kills = []
        while len(kills) < args.kills:
            process = start(broken, args.iterations)
            try:
                process.wait(rng.uniform(0, seconds / 3))
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            experts = len(list((broken / "experts").glob("*.npy")))
            checkpoint = broken / "run.npz"
            done = 0
            if checkpoint.exists():
                with np.load(checkpoint) as file:
                    done = len(file["history"])
            kills.append((experts, done))
        start(broken, args.iterations).wait()
        files = [np.load(folder / "found.npz") for folder in (whole, broken)]
        same = all(files[0][k].tobytes() == files[1][k].tobytes() for k in files[0].files)
        print(f"killed {len(kills)} times with (experts, iterations) done: {kills}")
        print("same bytes" if same else "DIFFERENT")


if __name__ == "__main__":
    main()
