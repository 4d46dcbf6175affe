"""Attributes: what somebody who has the set learns of a patient's attribute, beyond imputation."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.utils import check_random_state

from skcondense._threads import single_threaded
from skcondense.audit.attribute_attackers import (
    MODELS,
    OWN_ROWS,
    Levels,
    RowsWithLevel,
    secret_of,
)
from skcondense.audit.membership import REFERENCE, check_units
from skcondense.audit.real_rows import Codes, Records, resampled
from skcondense.audit.releases import Floats
from skcondense.audit.verdict import CONDENSED, PUBLISHED, SIGNIFICANT, UNRELATED, AttackVerdict
from skcondense.condensed_set import CondensedSet
from skcondense.tasks import resolve_task

__all__ = ["AttributeAudit", "AttributeScore", "Estimate", "attribute_audit"]

# Patients that an audit needs; half of the others are the attacker's.
FEWEST_MEMBERS, FEWEST_OTHERS = 20, 40
# Rows that a level needs in each part to be scored.
FEWEST_OF_LEVEL = 10
N_RESAMPLES = 500


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval and its standard error, over patients."""

    value: float
    low: float
    high: float
    error: float

    @classmethod
    def of(cls, values: Floats) -> "Estimate":
        """From the value itself, then those of resampled patients."""
        low, high = np.percentile(values[1:], [2.5, 97.5])
        return cls(float(values[0]), float(low), float(high), float(values[1:].std()))

    @property
    def chance(self) -> float:
        """Probability of so large a value if the true one were zero."""
        return float(norm.sf(self.value / max(self.error, 1e-12)))


@dataclass(frozen=True)
class AttributeScore:
    """One attacker.

    Attributes
    ----------
    members, others : Estimate
        Area under the ROC curve on members, and on patients who were not condensed; 0.5 is chance.
    gain, others_gain : Estimate
        How much larger these areas are than those of the attacker with reference rows only.
    gap : Estimate
        Area on members minus area on others.
    excess : Estimate
        Gain on members minus gain on others: what is about individuals.
    p_value : float
        Probability of so large a gain on members, or of so large an excess, by chance; the
        larger of the two, since both are needed.
    """

    members: Estimate
    others: Estimate
    gain: Estimate
    others_gain: Estimate
    gap: Estimate
    excess: Estimate
    p_value: float


@dataclass(frozen=True)
class AttributeAudit(AttackVerdict[AttributeScore]):
    """What attackers learned of an attribute, from the set and from two controls.

    There is evidence where the set helps on members, and more than on others. A gain that others
    share is knowledge about the population; a gap without a gain is no use of the set.

    Attributes
    ----------
    attribute : str
        Name of the column, or "attribute" where it is none.
    scores : dict of {tuple of (str, str): AttributeScore}
        By target and attacker. Targets: "condensed"; "published rows", a control in which members
        themselves are released; "unrelated rows", a control in which as many rows are released as
        the set has prototypes, none of a member. Attackers: "set", where the set has the
        attribute; "reference rows", which is imputation; "set and reference rows".
    n_members, n_others, n_reference : int
        Patients (or rows) that were attacked, and those that the attacker knew in full.
    """

    attribute: str
    scores: dict[tuple[str, str], AttributeScore]
    n_members: int
    n_others: int
    n_reference: int

    @property
    def table(self) -> pd.DataFrame:
        """One row per target and attacker."""
        found = []
        for (target, attacker), score in self.scores.items():
            facts: dict[str, Any] = {"target": target, "attacker": attacker}
            for name, part in vars(score).items():
                if isinstance(part, Estimate):
                    facts |= {name: part.value, f"{name}_low": part.low, f"{name}_high": part.high}
            found.append({**facts, "p_value": score.p_value})
        return pd.DataFrame(found)

    @property
    def has_power(self) -> bool:
        """Whether the attack found something where members themselves were released."""
        return self._p_value(PUBLISHED) < SIGNIFICANT

    def _of(self, target: str) -> dict[str, AttributeScore]:
        """Attackers who have what was released."""
        return {who: s for (of, who), s in self.scores.items() if of == target and who != OWN_ROWS}

    def _strength(self, score: AttributeScore) -> float:
        return score.excess.value

    def __str__(self) -> str:
        attacker, worst = self.worst
        without = self.scores[CONDENSED, OWN_ROWS]
        excess = {of: self._worst(of)[1].excess.value for of in (PUBLISHED, UNRELATED)}
        lines = [
            f"{self.attribute!r} of {self.n_members} members and {self.n_others} others, guessed "
            f"from all else that is known of them; strongest attacker: {attacker}.",
            f"Area under the ROC curve {worst.members.value:.3f} on members and "
            f"{worst.others.value:.3f} on others; with {self.n_reference} reference rows only, "
            f"{without.members.value:.3f} and {without.others.value:.3f} (0.5 is chance, 1 is "
            "certainty, lower is better).",
            f"The set added {_in_words(worst.gain)} on members and {_in_words(worst.others_gain)} "
            "on others. What it adds for both is knowledge about the population and not about a "
            "person.",
            f"For members it added {_in_words(worst.excess)} more than for others; this is about "
            "individuals, and 0 is best.",
            f"That excess was {excess[PUBLISHED]:+.3f} where all members themselves were released, "
            f"and {excess[UNRELATED]:+.3f} where there was nothing to find.",
            self._verdict(worst),
        ]
        return "\n".join(lines)

    def _verdict(self, worst: AttributeScore) -> str:
        if self.has_evidence:
            return (
                f"There is evidence that the set gives away {self.attribute!r} of members "
                f"(p = {self.p_value:.2g})."
            )
        if not self.has_power:
            return (
                "Even where members themselves were released the attack found nothing: this "
                "attribute was not tested."
            )
        # What is found four times in five.
        level = SIGNIFICANT / len(self._of(CONDENSED))
        missed = worst.excess.error * float(norm.isf(level) + norm.isf(0.2))
        return (
            f"There is no evidence that the set gives away {self.attribute!r} of members "
            f"(p = {self.p_value:.2g}). At this power an excess up to {missed:.3f} could have "
            "been missed. Stronger attacks exist; only a privacy statement bounds them."
        )


def _in_words(part: Estimate) -> str:
    return f"{part.value:+.3f} ({part.low:+.3f} to {part.high:+.3f})"


def attribute_audit(
    condensed: CondensedSet,
    members: tuple[Any, Any],
    others: tuple[Any, Any],
    attribute: str | tuple[Any, Any],
    *,
    member_groups: Any = None,
    other_groups: Any = None,
    estimator: Any = None,
    random_state: Any = None,
) -> AttributeAudit:
    """Guess a sensitive attribute of patients of whom all else is known.

    The attacker knows all other columns and the outcome of a patient. Three attackers train the
    same model: on the set only, on reference rows only, and on both. Half of the others, drawn by
    patient, are the reference rows; the attackers are scored on members and on the other half.
    The attacker without the set imputes: only what the set adds to it can be laid to the set, and
    only what it adds for members beyond others is about individuals.

    Parameters
    ----------
    condensed : CondensedSet
        The set, of any task.
    members, others : tuple of (X, y)
        Rows that were condensed, and rows of the same kind that were not; at least 20 and 40.
    attribute : str or tuple of (array-like, array-like)
        Name of a column of the table (arrays have the names of the set's schema), or values for
        members and for others of something that is no column, for example sex beside images.
        Numbers are guessed as above the median of the reference rows or not (as the greatest
        value or not, where more than half have it); categories one versus the rest, those with
        at least ten rows in each part. Rows in which the attribute is missing are left out.
    member_groups, other_groups : array-like of shape (n_rows,), default=None
        Patient of each row; patients are drawn and resampled, not rows.
    estimator : classifier, default=None
        The attacker's model, with `predict_proba`; a random forest of deep trees by default.
    random_state : int, RandomState instance or None, default=None
        Splits the others, and resamples patients.

    Returns
    -------
    AttributeAudit
        Print it for sentences; `table` has all numbers.

    Raises
    ------
    ValueError
        If there are too few rows or patients, patients on both sides, no such column, or an
        attribute without two levels that can be told apart.
    TypeError
        If the estimator gives no probabilities.

    Notes
    -----
    Where both are pooled, released rows count as rows of the attacker's own: their weights are
    scaled to a mean of one. Intervals are percentiles over 500 resamples of the attacked
    patients, the same for all attackers; another set or other reference rows would move them too.

    An attribute that is no column is not in the set. It can help by the outputs of a model that
    was trained on it (a forest; Cox regression for survival): "set and reference rows" then means
    a model on reference rows that sees codes, outcome and those outputs. Since it learns the use
    of outputs from rows that were not condensed, it finds what the outputs say of everybody; it
    has little power about individuals, which the first control shows.

    References
    ----------
    Jayaraman and Evans (2022), Are attribute inference attacks just imputation?, CCS,
    arXiv:2209.01292.
    """
    rng = np.random.default_rng(int(check_random_state(random_state).randint(2**31 - 1)))
    model = MODELS["classification"] if estimator is None else estimator
    if not hasattr(model, "predict_proba"):
        raise TypeError(
            "The attacker's model must have predict_proba. Got a "
            f"{type(model).__name__}. Pass a classifier with probabilities."
        )
    codes = Codes(condensed)
    task = resolve_task(condensed.task, condensed.y)[0]
    own = Records.of(codes, (condensed.X, condensed.y), None)
    inside = Records.of(codes, members, member_groups)
    outside = Records.of(codes, others, other_groups)
    secret = secret_of(condensed, task, model, attribute)
    values = secret.values(own, inside, outside)
    weights = condensed.sample_weight, np.ones(len(inside.Z)), np.ones(len(outside.Z))
    released, attacked, unseen = (
        RowsWithLevel(*parts).take(~pd.isna(parts[1]))
        for parts in zip((own, inside, outside), values, weights, strict=True)
    )
    _check_counts(attacked.records, unseen.records)
    is_known = unseen.records.chosen_units(REFERENCE, rng)
    reference, unseen = unseen.take(is_known), unseen.take(~is_known)
    read = secret.reader(reference.level)
    released, attacked, reference, unseen = (
        replace(part, level=read(part.level)) for part in (released, attacked, reference, unseen)
    )
    levels = _scored_levels(secret.name, attacked, unseen, reference)
    pool = [(part, resampled(part.records.units, N_RESAMPLES, rng)) for part in (attacked, unseen)]
    scores: dict[tuple[str, str], AttributeScore] = {}
    with single_threaded():
        targets = _targets(released, attacked, reference, condensed.n_prototypes)
        for target, (given, known) in targets.items():
            areas = {
                attacker: [_areas(guess(part.records), part.level, levels, w) for part, w in pool]
                for attacker, guess in secret.attackers(given, known).items()
            }
            for attacker, found in areas.items():
                scores[target, attacker] = _scored(*found, *areas[OWN_ROWS])
    n_units = (part.records.n_units for part in (attacked, unseen, reference))
    return AttributeAudit(secret.name, scores, *n_units)


def _check_counts(inside: Records, outside: Records) -> None:
    if inside.n_units < FEWEST_MEMBERS or outside.n_units < FEWEST_OTHERS:
        raise ValueError(
            f"An attribute audit needs {FEWEST_MEMBERS} members and {FEWEST_OTHERS} others at "
            "least (patients, where rows are grouped) with a value of the attribute. Got "
            f"{inside.n_units} and {outside.n_units}."
        )
    check_units(inside, outside)


def _scored_levels(name: str, *parts: RowsWithLevel) -> Levels:
    """Levels that every part, the reference rows last, has often enough."""
    counts = [np.bincount(part.level, minlength=2) for part in parts]
    width = max(map(len, counts))
    table = np.array([np.pad(count, (0, width - len(count))) for count in counts])
    if (table[-1] > 0).sum() < 2:
        reason = "is constant" if (table.sum(axis=0) > 0).sum() < 2 else "has one level"
        raise ValueError(
            f"Attribute {name!r} {reason} among the attacker's reference rows, which are half of "
            "the others: there is nothing to guess. Choose another attribute, or pass more others."
        )
    kept = np.flatnonzero((table >= FEWEST_OF_LEVEL).all(axis=0))
    if len(kept) < 2:
        raise ValueError(
            f"Attribute {name!r} needs two levels with {FEWEST_OF_LEVEL} rows each among the "
            f"members and in both halves of the others. Got {len(kept)}. Pass more rows, or join "
            "rare levels."
        )
    # Of two, one says it all.
    return kept[1:] if (table.sum(axis=0) > 0).sum() == 2 else kept


def _targets(
    released: RowsWithLevel, members: RowsWithLevel, reference: RowsWithLevel, n_prototypes: int
) -> dict[str, tuple[RowsWithLevel, RowsWithLevel]]:
    """What is released, and what the attacker has of its own."""
    n_rows = len(reference.level)
    # What the last control is compared with must not be what was released.
    spared, unrelated = np.arange(0, n_rows, 2), np.arange(1, n_rows, 2)[:n_prototypes]
    return {
        CONDENSED: (released, reference),
        PUBLISHED: (members, reference),
        UNRELATED: (reference.take(unrelated), reference.take(spared)),
    }


def _areas(shares: Floats, level: Levels, levels: Levels, times: NDArray[np.intp]) -> Floats:
    """Macro one-versus-rest area under the ROC curve in each sample; `times` counts its rows."""
    # A level that the attacker never met gets no share.
    shares = np.pad(shares, ((0, 0), (0, max(0, levels.max() + 1 - shares.shape[1]))))
    return np.mean([_area(shares[:, k], level == k, times) for k in levels], axis=0)


def _area(score: Floats, positive: NDArray[np.bool_], times: NDArray[np.intp]) -> Floats:
    rank = np.unique(score, return_inverse=True)[1]
    areas = np.full(len(times), 0.5)
    for i, count in enumerate(times):
        found, other = np.bincount(rank, count * positive), np.bincount(rank, count * ~positive)
        pairs = found.sum() * other.sum()
        # A sample without the level says nothing.
        if pairs:
            areas[i] = found @ (other.cumsum() - other / 2) / pairs
    return areas


def _scored(
    members: Floats, others: Floats, members_without: Floats, others_without: Floats
) -> AttributeScore:
    gain, others_gain = members - members_without, others - others_without
    added, excess = Estimate.of(gain), Estimate.of(gain - others_gain)
    return AttributeScore(
        members=Estimate.of(members),
        others=Estimate.of(others),
        gain=added,
        others_gain=Estimate.of(others_gain),
        gap=Estimate.of(members - others),
        excess=excess,
        p_value=max(added.chance, excess.chance),
    )
