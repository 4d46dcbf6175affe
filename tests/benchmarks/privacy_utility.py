"""Utility against epsilon: condensed sets and real rows against all real rows, on real tables.

Run: python -m tests.benchmarks.privacy_utility [--seeds 5] [--epsilons 1 4 inf] [--output out.csv]
     [--methods zero-order cluster random "random, teacher"] [--prototypes 100]

The schema plays the part of what a data manager would declare: bounds and typical ranges of the
whole table, rounded outwards to two significant digits, and the categories that occur.
"""

import argparse
import math
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import delayed
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from skcondense import (
    ClusterCondenser,
    ColumnSchema,
    RandomCondenser,
    SchemaVectorizer,
    TableSchema,
    ZeroOrderCondenser,
)
from skcondense.audit import train_and_test
from skcondense.table import Container
from skcondense.tasks import resolve_task
from tests.benchmarks.data import TABLES, gather, load


def declared(X: pd.DataFrame) -> TableSchema:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seen = TableSchema.from_frame(X).restricted_to(Container.of(X))
    columns = tuple(_widened(column) for column in seen)
    return TableSchema(columns, ColumnSchema(name="target", kind="binary", categories=(0, 1)))


def _widened(column: ColumnSchema) -> ColumnSchema:
    if not column.is_number:
        return column
    low, high = _outwards(*column.bounds)
    typical = _outwards(*column.typical)
    return replace(column, bounds=(low, high), typical=typical)


def _outwards(low: float, high: float) -> tuple[float, float]:
    """An interval with ends of two significant digits of its width."""
    if low == high:
        return low, high
    step = 10.0 ** (math.floor(math.log10(high - low)) - 1)
    return math.floor(low / step) * step, math.ceil(high / step) * step


def models(schema: TableSchema, seed: int) -> dict:
    steps = {
        "logistic": [StandardScaler(), LogisticRegression(max_iter=1000)],
        "tree": [DecisionTreeClassifier(max_depth=5, random_state=seed)],
        "forest": [RandomForestClassifier(100, random_state=seed)],
        "xgboost": [XGBClassifier(n_estimators=100, random_state=seed, n_jobs=1, verbosity=0)],
    }
    return {name: make_pipeline(SchemaVectorizer(schema), *rest) for name, rest in steps.items()}


def black_boxes(schema: TableSchema, seed: int) -> list:
    """The first three, with a smaller forest; XGBoost shows transfer to a model not asked for."""
    named = models(schema, seed)
    small = RandomForestClassifier(20, random_state=seed)
    return [named["logistic"], named["tree"], make_pipeline(SchemaVectorizer(schema), small)]


def condensers(schema: TableSchema, epsilon: float, seed: int, n_prototypes: int) -> dict:
    common = {"schema": schema, "random_state": seed, "n_prototypes": n_prototypes}
    private = {**common, "epsilon": None if math.isinf(epsilon) else epsilon}
    boxes = black_boxes(schema, seed)
    found = {
        "zero-order": ZeroOrderCondenser(boxes, **private),
        "cluster": ClusterCondenser(**private),
    }
    if math.isinf(epsilon):
        # Real rows, which no epsilon can protect: the controls.
        found["random"] = RandomCondenser(**common)
        found["random, teacher"] = RandomCondenser(labels="teacher", **common)
    return found


def run(
    name: str, epsilons: list[float], seed: int, n_prototypes: int, only: list[str]
) -> list[dict]:
    warnings.simplefilter("ignore")
    X, y = load(name)
    schema = declared(X)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.3, stratify=y, random_state=seed
    )
    X_train, test = X_train.reset_index(drop=True), (X_test.reset_index(drop=True), y_test)
    task, _ = resolve_task("auto", y_train)
    estimators = models(schema, seed)
    full = train_and_test(estimators, task, (X_train, y_train, np.ones(len(y_train))), test)
    rows = []
    fits = [
        (e, *pair) for e in epsilons for pair in condensers(schema, e, seed, n_prototypes).items()
    ]
    for epsilon, method, condenser in fits:
        if method not in only:
            continue
        start = time.perf_counter()
        found = condenser.condense(X_train, y_train)
        seconds = time.perf_counter() - start
        scores = train_and_test(estimators, task, (found.X, found.y, found.sample_weight), test)
        ratios = {f"{model} ratio": scores[model] / full[model] for model in scores}
        spent = math.inf if found.privacy is None else found.privacy.epsilon
        rows.append(
            {
                "table": name, "n": len(y), "seed": seed, "epsilon": epsilon, "spent": spent,
                "method": method, "prototypes": n_prototypes, "seconds": seconds, **scores,
                **ratios, "mean ratio": float(np.mean(list(ratios.values()))),
            }
        )  # fmt: skip
        print(f"{name} {epsilon} {seed} {method}: {rows[-1]['mean ratio']:.4f}", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epsilons", type=float, nargs="+", default=[0.5, 1, 2, 4, 8, math.inf])
    parser.add_argument("--tables", nargs="+", default=list(TABLES))
    methods = ["zero-order", "cluster", "random", "random, teacher"]
    parser.add_argument("--methods", nargs="+", default=methods, choices=methods)
    parser.add_argument("--prototypes", type=int, default=100)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    jobs = (
        delayed(run)(name, args.epsilons, seed, args.prototypes, args.methods)
        for seed in range(args.seeds)
        for name in args.tables
    )
    results = gather(jobs, args.n_jobs, args.output)
    by = ["method", "epsilon"]
    print(
        results.pivot_table(
            values="mean ratio", index=by, columns="table", aggfunc=["mean", "std"]
        ).round(3)
    )
    ratios = [c for c in results if c.endswith("ratio")]
    large = results[results["n"] >= 4000]
    print(large.groupby(by)[ratios].mean().round(3))
    print(results.groupby(by)[["spent", "seconds"]].mean().round(3))


if __name__ == "__main__":
    main()
