"""What was measured on real rows, in words and tables: utility and attacks."""

from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from skcondense.audit import Audit, UtilityComparison
from skcondense.audit.attribute import AttributeAudit
from skcondense.audit.closeness import ClosenessAudit
from skcondense.audit.membership import MembershipAudit
from skcondense.audit.one_run import OneRunAudit
from skcondense.audit.reconstruction import ReconstructionAudit
from skcondense.audit.subgroups import SubgroupAudit
from skcondense.report.document import Block, Bullets, Heading, Notice, Paragraph, Table
from skcondense.report.pictures import picture_of_attacks, pictures_of_utility

__all__ = ["NOT_COVERED", "risks", "utility_of"]

NOT_COVERED = (
    "What follows was computed from real rows and is not covered by epsilon. Decide whether it may "
    "leave with the set."
)
NOTHING_FOUND = (
    "An attack that finds nothing does not show that there is nothing to find. It may have been "
    "too weak, or the real rows too few; each finding says what could have been missed. Better "
    "attacks will be published. Only a privacy statement bounds all of them."
)
TARGETS = {
    "condensed": "this set",
    "published rows": "control 1",
    "unrelated rows": "control 2",
    "original": "control 1",
    "random real": "control 3",
    "unrelated": "control 2",
}
CONTROLS = (
    "Control 1 is what the attack finds where the real rows themselves are released, control 2 "
    "what it finds where there is nothing to find."
)
SOME_MEMBERS = " Control 3 is as many real images as the set has."
TOO_FEW_ROWS = (
    "Some models need more rows than a small set has, and then score as guessing does; it is for "
    "the others."
)
MODELS = {
    "logistic": "logistic regression",
    "ridge": "linear regression",
    "cox": "Cox regression",
    "tree": "a decision tree",
    "forest": "a random forest (many trees that vote)",
    "boosting": "gradient boosting (trees that mend each other's errors)",
}


def utility_of(utility: UtilityComparison | None) -> list[Block]:
    """Say how well models learn from the set.

    Parameters
    ----------
    utility : UtilityComparison or None
        What was measured.

    Returns
    -------
    list of Block
    """
    if utility is None:
        return [
            Paragraph(
                "How well models learn from this set was not measured, or is not part of this "
                "release. Measure it on real patients of your own before you use a model."
            )
        ]
    said = [Paragraph(sentence) for sentence in utility.sentences]
    blocks: list[Block] = [Notice(NOT_COVERED), *said, _scores(utility)]
    named = [f"{name}: {MODELS[name]}" for name in _models(utility) if name in MODELS]
    if named:
        blocks.append(Paragraph(f"Models. {'; '.join(named)}. {TOO_FEW_ROWS}"))
    blocks += pictures_of_utility(utility)
    if utility.subgroups is not None:
        blocks += [Heading("By subgroup"), *_findings(utility.subgroups)]
        blocks.append(_subgroups(utility.subgroups))
    return blocks


def _models(utility: UtilityComparison) -> list[str]:
    return list(next(iter(utility.scores.values())))


def _scores(utility: UtilityComparison) -> Table:
    rows = (
        (name, *(f"{score:.3f}" for score in scores.values()), f"{utility.means[name]:.3f}")
        for name, scores in utility.scores.items()
    )
    return Table(
        caption=f"{utility.metric} on real rows that were held out, by the rows that models "
        "learned from (greater is better)",
        head=("trained on", *_models(utility), "mean"),
        rows=tuple(rows),
    )


def risks(audit: Audit | None) -> list[Block]:
    """Say what was tried to find patients with the set, and what was found.

    Parameters
    ----------
    audit : Audit or None
        What attacks found.

    Returns
    -------
    list of Block
    """
    if audit is None:
        return [
            Paragraph(
                "No attack was tried on this set, or the result is not part of this release. That "
                "is no evidence of safety."
            )
        ]
    blocks: list[Block] = [Notice(NOT_COVERED), _overview(audit), Notice(NOTHING_FOUND)]
    for name, part in audit.parts.items():
        blocks += [Heading(f"{name[:1].upper()}{name[1:]}"), *_described(part)]
    if audit.left_out:
        listed = (f"{name}, because {why}." for name, why in audit.left_out.items())
        blocks += [Heading("What was not tried"), Bullets(tuple(listed))]
    return blocks


def _overview(audit: Audit) -> Table:
    rows = (
        (name, _tried(part), "yes" if part.has_evidence else "no")
        for name, part in audit.parts.items()
    )
    return Table(
        caption="Attacks that were tried, and whether they found more than chance explains",
        head=("attack", "what was tried", "found something"),
        rows=tuple(rows),
        style="words",
    )


# One part of an audit.


def _tried(part: Any) -> str:
    match part:
        case ClosenessAudit():
            return "Look for made-up rows that equal, or all but equal, a patient's row."
        case MembershipAudit():
            return "Tell who was in the real table and who was not."
        case AttributeAudit(attribute):
            return f"Guess {attribute} of patients of whom all else is known."
        case OneRunAudit():
            return "Plant made-up patients, make the set once more, and find out who was planted."
        case SubgroupAudit():
            return "Tell who was in the real table, in each subgroup by itself."
        case ReconstructionAudit():
            return "Draw patients' images again with networks that learned from the set."
    return "See below."


def _described(part: Any) -> list[Block]:
    blocks = _findings(part)
    match part:
        case MembershipAudit():
            blocks += [_membership(part), *picture_of_attacks(part)]
        case AttributeAudit():
            blocks.append(_attribute(part))
        case SubgroupAudit():
            blocks.append(_subgroups(part))
        case ReconstructionAudit():
            blocks.append(_reconstruction(part))
    return blocks


def _findings(part: Any) -> list[Block]:
    return [Bullets(tuple(str(part).splitlines()))]


def _membership(part: MembershipAudit) -> Table:
    table = part.table
    rates = list(next(iter(part.scores.values())).tpr)
    return Table(
        caption=f"Attacks on {table['n_members'].max():,} members and "
        f"{table['n_others'].max():,} others: area (0.5 is guessing, lower is better) and share "
        f"of members found at few false alarms, each with its 95 % interval. {CONTROLS}",
        head=("attack", "on", "area", *(f"found at {rate:.1%} false alarms" for rate in rates)),
        rows=_rows(
            # The set first, then the controls.
            table.sort_values("target", kind="stable"),
            ("attack", str),
            ("target", _target),
            ("auc", ".3f"),
            *((f"tpr_at_{rate:g}", ".1%") for rate in rates),
        ),
    )


def _attribute(part: AttributeAudit) -> Table:
    return Table(
        caption=f"Guessing {part.attribute}: area (0.5 is guessing, lower is better) on patients "
        "of the table and on others, and how much more the set helped on the former; with 95 % "
        f"intervals. {CONTROLS}",
        head=("attacker has", "released", "area on members", "area on others", "excess"),
        rows=_rows(
            part.table,
            ("attacker", str),
            ("target", _target),
            ("members", ".3f"),
            ("others", ".3f"),
            ("excess", "+.3f"),
        ),
    )


def _reconstruction(part: ReconstructionAudit) -> Table:
    table = part.table.assign(difference_low=part.table["low"], difference_high=part.table["high"])
    return Table(
        caption="How alike images and their drawings are, on patients of the table and on others; "
        "a positive difference means that members are drawn better (with 95 % interval). "
        f"{CONTROLS}{SOME_MEMBERS}",
        head=("measure", "learned from", "members", "others", "difference"),
        rows=_rows(
            table,
            ("measure", str),
            ("target", _target),
            ("members", ".3g"),
            ("others", ".3g"),
            ("difference", "+.3g"),
        ),
    )


def _subgroups(part: SubgroupAudit) -> Table:
    columns: list[tuple[str, Any]] = [
        ("level", str), ("n_rows", ",.0f"), ("condensed", ".3f"), ("full", ".3f"),
        ("minus_full", "+.3f"), ("attack_auc", ".3f"),
    ]  # fmt: skip
    heads = {
        "level": "subgroup",
        "n_rows": "test rows",
        "condensed": f"{part.metric}, trained on this set",
        "full": f"{part.metric}, trained on real rows",
        "minus_full": "difference",
        "attack_auc": "area of a membership attack",
    }
    shown = [(name, form) for name, form in columns if name in part.table]
    return Table(
        caption=f"Held-out patients by subgroup, with 95 % intervals; a dash where there are fewer "
        f"than {part.min_rows} rows or outcomes do not vary",
        head=tuple(heads[name] for name, _ in shown),
        rows=_rows(part.table, *shown),
    )


def _target(name: str) -> str:
    return TARGETS.get(name, name)


def _rows(
    table: pd.DataFrame, *columns: tuple[str, str | Callable[[Any], str]]
) -> tuple[tuple[str, ...], ...]:
    """Cells as text, with intervals where the table has them."""
    return tuple(
        tuple(_cell(row, name, form) for name, form in columns)
        for row in table.to_dict(orient="records")
    )


def _cell(row: dict[Any, Any], name: str, form: str | Callable[[Any], str]) -> str:
    if callable(form):
        return form(row[name])
    if pd.isna(row[name]):
        return "–"
    limits: Iterable[str] = (f"{name}_low", f"{name}_high")
    if not all(limit in row for limit in limits):
        return f"{row[name]:{form}}"
    low, high = (f"{row[limit]:{form}}" for limit in limits)
    return f"{row[name]:{form}} ({low} to {high})"
