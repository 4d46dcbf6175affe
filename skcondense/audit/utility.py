"""Utility: train on condensed rows, test on real ones."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skcondense._threads import single_threaded
from skcondense.exceptions import missing_extra
from skcondense.models import WeightedCoxPH
from skcondense.table import SchemaVectorizer, TableSchema
from skcondense.tasks import Task, fit_weighted

__all__ = ["default_estimators", "train_and_test"]

# Rows per leaf of boosted trees. scikit-learn's 20 cannot split what thirty rows hold, and would
# make any small set, real or not, look worthless.
LEAF = 10


def default_estimators(task: str, schema: TableSchema, random_state: int = 0) -> dict[str, Any]:
    """Four usual models for a task, on any table the schema describes.

    Parameters
    ----------
    task : {"classification", "regression", "survival"}
        What is predicted. Survival needs scikit-survival.
    schema : TableSchema
        The columns.
    random_state : int, default=0
        Seed of the models.

    Returns
    -------
    dict of {str: Pipeline}
        Unfitted models by name.
    """
    models = {
        "classification": _classifiers,
        "regression": _regressors,
        "survival": _survival_models,
    }[task](random_state)
    return {name: make_pipeline(SchemaVectorizer(schema), *steps) for name, steps in models.items()}


def _classifiers(seed: int) -> dict[str, list[Any]]:
    return {
        "logistic": [StandardScaler(), LogisticRegression(max_iter=1000)],
        "tree": [DecisionTreeClassifier(max_depth=5, random_state=seed)],
        "forest": [RandomForestClassifier(50, random_state=seed)],
        "boosting": [HistGradientBoostingClassifier(min_samples_leaf=LEAF, random_state=seed)],
    }


def _regressors(seed: int) -> dict[str, list[Any]]:
    return {
        "ridge": [StandardScaler(), Ridge()],
        "tree": [DecisionTreeRegressor(max_depth=5, random_state=seed)],
        "forest": [RandomForestRegressor(50, random_state=seed)],
        "boosting": [HistGradientBoostingRegressor(min_samples_leaf=LEAF, random_state=seed)],
    }


def _survival_models(seed: int) -> dict[str, list[Any]]:
    try:
        from sksurv.ensemble import GradientBoostingSurvivalAnalysis, RandomSurvivalForest
        from sksurv.tree import SurvivalTree
    except ImportError as error:
        raise missing_extra("Survival models", "scikit-survival", "survival") from error
    return {
        "cox": [StandardScaler(), WeightedCoxPH(alpha=1.0)],
        "tree": [SurvivalTree(max_depth=5, random_state=seed)],
        "forest": [RandomSurvivalForest(50, random_state=seed)],
        "boosting": [GradientBoostingSurvivalAnalysis(n_estimators=50, random_state=seed)],
    }


def train_and_test(
    estimators: Mapping[str, Any],
    task: Task,
    train: tuple[Any, NDArray[Any], NDArray[np.float64]],
    test: tuple[Any, NDArray[Any]],
) -> dict[str, float]:
    """Fit each estimator to weighted rows and score it on others.

    Parameters
    ----------
    estimators : mapping of {str: estimator}
        Unfitted models.
    task : Task
        Provides the metric: AUROC, R2 or C-index.
    train : tuple of (X, y, sample_weight)
        Rows to fit to; estimators without weights get them replicated.
    test : tuple of (X, y)
        Real rows that neither the condenser nor the estimators have seen.

    Returns
    -------
    dict of {str: float}
        Metric of each estimator.
    """
    X, y, weight = train
    with single_threaded():
        fitted = {
            name: fit_weighted(clone(estimator), X, y, weight, weights="replicate")
            for name, estimator in estimators.items()
        }
        return {name: task.metric(model, *test) for name, model in fitted.items()}
