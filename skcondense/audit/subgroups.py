"""Subgroups: whether the set serves, and exposes, some patients more than others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_consistent_length, check_random_state

from skcondense._threads import single_threaded
from skcondense.audit.attack_scores import score_attack
from skcondense.audit.divisions import Division
from skcondense.audit.held_out import (
    ALL,
    Replayed,
    Scorer,
    common_task,
    interval_columns,
    predictions_of,
)
from skcondense.audit.membership import REFERENCE, check_units, nearest_ratio
from skcondense.audit.real_rows import Codes, Records, resampled
from skcondense.audit.releases import Release
from skcondense.audit.utility import default_estimators
from skcondense.audit.verdict import SIGNIFICANT
from skcondense.border import check_groups
from skcondense.condensed_set import CondensedSet
from skcondense.table import check_table, is_images
from skcondense.tasks import resolve_task

__all__ = ["MIN_ROWS", "SubgroupAudit", "masks_of", "subgroup_audit", "table_of"]

# Subgroups of fewer rows are not scored, by default.
MIN_ROWS = 20
ATTACK = "nearest ratio"
AREA = ("attack_auc", "attack_auc_low", "attack_auc_high")
P_VALUE = "attack_p_value"


@dataclass(frozen=True)
class SubgroupAudit:
    """Utility, and where members were given risk, of each subgroup.

    Attributes
    ----------
    metric : str
        "AUROC", "R2" or "C-index"; greater is better.
    min_rows : int
        Subgroups of fewer rows are counted and not scored.
    table : DataFrame
        One row per level, the whole table ("(all)") first: ``n_rows``, ``n_patients``, ``n_events``
        (rows with an event, or of the second of two classes, or of the rarest of several; NaN for
        regression), ``too_few``; ``condensed``, the mean metric of the models that were trained
        on the set; ``minus_all``, its difference from the whole table; with `train`, ``full`` and
        ``minus_full``, the metric of models that were trained on real rows and the difference
        from it; each with ``_low`` and ``_high``, its 95 % interval. With members
        ``n_members``, and ``attack_auc`` with its interval: the area under the ROC curve of a
        membership attack on members and others of the level. NaN where there are too few.
    """

    metric: str
    min_rows: int
    table: pd.DataFrame

    @property
    def gaps(self) -> tuple[str, ...]:
        """Levels in which models trained on the set are worse than in the whole table."""
        return self._below_zero("minus_all")

    @property
    def losses(self) -> tuple[str, ...]:
        """Levels in which they are worse than models that were trained on real rows."""
        return self._below_zero("minus_full")

    @property
    def exposed(self) -> tuple[str, ...]:
        """Levels in which the membership attack found members, corrected for their number."""
        if P_VALUE not in self.table:
            return ()
        tested = self.table[(self.table["level"] != ALL) & self.table[P_VALUE].notna()]
        return tuple(tested.loc[len(tested) * tested[P_VALUE] < SIGNIFICANT, "level"])

    @property
    def has_evidence(self) -> bool:
        """Whether members are found in some level; gaps in utility are no leak."""
        return bool(self.exposed)

    @property
    def too_few(self) -> tuple[str, ...]:
        """Levels that were not scored."""
        return tuple(self.table.loc[self.table["too_few"], "level"])

    def _below_zero(self, name: str) -> tuple[str, ...]:
        if name not in self.table:
            return ()
        is_below = self.table[f"{name}_high"] < 0
        return tuple(self.table.loc[is_below & (self.table["level"] != ALL), "level"])

    def __str__(self) -> str:
        whole = self.table.iloc[0]
        n_scored = int((~self.table["too_few"]).sum()) - 1
        lines = [
            f"{n_scored} subgroups of {whole['n_rows']} rows of {whole['n_patients']} patients. "
            f"Models trained on the set reach {self.metric} {_in_words(whole, 'condensed')} on "
            "the whole table (greater is better).",
            _listed(self.gaps, "Worse than in the whole table", self.table, "minus_all"),
        ]
        if "full" in self.table:
            worse = "Worse than models trained on real rows"
            lines.append(_listed(self.losses, worse, self.table, "minus_full"))
        if "attack_auc" in self.table:
            found = "Members were found by a membership attack (area; 0.5 is chance)"
            lines.append(_listed(self.exposed, found, self.table, "attack_auc"))
        if self.too_few:
            lines.append(
                f"Too few to say anything (fewer than {self.min_rows} rows, or outcomes that do "
                f"not vary): {', '.join(self.too_few)}. That is not evidence that they are served "
                "well."
            )
        lines.append(
            "Each interval is by itself: of 40 subgroups that are like all others, one or so is "
            "listed by chance. Wide intervals hide differences."
        )
        return "\n".join(lines)


def _in_words(row: Any, name: str) -> str:
    return f"{row[name]:.3f} ({row[f'{name}_low']:.3f} to {row[f'{name}_high']:.3f})"


def _listed(levels: tuple[str, ...], what: str, table: pd.DataFrame, name: str) -> str:
    rows = table.set_index("level")
    parts = [f"{level} {_in_words(rows.loc[level], name)}" for level in levels]
    return f"{what}: {', '.join(parts) if parts else 'no subgroup, at this power'}."


def subgroup_audit(
    condensed: CondensedSet,
    test: tuple[Any, Any],
    by: Any,
    *,
    train: tuple[Any, Any] | None = None,
    members: tuple[Any, Any] | None = None,
    estimators: Mapping[str, Any] | None = None,
    groups: Any = None,
    member_groups: Any = None,
    n_bootstrap: int = 100,
    min_rows: int = MIN_ROWS,
    random_state: Any = None,
) -> SubgroupAudit:
    """Test models that were trained on the set in subgroups of real rows.

    Models learn from the whole set, and are tested on the held-out rows of each subgroup.

    Parameters
    ----------
    condensed : CondensedSet
        The set, of any task; survival needs scikit-survival.
    test : tuple of (X, y)
        Real rows that were neither condensed nor used to choose anything.
    by : str, tuple of (str, array-like), or array-like of shape (n_test_rows,)
        Name of a column, whose categories are the subgroups; name of a column of numbers and the
        edges of bands, each of which includes its lower edge; or the subgroup of each test row,
        for example its site. Empty cells are a subgroup of their own.
    train : tuple of (X, y), default=None
        Real rows on which the same models are trained for comparison.
    members : tuple of (X, y), default=None
        Rows that were condensed. A membership attack then compares, in each subgroup, members with
        test rows; half of the test rows, drawn by patient, are the attacker's own.
    estimators : mapping of {str: estimator}, default=None
        Unfitted models by name; `default_estimators` by default.
    groups, member_groups : array-like of shape (n_rows,), default=None
        Patient of each test row, and of each member. Patients are resampled and counted.
    n_bootstrap : int, default=100
        Number of resamples, at least 20. Every model is scored again in each, in every subgroup.
    min_rows : int, default=20
        Subgroups of fewer rows are reported as too few, never left out.
    random_state : int, RandomState instance or None, default=None
        Resamples patients, splits the test rows for the attack, and seeds the default models.

    Returns
    -------
    SubgroupAudit
        Print it for sentences; `table` has all numbers.

    Raises
    ------
    ValueError
        If there is no such column, a column of numbers comes without edges, edges do not
        increase, lengths differ, or members come with subgroups that are not a column.

    Notes
    -----
    A subgroup may be harder to predict for any model: compare `full` before blaming the set.
    R2 is relative to the variance within the subgroup, which may be small.
    Intervals reach 1.96 standard deviations over resampled test patients; other draws of the set
    and of the training rows would move the numbers too. The attack, "nearest ratio", is one of
    those of `membership_audit`; it sees rows and no outcomes.
    """
    if n_bootstrap < 20 or min_rows < 2:
        raise ValueError(
            f"n_bootstrap must be 20 at least, and min_rows 2. Got {n_bootstrap} and {min_rows}."
        )
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    rng = np.random.default_rng(seed)
    X = check_table(test[0], images=is_images(test[0]))
    y = resolve_task(condensed.task, test[1])[1]
    patients = np.arange(len(y)) if groups is None else check_groups(groups)
    division = Division.of(condensed.schema, by, has_members=members is not None)
    level = division.levels(X)
    check_consistent_length(y, X, patients, level)
    masks = masks_of(division, level)
    task = common_task(condensed, train)
    models = estimators or default_estimators(task.name, condensed.schema, seed)
    sources = {"condensed": (condensed.X, condensed.y, condensed.sample_weight)}
    if train is not None:
        sources["full"] = (*train, np.ones(len(train[1])))
    samples = [np.repeat(np.arange(len(y)), n) for n in resampled(patients, n_bootstrap, rng)]
    with single_threaded():
        asked = {name: predictions_of(models, task, rows, X) for name, rows in sources.items()}
        found = table_of(Scorer(task, y, min_rows), asked, masks, patients, samples)
    if members is not None:
        codes = Codes(condensed)
        inside = Records.of(codes, members, member_groups)
        outside = Records.of(codes, (X, test[1]), groups)
        member_masks = {name: division.levels(members[0]) == name for name in masks}
        member_masks[ALL] = np.ones(len(inside.Z), dtype=bool)
        risks = _risks(condensed, (inside, member_masks), (outside, masks), min_rows, rng)
        found = found.join(pd.DataFrame(risks))
    return SubgroupAudit(task.metric_name, min_rows, found)


# How well each subgroup is served.


def masks_of(division: Division, level: NDArray[Any]) -> dict[str, NDArray[np.bool_]]:
    """Rows of each level that is found, after all rows."""
    every = {ALL: np.ones(len(level), dtype=bool)}
    return every | {name: level == name for name in division.and_found_in(level)}


def table_of(
    scorer: Scorer,
    asked: Mapping[str, list[Replayed]],
    masks: Mapping[str, NDArray[np.bool_]],
    patients: NDArray[Any],
    samples: list[NDArray[np.intp]],
) -> pd.DataFrame:
    """Scores by level of models that were trained on the set, and on real rows if these are given.

    Parameters
    ----------
    scorer : Scorer
        Knows the test rows.
    asked : mapping of {str: list of Replayed}
        Models by what they were trained on: "condensed", and perhaps "full".
    masks : mapping of {str: ndarray of shape (n_test_rows,)}
        Rows of each level, all rows first.
    patients : ndarray of shape (n_test_rows,)
        Patient of each row.
    samples : list of ndarray of int
        Resampled rows, the rows themselves first.

    Returns
    -------
    DataFrame
        A row per level, as in `SubgroupAudit`.
    """
    scores = {source: scorer.of(models, masks, samples) for source, models in asked.items()}
    table = []
    for name, mask in masks.items():
        facts: dict[str, Any] = {"level": name, "n_rows": int(mask.sum())}
        too_few = not scorer.can_score(np.flatnonzero(mask))
        counts = {"n_patients": len(np.unique(patients[mask])), "n_events": scorer.n_events(mask)}
        # How many of a few have the outcome may be somebody's outcome.
        facts |= dict.fromkeys(counts, np.nan) if too_few else counts
        facts |= {"too_few": too_few}
        own, whole = (scores["condensed"][which] for which in (name, ALL))
        facts |= interval_columns("condensed", own) | interval_columns("minus_all", own - whole)
        if "full" in scores:
            full = scores["full"][name]
            facts |= interval_columns("full", full) | interval_columns("minus_full", own - full)
        table.append(facts)
    return pd.DataFrame(table)


# How exposed it is.


def _risks(
    condensed: CondensedSet,
    inside: tuple[Records, dict[str, NDArray[np.bool_]]],
    outside: tuple[Records, dict[str, NDArray[np.bool_]]],
    min_rows: int,
    rng: np.random.Generator,
) -> list[dict[str, float]]:
    """Area of the membership attack among the members and the others of each level."""
    (members, in_level), (others, out_level) = inside, outside
    check_units(members, others)
    is_known = others.chosen_units(REFERENCE, rng)
    # Of whatever level: an attacker compares with all rows that it has.
    attack = nearest_ratio(Release.of(condensed), others.take(is_known).Z)
    found = []
    for name, mask in in_level.items():
        own, strange = members.take(mask), others.take(out_level[name] & ~is_known)
        facts = {"n_members": len(own.Z), **dict.fromkeys((*AREA, P_VALUE), np.nan)}
        if min(own.n_units, strange.n_units) >= min_rows:
            score = score_attack(
                attack(own),
                attack(strange),
                member_groups=own.groups,
                other_groups=strange.groups,
            )
            facts |= zip(AREA, (score.auc, score.auc_low, score.auc_high), strict=True)
            facts[P_VALUE] = score.p_value
        found.append(facts)
    return found
