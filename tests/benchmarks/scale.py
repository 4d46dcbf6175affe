"""Time and memory against the size of a table, and of the settings.

Seconds are of processor time, which other programs on the machine disturb less than the clock's.

Run: python -m tests.benchmarks.scale              small, long and very long tables in memory
     python -m tests.benchmarks.scale --parquet    ten million rows from a Parquet file
     python -m tests.benchmarks.scale --curves     seconds against n, p, M, K and rounds; slopes
     python -m tests.benchmarks.scale --defaults   how long the defaults take
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from skcondense import (
    ClusterCondenser,
    ColumnSchema,
    SchemaVectorizer,
    TableSchema,
    ZeroOrderCondenser,
    condense_parquet,
)

SHAPES = [(569, 30), (70_000, 11), (1_000_000, 30)]
FILE_ROWS, FILE_COLUMNS, FILE_PIECE = 10_000_000, 30, 250_000
RATE = 0.005
METHODS = ("cluster", "zero-order")
N_TEXT = 6


def peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def condenser(name, schema=None, epsilon=None, **changes):
    if name == "cluster":
        return ClusterCondenser(schema=schema, epsilon=epsilon, delta=1e-8, random_state=0)
    black_boxes = [DecisionTreeClassifier(max_depth=4), LogisticRegression()]
    if schema is not None:
        black_boxes = [make_pipeline(SchemaVectorizer(schema), box) for box in black_boxes]
    settings = {"n_candidates": 6, "n_exchanges": 3, "max_iter": 10, **changes}
    return ZeroOrderCondenser(
        black_boxes, schema=schema, epsilon=epsilon, delta=1e-8, random_state=0, **settings
    )


def one(name, n_rows, n_columns):
    rng = np.random.default_rng(0)
    # Warm up on a small table, so that imports do not count as memory of the large one.
    condenser(name).fit(rng.normal(size=(300, 4)), np.arange(300) % 2)
    before = peak()
    X = rng.random((n_rows, n_columns))
    y = (X[:, 0] + X[:, 1] > 1).astype(np.int8)
    start = time.process_time()
    found = condenser(name).condense(X, y)
    seconds = time.process_time() - start
    used = peak() - before
    print(
        f"{name:10s} {n_rows:9,d} x {n_columns}: {seconds:6.1f} CPU s, "
        f"table {X.nbytes / 1e6:6.1f} MB, peak {used / 1e6:6.1f} MB (table included), "
        f"ratio {used / X.nbytes:.2f}; {found}"
    )


def schema_of(n_columns):
    numbers = [
        ColumnSchema(name=f"x{j}", kind="numeric", bounds=(-6, 6), typical=(-1.6, 1.6))
        for j in range(n_columns - N_TEXT)
    ]
    texts = [
        ColumnSchema(name=f"c{j}", kind="categorical", categories=tuple("abcd"))
        for j in range(N_TEXT)
    ]
    outcome = ColumnSchema(name="ill", kind="binary", categories=(0, 1))
    return TableSchema((*numbers, *texts), outcome=outcome)


def mixed(n_rows, n_columns, rng):
    """Numbers and texts with an outcome that depends on both."""
    n_numbers = n_columns - N_TEXT
    X = rng.normal(size=(n_rows, n_numbers)).clip(-6, 6)
    codes = rng.integers(0, 4, (n_rows, N_TEXT))
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(n_numbers)])
    for j in range(N_TEXT):
        frame[f"c{j}"] = np.array(list("abcd"))[codes[:, j]]
    risk = X[:, 0] + 0.5 * X[:, 1] ** 2 + (codes[:, 0] == 2) - 2
    frame["ill"] = (risk + rng.logistic(size=n_rows) > 0).astype(np.int8)
    return frame


def write_file(path, n_rows):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng, writer = np.random.default_rng(0), None
    for start in range(0, n_rows, FILE_PIECE):
        piece = mixed(min(FILE_PIECE, n_rows - start), FILE_COLUMNS, rng)
        table = pa.Table.from_pandas(piece, preserve_index=False)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    writer.close()


def from_file(path, name, epsilon):
    schema = schema_of(FILE_COLUMNS)
    start = time.process_time()
    found = condense_parquet(
        condenser(name, schema, epsilon), path, target="ill", rate=epsilon and RATE
    )
    seconds = time.process_time() - start
    print(
        f"{name:10s} epsilon {epsilon}: {seconds:6.1f} CPU s, peak of the process "
        f"{peak() / 2**30:.2f} GiB; weights sum to {found.sample_weight.sum():,.0f}; {found}"
    )


def parquet(n_rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "big.parquet"
        write_file(path, n_rows)
        print(f"{n_rows:,} x {FILE_COLUMNS}, {path.stat().st_size / 2**30:.2f} GiB on disk")
        for name in METHODS:
            for epsilon in ("none", "1"):
                again("from-file", str(path), name, epsilon)


def again(*args):
    """A process each: peak memory never falls again."""
    subprocess.run([sys.executable, "-m", "tests.benchmarks.scale", *args], check=True)


def seconds_of(name, n_rows, n_columns, **changes):
    frame = mixed(n_rows, n_columns, np.random.default_rng(1))
    y = frame.pop("ill")
    n_prototypes = changes.pop("n_prototypes", 100)
    found = condenser(name, schema_of(n_columns), **changes).set_params(n_prototypes=n_prototypes)
    start = time.process_time()
    found.fit(frame, y)
    return time.process_time() - start


# One setting at a time moves away from these.
BASE = {"n_rows": 5000, "n_columns": 20, "n_prototypes": 100}
CURVES = {
    "cluster": {
        "n_rows": [1000, 10_000, 100_000, 1_000_000],
        "n_columns": [10, 20, 40, 80],
        "n_prototypes": [50, 100, 200, 400],
    },
    "zero-order": {
        "n_rows": [1000, 10_000, 100_000, 1_000_000],
        "n_columns": [10, 20, 40, 80],
        "n_prototypes": [50, 100, 200, 400],
        "n_directions": [3, 6, 12, 24],
        "max_iter": [10, 20, 40, 80],
    },
}


def curves():
    for name, moved in CURVES.items():
        for setting, values in moved.items():
            seconds = [seconds_of(name, **{**BASE, setting: value}) for value in values]
            slopes = np.diff(np.log(seconds)) / np.diff(np.log(values))
            shown = ", ".join(f"{v:,}: {s:.1f} s" for v, s in zip(values, seconds, strict=True))
            print(
                f"{name:10s} {setting:12s} {shown}; slope over all "
                f"{np.polyfit(np.log(values), np.log(seconds), 1)[0]:.2f}, steps {slopes.round(2)}",
                flush=True,
            )


def default(name, n_rows):
    """Default settings, but for the black boxes, which have no default."""
    changes = {"n_candidates": 30, "n_exchanges": 30, "max_iter": 0} if name != "cluster" else {}
    print(f"{name:10s} {n_rows:10,d} x 20: {seconds_of(name, n_rows, 20, **changes):7.1f} s",
          flush=True)  # fmt: skip


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--parquet", action="store_true")
    parser.add_argument("--rows", type=int, default=FILE_ROWS, help="rows of the Parquet file")
    parser.add_argument("--curves", action="store_true")
    parser.add_argument("--defaults", action="store_true")
    parser.add_argument("one", nargs="*", help="for the processes that this starts")
    args = parser.parse_args()
    if args.one and args.one[0] == "from-file":
        _, path, name, epsilon = args.one
        from_file(Path(path), name, None if epsilon == "none" else float(epsilon))
    elif args.one:
        one(args.one[0], *map(int, args.one[1:]))
    elif args.parquet:
        parquet(args.rows)
    elif args.curves:
        curves()
    elif args.defaults:
        for name in METHODS:
            for n_rows in (1000, 10_000, 100_000, 1_000_000):
                default(name, n_rows)
    else:
        for name in METHODS:
            for shape in SHAPES:
                again(name, *map(str, shape))


if __name__ == "__main__":
    main()
