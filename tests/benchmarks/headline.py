"""The headline in one table: each model trained on condensed rows and on all rows, by epsilon.

Run: python -m tests.benchmarks.headline classification.csv survival.csv

The files are the outputs of tests.benchmarks.privacy_utility and tests.benchmarks.survival. A cell
is AUROC (Cox: Harrell's C-index) on held-out rows, averaged over tables, ± the mean over tables of
the standard deviation over seeds.
"""

import argparse
import math
from pathlib import Path

import pandas as pd

MODELS = {
    "tree": "decision tree",
    "logistic": "logistic regression",
    "forest": "random forest",
    "xgboost": "XGBoost",
}


def headline(classification: pd.DataFrame, survival: pd.DataFrame) -> pd.DataFrame:
    columns = {title: _scores(classification, model) for model, title in MODELS.items()}
    return pd.DataFrame({**columns, "Cox": _scores(survival, "cox")})


def _scores(results: pd.DataFrame, model: str) -> pd.Series:
    ours = results[results["method"] == "zero-order"]
    ours = ours.assign(row=ours["epsilon"].map(_row_name))
    full = ours.assign(row="all real rows", **{model: ours[model] / ours[f"{model} ratio"]})
    # Every epsilon was run on the same splits, and all rows are the same for each.
    every = pd.concat([full.drop_duplicates(["table", "seed"]), ours])
    by_table = every.groupby(["row", "table"], sort=False)[model]
    mean = by_table.mean().groupby("row", sort=False).mean()
    spread = by_table.std().groupby("row", sort=False).mean()
    return pd.Series({row: _cell(mean[row], spread[row]) for row in mean.index})


def _cell(mean: float, spread: float) -> str:
    # One seed has no spread.
    return f"{mean:.3f}" if math.isnan(spread) else f"{mean:.3f} ± {spread:.3f}"


def _row_name(epsilon: float) -> str:
    return "condensed, no epsilon" if math.isinf(epsilon) else f"condensed, epsilon = {epsilon:g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("classification", type=Path)
    parser.add_argument("survival", type=Path)
    args = parser.parse_args()
    table = headline(pd.read_csv(args.classification), pd.read_csv(args.survival))
    order = sorted(table.index, key=lambda name: (name != "all real rows", "no eps" not in name))
    print(table.loc[order].to_string())


if __name__ == "__main__":
    main()
