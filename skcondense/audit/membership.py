"""Membership: whether somebody who has the set can tell who was in the real table."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.utils import check_random_state

from skcondense.audit.attack_scores import AttackScore, score_attack
from skcondense.audit.closeness import nearest_distance
from skcondense.audit.real_rows import Codes, Records
from skcondense.audit.releases import Attack, Density, Floats, Release, Signal, signals_for
from skcondense.audit.shadows import Shadows, again, balanced_halves, condensed_again
from skcondense.audit.verdict import CONDENSED, PUBLISHED, SIGNIFICANT, UNRELATED, AttackVerdict
from skcondense.base import DatasetCondenser
from skcondense.condensed_set import CondensedSet

__all__ = ["MembershipAudit", "check_units", "membership_audit", "nearest_ratio"]

# Share of the rows that were not condensed which the attacker is given to compare with.
REFERENCE = 0.5
# Records that an audit needs of either kind; of fewer the interval means nothing.
FEWEST = 20
TINY = 1e-12
# Of fewer shadows LiRA could not tell how far confidences spread.
FEWEST_SHADOWS = 4


@dataclass(frozen=True)
class MembershipAudit(AttackVerdict[AttackScore]):
    """What attacks found, on the set and on two controls.

    Attributes
    ----------
    scores : dict of {tuple of (str, str): AttackScore}
        By target and attack. Targets: "condensed"; "published rows", a control in which members
        themselves are released and which an attack of any power finds; "unrelated rows", a control
        without members, in which there is nothing to find.
    """

    scores: dict[tuple[str, str], AttackScore]

    @property
    def table(self) -> pd.DataFrame:
        """One row per target and attack."""
        found = []
        for (target, attack), score in self.scores.items():
            facts = {"target": target, "attack": attack, "auc": score.auc}
            facts |= {"auc_low": score.auc_low, "auc_high": score.auc_high}
            facts["p_value"] = score.p_value
            for rate, (share, low, high) in score.tpr.items():
                name = f"tpr_at_{rate:g}"
                facts |= {name: share, f"{name}_low": low, f"{name}_high": high}
            counts = {"n_members": score.n_members, "n_others": score.n_others}
            found.append({**facts, **counts})
        return pd.DataFrame(found)

    @property
    def are_alike(self) -> bool:
        """Whether an unrelated set looks equally close to members and to others."""
        own = self._of(UNRELATED).values()
        # Where all scores are equal there is no error.
        two_sided = min(2 * norm.sf(abs(s.auc - 0.5) / max(_error(s), TINY)) for s in own)
        return bool(len(own) * two_sided >= SIGNIFICANT)

    def _of(self, target: str) -> dict[str, AttackScore]:
        return {attack: score for (of, attack), score in self.scores.items() if of == target}

    def _strength(self, score: AttackScore) -> float:
        return score.auc

    def __str__(self) -> str:
        attack, worst = self.worst
        published, unrelated = (
            self.scores[target, attack].auc for target in (PUBLISHED, UNRELATED)
        )
        found = ", ".join(
            f"{share:.1%} of the members at {rate:.1%} false alarms"
            + (f" (which is none, of {worst.n_others} others)" if rate * worst.n_others < 1 else "")
            for rate, (share, _, _) in worst.tpr.items()
        )
        lines = [
            f"{worst.n_members} members and {worst.n_others} others; strongest attack: {attack}.",
            f"Area under the ROC curve {worst.auc:.3f} ({worst.auc_low:.3f} to "
            f"{worst.auc_high:.3f}; 0.5 is chance, 1 is certainty, lower is better).",
            f"It found {found}.",
            f"The same attack reached an area of {published:.3f} where all members themselves were "
            f"released, and {unrelated:.3f} where there was nothing to find.",
        ]
        return "\n".join([*lines, self._verdict(worst)])

    def _verdict(self, worst: AttackScore) -> str:
        if self.has_evidence and not self.are_alike:
            return (
                f"The attack tells members from others (p = {self.p_value:.2g}), but so do rows "
                "that hold no member: the two differ in kind, or by chance where they are few. "
                "This may be a leak or not; compare with others of the same kind, or with more."
            )
        if self.has_evidence:
            return (
                f"There is evidence that members can be found (p = {self.p_value:.2g}): some of "
                "them, even where the area is close to 0.5."
            )
        # What is found four times in five, after correcting for all tests.
        own = self._of(CONDENSED).values()
        level = SIGNIFICANT / (len(own) * (1 + len(worst.tpr)))
        missed = 0.5 + max(map(_error, own)) * float(norm.isf(level) + norm.isf(0.2))
        return (
            f"There is no evidence that members can be found (p = {self.p_value:.2g}). At this "
            f"power an area up to {missed:.3f} could have been missed. Stronger attacks exist; "
            "only a privacy statement bounds them."
        )


def membership_audit(
    condensed: CondensedSet,
    members: tuple[Any, Any],
    others: tuple[Any, Any],
    *,
    condenser: DatasetCondenser | None = None,
    n_shadows: int = 4,
    estimator: Any = None,
    member_groups: Any = None,
    other_groups: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
    verbose: int = 0,
) -> MembershipAudit:
    """Attack a set with what is known to somebody who was given it.

    The attacker has the set, and half of the rows that were not condensed to compare with. Three
    attacks look at the set alone: the distance of a record from the nearest prototype; that
    distance in units of the distance from the nearest row of the attacker's own ("nearest
    ratio"); and the ratio of the two densities ("DOMIAS"). The fourth looks at a model trained on
    the set, and takes records with a small loss for members.

    With `condenser` the attacker also knows how the set was made, and makes sets of halves of all
    records, so that half of them hold a record and half do not. Up to four more attacks compare
    what the set knows of a record with what those know: "RMIA" and "LiRA", by density and by loss.

    Parameters
    ----------
    condensed : CondensedSet
        The set, of any task; of survival sets rows are attacked, and outcomes are not.
    members, others : tuple of (X, y)
        Rows that were condensed, and rows of the same kind that were not; at least 20 of each.
    condenser : DatasetCondenser, default=None
        What made the set; it is cloned. Each shadow is a whole fit to half of the members and
        others together, with another seed and, with epsilon, other noise. No ledger counts
        them: what they find is for the auditor's eyes.
    n_shadows : int, default=4
        Even, 4 at least. LiRA is at its best from 64 on.
    estimator : estimator, default=None
        The model that is attacked; by default a forest of deep trees, which remembers its rows.
    member_groups, other_groups : array-like of shape (n_rows,), default=None
        Patient of each row. Scores are averaged by patient, and patients are counted.
    n_jobs : int, default=None
        Number of shadows that are made at the same time.
    random_state : int, RandomState instance or None, default=None
        Splits the others, draws controls and shadows.
    verbose : int, default=0
        Whether to draw a progress bar over the shadows.

    Returns
    -------
    MembershipAudit
        Print it for sentences; `table` has all numbers.

    Raises
    ------
    ValueError
        If there are too few rows or patients, patients on both sides, an odd number of shadows,
        or another class of condensers made the set.

    Notes
    -----
    A share of members found at a false positive rate of 0.1 % is meaningful for thousands of
    others only.

    References
    ----------
    Van Breugel, Sun, Qian and van der Schaar (2023), Membership inference attacks against
    synthetic data through overfitting detection (DOMIAS), AISTATS, arXiv:2302.12580; Yeom,
    Giacomelli, Fredrikson and Jha (2018), Privacy risk in machine learning, CSF,
    arXiv:1709.01604: the loss; Zarifzadeh, Liu and Shokri (2024), arXiv:2312.03262: RMIA; Carlini
    and others (2022), arXiv:2112.03570: LiRA.
    """
    rng = np.random.default_rng(int(check_random_state(random_state).randint(2**31 - 1)))
    codes = Codes(condensed)
    inside = Records.of(codes, members, member_groups)
    outside = Records.of(codes, others, other_groups)
    check_units(inside, outside)
    known = outside.chosen_units(REFERENCE, rng)
    reference, outside = outside.take(known), outside.take(~known)
    targets = _targets(condensed, inside, reference, rng)
    # What the last control is compared with must not be what was released.
    spared = reference.take(np.arange(0, len(reference.Z), 2))
    signals = signals_for(condensed.task, estimator, reference.Z)
    pool = inside.and_others(outside)
    scores: dict[tuple[str, str], Floats] = {}
    for name, release in targets.items():
        own = spared if name == UNRELATED else reference
        for attack, function in _attacks(release, own.Z, signals).items():
            scores[name, attack] = function(pool)
    if condenser is not None:
        _check_condenser(condenser, condensed, n_shadows)
        is_in = balanced_halves(pool.units, n_shadows, rng)
        made = again(condensed_again(condenser, codes), pool, is_in, rng, n_jobs, verbose)
        plain = Shadows([Release.published(pool.take(half)) for half in is_in], is_in)
        own_target = {CONDENSED: targets.pop(CONDENSED)}
        scores |= _shadow_attacks(own_target, made, signals, pool)
        scores |= _shadow_attacks(targets, plain, signals, pool)
    return MembershipAudit({key: _scored(score, inside, outside) for key, score in scores.items()})


def _error(score: AttackScore) -> float:
    """Standard error of an area, from its interval."""
    return (score.auc_high - score.auc_low) / (2 * float(norm.isf(0.025)))


def check_units(inside: Records, outside: Records) -> None:
    """Refuse what is too few to say anything, and patients on both sides."""
    if min(inside.n_units, outside.n_units) < FEWEST:
        raise ValueError(
            f"An attack needs {FEWEST} members and {FEWEST} others at least (patients, "
            f"where rows are grouped). Got {inside.n_units} and {outside.n_units}."
        )
    if inside.groups is not None and outside.groups is not None:
        shared = len(np.intersect1d(inside.groups, outside.groups))
        if shared:
            raise ValueError(
                f"{shared} patients are among the members and among the others. Leave them out of "
                "the others, who must not have been condensed."
            )


def _check_condenser(condenser: DatasetCondenser, condensed: CondensedSet, n_shadows: int) -> None:
    if n_shadows < FEWEST_SHADOWS or n_shadows % 2:
        raise ValueError(
            f"n_shadows must be even, and {FEWEST_SHADOWS} at least: each record is in half of "
            f"the shadows. Got {n_shadows}."
        )
    name = type(condenser).__name__
    if not condensed.method.startswith(f"{name}("):
        raise ValueError(
            f"Pass the condenser that made the set, {condensed.method.split('(')[0]}, unfitted or "
            f"not. Got a {name}."
        )


def _targets(
    condensed: CondensedSet, inside: Records, reference: Records, rng: np.random.Generator
) -> dict[str, Release]:
    """The set, and the two controls."""
    own = Release.of(condensed)
    unrelated = reference.take(np.arange(1, len(reference.Z), 2)[: len(own.Z)])
    return {
        CONDENSED: own,
        PUBLISHED: Release.published(inside.take(rng.permutation(len(inside.Z)))),
        UNRELATED: Release.published(unrelated),
    }


def _attacks(release: Release, reference: Floats, signals: list[Signal]) -> dict[str, Attack]:
    """Scores of records by the release alone, greater for members."""
    density = Density.seen_from(reference)
    own = density.of(release)
    general = density.around(reference, np.ones(len(reference)))

    def nearest(records: Records) -> Floats:
        return -nearest_distance(records.Z, release.Z)

    def domias(records: Records) -> Floats:
        return own(records) - general(records)

    losses = {signal.name: signal.of(release) for signal in signals if signal.name == "loss"}
    return {
        "nearest": nearest,
        "nearest ratio": nearest_ratio(release, reference),
        "DOMIAS": domias,
        **losses,
    }


def nearest_ratio(release: Release, reference: Floats) -> Attack:
    """How much closer records are to a release than to the attacker's own rows."""
    # Rows that lie on a row of the attacker's own are not infinitely far from all others.
    tiny = 1e-9
    return lambda records: (
        -nearest_distance(records.Z, release.Z) / (nearest_distance(records.Z, reference) + tiny)
    )


def _shadow_attacks(
    targets: dict[str, Release], shadows: Shadows, signals: list[Signal], pool: Records
) -> dict[tuple[str, str], Floats]:
    """Scores of records by targets and by what shadows know, greater for members."""
    scores = {}
    for signal in signals:
        usual = shadows.confidence(signal, pool)
        for name, release in targets.items():
            confidence = signal.of(release)(pool)
            scores[name, f"RMIA {signal.name}"] = shadows.rmia(signal, confidence, usual)
            scores[name, f"LiRA {signal.name}"] = shadows.lira(confidence, usual)
    return scores


def _scored(score: Floats, inside: Records, outside: Records) -> AttackScore:
    members, others = np.split(score, [len(inside.Z)])
    return score_attack(members, others, member_groups=inside.groups, other_groups=outside.groups)
