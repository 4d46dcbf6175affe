"""Every method of the comparison, and the samples or predictions it gives for one split."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from imblearn.under_sampling import ClusterCentroids, CondensedNearestNeighbour
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

from skcondense import (
    ClusterCondenser,
    HerdingCondenser,
    RandomCondenser,
    SchemaVectorizer,
    TableSchema,
    ZeroOrderCondenser,
)
from tests.benchmarks.peers.codes import TARGET, PublicCodes
from tests.benchmarks.peers.environments import PeerFailed, ask
from tests.benchmarks.peers.separate import call
from tests.benchmarks.privacy_utility import black_boxes

DELTA = 1e-5
# A prototype with a soft label takes one row per class: both forms release 200 rows at most.
N_PROTOTYPES, N_ROWS = 100, 200
# The rows of Tab-PE's examples: it is made for small samples.
N_EVOLVED = 1000
# As AIM's authors advise for comparisons; dpmm by itself sets no limit.
MAX_MODEL_MB = 80
N_FOLDS = 5


@dataclass(frozen=True)
class Split:
    """Training rows and held-out rows of a table, with its declared schema."""

    schema: TableSchema
    X: pd.DataFrame
    y: np.ndarray
    X_test: pd.DataFrame
    y_test: np.ndarray
    seed: int


@dataclass(frozen=True)
class Settings:
    """Where the peers' environments are, and the processor seconds that a method may take."""

    environments: Path | None
    limit: float


@dataclass(frozen=True)
class Variant:
    """One thing that a method may release: weighted rows, or the predictions of a model."""

    size: str
    labels: str
    cost: dict[str, float]
    X: Any = None
    y: np.ndarray | None = None
    weight: np.ndarray | None = None
    probabilities: np.ndarray | None = None


Method = Callable[[Split, float, Settings], list[Variant]]


def _quietly(function, *arguments):
    warnings.simplefilter("ignore")
    return function(*arguments)


def _condense(condenser, X, y):
    found = condenser.condense(X, y)
    return found.X, found.y, found.sample_weight


def _condensed(condenser, labels: str, split: Split, settings: Settings) -> Variant:
    rows, cost = call(_quietly, _condense, condenser, split.X, split.y, limit=settings.limit)
    return Variant("ours", labels, cost, *rows)


def _private(split: Split, epsilon: float) -> dict:
    return {
        "n_prototypes": _n_cells(split) if math.isinf(epsilon) else N_PROTOTYPES,
        "schema": split.schema,
        "epsilon": None if math.isinf(epsilon) else epsilon,
        "delta": DELTA,
        "random_state": split.seed,
    }


def zero_order(split: Split, epsilon: float, settings: Settings) -> list[Variant]:
    boxes = black_boxes(split.schema, split.seed)
    condenser = ZeroOrderCondenser(boxes, **_private(split, epsilon))
    return [_condensed(condenser, "soft", split, settings)]


def cluster(split: Split, epsilon: float, settings: Settings) -> list[Variant]:
    condenser = ClusterCondenser(labels="teacher", **_private(split, epsilon))
    return [_condensed(condenser, "soft", split, settings)]


def full_data(split: Split, epsilon: float, settings: Settings) -> list[Variant]:
    return [Variant("own", "hard", {}, split.X, split.y, np.ones(len(split.y)))]


def random(split: Split, epsilon: float, settings: Settings) -> list[Variant]:
    common = {"schema": split.schema, "random_state": split.seed}
    condensers = {
        "hard": RandomCondenser(_n_hard(split), **common),
        "soft": RandomCondenser(N_PROTOTYPES, labels="teacher", **common),
    }
    return [_condensed(c, labels, split, settings) for labels, c in condensers.items()]


def k_means(split: Split, epsilon: float, settings: Settings) -> list[Variant]:
    common = {"schema": split.schema, "random_state": split.seed}
    condensers = {
        "hard": ClusterCondenser(_n_cells(split, N_ROWS), labels="hard", **common),
        "soft": ClusterCondenser(_n_cells(split), labels="mean", **common),
    }
    return [_condensed(c, labels, split, settings) for labels, c in condensers.items()]


def herding(split: Split, epsilon: float, settings: Settings) -> list[Variant]:
    condenser = HerdingCondenser(_n_hard(split), schema=split.schema, random_state=split.seed)
    return [_condensed(condenser, "hard", split, settings)]


def _n_cells(split: Split, wanted: int = N_PROTOTYPES) -> int:
    """Cells hold three rows at least, so the smallest tables have no room for as many as wanted."""
    return min(wanted, len(split.y) // 4)


def _n_hard(split: Split) -> int:
    return min(N_ROWS, len(split.y) // 2)


def cluster_centroids(split: Split, epsilon: float, settings: Settings) -> list[Variant]:
    positives = max(1, round(_n_hard(split) * float(split.y.mean())))
    counts = {0: _n_hard(split) - positives, 1: positives}
    sampler = ClusterCentroids(sampling_strategy=counts, random_state=split.seed)
    return [_resampled(sampler, "ours", split, settings)]


def condensed_neighbours(split: Split, epsilon: float, settings: Settings) -> list[Variant]:
    sampler = CondensedNearestNeighbour(random_state=split.seed)
    return [_resampled(sampler, "own", split, settings)]


def _resampled(sampler, size: str, split: Split, settings: Settings) -> Variant:
    """Numbers in, rows of the table out: centroids become the nearest legal rows."""
    codes = PublicCodes(split.schema)
    (Z, y), cost = call(
        _quietly, sampler.fit_resample, codes.encode(split.X), split.y, limit=settings.limit
    )
    return Variant(size, "hard", cost, codes.decode(Z, split.X), y, np.ones(len(y)))


def graphical(name: str) -> Method:
    """MST, AIM or PrivBayes on the public bins of the table."""

    def method(split: Split, epsilon: float, settings: Settings) -> list[Variant]:
        codes = PublicCodes(split.schema)
        config = _config(name, split, epsilon)
        config |= {"sizes": codes.bin_sizes, "max_model_mb": MAX_MODEL_MB}
        config["samples"] = {"own": len(split.y), "ours": N_ROWS}
        train = codes.bins(split.X).assign(**{TARGET: split.y})
        answer = _ask("dpmm", "graphical.py", config, train, train[:0], settings)
        samples = {
            size: (codes.from_bins(t, split.X, split.seed), t[TARGET].to_numpy())
            for size, t in answer.tables.items()
        }
        return _with_teacher(samples, split, answer)

    return method


def evolution(split: Split, epsilon: float, settings: Settings) -> list[Variant]:
    codes = PublicCodes(split.schema)
    config = _config("Tab-PE", split, epsilon)
    config |= {"numbers": codes.number_names, "nominal_sizes": codes.nominal_sizes}
    config["samples"] = {"own": N_EVOLVED, "ours": N_ROWS}
    train = codes.mixed(split.X).assign(**{TARGET: split.y})
    answer = _ask("private-evolution", "evolution.py", config, train, train[:0], settings)
    samples = {
        size: (codes.from_mixed(t, split.X), t[TARGET].to_numpy())
        for size, t in answer.tables.items()
    }
    return _with_teacher(samples, split, answer)


def _with_teacher(samples: dict, split: Split, answer) -> list[Variant]:
    """Each sample as it is, and with the labels of a teacher of the larger one."""
    cost = answer.cost
    hard = [Variant(size, "hard", cost, X, y, np.ones(len(y))) for size, (X, y) in samples.items()]
    X, y = samples["own"]
    if np.bincount(y, minlength=2).min() < N_FOLDS:
        return hard
    teacher = _teacher(split.schema, split.seed)
    # Out of fold, or the teacher would repeat the labels that it has seen.
    own = cross_val_predict(teacher, X, y, cv=N_FOLDS, method="predict_proba")[:, 1]
    ours = teacher.fit(X, y).predict_proba(samples["ours"][0])[:, 1]
    soft = [
        _soft("own", X, own, cost, len(split.y)),
        _soft("ours", samples["ours"][0], ours, cost, len(split.y)),
    ]
    return hard + soft


def _soft(size: str, X, p: np.ndarray, cost: dict, total: float) -> Variant:
    """Each row once per class; weights sum to the training rows, as in our condensed sets."""
    rows = pd.concat([X, X], ignore_index=True)
    y = np.repeat([0, 1], len(p))
    weight = np.concatenate([1 - p, p]) * total / len(p)
    return Variant(size, "soft", cost, rows, y, weight)


def _teacher(schema: TableSchema, seed: int):
    forest = RandomForestClassifier(200, min_samples_leaf=5, random_state=seed)
    boosting = HistGradientBoostingClassifier(max_iter=50, random_state=seed)
    both = VotingClassifier([("forest", forest), ("boosting", boosting)], voting="soft")
    return make_pipeline(SchemaVectorizer(schema), both)


def private_model(name: str) -> Method:
    """A model of diffprivlib on encoded rows within public bounds."""

    def method(split: Split, epsilon: float, settings: Settings) -> list[Variant]:
        codes = PublicCodes(split.schema)
        config = _config(name, split, epsilon)
        config |= {"norm": codes.norm}
        config |= {"lower": codes.lower.tolist(), "upper": codes.upper.tolist()}
        train = pd.DataFrame(codes.encode(split.X)).assign(**{TARGET: split.y})
        test = pd.DataFrame(codes.encode(split.X_test))
        return _predicted(_ask("diffprivlib", "models.py", config, train, test, settings))

    return method


def private_boosting(split: Split, epsilon: float, settings: Settings) -> list[Variant]:
    codes = PublicCodes(split.schema)
    config = _config("DP-EBM", split, epsilon)
    config["bounds"] = dict.fromkeys(codes.number_names, (-1.0, 1.0))
    train = codes.mixed(split.X).assign(**{TARGET: split.y})
    return _predicted(
        _ask("interpret", "boosting.py", config, train, codes.mixed(split.X_test), settings)
    )


def _config(name: str, split: Split, epsilon: float) -> dict:
    return {"method": name, "epsilon": epsilon, "delta": DELTA, "seed": split.seed}


def _ask(environment: str, adapter: str, config, train, test, settings: Settings):
    return ask(settings.environments, environment, adapter, config, train, test, settings.limit)


def _predicted(answer) -> list[Variant]:
    p = answer.tables["probabilities"]["p"].to_numpy()
    if not np.isfinite(p).all():
        raise PeerFailed("failed: probabilities are not numbers")
    return [Variant("model", "", answer.cost, probabilities=p)]


OURS: dict[str, Method] = {"ZeroOrderCondenser": zero_order, "ClusterCondenser": cluster}
BASELINES: dict[str, Method] = {
    "full data": full_data,
    "random": random,
    "k-means": k_means,
    "herding": herding,
    "ClusterCentroids": cluster_centroids,
    "CondensedNearestNeighbour": condensed_neighbours,
}
SYNTHESISERS: dict[str, Method] = {
    "MST": graphical("MST"),
    "AIM": graphical("AIM"),
    "PrivBayes": graphical("PrivBayes"),
    "Tab-PE": evolution,
}
MODELS: dict[str, Method] = {
    "DP logistic": private_model("DP logistic"),
    "DP forest": private_model("DP forest"),
    "DP-EBM": private_boosting,
}


def methods_at(epsilon: float) -> dict[str, Method]:
    if math.isinf(epsilon):
        return {**BASELINES, **OURS}
    return {**OURS, **MODELS, **SYNTHESISERS}
