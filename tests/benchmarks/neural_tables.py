"""Neural condensers on tables: networks, trees and a linear model, beside the zero-order one.

Run: python -m tests.benchmarks.neural_tables [--tables NAME ...] [--seeds 3] [--output out.csv]

AUROC on held-out rows. With epsilon distribution matching releases noised mean features; its
labels are those of the strata. Everything else is without epsilon.
"""

import argparse
import itertools
import math
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from skcondense import ClusterCondenser, RandomCondenser, TableSchema, ZeroOrderCondenser
from skcondense.audit import train_and_test
from skcondense.neural import (
    DistributionMatchingCondenser,
    GradientMatchingCondenser,
    KernelInducingPointsCondenser,
    NeuralClassifier,
)
from skcondense.tasks import resolve_task
from tests.benchmarks.data import load
from tests.benchmarks.privacy_utility import black_boxes, declared, models

TABLES = ("support2_death", "framingham", "thyroid", "uci_heart")
FULL = "all rows"
CELL = ("table", "seed", "method")


def condensers(schema: TableSchema, epsilons: list[float], preset: str, seed: int) -> dict:
    common = {"n_prototypes": 100, "schema": schema, "random_state": seed}
    hard = {**common, "labels": "hard"}
    soft = {**common, "labels": "teacher"}
    matching = DistributionMatchingCondenser.preset
    found = {
        "random": RandomCondenser(**common),
        "random, teacher": RandomCondenser(**soft),
        "cluster": ClusterCondenser(**common),
        "zero-order": ZeroOrderCondenser(black_boxes(schema, seed), **common),
        "DM": matching(preset, **hard),
        "DM, teacher": matching(preset, **soft),
        "GM, teacher": GradientMatchingCondenser.preset(preset, **soft),
        "KIP, teacher": KernelInducingPointsCondenser.preset(preset, **soft),
    }
    for epsilon in epsilons:
        private = {} if math.isinf(epsilon) else {"epsilon": epsilon}
        start = "auto" if private else "mean"
        found[f"DM, epsilon {epsilon:g}"] = matching(preset, **hard, **private, init=start)
    return found


def run(name: str, seed: int, method: str, args: argparse.Namespace) -> dict:
    X, y = load(name)
    schema = declared(X)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.3, stratify=y, random_state=seed
    )
    task, _ = resolve_task("auto", y_train)
    trained = {
        f"network {k}": NeuralClassifier(schema=schema, n_steps=args.steps, random_state=k)
        for k in range(args.networks)
    }
    trained |= models(schema, seed)
    rows = X_train.reset_index(drop=True), y_train, np.ones(len(y_train))
    start = time.perf_counter()
    if method != FULL:
        condenser = condensers(schema, args.epsilons, args.preset, seed)[method]
        found = condenser.condense(*rows[:2])
        rows = found.X, found.y, found.sample_weight
    seconds = time.perf_counter() - start
    scores = train_and_test(trained, task, rows, (X_test.reset_index(drop=True), y_test))
    networks = [scores.pop(f"network {k}") for k in range(args.networks)]
    facts = {"table": name, "seed": seed, "method": method, "seconds": seconds}
    return {**facts, "network": float(np.mean(networks)), **scores}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="+", default=TABLES)
    parser.add_argument("--epsilons", type=float, nargs="*", default=[1, 4, 8, math.inf])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", type=int, default=3)
    parser.add_argument("--steps", type=int, default=500, help="training steps of a network")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--output", type=Path, help="goes on where it was cut off")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    begun = args.output is not None and args.output.exists()
    found = pd.read_csv(args.output).to_dict("records") if begun else []
    done = {tuple(row[key] for key in CELL) for row in found}
    schema = declared(load(args.tables[0])[0])
    methods = [FULL, *condensers(schema, args.epsilons, args.preset, 0)]
    for seed, name, method in itertools.product(range(args.seeds), args.tables, methods):
        if (name, seed, method) in done:
            continue
        found.append(run(name, seed, method, args))
        print(found[-1], flush=True)
        if args.output:
            pd.DataFrame(found).to_csv(args.output, index=False)
    pd.options.display.width = 200
    table = pd.DataFrame(found).drop(columns="seed").groupby(["table", "method"], sort=False)
    print(table.mean().round(3).to_string())
    print(table.std().round(3).to_string())


if __name__ == "__main__":
    main()
