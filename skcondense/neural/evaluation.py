"""How well condensed sets train, against full data and random rows under the same recipe."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import e
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.utils import check_random_state

from skcondense.condensed_set import CondensedSet
from skcondense.condensers.allocation import share_out
from skcondense.condensers.random import RandomCondenser
from skcondense.neural.estimators import NeuralClassifier, NeuralRegressor
from skcondense.table import is_images
from skcondense.tasks import ClassificationTask, RegressionTask, Task, fit_weighted

__all__ = ["CondensedEvaluation", "evaluate_condensed"]

# Weight of the gain over random rows against the loss to full data, in DD-Ranking's score.
GAIN_WEIGHT = 0.5


@dataclass(frozen=True)
class CondensedEvaluation:
    """Scores of models trained on condensed, full and random rows.

    Attributes
    ----------
    scores : DataFrame
        One row per training: ``rows`` ("condensed", "full" or "random"), ``set`` (number of the
        set), ``estimator``, ``init`` (number of the repetition), ``n_rows``, and the metrics:
        ``accuracy``, ``balanced_accuracy`` and ``auroc`` (macro, one against the rest), or ``r2``.
    metrics : tuple of str
        Names of the metrics.
    """

    scores: pd.DataFrame
    metrics: tuple[str, ...]

    def summary(self) -> pd.DataFrame:
        """Mean of each metric, and its spread over networks and over sets.

        Returns
        -------
        DataFrame
            By estimator and training rows: ``mean``, ``sd_init`` (within a set, over
            repetitions), ``sd_set`` (of the sets' means), ``n``.
        """
        by_set = self.scores.groupby(["estimator", "rows", "set"], sort=False)[[*self.metrics]]
        level = ["estimator", "rows"]
        parts = {
            "mean": by_set.mean().groupby(level, sort=False).mean(),
            "sd_init": by_set.std(ddof=1).groupby(level, sort=False).mean(),
            "sd_set": by_set.mean().groupby(level, sort=False).std(ddof=1),
        }
        return pd.concat(parts, axis=1).swaplevel(axis=1).sort_index(axis=1, level=0)

    def dd_ranking(self) -> pd.DataFrame:
        """DD-Ranking's quantities for each estimator, on accuracy.

        Returns
        -------
        DataFrame
            ``hlr``: accuracy of full data minus that of the condensed set; ``ior``: accuracy of
            the condensed set minus that of random rows; ``lrs``: both in one number between 0 and
            1, greater is better.

        Raises
        ------
        ValueError
            If the task is regression, or there were no real rows to train on.

        References
        ----------
        Li et al. (2025), DD-Ranking: rethinking the evaluation of dataset distillation,
        arXiv:2505.13300.
        """
        known = set(self.scores["rows"])
        if "accuracy" not in self.metrics or not {"full", "random"} <= known:
            raise ValueError(
                "DD-Ranking compares accuracies with full and random rows. Got metrics "
                f"{list(self.metrics)} on {sorted(known)}. Pass train= and use classes."
            )
        table = self.scores.pivot_table("accuracy", "estimator", "rows")
        hlr = table["full"] - table["condensed"]
        ior = table["condensed"] - table["random"]
        alpha = GAIN_WEIGHT * ior - (1 - GAIN_WEIGHT) * hlr
        return pd.DataFrame({"hlr": hlr, "ior": ior, "lrs": (e**alpha - 1 / e) / (e - 1 / e)})


def evaluate_condensed(
    condensed: CondensedSet | Sequence[CondensedSet],
    test: tuple[Any, Any],
    *,
    train: tuple[Any, Any] | None = None,
    estimators: dict[str, Any] | None = None,
    n_init: int = 5,
    n_random: int | None = None,
    random_state: Any = None,
) -> CondensedEvaluation:
    """Train models on condensed sets and on controls, and score them on real rows.

    Nothing is chosen by the test rows: every set is evaluated as it is.

    Parameters
    ----------
    condensed : CondensedSet or list of CondensedSet
        Sets to compare; give several of different seeds to see how much they vary.
    test : tuple of (X, y)
        Real rows that no condensation saw.
    train : tuple of (X, y), default=None
        The real rows that were condensed: for the controls "full" and "random", the latter with
        as many rows of each class (band) as the condensed set has.
    estimators : dict of {str: estimator}, default=None
        Models by name, with `fit` and ``sample_weight``. Those that take no images get flattened
        ones. By default one network.
    n_init : int, default=5
        Repetitions of models that have a `random_state`; others are trained once.
    n_random : int, default=None
        Rows of the control "random", in the proportions of the condensed set; by default as many as
        the set has prototypes. For mosaics, of which a set holds the enlarged tiles, the
        condenser's `n_stored_` gives the control of equal storage, as the literature has it.
    random_state : int, RandomState instance or None, default=None
        Seed.

    Returns
    -------
    CondensedEvaluation

    Raises
    ------
    ValueError
        If the task is survival.

    Notes
    -----
    Scores come from real rows: no epsilon covers them.
    """
    sets = [condensed] if isinstance(condensed, CondensedSet) else list(condensed)
    task = _task_of(sets[0])
    rng = np.random.default_rng(int(check_random_state(random_state).randint(2**31 - 1)))
    models = estimators or {"network": _default_network(sets[0])}
    training = [("condensed", k, (s.X, s.y, s.sample_weight)) for k, s in enumerate(sets)]
    if train is not None:
        training += [("full", 0, (*train, np.ones(len(train[1]))))]
        training += [
            ("random", k, _random_rows(s, train, n_random, rng)) for k, s in enumerate(sets)
        ]
    found = []
    for name, model in models.items():
        for rows, k, data in training:
            for init, fitted in enumerate(_fits(model, data, n_init, rng)):
                facts = {"estimator": name, "rows": rows, "set": k, "init": init}
                size = {"n_rows": len(data[2])}
                found.append({**facts, **size, **_metrics(task, fitted, test, model)})
    scores = pd.DataFrame(found)
    return CondensedEvaluation(scores, tuple(scores.columns[5:]))


def _task_of(condensed: CondensedSet) -> Task:
    y = np.asarray(condensed.y)
    if condensed.task == "classification":
        return ClassificationTask(np.unique(y))
    if condensed.task == "regression":
        return RegressionTask.of(y.astype(np.float64))
    raise ValueError(
        "evaluate_condensed trains classifiers and regressors. Got a survival set. Use "
        "skcondense.audit.survival_table."
    )


def _default_network(condensed: CondensedSet) -> Any:
    kind = NeuralClassifier if condensed.task == "classification" else NeuralRegressor
    return kind(schema=condensed.schema)


def _random_rows(
    condensed: CondensedSet,
    train: tuple[Any, Any],
    n_random: int | None,
    rng: np.random.Generator,
) -> tuple[Any, Any, NDArray[np.float64]]:
    """Random real rows in the numbers of the set, or in its proportions."""
    n_rows = condensed.n_prototypes if n_random is None else n_random
    allocation: Any = "balanced"
    labels = np.asarray(condensed.y)
    if condensed.task == "classification" and len(condensed) == condensed.n_prototypes:
        classes, counts = np.unique(labels, return_counts=True)
        if n_rows < len(classes):
            raise ValueError(
                f"n_random must be at least one per class, {len(classes)} here. Got {n_rows}."
            )
        counts = share_out(n_rows, counts / len(labels), np.full(len(classes), n_rows))
        allocation = dict(zip(classes.tolist(), counts.tolist(), strict=True))
    seed = int(rng.integers(2**31 - 1))
    control = RandomCondenser(
        n_rows, allocation=allocation, task=condensed.task, subsample=None, random_state=seed
    ).condense(*train)
    return control.X, control.y, control.sample_weight


def _fits(model: Any, data: Any, n_init: int, rng: np.random.Generator) -> Any:
    """Fit clones with seeds of their own."""
    X, y, weight = data
    seeded = "random_state" in model.get_params()
    for _ in range(n_init if seeded else 1):
        again = clone(model)
        if seeded:
            again.set_params(random_state=int(rng.integers(2**31 - 1)))
        yield fit_weighted(again, _form_for(model, X), y, weight)


def _form_for(model: Any, X: Any) -> Any:
    """Images as rows of pixels, for models that take no images."""
    if not is_images(X) or model.__sklearn_tags__().input_tags.three_d_array:
        return X
    return X.reshape(len(X), -1)


def _metrics(task: Task, fitted: Any, test: tuple[Any, Any], model: Any) -> dict[str, float]:
    X, y = _form_for(model, test[0]), np.asarray(test[1])
    main = {task.metric_name.lower(): task.metric(fitted, X, y)}
    if not isinstance(task, ClassificationTask):
        return main
    guess = fitted.predict(X)
    return {
        "accuracy": float(accuracy_score(y, guess)),
        "balanced_accuracy": float(balanced_accuracy_score(y, guess)),
        **main,
    }
