"""How far predicted risks can be taken at their word: predicted beside observed, by groups."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest

from skcondense.audit.outcomes import Outcomes
from skcondense.audit.releases import Floats
from skcondense.audit.survival_prediction import calibration_by_risk
from skcondense.audit.trained import Tested
from skcondense.condensed_set import CondensedSet
from skcondense.table import take_rows
from skcondense.tasks import ClassificationTask, Rows, Task

__all__ = ["calibration_tables", "one_row_each", "risk_of"]

# Groups of similar risk, and patients that each should have for its observed risk to mean much.
MOST_GROUPS, ROWS_PER_GROUP = 10, 20


def one_row_each(patients: NDArray[Any], rng: np.random.Generator) -> NDArray[np.intp]:
    """A row of each patient: limits of observed shares are those of independent rows."""
    shuffled = rng.permutation(len(patients))
    return np.sort(shuffled[np.unique(patients[shuffled], return_index=True)[1]])


def calibration_tables(
    found: Mapping[str, Tested],
    sets: Mapping[str, Rows],
    test: Rows,
    alone: NDArray[np.intp],
    task: Task,
) -> dict[str, pd.DataFrame] | None:
    """Predicted and observed risk of the first model, by training set.

    Parameters
    ----------
    found : mapping of {str: Tested}
        Models by the set that they learned from.
    sets : mapping of {str: Rows}
        The same sets.
    test : Rows
        Held-out rows.
    alone : ndarray of shape (n_patients,)
        One of them for each patient.
    task : Task
        Theirs.

    Returns
    -------
    dict of {str: DataFrame} or None
        None where there is no risk of one event: regression, and more than two classes.
    """
    every = test.y
    test = Rows(take_rows(test.X, alone), test.y[alone], test.weight[alone])
    n_groups = int(np.clip(len(test.y) // ROWS_PER_GROUP, 2, MOST_GROUPS))
    if task.name == "survival":
        horizon = _horizon(every)
        return {
            name: calibration_by_risk(
                tested.fitted[0], test, sets[name], horizon=horizon, n_groups=n_groups
            )
            for name, tested in found.items()
        }
    if not isinstance(task, ClassificationTask) or len(task.classes) != 2:
        return None
    happened = test.y == task.classes[1]
    return {
        name: _calibration_of_classes(tested.replayed[0].predictions[alone, 1], happened, n_groups)
        for name, tested in found.items()
    }


def _calibration_of_classes(
    risk: Floats, happened: NDArray[np.bool_], n_groups: int
) -> pd.DataFrame:
    """As `calibration_by_risk`, with Clopper and Pearson's limits."""
    cuts = np.quantile(risk, np.linspace(0, 1, n_groups + 1)[1:-1])
    # Equal risks stay together, so that fewer groups may come out.
    rows = pd.DataFrame({"group": np.searchsorted(cuts, risk), "risk": risk, "happened": happened})
    groups = rows.groupby("group")
    table = groups.agg(
        n=("risk", "size"), predicted=("risk", "mean"), observed=("happened", "mean")
    )
    events = groups["happened"].sum()
    limits = [
        binomtest(int(k), int(n)).proportion_ci(0.95)
        for k, n in zip(events, table["n"], strict=True)
    ]
    table["lower"], table["upper"] = np.array(limits).T
    return table.set_axis(pd.RangeIndex(1, len(table) + 1, name="group"), axis=0)


def _horizon(y: NDArray[Any]) -> float:
    """Median event time, at which `survival_metrics` looks too."""
    outcomes = Outcomes.of(y)
    return float(np.quantile(outcomes.time[outcomes.event], 0.5, method="inverted_cdf"))


def risk_of(task: Task, y: NDArray[Any], condensed: CondensedSet) -> str:
    """Of what the tables hold the risk, in words."""
    if isinstance(task, ClassificationTask):
        return f"class {task.classes[1]}"
    unit = getattr(condensed.schema.outcome, "unit", None) or ""
    return f"an event by time {_horizon(y):g} {unit}".rstrip()
