"""Networks trained on condensed images, on full data and on random images, on real images.

Run: python -m tests.benchmarks.images
     [--family matching | private | trajectory | high_order | diffusion]
     [--sets NAME ...] [--per-class 1 10 50] [--seeds 3] [--preset fast] [--output results.csv]
     [--experts FOLDER] [--architectures convnet resnet18 vgg11 alexnet] [--max-time SECONDS]

Seeds come last, so that what is there after a while covers all sets; with --output it goes on
where it was cut off.
"""

import argparse
import itertools
import resource
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcondense import ClusterCondenser, ColumnSchema, RandomCondenser, TableSchema
from skcondense.neural import (
    AUGMENTATIONS,
    AllWeights,
    ATTCondenser,
    BezierTrajectoryCondenser,
    DATMCondenser,
    DiffusionMatchingCondenser,
    DistributionMatchingCondenser,
    FlatDescent,
    FTDCondenser,
    GradientMatchingCondenser,
    HoPTMCondenser,
    ImprovedDistributionMatchingCondenser,
    KernelInducingPointsCondenser,
    MTTCondenser,
    NeuralClassifier,
    NoShape,
    TrajectoryMatchingCondenser,
    TrajectoryRecipe,
    evaluate_condensed,
)
from skcondense.neural.settings import NETWORKS
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
    # Noised mean features, or experts by noised gradients; from noised means.
    "private": {
        f"{name}, epsilon {epsilon}": (kind, float(epsilon))
        for epsilon in (8, 4, 1)
        for name, kind in (("DM", DistributionMatchingCondenser), ("MTT", MTTCondenser))
    },
    # Of one split, methods with the same kind of experts share them.
    "trajectory": {
        "DM": DistributionMatchingCondenser,
        "IDM": ImprovedDistributionMatchingCondenser,
        "MTT": MTTCondenser,
        "FTD": FTDCondenser,
        "DATM": DATMCondenser,
        "ATT": ATTCondenser,
        "HoP-TM": HoPTMCondenser,
        "BTM": BezierTrajectoryCondenser,
    },
    "diffusion": {
        "DM": DistributionMatchingCondenser,
        "GM": GradientMatchingCondenser,
        "DDM": DiffusionMatchingCondenser,
        "DDM, as drawn": DiffusionMatchingCondenser,
    },
    # What HoP-TM adds to flat experts.
    "high_order": {
        "neither": TrajectoryRecipe(descent=FlatDescent()),
        "mask": replace(HoPTMCondenser.RECIPE, shape=NoShape()),
        "shape": replace(HoPTMCondenser.RECIPE, mask=AllWeights()),
        "mask and shape": HoPTMCondenser.RECIPE,
        "as released": HoPTMCondenser.RELEASED,
        "as written": HoPTMCondenser.AS_WRITTEN,
    },
}
FULL = "all images"
CELL = ("set", "per class", "seed", "method")


def load(name: str, seed: int):
    """Training and test images; a group is on one side of the split."""
    with np.load(folder() / "images" / f"{name}.npz") as file:
        X, y, group = file["X"], file["y"], file["group"]
    split = GroupShuffleSplit(1, test_size=0.3, random_state=seed).split(X, y, group)
    train, test = next(split)
    return X[train], y[train], X[test], y[test]


def declared(X: np.ndarray, y: np.ndarray) -> TableSchema:
    classes = tuple(np.unique(y).tolist())
    return TableSchema(
        (ColumnSchema(name="image", kind="image", bounds=(0, 255), shape=X.shape[1:]),),
        outcome=ColumnSchema(name="class", kind="categorical", categories=classes),
    )


def condensers(args: argparse.Namespace, augmentation: str, schema: TableSchema, n: int) -> dict:
    common = {"n_prototypes": n, "allocation": "balanced", "schema": schema}
    found = {
        "random": RandomCondenser(**common),
        "cluster": ClusterCondenser(**common, labels="hard"),
    }
    plain = {**FAMILIES["matching"], **FAMILIES["trajectory"], **FAMILIES["diffusion"]}
    for name, kind in plain.items():
        found[name] = kind.preset(args.preset, **common)
    # What matching adds to the choice among candidates.
    found["DDM, as drawn"].set_params(max_iter=0)
    for name, recipe in FAMILIES["high_order"].items():
        found[name] = HoPTMCondenser.preset(args.preset, **common, recipe=recipe)
    for name in found:
        if "augmentation" in found[name].get_params():
            found[name].set_params(augmentation=augmentation)
    for name, (kind, epsilon) in FAMILIES["private"].items():
        found[name] = kind.preset(args.preset, **common, epsilon=epsilon)
    return found


def run(name: str, per_class: int, seed: int, method: str, args: argparse.Namespace) -> list[dict]:
    X, y, X_test, y_test = load(name, seed)
    augmentation, n_classes = SETS[name], len(np.unique(y))
    models = {
        **{
            name: NeuralClassifier(name, augmentation=augmentation, n_steps=args.steps)
            for name in args.architectures
        },
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
    }
    kinds = condensers(args, augmentation, declared(X, y), max(per_class, 1) * n_classes)
    if args.max_time and method in kinds and "max_time" in kinds[method].get_params():
        kinds[method].set_params(max_time=args.max_time)
    is_trajectory = isinstance(kinds.get(method), TrajectoryMatchingCondenser)
    if args.experts and is_trajectory and kinds[method].epsilon is None:
        recipe = kinds[method]._recipe()
        kind = f"{type(recipe.path).__name__}_{type(recipe.descent).__name__}"
        kinds[method].set_params(expert_folder=args.experts / f"{name}_{seed}_{kind}")
    train = (X, y) if method == FULL else None
    start = time.process_time()
    condenser = kinds.get(method, kinds["random"]).set_params(random_state=seed)
    condensed = condenser.condense(X, y)
    seconds = time.process_time() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result = evaluate_condensed(
        condensed,
        (X_test, y_test),
        train=train,
        estimators=models,
        n_init=args.networks,
        random_state=seed,
    )
    scores = result.scores[result.scores["rows"] == ("condensed" if train is None else "full")]
    facts = {"set": name, "per class": per_class, "method": method, "seed": seed}
    cost = {"seconds": seconds, "peak MB": memory}
    return [
        {**facts, "model": row["estimator"], "rows": row["n_rows"], **cost}
        | {metric: row[metric] for metric in result.metrics}
        for row in scores.to_dict("records")
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", choices=list(FAMILIES), default="matching")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--per-class", nargs="+", type=int, default=[1, 10, 50])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", type=int, default=3)
    parser.add_argument("--steps", type=int, default=500, help="training steps of a network")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--architectures", nargs="+", choices=list(NETWORKS), default=["convnet"])
    parser.add_argument("--methods", nargs="+", help="all of the family, unless given")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--experts", type=Path, help="folder in which experts are kept")
    parser.add_argument("--max-time", type=float, help="seconds after which matching stops")
    args = parser.parse_args()
    args.methods = args.methods or [FULL, "random", "cluster", *FAMILIES[args.family]]
    warnings.simplefilter("ignore")
    assert set(SETS.values()) <= set(AUGMENTATIONS)
    begun = args.output is not None and args.output.exists()
    found = pd.read_csv(args.output).to_dict("records") if begun else []
    done = {tuple(row[key] for key in CELL) for row in found}
    for seed, size, name, method in itertools.product(
        range(args.seeds), args.per_class, args.sets, args.methods
    ):
        # All images are the same, whatever the number per class.
        cell = (name, 0 if method == FULL else size, seed, method)
        if cell in done:
            continue
        done.add(cell)
        rows = run(*cell, args)
        found += rows
        print(
            *(f"{key} {rows[0][key]}" for key in (*CELL, "seconds", "model", "auroc")), flush=True
        )
        if args.output:
            pd.DataFrame(found).to_csv(args.output, index=False)
    report(pd.DataFrame(found))


def report(found: pd.DataFrame) -> None:
    """Print means and spreads over condensed sets, and gains over random images."""
    pd.options.display.width = 200
    keys = ["set", "model", "per class", "method"]
    # Networks within a condensed set first: the sets are what varies independently.
    by_set = found.groupby([*keys, "seed"], sort=False).mean(numeric_only=True)
    metrics = ["balanced_accuracy", "auroc", "seconds", "peak MB"]
    print(by_set.groupby(keys, sort=False)[metrics].agg(["mean", "std"]).round(3).to_string())
    sets = by_set["auroc"].reset_index()
    same = ["set", "model", "per class", "seed"]
    control = sets[sets["method"] == "random"].drop(columns="method")
    pairs = sets[sets["method"] != "random"].merge(control, on=same, suffixes=("", " of random"))
    if pairs.empty:
        return
    gain = (pairs["auroc"] - pairs["auroc of random"]).groupby([pairs[key] for key in keys])
    table = gain.agg(["mean", "sem", "size"])
    print("\nAUROC above that of random images, and in standard errors")
    print(table.assign(errors=table["mean"] / table["sem"]).round(3).to_string())


if __name__ == "__main__":
    main()
