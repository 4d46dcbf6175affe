"""Condensed for one model, trained on by another: a matrix, and models that were never asked.

Run: python -m tests.benchmarks.transfer [--epsilon 4] [--tables NAME ...] [--output out.csv]

Rows are the black boxes of a `ZeroOrderCondenser`, columns the models trained on its set; a cell is
the mean ratio of AUROC to that of the same model trained on all real rows. With interpret-core
installed, one of the models is an explainable boosting machine.
"""

import argparse
import importlib.util
import math
import warnings
from pathlib import Path

import numpy as np
from joblib import delayed
from scipy.special import expit
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skcondense import SchemaVectorizer, TableSchema, ZeroOrderCondenser
from skcondense.audit import train_and_test
from skcondense.tasks import resolve_task
from tests.benchmarks.data import TABLES, gather, load
from tests.benchmarks.privacy_utility import black_boxes, declared, models

# Kernel and neighbour methods take minutes on more rows, as the reference on all of them.
MAX_ROWS = 6000


class MarginSVC(SVC):
    """SVC ranked by its margin: its own probabilities come from folds, which part the rows of a
    prototype, so that each is predicted from its opposite."""

    def predict_proba(self, X):
        margin = expit(self.decision_function(X))
        return np.column_stack([1 - margin, margin])


def unseen(schema: TableSchema, seed: int) -> dict:
    steps = {
        "svm": [StandardScaler(), MarginSVC()],
        "neighbours": [StandardScaler(), KNeighborsClassifier(15)],
        "bayes": [GaussianNB(var_smoothing=1e-3)],
        "extra trees": [ExtraTreesClassifier(100, min_samples_leaf=2, random_state=seed)],
        "network": [StandardScaler(), MLPClassifier((32,), alpha=0.1, random_state=seed)],
    }
    if importlib.util.find_spec("interpret"):
        from interpret.glassbox import ExplainableBoostingClassifier

        steps["EBM"] = [ExplainableBoostingClassifier(interactions=0, n_jobs=1, random_state=seed)]
    return {name: make_pipeline(SchemaVectorizer(schema), *rest) for name, rest in steps.items()}


def objectives(schema: TableSchema, seed: int) -> dict[str, list]:
    named = models(schema, seed)
    small = dict(zip(["logistic", "tree", "forest"], black_boxes(schema, seed), strict=True))
    return {
        **{name: [box] for name, box in small.items()},
        "xgboost": [named["xgboost"].set_params(xgbclassifier__n_estimators=30)],
        "first three": list(small.values()),
    }


def run(name: str, epsilon: float, seed: int) -> list[dict]:
    warnings.simplefilter("ignore")
    X, y = load(name)
    schema = declared(X)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.3, stratify=y, random_state=seed
    )
    X_train, X_test, y_train, y_test = (
        part[:MAX_ROWS] for part in (X_train, X_test, y_train, y_test)
    )
    X_train, test = X_train.reset_index(drop=True), (X_test.reset_index(drop=True), y_test)
    task, _ = resolve_task("auto", y_train)
    trained = {**models(schema, seed), **unseen(schema, seed)}
    full = train_and_test(trained, task, (X_train, y_train, np.ones(len(y_train))), test)
    rows = []
    for asked, boxes in objectives(schema, seed).items():
        condenser = ZeroOrderCondenser(
            boxes,
            schema=schema,
            epsilon=None if math.isinf(epsilon) else epsilon,
            random_state=seed,
        )
        found = condenser.condense(X_train, y_train)
        scores = train_and_test(trained, task, (found.X, found.y, found.sample_weight), test)
        ratios = {model: scores[model] / full[model] for model in scores}
        rows.append({"table": name, "seed": seed, "epsilon": epsilon, "asked": asked, **ratios})
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epsilon", type=float, default=4)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--tables", nargs="+", default=["framingham", "support2_death", "thyroid"])
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    unknown = set(args.tables) - set(TABLES)
    if unknown:
        parser.error(f"unknown tables {sorted(unknown)}")
    jobs = (
        delayed(run)(name, args.epsilon, seed) for seed in range(args.seeds) for name in args.tables
    )
    results = gather(jobs, args.n_jobs, args.output)
    matrix = results.drop(columns=["table", "seed", "epsilon"]).groupby("asked", sort=False).mean()
    print(matrix.round(3))
    own = [matrix.loc[name, name] for name in matrix.columns if name in matrix.index]
    asked = [name for name in matrix.index if name in matrix.columns]
    others = matrix.loc[asked, asked].to_numpy().sum() - sum(own)
    print(f"diagonal {np.mean(own):.4f}, off it {others / (len(own) ** 2 - len(own)):.4f}")
    print(f"models never asked: {matrix.drop(columns=asked).to_numpy().mean():.4f}")


if __name__ == "__main__":
    main()
