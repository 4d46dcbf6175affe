"""Membership: whether somebody who has the set can tell who was in the real table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.neighbors import KernelDensity, KNeighborsClassifier, KNeighborsRegressor
from sklearn.utils import check_random_state

from skcondense.audit.attack_scores import AttackScore, score_attack
from skcondense.audit.closeness import nearest_distance
from skcondense.audit.real_rows import Codes, Records
from skcondense.condensed_set import CondensedSet
from skcondense.tasks import fit_weighted

__all__ = ["MembershipAudit", "membership_audit"]

Floats = NDArray[np.float64]

# Directions in which densities are estimated: kernels know nothing in many.
N_DIRECTIONS = 8
# Share of the rows that were not condensed which the attacker is given to compare with.
REFERENCE = 0.5
# Records that an audit needs of either kind; of fewer the interval means nothing.
FEWEST = 20
# What is called evidence.
SIGNIFICANT = 0.05
# Least probability that a loss is computed from.
SMALLEST = 1e-6


@dataclass(frozen=True)
class MembershipAudit:
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
    def worst(self) -> tuple[str, AttackScore]:
        """The attack on the condensed set that is least likely to be chance."""
        own = self._of("condensed")
        attack = min(own, key=lambda name: (own[name].p_value, -own[name].auc))
        return attack, own[attack]

    @property
    def p_value(self) -> float:
        """Probability of the worst attack's success by chance, corrected for their number."""
        return min(1.0, len(self._of("condensed")) * self.worst[1].p_value)

    def _of(self, target: str) -> dict[str, AttackScore]:
        return {attack: score for (of, attack), score in self.scores.items() if of == target}

    def __str__(self) -> str:
        attack, worst = self.worst
        published, unrelated = (
            self.scores[target, attack].auc for target in ("published rows", "unrelated rows")
        )
        error = max(s.auc_high - s.auc_low for s in self._of("condensed").values()) / 3.92
        # What is found four times in five, after correcting for all tests.
        n_tests = len(self._of("condensed")) * (1 + len(worst.tpr))
        missed = 0.5 + error * float(norm.isf(SIGNIFICANT / n_tests) + norm.isf(0.2))
        found = ", ".join(
            f"{share:.1%} of the members at {rate:.1%} false alarms"
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
        if self.p_value < SIGNIFICANT:
            lines.append(
                f"There is evidence that members can be found (p = {self.p_value:.2g}): some of "
                "them, even where the area is close to 0.5."
            )
        else:
            lines.append(
                f"There is no evidence that members can be found (p = {self.p_value:.2g}). At this "
                f"power an area up to {missed:.3f} could have been missed. Stronger attacks exist; "
                "only a privacy statement bounds them."
            )
        return "\n".join(lines)


def membership_audit(
    condensed: CondensedSet,
    members: tuple[Any, Any],
    others: tuple[Any, Any],
    *,
    estimator: Any = None,
    member_groups: Any = None,
    other_groups: Any = None,
    random_state: Any = None,
) -> MembershipAudit:
    """Attack a set with what is known to somebody who was given it.

    The attacker has the set, and half of the rows that were not condensed to compare with. Three
    attacks look at the set alone: the distance of a record from the nearest prototype; that
    distance in units of the distance from the nearest row of the attacker's own ("nearest
    ratio"); and the ratio of the two densities ("DOMIAS"). The fourth looks at a model trained on
    the set, and takes records with a small loss for members.

    Parameters
    ----------
    condensed : CondensedSet
        The set, of classification or regression; of survival sets only rows are attacked.
    members, others : tuple of (X, y)
        Rows that were condensed, and rows of the same kind that were not; at least 20 of each.
    estimator : estimator, default=None
        The model that is attacked; by default the nearest neighbour, which remembers best.
    member_groups, other_groups : array-like of shape (n_rows,), default=None
        Patient of each row. Scores are averaged by patient, and patients are counted.
    random_state : int, RandomState instance or None, default=None
        Splits the others, and draws the controls.

    Returns
    -------
    MembershipAudit
        Print it for sentences; `table` has all numbers.

    Raises
    ------
    ValueError
        If there are too few rows or patients, or patients on both sides.

    Notes
    -----
    These attacks are cheap and know one set only. A share of members found at a false positive
    rate of 0.1 % is meaningful for thousands of others only.

    References
    ----------
    Van Breugel, Sun, Qian and van der Schaar (2023), Membership inference attacks against
    synthetic data through overfitting detection (DOMIAS), AISTATS, arXiv:2302.12580; Yeom,
    Giacomelli, Fredrikson and Jha (2018), Privacy risk in machine learning, CSF,
    arXiv:1709.01604: the loss.
    """
    rng = np.random.default_rng(int(check_random_state(random_state).randint(2**31 - 1)))
    codes = Codes(condensed)
    inside = Records.of(codes, members, member_groups)
    outside = Records.of(codes, others, other_groups)
    if min(inside.n_units, outside.n_units) < FEWEST:
        raise ValueError(
            f"A membership audit needs {FEWEST} members and {FEWEST} others at least (patients, "
            f"where rows are grouped). Got {inside.n_units} and {outside.n_units}."
        )
    if inside.groups is not None and outside.groups is not None:
        shared = len(np.intersect1d(inside.groups, outside.groups))
        if shared:
            raise ValueError(
                f"{shared} patients are among the members and among the others. Leave them out of "
                "the others, who must not have been condensed."
            )
    known = outside.chosen_units(REFERENCE, rng)
    reference, outside = outside.take(known), outside.take(~known)
    Z, weight = codes.of_prototypes()
    targets = {
        "condensed": _Release(Z, weight, *_training_rows(condensed, codes)),
        "published rows": _published(inside, rng.permutation(len(inside.Z))),
        "unrelated rows": _published(reference, np.arange(1, len(reference.Z), 2)[: len(Z)]),
    }
    # What the last one is compared with must not be what was released.
    spared = reference.take(np.arange(0, len(reference.Z), 2))
    model = _default_model(condensed) if estimator is None else estimator
    scores = {}
    for name, release in targets.items():
        is_unrelated = name == "unrelated rows"
        attacks = _attacks(release, spared.Z if is_unrelated else reference.Z)
        if condensed.task != "survival":
            attacks["loss"] = _loss_attack(release, model, condensed.task)
        for attack, function in attacks.items():
            scores[name, attack] = score_attack(
                function(inside),
                function(outside),
                member_groups=inside.groups,
                other_groups=outside.groups,
            )
    return MembershipAudit(scores)


@dataclass(frozen=True)
class _Release:
    """Rows that an attacker is given: prototypes with weights, and what models are trained on."""

    Z: Floats
    weight: Floats
    rows: Floats
    y: NDArray[Any]
    row_weight: Floats


def _published(records: Records, rows: NDArray[np.intp]) -> _Release:
    chosen = records.take(rows)
    weight = np.ones(len(rows))
    return _Release(chosen.Z, weight, chosen.Z, chosen.y, weight)


def _training_rows(condensed: CondensedSet, codes: Codes) -> tuple[Floats, NDArray[Any], Floats]:
    return codes.of(condensed.X), np.asarray(condensed.y), condensed.sample_weight


def _attacks(release: _Release, reference: Floats) -> dict[str, Callable[[Records], Floats]]:
    """Scores of records, greater for members."""
    reduce = PCA(min(N_DIRECTIONS, *reference.shape)).fit(reference)
    own = _density(reduce.transform(release.Z), release.weight)
    general = _density(reduce.transform(reference), np.ones(len(reference)))
    # Rows that lie on a row of the attacker's own are not infinitely far from all others.
    tiny = 1e-9

    def nearest(records: Records) -> Floats:
        return -nearest_distance(records.Z, release.Z)

    def nearest_ratio(records: Records) -> Floats:
        return nearest(records) / (nearest_distance(records.Z, reference) + tiny)

    def domias(records: Records) -> Floats:
        Z = reduce.transform(records.Z)
        return np.asarray(own.score_samples(Z) - general.score_samples(Z))

    return {"nearest": nearest, "nearest ratio": nearest_ratio, "DOMIAS": domias}


def _density(Z: Floats, weight: Floats) -> KernelDensity:
    """A kernel density of Scott's width."""
    n_effective = weight.sum() ** 2 / (weight**2).sum()
    width = max(Z.std(axis=0).mean(), 1e-3) * n_effective ** (-1 / (Z.shape[1] + 4))
    return KernelDensity(bandwidth=width).fit(Z, sample_weight=weight)


def _loss_attack(release: _Release, model: Any, task: str) -> Callable[[Records], Floats]:
    fitted = fit_weighted(
        clone(model), release.rows, release.y, release.row_weight, weights="replicate"
    )

    def regression(records: Records) -> Floats:
        return -np.abs(fitted.predict(records.Z) - records.y)

    def classification(records: Records) -> Floats:
        known = np.searchsorted(fitted.classes_, records.y).clip(max=len(fitted.classes_) - 1)
        right = fitted.classes_[known] == records.y
        share = fitted.predict_proba(records.Z)[np.arange(len(known)), known] * right
        share = share.clip(SMALLEST, 1 - SMALLEST)
        return np.asarray(np.log(share / (1 - share)))

    return regression if task == "regression" else classification


def _default_model(condensed: CondensedSet) -> Any:
    is_regression = condensed.task == "regression"
    return KNeighborsRegressor(1) if is_regression else KNeighborsClassifier(1)
