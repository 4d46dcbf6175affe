"""What each part of `ZeroOrderCondenser` is worth: one change at a time, with paired noise.

Run: python -m tests.benchmarks.ablation [--epsilon 1] [--seeds 2] [--output out.csv]

A cell is the mean ratio of AUROC to that of the same models trained on all real rows. Noise is
seeded, so that variants differ by what is changed and by chance in the search, not by the noise:
these sets are not private and say so.
"""

import argparse
import math
import warnings
from pathlib import Path

import numpy as np
from joblib import delayed
from sklearn.model_selection import train_test_split

from skcondense import ClusterCondenser, ZeroOrderCondenser
from skcondense.audit import train_and_test
from skcondense.privacy import seeded_noise
from skcondense.tasks import resolve_task
from tests.benchmarks.data import gather, load
from tests.benchmarks.privacy_utility import black_boxes, declared, models

REFINED = {"max_iter": 25}
VARIANTS: dict[str, dict] = {
    "as it is": {},
    "all columns": {"columns": "all"},
    "no exchange": {"n_exchanges": 0},
    "10 exchanges": {"n_exchanges": 10},
    "100 exchanges": {"n_exchanges": 100},
    "one candidate set": {"n_candidates": 1, "n_exchanges": 0},
    "cells' means": {"init": "clusters"},
    "groups": {"init": "groups"},
    "refined": REFINED,
    "labels refined": {**REFINED, "optimize": ("labels",)},
    "features refined too": {**REFINED, "optimize": ("features", "labels", "weights")},
    "refined by random search": {**REFINED, "optimizer": "random"},
    "16 directions": {"max_iter": 9, "n_directions": 16},
    "Brier score": {"loss": "brier"},
    "concordance": {"loss": "concordance"},
}


def run(name: str, epsilon: float, seed: int, variants: list[str]) -> list[dict]:
    warnings.simplefilter("ignore")
    X, y = load(name)
    schema = declared(X)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.3, stratify=y, random_state=seed
    )
    X_train, test = X_train.reset_index(drop=True), (X_test.reset_index(drop=True), y_test)
    task, _ = resolve_task("auto", y_train)
    trained = models(schema, seed)
    full = train_and_test(trained, task, (X_train, y_train, np.ones(len(y_train))), test)
    common = {
        "schema": schema,
        "epsilon": None if math.isinf(epsilon) else epsilon,
        "random_state": seed,
        # A teacher of more rows takes longer, and is the same for all variants.
        "subsample": 15_000,
    }
    boxes = black_boxes(schema, seed)
    condensers = {
        variant: ZeroOrderCondenser(boxes, **common, **VARIANTS[variant]) for variant in variants
    }
    condensers["ClusterCondenser"] = ClusterCondenser(**common)
    rows = []
    for variant, condenser in condensers.items():
        with seeded_noise(seed):
            found = condenser.condense(X_train, y_train)
        scores = train_and_test(trained, task, (found.X, found.y, found.sample_weight), test)
        ratios = {model: scores[model] / full[model] for model in scores}
        mean = float(np.mean(list(ratios.values())))
        rows.append({"table": name, "seed": seed, "variant": variant, **ratios, "mean": mean})
        print(f"{name} {seed} {variant}: {mean:.4f}", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epsilon", type=float, default=1)
    parser.add_argument("--seeds", type=int, default=2)
    tables = ["framingham", "support2_death", "thyroid", "diabetes130"]
    parser.add_argument("--tables", nargs="+", default=tables)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    jobs = (
        delayed(run)(name, args.epsilon, seed, args.variants)
        for seed in range(args.seeds)
        for name in args.tables
    )
    results = gather(jobs, args.n_jobs, args.output)
    table = results.pivot_table(values="mean", index="variant", columns="table", sort=False)
    table["mean"] = table.mean(axis=1)
    print(table.round(4).to_string())


if __name__ == "__main__":
    main()
