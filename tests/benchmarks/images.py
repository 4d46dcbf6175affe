"""Networks trained on condensed images, on full data and on random images, on real images.

Run: python -m tests.benchmarks.images --family matching [--sets NAME ...] [--per-class 1 10 50]
     [--seeds 3] [--preset fast] [--output results.csv]
"""

import argparse
import resource
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcondense import ClusterCondenser, RandomCondenser
from skcondense.neural import (
    AUGMENTATIONS,
    DistributionMatchingCondenser,
    GradientMatchingCondenser,
    ImprovedDistributionMatchingCondenser,
    KernelInducingPointsCondenser,
    NeuralClassifier,
    evaluate_condensed,
)
from tests.benchmarks.data import folder

SETS = {
    "pneumoniamnist_28": "chest_xray",
    "brain_tumor_mri_32": "medical",
    "lc25000_lung_histology_32": "histology",
}
FAMILIES = {
    "matching": {
        "DM": DistributionMatchingCondenser,
        "GM": GradientMatchingCondenser,
        "IDM": ImprovedDistributionMatchingCondenser,
        "KIP": KernelInducingPointsCondenser,
    },
}


def load(name: str, seed: int):
    """Training and test images; a group is on one side of the split."""
    with np.load(folder() / "images" / f"{name}.npz") as file:
        X, y, group = file["X"], file["y"], file["group"]
    split = GroupShuffleSplit(1, test_size=0.3, random_state=seed).split(X, y, group)
    train, test = next(split)
    return X[train], y[train], X[test], y[test]


def condensers(family: str, augmentation: str, preset: str, n: int, seed: int) -> dict:
    common = {"n_prototypes": n, "allocation": "balanced", "random_state": seed}
    found = {
        "random": RandomCondenser(**common),
        "cluster": ClusterCondenser(**common, labels="hard"),
    }
    for name, kind in FAMILIES[family].items():
        found[name] = kind.preset(preset, **common)
        if "augmentation" in found[name].get_params():
            found[name].set_params(augmentation=augmentation)
    return found


def run(name: str, per_class: int, seed: int, args: argparse.Namespace) -> list[dict]:
    X, y, X_test, y_test = load(name, seed)
    augmentation, n_classes = SETS[name], len(np.unique(y))
    models = {
        "convnet": NeuralClassifier(augmentation=augmentation, n_steps=args.steps),
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
    }
    found = []
    for method, condenser in condensers(
        args.family, augmentation, args.preset, per_class * n_classes, seed
    ).items():
        start = time.perf_counter()
        condensed = condenser.condense(X, y)
        seconds = time.perf_counter() - start
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        result = evaluate_condensed(
            condensed, (X_test, y_test), estimators=models, n_init=args.networks, random_state=seed
        )
        facts = {"set": name, "per class": per_class, "method": method, "seed": seed}
        cost = {"seconds": seconds, "peak MB": memory, "stored": per_class * n_classes}
        for row in result.scores.to_dict("records"):
            scores = {metric: row[metric] for metric in result.metrics}
            found.append({**facts, "model": row["estimator"], **cost, **scores})
        part = pd.DataFrame(found[-args.networks - 1 :]).groupby("model")[["auroc"]].mean()
        print(name, per_class, seed, method, f"{seconds:.0f} s", part.T.to_dict("list"), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", choices=list(FAMILIES), default="matching")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--per-class", nargs="+", type=int, default=[1, 10, 50])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", type=int, default=3)
    parser.add_argument("--steps", type=int, default=500, help="training steps of a network")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    assert set(SETS.values()) <= set(AUGMENTATIONS)
    found: list[dict] = []
    for name in args.sets:
        for per_class in args.per_class:
            for seed in range(args.seeds):
                found += run(name, per_class, seed, args)
                if args.output:
                    pd.DataFrame(found).to_csv(args.output, index=False)
    pd.options.display.width = 200
    keys = ["set", "model", "per class", "method"]
    # Networks within a condensed set first: the sets are what varies independently.
    by_set = pd.DataFrame(found).groupby([*keys, "seed"], sort=False).mean(numeric_only=True)
    metrics = ["balanced_accuracy", "auroc", "seconds", "peak MB"]
    print(by_set.groupby(keys, sort=False)[metrics].agg(["mean", "std"]).round(3).to_string())


if __name__ == "__main__":
    main()
