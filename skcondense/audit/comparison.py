"""Utility of a set beside that of real rows and of the two usual controls."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_consistent_length, check_random_state

from skcondense._threads import single_threaded
from skcondense.audit.attribute import Estimate
from skcondense.audit.calibration import calibration_tables, one_row_each, risk_of
from skcondense.audit.divisions import Division
from skcondense.audit.held_out import ALL, Scorer, common_task, interval_columns
from skcondense.audit.json_text import json_text, records_of
from skcondense.audit.real_rows import resampled
from skcondense.audit.releases import Floats
from skcondense.audit.subgroups import MIN_ROWS, SubgroupAudit, masks_of, table_of
from skcondense.audit.trained import Tested
from skcondense.audit.utility import default_estimators
from skcondense.base import DatasetCondenser
from skcondense.border import check_groups
from skcondense.condensed_set import CondensedSet
from skcondense.condensers import ClusterCondenser, RandomCondenser
from skcondense.table import check_table, is_images
from skcondense.tasks import Rows, Task, resolve_task

__all__ = ["UtilityComparison", "compare_utility"]

FORMAT = "skcondense utility, version 1"
# What the ends of the scale mean.
SCALES = {
    "AUROC": "1 is perfect, 0.5 is guessing",
    "C-index": "1 is perfect, 0.5 is guessing",
    "R2": "1 is perfect, 0 is predicting the mean for everybody",
}
# `ClusterCondenser` makes means of three rows or more.
ROWS_PER_MEAN = 3


@dataclass(frozen=True)
class UtilityComparison:
    """How well models predict for held-out patients, by the rows that they learned from.

    Attributes
    ----------
    metric : str
        "AUROC", "R2" or "C-index"; greater is better.
    scores : dict of {str: dict of {str: float}}
        By training set, the score of each model. With real rows that were condensed, in this
        order: "all N real rows", "K random real rows", "K cluster means"; always, and last,
        "K prototypes", the set.
    mean : Estimate
        Mean score of the models that were trained on the set, with its 95 % interval.
    difference : Estimate or None
        The same, less that of models that were trained on all real rows: below 0 the set is
        worse.
    calibration : dict of {str: DataFrame} or None
        By training set, a row per group of patients of similar predicted risk, by rising risk:
        "n" patients, mean "predicted" risk, "observed" risk, and its 95 % limits "lower" and
        "upper". Of a patient with several rows one is drawn. None for regression and for more than
        two classes.
    calibration_model : str or None
        Of which model: the first.
    calibration_of : str or None
        Risk of what, for the labels of plots.
    subgroups : SubgroupAudit or None
        Utility by subgroup, where columns were named.
    n_rows, n_patients : int
        Rows on which models were tested, and patients.
    left_out : dict of {str: str}
        Controls that could not be made, and why.
    digest : str
        Digest of the set.
    """

    metric: str
    scores: dict[str, dict[str, float]]
    mean: Estimate
    difference: Estimate | None
    calibration: dict[str, pd.DataFrame] | None
    calibration_model: str | None
    calibration_of: str | None
    subgroups: SubgroupAudit | None
    n_rows: int
    n_patients: int
    left_out: dict[str, str]
    digest: str

    @property
    def of_set(self) -> str:
        """Name of the condensed set among the training sets."""
        return list(self.scores)[-1]

    @property
    def means(self) -> dict[str, float]:
        """Mean score of the models, by training set."""
        return {name: float(np.mean(list(row.values()))) for name, row in self.scores.items()}

    @property
    def table(self) -> pd.DataFrame:
        """One row per training set and model: "trained_on", "model", "score"."""
        return pd.DataFrame(
            {"trained_on": name, "model": model, "score": score}
            for name, row in self.scores.items()
            for model, score in row.items()
        )

    @property
    def sentences(self) -> list[str]:
        """What was found, in plain words and without the tables."""
        scale = SCALES.get(self.metric, "")
        found = [
            f"Models learned from each set of rows and were tested on {self.n_rows} real rows of "
            f"{self.n_patients} patients that were held out. The score is {self.metric}: greater "
            f"is better{f' ({scale})' if scale else ''}.",
            f"Trained on {self.of_set}, they reach {_in_words(self.mean)} on average.",
        ]
        if self.difference is not None:
            real = next(iter(self.scores))
            found.append(
                f"Trained on {real}, they reach {self.means[real]:.3f}. Difference: "
                f"{_in_words(self.difference, '+.3f')}; below 0 the set is worse."
                f"{_verdict(self.difference)}"
            )
        found += [f"Not compared: {name}, because {why}." for name, why in self.left_out.items()]
        found.append(
            "Intervals hold for other held-out patients. Another draw of the set or of the rows "
            "that were condensed would move the numbers too."
        )
        return found

    def __str__(self) -> str:
        wide = pd.DataFrame.from_dict(self.scores, orient="index")
        wide["mean"] = list(self.means.values())
        parts = [*self.sentences, "", wide.to_string(float_format="{:.3f}".format)]
        if self.subgroups is not None:
            parts += ["", "By subgroup", "-----------", str(self.subgroups)]
        return "\n".join(parts)

    def to_json(self) -> str:
        """Write sentences and numbers as JSON text."""
        facts: dict[str, Any] = {"format": FORMAT, "set": self.digest, "metric": self.metric}
        facts |= {"sentences": self.sentences, "scores": self.scores}
        facts |= {"mean": _as_dict(self.mean), "difference": _as_dict(self.difference)}
        facts |= {"table": records_of(self.table), "calibration": None, "subgroups": None}
        if self.calibration is not None:
            facts["calibration"] = {
                "model": self.calibration_model,
                "risk_of": self.calibration_of,
                "tables": {name: records_of(table) for name, table in self.calibration.items()},
            }
        if self.subgroups is not None:
            facts["subgroups"] = {
                "sentences": str(self.subgroups).splitlines(),
                "table": records_of(self.subgroups.table),
            }
        facts |= {"n_rows": self.n_rows, "n_patients": self.n_patients, "left_out": self.left_out}
        return json_text(facts)


def compare_utility(
    condensed: CondensedSet,
    test: tuple[Any, Any],
    *,
    train: tuple[Any, Any] | None = None,
    by: Any = (),
    estimators: Mapping[str, Any] | None = None,
    test_groups: Any = None,
    train_groups: Any = None,
    n_bootstrap: int = 100,
    random_state: Any = None,
) -> UtilityComparison:
    """Train models on a set, on real rows and on two controls, and test them on held-out rows.

    The controls have as many rows as the set has prototypes: real rows drawn at random, and means
    of clusters. A set that is no better than they are was not worth its computing time.

    Parameters
    ----------
    condensed : CondensedSet
        The set, of any task; survival needs scikit-survival.
    test : tuple of (X, y)
        Real rows that were neither condensed nor used to choose anything.
    train : tuple of (X, y), default=None
        The rows that were condensed. Without them there is nothing to compare with.
    by : str or tuple of str or of (str, edges), default=()
        Columns whose levels, or bands between edges, are subgroups; see `subgroup_audit`.
    estimators : mapping of {str: estimator}, default=None
        Unfitted models by name; `default_estimators` by default. Calibration is that of the first.
    test_groups, train_groups : array-like of shape (n_rows,), default=None
        Patient of each row. Patients are resampled, and each counts once in a cluster mean.
    n_bootstrap : int, default=100
        Number of resamples, at least 20. Every model is scored again in each.
    random_state : int, RandomState instance or None, default=None
        Draws the controls, resamples patients and seeds the default models.

    Returns
    -------
    UtilityComparison
        Print it for sentences and a table.

    Raises
    ------
    ValueError
        If `n_bootstrap` is too small, lengths differ, or a subgroup is no column.
    TargetError
        If the test rows have one class only, or a class that no training set has.
    SchemaError
        If `train` is not what the schema of the set allows.
    BlackBoxError
        If a model cannot be trained on one of the sets, or cannot predict.

    Notes
    -----
    Everything here is computed from real rows and covered by no epsilon: decide whether it may
    leave with the set.

    Intervals reach 1.96 standard deviations over resampled test patients; see `subgroup_audit`.

    Calibration is that of the first model, by default logistic or Cox regression, whose risks are
    smooth; an average over models would be the calibration of none of them. With two classes, it
    is that of the risk of the second; for survival that of an event by the median event time of
    the test rows, where `calibration_by_risk` says what is observed. There are ten groups, or
    fewer where they would have less than 20 rows each.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skcondense import ClusterCondenser
    >>> from skcondense.audit import compare_utility
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> condensed = ClusterCondenser(20, random_state=0).condense(X[:300], y[:300])
    >>> found = compare_utility(
    ...     condensed, (X[300:], y[300:]), estimators={"ridge": LogisticRegression(C=1e-4)}
    ... )
    >>> found.metric, list(found.scores)
    ('AUROC', ['20 prototypes'])
    """
    if n_bootstrap < 20:
        raise ValueError(f"n_bootstrap must be 20 at least. Got {n_bootstrap}.")
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    X = check_table(test[0], images=is_images(test[0]))
    y = resolve_task(condensed.task, test[1])[1]
    patients = np.arange(len(y)) if test_groups is None else check_groups(test_groups)
    check_consistent_length(y, X, patients)
    masks = _masks(condensed, X, by)
    held_out = Rows(X, y, np.ones(len(y)))
    task = common_task(condensed, train)
    models = dict(estimators or default_estimators(task.name, condensed.schema, seed))
    sets, left_out = _training_sets(condensed, task, train, train_groups, seed)
    rng = np.random.default_rng(seed)
    samples = [np.repeat(np.arange(len(y)), n) for n in resampled(patients, n_bootstrap, rng)]
    with single_threaded():
        found = {name: Tested.of(models, name, rows, held_out, task) for name, rows in sets.items()}
        by_source = list(found.values())
        asked = {"condensed": by_source[-1], **({} if train is None else {"full": by_source[0]})}
        means = {source: tested.means(task, y, samples) for source, tested in asked.items()}
        alone = one_row_each(patients, np.random.default_rng(seed))
        calibration = calibration_tables(found, sets, held_out, alone, task)
        replayed = {source: tested.replayed for source, tested in asked.items()}
        subgroups = None
        if masks:
            table = table_of(Scorer(task, y, MIN_ROWS), replayed, masks, patients, samples)
            subgroups = SubgroupAudit(task.metric_name, MIN_ROWS, table)
    return UtilityComparison(
        metric=task.metric_name,
        scores={name: tested.scores for name, tested in found.items()},
        mean=_estimate(means["condensed"]),
        difference=None if train is None else _estimate(means["condensed"] - means["full"]),
        calibration=calibration,
        calibration_model=None if calibration is None else next(iter(models)),
        calibration_of=None if calibration is None else risk_of(task, y, condensed),
        subgroups=subgroups,
        n_rows=len(y),
        n_patients=len(np.unique(patients)),
        left_out=left_out,
        digest=condensed.digest,
    )


# What models are trained on.


def _training_sets(
    condensed: CondensedSet,
    task: Task,
    train: tuple[Any, Any] | None,
    train_groups: Any,
    seed: int,
) -> tuple[dict[str, Rows], dict[str, str]]:
    """Weighted rows by name, the set last, and controls that cannot be made."""
    count = condensed.n_prototypes
    own = {f"{count} prototypes": _rows(condensed)}
    if train is None:
        return own, {}
    X = check_table(train[0], images=is_images(train[0]))
    y = resolve_task(task.name, train[1])[1]
    check_consistent_length(X, y)
    sets, left_out = {f"all {len(y)} real rows": Rows(X, y, np.ones(len(y)))}, {}
    common: dict[str, Any] = {"task": task.name, "schema": condensed.schema, "random_state": seed}
    n_patients = len(y) if train_groups is None else len(np.unique(check_groups(train_groups)))
    controls: dict[str, tuple[DatasetCondenser, int]] = {
        f"{count} random real rows": (RandomCondenser(count, **common), len(y) // count),
        f"{count} cluster means": (
            ClusterCondenser(count, **common), n_patients // (ROWS_PER_MEAN * count),
        ),
    }  # fmt: skip
    for name, (condenser, can_be_made) in controls.items():
        if can_be_made:
            sets[name] = _rows(condenser.condense(X, train[1], groups=train_groups))
        else:
            left_out[name] = f"{n_patients} patients are too few for them"
    return sets | own, left_out


def _rows(condensed: CondensedSet) -> Rows:
    y = resolve_task(condensed.task, condensed.y)[1]
    return Rows(condensed.X, y, condensed.sample_weight)


def _estimate(values: Floats) -> Estimate:
    found = interval_columns("value", values)
    low, high = found["value_low"], found["value_high"]
    return Estimate(found["value"], low, high, float(np.nanstd(values[1:])))


# Who is served.


def _masks(condensed: CondensedSet, X: Any, by: Any) -> dict[str, NDArray[np.bool_]]:
    """Test rows of the whole table, then of the levels of each column; empty without columns."""
    columns = [(by, by)] if isinstance(by, str) else [_named(of) for of in by]
    masks: dict[str, NDArray[np.bool_]] = {}
    for name, of in columns:
        division = Division.of(condensed.schema, of, has_members=False)
        found = masks_of(division, division.levels(X))
        masks |= {at if at == ALL else f"{name} {at}": rows for at, rows in found.items()}
    return masks


def _named(of: Any) -> tuple[str, Any]:
    if isinstance(of, str):
        return of, of
    if isinstance(of, tuple) and len(of) == 2 and isinstance(of[0], str):
        return of[0], of
    raise ValueError(
        "by must be a tuple whose parts are names of columns, or pairs of a name and edges. Got "
        f"a part of type {type(of).__name__}. Write by=('sex', ('age', [50, 70])), and "
        "by=(('age', [50, 70]),) for one column of numbers."
    )


# Words and files.


def _in_words(found: Estimate, form: str = ".3f") -> str:
    return f"{found.value:{form}} (95 % interval {found.low:{form}} to {found.high:{form}})"


def _verdict(difference: Estimate) -> str:
    if difference.high < 0:
        return " The set is worse than all real rows."
    if difference.low > 0:
        return " The set is better than all real rows."
    return " The test rows cannot tell the two apart."


def _as_dict(found: Estimate | None) -> dict[str, float] | None:
    return None if found is None else {"value": found.value, "low": found.low, "high": found.high}
