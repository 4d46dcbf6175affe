"""The card of a release: what it is, what it promises and what not, in words for a board."""

from collections.abc import Mapping

from skcondense.audit import Audit
from skcondense.condensed_set import CondensedSet

__all__ = ["Scores", "release_card"]

Scores = Mapping[str, Mapping[str, float]]


def release_card(
    condensed: CondensedSet,
    *,
    purpose: str,
    audit: Audit | None,
    utility: Scores | None,
    objections: list[str],
    reason: str | None,
) -> str:
    """Write the card as Markdown.

    Parameters
    ----------
    condensed : CondensedSet
        What is released.
    purpose : str
        What it is for, and whom the real table was about.
    audit : Audit or None
        What attacks found.
    utility : mapping of {str: mapping of {str: float}} or None
        By training set, the score of each model.
    objections : list of str
        What speaks against the release.
    reason : str or None
        Why it is released nevertheless.

    Returns
    -------
    str
    """
    parts = [
        "# Release card",
        f"{condensed.n_prototypes} prototypes in {len(condensed)} weighted rows, made by "
        f"skcondense for {condensed.task}. **{_origin(condensed)}** A weight says for how many "
        "patients a row stands; models must use it.",
        _section("Purpose and population", purpose),
        _section("Objections", _objections(objections, reason)) if objections else "",
        _section("Privacy", _privacy(condensed)),
        _section("Attacks that were tried", _attacks(audit)),
        _section("Use", _utility(utility)),
        _section("How it was made", f"`{condensed.method}`"),
        _section("What it must not be used for", FORBIDDEN),
        _section("Signatures", SIGNATURES),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


FORBIDDEN = """- To estimate effects, p-values or intervals: the rows were made to train models.
- To say anything about rare groups: few or none of the rows stand for them.
- To learn about a person, or to link it with other data in order to do so."""

SIGNATURES = """| role | name | date | signature |
| --- | --- | --- | --- |
| data owner | | | |
| data protection | | | |
| clinical lead | | | |"""

NO_PROMISE = (
    "**There is no privacy statement.** Nothing bounds what a clever reader may learn about a "
    "patient. Without differential privacy, sets of means have been attacked with success."
)


NOT_COVERED = (
    "*What follows was computed from real rows and is not covered by the privacy statement. Decide "
    "whether it may leave with the set.*\n\n"
)


def _origin(condensed: CondensedSet) -> str:
    if condensed.contains_real_rows:
        return "Some rows are those of patients."
    return "The rows are synthetic; none is a patient's."


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}"


def _objections(objections: list[str], reason: str | None) -> str:
    listed = "\n".join(f"- {objection}" for objection in objections)
    return f"**Released in spite of these objections:**\n\n{listed}\n\nReason given: {reason}"


def _privacy(condensed: CondensedSet) -> str:
    if condensed.privacy is None:
        return NO_PROMISE
    return "\n\n".join(condensed.privacy.sentences)


def _attacks(audit: Audit | None) -> str:
    if audit is None:
        return "None was tried, or the result is not part of this release."
    titled = (f"### {name[:1].upper()}{name[1:]}\n\n{part}" for name, part in audit.parts.items())
    left_out = [f"Not run: {name}, because {why}." for name, why in audit.left_out.items()]
    return NOT_COVERED + "\n\n".join([*titled, *left_out])


def _utility(utility: Scores | None) -> str:
    if not utility:
        return "How well models train on it was not measured, or is not part of this release."
    models = list(next(iter(utility.values())))
    head = f"| trained on | {' | '.join(models)} |\n|{' --- |' * (len(models) + 1)}"
    rows = [
        f"| {name} | {' | '.join(f'{scores[model]:.3f}' for model in models)} |"
        for name, scores in utility.items()
    ]
    return NOT_COVERED + "\n".join([head, *rows]) + "\n\nScores on real rows that were held out."
