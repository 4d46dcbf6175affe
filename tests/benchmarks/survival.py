"""Survival: how well models trained on condensed sets rank real patients, with and without epsilon.

Run: python -m tests.benchmarks.survival [--seeds 5] [--epsilons inf 4 1] [--output out.csv]
     python -m tests.benchmarks.survival --hazard-ratios

Tables of the folder that SKCONDENSE_DATA names; 30 % of the rows are held out. Models of the
Rotterdam table are tested on another study, GBSG2 of scikit-survival. The schema plays the part of
what a data manager would declare: bounds rounded outwards, and a grid of clinical follow-up times.
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
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sksurv.datasets import load_gbsg2
from sksurv.ensemble import GradientBoostingSurvivalAnalysis, RandomSurvivalForest
from sksurv.linear_model import CoxnetSurvivalAnalysis
from sksurv.tree import SurvivalTree
from xgboost import XGBRegressor

from skcondense import (
    ClusterCondenser,
    RandomCondenser,
    SchemaVectorizer,
    SurvivalSchema,
    TableSchema,
    WeightedCoxPH,
    ZeroOrderCondenser,
)
from skcondense.audit import (
    hazard_ratios,
    kaplan_meier_distance,
    sign_agreement,
    train_and_test,
)
from skcondense.tasks import Rows, resolve_task
from tests.benchmarks.data import SURVIVAL, gather, load
from tests.benchmarks.privacy_utility import declared

YEAR = 365
# What a clinician would ask for: weeks and months in intensive care, years in a registry.
GRIDS = {
    "seer_breast": (12, 24, 36, 48, 60, 72, 84, 96),
    "support2": (7, 30, 90, 180, 365, 730, 1095, 1825),
    "flchain": tuple(2 * YEAR * k for k in range(1, 7)),
    "nafld_mayo": tuple(2 * YEAR * k for k in range(1, 10)),
    "framingham_incident_diabetes": tuple(2 * YEAR * k for k in range(1, 7)),
    "rotterdam_breast": tuple(YEAR * k for k in (1, 2, 3, 4, 5, 7, 10, 15)),
}
N_PROTOTYPES = 100
# Less than the defaults: losses of survival take ten times as long.
BUDGET = {"n_candidates": 12, "n_exchanges": 15, "n_directions": 4}


def models(schema: TableSchema, seed: int) -> dict:
    boosting = GradientBoostingSurvivalAnalysis(n_estimators=50, random_state=seed)
    xgboost = XGBRegressor(
        objective="survival:cox", n_estimators=50, learning_rate=0.1, max_depth=3, n_jobs=1
    )
    steps = {
        "cox": [StandardScaler(), WeightedCoxPH(alpha=1.0)],
        "coxnet": [StandardScaler(), CoxnetSurvivalAnalysis(alphas=[0.01])],
        "forest": [RandomSurvivalForest(50, min_samples_leaf=5, random_state=seed)],
        "boosting": [boosting],
        "xgboost": [xgboost],
    }
    return {name: make_pipeline(SchemaVectorizer(schema), *rest) for name, rest in steps.items()}


def black_boxes(schema: TableSchema, seed: int) -> list:
    """Cox and one tree: forests, boosting and Coxnet show transfer to models not asked for."""
    tree = SurvivalTree(max_depth=5, min_samples_leaf=5, random_state=seed)
    cox = make_pipeline(SchemaVectorizer(schema), StandardScaler(), WeightedCoxPH(alpha=1.0))
    return [cox, make_pipeline(SchemaVectorizer(schema), tree)]


def condensers(schema: TableSchema, epsilon: float, seed: int) -> dict:
    common = {"n_prototypes": N_PROTOTYPES, "schema": schema, "random_state": seed}
    private = {**common, "epsilon": None if math.isinf(epsilon) else epsilon}
    found = {
        "zero-order": ZeroOrderCondenser(
            black_boxes(schema, seed), weights="replicate", **private, **BUDGET
        ),
        "cluster": ClusterCondenser(**private),
    }
    if math.isinf(epsilon):
        found["random"] = RandomCondenser(**common)
    return found


def external_test(X: pd.DataFrame):
    """GBSG2 in the columns of the Rotterdam table; its grade I becomes 2, the lowest there."""
    frame, y = load_gbsg2()
    size = pd.cut(frame["tsize"], [0, 20, 50, np.inf], labels=["<=20", "20-50", ">50"])
    same = {
        "age": frame["age"].astype(int),
        "meno": (frame["menostat"] == "Post").astype(int),
        "size": size.astype(str).astype(X["size"].dtype),
        "grade": frame["tgrade"].map({"I": 2, "II": 2, "III": 3}).astype(int),
        "nodes": frame["pnodes"].astype(int),
        "pgr": frame["progrec"].astype(int),
        "er": frame["estrec"].astype(int),
        "hormon": (frame["horTh"] == "yes").astype(int),
    }
    return pd.DataFrame(same)[list(X.columns)], y


def split(name: str, seed: int):
    X, y = load(name)
    if name == "rotterdam_breast":
        X = X.drop(columns=["year", "chemo"])
        return X, y, X, y, *external_test(X)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.3, stratify=y["event"], random_state=seed
    )
    return X, y, X_train.reset_index(drop=True), y_train, X_test.reset_index(drop=True), y_test


def run(name: str, epsilons: list[float], seed: int) -> list[dict]:
    warnings.simplefilter("ignore")
    X, _, X_train, y_train, *test = split(name, seed)
    schema = replace(declared(X), outcome=SurvivalSchema(grid=GRIDS[name]))
    task, _ = resolve_task("auto", y_train)
    estimators = models(schema, seed)
    full = train_and_test(estimators, task, (X_train, y_train, np.ones(len(y_train))), test)
    rows = [_row(name, seed, math.inf, "full", full, full, 0.0)]
    fits = [(e, *pair) for e in epsilons for pair in condensers(schema, e, seed).items()]
    for epsilon, method, condenser in fits:
        start = time.perf_counter()
        found = condenser.condense(X_train, y_train)
        seconds = time.perf_counter() - start
        scores = train_and_test(estimators, task, (found.X, found.y, found.sample_weight), test)
        rows.append(_row(name, seed, epsilon, method, scores, full, seconds))
        print(f"{name} {epsilon} {seed} {method}: {rows[-1]['mean ratio']:.4f}", flush=True)
    return rows


def _row(name, seed, epsilon, method, scores, full, seconds) -> dict:
    ratios = {f"{model} ratio": scores[model] / full[model] for model in scores}
    return {
        "table": name, "seed": seed, "epsilon": epsilon, "method": method, "seconds": seconds,
        **scores, **ratios, "mean ratio": float(np.mean(list(ratios.values()))),
    }  # fmt: skip


def compare_hazard_ratios(seeds: int) -> None:
    """Cox on condensed SEER rows beside Cox on all of them."""
    warnings.simplefilter("ignore")
    X, y = load("seer_breast")
    schema = replace(declared(X), outcome=SurvivalSchema(grid=GRIDS["seer_breast"]))
    real = Rows(X, y, np.ones(len(y)))
    for seed in range(seeds):
        for method, condenser in condensers(schema, math.inf, seed).items():
            found = condenser.condense(X, y)
            condensed = Rows(found.X, found.y, found.sample_weight)
            table = hazard_ratios(condensed, real, schema)
            if seed == 0 and method == "zero-order":
                print(table.round(2).to_string())
            distance = kaplan_meier_distance(found.y, found.sample_weight, y)
            print(
                f"{seed} {method}: sign agreement {sign_agreement(table):.3f}, inside the real "
                f"interval {table['inside_interval'].mean():.2f}, Kaplan-Meier distance "
                f"{distance['largest']:.3f} at most, {distance['mean']:.3f} on average",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epsilons", type=float, nargs="+", default=[math.inf, 4, 1])
    parser.add_argument("--tables", nargs="+", default=list(SURVIVAL))
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--hazard-ratios", action="store_true", help="SEER only, no models")
    args = parser.parse_args()
    if args.hazard_ratios:
        compare_hazard_ratios(args.seeds)
        return
    jobs = (
        delayed(run)(name, args.epsilons, seed)
        for seed in range(args.seeds)
        for name in args.tables
    )
    results = gather(jobs, args.n_jobs, args.output)
    by = ["method", "epsilon"]
    print(results.pivot_table(values="mean ratio", index=by, columns="table").round(3))
    values = [c for c in results if c.endswith("ratio")]
    print(results.groupby(by)[values].mean().round(4))
    print(results.groupby(by)["seconds"].mean().round(1))


if __name__ == "__main__":
    main()
