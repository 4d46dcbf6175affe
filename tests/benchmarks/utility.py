"""How well models train on condensed rows: full, random, cluster and zero-order, on real tables.

Run: python -m tests.benchmarks.utility [--seeds 3] [--tables NAME ...] [--output results.csv]
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from joblib import delayed
from sklearn.model_selection import train_test_split

from skcondense import ClusterCondenser, RandomCondenser, TableSchema, ZeroOrderCondenser
from skcondense.audit import default_estimators, train_and_test
from skcondense.tasks import resolve_task
from tests.benchmarks.data import SURVIVAL, TABLES, gather, load

# The zero-order objective of survival tables leaves out the two slowest models: they then show
# how the set transfers to estimators it was not made for.
OBJECTIVE = {
    "classification": ["logistic", "tree", "forest", "boosting"],
    "survival": ["cox", "tree"],
}
# Less than the defaults, so that 21 runs fit in half an hour on two cores.
BUDGET = {
    "classification": {"n_exchanges": 20, "max_iter": 40},
    "survival": {"n_candidates": 20, "n_exchanges": 10, "max_iter": 30, "n_directions": 4},
}


def condensers(models: dict, task: str, seed: int) -> dict:
    black_boxes = [models[name] for name in OBJECTIVE[task]]
    return {
        "random": RandomCondenser(random_state=seed),
        "random + teacher": RandomCondenser(labels="teacher", random_state=seed),
        "cluster": ClusterCondenser(random_state=seed),
        "cluster + teacher": ClusterCondenser(labels="teacher", random_state=seed),
        "zero-order": ZeroOrderCondenser(
            black_boxes, weights="replicate", random_state=seed, **BUDGET[task]
        ),
    }


def run(name: str, seed: int) -> list[dict]:
    warnings.simplefilter("ignore")
    X, y = load(name)
    stratify = y if y.dtype.names is None else y["event"]
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.3, stratify=stratify, random_state=seed
    )
    X_train, X_test = X_train.reset_index(drop=True), X_test.reset_index(drop=True)
    task, _ = resolve_task("auto", y_train)
    schema = TableSchema.from_frame(X_train)
    models = default_estimators(task.name, schema, seed)
    test = (X_test, y_test)
    ones = np.ones(len(y_train))
    full = train_and_test(models, task, (X_train, y_train, ones), test)
    rows = [_row(name, seed, "full", full, full, 0.0, len(y_train))]
    for method, condenser in condensers(models, task.name, seed).items():
        start = time.perf_counter()
        found = condenser.condense(X_train, y_train)
        seconds = time.perf_counter() - start
        scores = train_and_test(models, task, (found.X, found.y, found.sample_weight), test)
        rows.append(_row(name, seed, method, scores, full, seconds, len(found)))
        print(
            f"{name} {seed} {method}: {rows[-1]['mean ratio']:.4f} in {seconds:.0f} s", flush=True
        )
    return rows


def _row(name, seed, method, scores, full, seconds, n_rows) -> dict:
    ratios = {f"{m} ratio": scores[m] / full[m] for m in scores}
    mean = float(np.mean(list(ratios.values())))
    return {
        "table": name, "seed": seed, "method": method, "rows": n_rows, "seconds": seconds,
        **scores, **ratios, "mean ratio": mean,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--tables",
        nargs="+",
        default=["seer_breast", "support2", "flchain", *sorted({*TABLES} - {"diabetes130"})],
    )
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    jobs = (delayed(run)(name, seed) for seed in range(args.seeds) for name in args.tables)
    results = gather(jobs, args.n_jobs, args.output)
    ratio = [c for c in results if c.endswith("ratio")]
    print(
        results.groupby(["table", "method"], sort=False)[["rows", "seconds", *ratio]]
        .mean()
        .round(3)
    )
    kind = results["table"].map(lambda t: "C-index" if t in SURVIVAL else "AUROC")
    print(
        results.groupby([kind, "method"], sort=False)["mean ratio"]
        .agg(["mean", "min", "max"])
        .round(4)
    )


if __name__ == "__main__":
    main()
