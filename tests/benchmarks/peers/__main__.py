"""Ours beside its peers on the same splits: other condensers, private synthesisers and models.

Run: python -m tests.benchmarks.peers.environments ENVIRONMENTS
     python -m tests.benchmarks.peers ENVIRONMENTS --output results [--seeds 5] [--epsilons 1 4]

Writes results.csv (one row per table, seed, epsilon, method, variant and downstream model), and
from it summary.md, plots and machine.json. A run that was cut off goes on where it was. The schema
is what a data manager would declare, as in tests.benchmarks.privacy_utility, and the same for all.
"""

import argparse
import json
import math
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock
from joblib import Parallel, delayed
from sklearn.model_selection import train_test_split

from tests.benchmarks.data import PEER_TABLES, load
from tests.benchmarks.peers import summary
from tests.benchmarks.peers.environments import REASON_LENGTH, PeerFailed, facts
from tests.benchmarks.peers.methods import (
    BASELINES,
    MODELS,
    OURS,
    SYNTHESISERS,
    Settings,
    Split,
    Variant,
    methods_at,
)
from tests.benchmarks.peers.scores import score, train_and_score
from tests.benchmarks.privacy_utility import declared, models

KEY = ["table", "seed", "epsilon", "method"]
COLUMNS = [
    "table", "n", "seed", "epsilon", "method", "size", "labels", "released_rows", "model",
    "auroc", "auprc", "brier", "calibration_slope", "auroc_ratio", "fit_seconds", "cpu_seconds",
    "peak_mb", "status",
]  # fmt: skip


@dataclass(frozen=True)
class Results:
    """The CSV that several processes append to."""

    path: Path

    def read(self) -> pd.DataFrame:
        return pd.read_csv(self.path) if self.path.exists() else pd.DataFrame(columns=COLUMNS)

    def has(self, key: dict) -> bool:
        found = self.read()
        return bool((found[list(key)] == pd.Series(key)).all(axis=1).any())

    def append(self, rows: list[dict]) -> None:
        with FileLock(f"{self.path}.lock"):
            pd.DataFrame(rows, columns=COLUMNS).to_csv(
                self.path, mode="a", header=not self.path.exists(), index=False
            )

    def full_auroc(self, table: str, seed: int) -> dict[str, float]:
        """AUROC of each model trained on all rows, and their mean."""
        found = self.read()
        found = found[(found["method"] == "full data") & (found["table"] == table)]
        found = found[found["seed"] == seed].set_index("model")["auroc"].dropna()
        return {**found, "mean": found.mean()} if len(found) else {}


def split(name: str, seed: int, max_rows: int | None) -> tuple[Split, int]:
    X, y = load(name)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.3, stratify=y, random_state=seed
    )
    if max_rows and len(y_train) > max_rows:
        X_train, _, y_train, _ = train_test_split(
            X_train, y_train, train_size=max_rows, stratify=y_train, random_state=seed
        )
    train, test = X_train.reset_index(drop=True), X_test.reset_index(drop=True)
    return Split(declared(X), train, y_train, test, y_test, seed), len(y)


def run(
    name: str, seed: int, epsilons: list[float], only: list[str], max_rows, settings, results
) -> None:
    warnings.simplefilter("ignore")
    part, n = split(name, seed, max_rows)
    # Full data comes first: others are compared with it.
    jobs = [(e, *pair) for e in [math.inf, *epsilons] for pair in methods_at(e).items()]
    for epsilon, method, function in jobs:
        key = dict(zip(KEY, (name, seed, epsilon, method), strict=True))
        if (only and method not in [*only, "full data"]) or results.has(key):
            continue
        try:
            variants = function(part, epsilon, settings)
        except PeerFailed as failure:
            rows = [_failed(str(failure))]
        except Exception as error:
            traceback.print_exc()
            rows = [_failed(_reason(error))]
        else:
            full = results.full_auroc(name, seed)
            rows = [row for variant in variants for row in _rows(variant, part, full)]
        results.append([{**key, "n": n, **row} for row in rows])
        scores = pd.DataFrame(rows).reindex(columns=["size", "labels", "auroc", "status"])
        print(*key.values(), scores.iloc[0]["status"], flush=True)
        if "auroc" in scores:
            print(scores.groupby(["size", "labels"])["auroc"].mean().round(3).to_dict(), flush=True)


def _failed(reason: str) -> dict:
    return {"size": "", "labels": "", "model": "", "status": reason}


def _reason(error: Exception) -> str:
    return f"failed: {type(error).__name__}: {error}"[:REASON_LENGTH]


def _rows(variant: Variant, part: Split, full: dict[str, float]) -> list[dict]:
    about = {
        "size": variant.size,
        "labels": variant.labels,
        "released_rows": 0 if variant.y is None else len(variant.y),
        "fit_seconds": variant.cost.get("seconds"),
        "cpu_seconds": variant.cost.get("cpu_seconds"),
        "peak_mb": variant.cost.get("peak_mb"),
        "status": "ok",
    }
    try:
        found = _scores(variant, part)
    except Exception as error:
        # A sample of one class, for example: no model can be trained.
        return [{**about, "model": "", "status": _reason(error)}]
    # The full data are their own reference, and a private model's is the mean of all.
    best = full or {model: metrics["auroc"] for model, metrics in found.items()}
    ratios = {m: s["auroc"] / best.get(m, best.get("mean")) for m, s in found.items()}
    return [{**about, "model": m, **s, "auroc_ratio": ratios[m]} for m, s in found.items()]


def _scores(variant: Variant, part: Split) -> dict[str, dict[str, float]]:
    if variant.probabilities is not None:
        return {"its own": score(part.y_test, variant.probabilities)}
    if len(np.unique(variant.y)) < 2:
        raise ValueError("the sample has one class")
    train = (variant.X, variant.y, variant.weight)
    return train_and_score(models(part.schema, part.seed), train, (part.X_test, part.y_test))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("environments", type=Path, nargs="?", help="made by .environments")
    parser.add_argument("--output", type=Path, default=Path("peers"), help="a folder")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epsilons", type=float, nargs="+", default=[1, 4])
    parser.add_argument("--tables", nargs="+", default=list(PEER_TABLES), choices=PEER_TABLES)
    methods = [*BASELINES, *OURS, *MODELS, *SYNTHESISERS]
    parser.add_argument("--methods", nargs="+", default=[], choices=methods)
    parser.add_argument("--limit", type=float, default=600, help="processor seconds per fit")
    parser.add_argument("--max-rows", type=int, help="cap on training rows, for every method")
    parser.add_argument("--n-jobs", type=int, default=1)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    machine = json.dumps(facts(args.environments), indent=2)
    (args.output / "machine.json").write_text(machine + "\n", encoding="utf-8")
    results = Results(args.output / "results.csv")
    settings = Settings(args.environments, args.limit)
    # Fits have processes of their own already, which loky's workers could not start.
    Parallel(args.n_jobs, backend="threading")(
        delayed(run)(name, seed, args.epsilons, args.methods, args.max_rows, settings, results)
        for seed in range(args.seeds)
        for name in args.tables
    )
    summary.write(results.read(), args.output)


if __name__ == "__main__":
    main()
