"""Small, long and very long tables: time, and memory beyond the interpreter's.

Run: python -m tests.benchmarks.scale
"""

import resource
import subprocess
import sys
import time

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from skcondense import ClusterCondenser, ZeroOrderCondenser

SHAPES = [(569, 30), (70_000, 11), (1_000_000, 30)]


def peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def condenser(name):
    if name == "cluster":
        return ClusterCondenser(random_state=0)
    return ZeroOrderCondenser(
        [DecisionTreeClassifier(max_depth=4), LogisticRegression()],
        n_candidates=6, n_exchanges=3, max_iter=10, random_state=0,
    )  # fmt: skip


def one(name, n_rows, n_columns):
    rng = np.random.default_rng(0)
    # Warm up on a small table, so that imports do not count as memory of the large one.
    condenser(name).fit(rng.normal(size=(300, 4)), np.arange(300) % 2)
    before = peak()
    X = rng.random((n_rows, n_columns))
    y = (X[:, 0] + X[:, 1] > 1).astype(np.int8)
    start = time.perf_counter()
    found = condenser(name).condense(X, y)
    seconds = time.perf_counter() - start
    used = peak() - before
    print(
        f"{name:10s} {n_rows:9,d} x {n_columns}: {seconds:6.1f} s, table {X.nbytes / 1e6:6.1f} MB, "
        f"peak {used / 1e6:6.1f} MB (table included), ratio {used / X.nbytes:.2f}; {found}"
    )


def main():
    if len(sys.argv) > 1:
        one(sys.argv[1], *map(int, sys.argv[2:]))
        return
    for name in ("cluster", "zero-order"):
        for shape in SHAPES:
            # A process each: peak memory never falls again.
            args = [sys.executable, "-m", "tests.benchmarks.scale", name, *map(str, shape)]
            subprocess.run(args, check=True)


if __name__ == "__main__":
    main()
