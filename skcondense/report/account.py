"""The account of a release: what card and page say, section by section."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from skcondense.audit import Audit, UtilityComparison
from skcondense.condensed_set import CondensedSet
from skcondense.report.document import (
    Block,
    Bullets,
    Code,
    Document,
    Heading,
    Notice,
    Paragraph,
    Picture,
    Section,
    Table,
    Terms,
    Verdict,
)
from skcondense.report.gloss import glossary_for
from skcondense.report.measured import risks, utility_of
from skcondense.report.pictures import pictures_of_rows
from skcondense.report.privacy_words import (
    LedgerExtract,
    is_delta_large,
    no_promise,
    percent_up,
    promise,
)
from skcondense.table import is_images

__all__ = ["ReleaseFacts", "account_of"]

ROWS_SHOWN, COLUMNS_SHOWN = 10, 40
TASKS = {
    "classification": "models that tell classes apart",
    "regression": "models that predict a number",
    "survival": "models that predict when an event happens",
}
# By the beginning of the method's name; the first that fits.
METHODS = {
    "RandomCondenser": "Real rows were drawn at random.",
    "ClusterCondenser": (
        "Patients were divided into groups that are alike, and each group was replaced by one "
        "made-up mean patient, with the share of each outcome in the group."
    ),
    "HerdingCondenser": (
        "Rows were chosen one by one so that the averages of the chosen ones stay close to those "
        "of the whole table."
    ),
    "ZeroOrderCondenser": (
        "Made-up rows were changed again and again, and a change was kept when models that were "
        "trained on them predicted better."
    ),
    "DistributionMatching": (
        "Made-up rows were changed until their averages, as random neural networks see them, were "
        "those of the real rows."
    ),
    "ImprovedDistributionMatching": (
        "Made-up rows were changed until their averages, as trained neural networks see them, "
        "were those of the real rows."
    ),
    "GradientMatching": (
        "Made-up rows were changed until a neural network learned in the same direction from them "
        "as from the real rows."
    ),
    "DiffusionMatching": (
        "Made-up rows were drawn by a model that learned to remove noise, and chosen to match the "
        "real rows."
    ),
    "KernelInducingPoints": (
        "Made-up rows were changed until a kernel method (a smooth average over them) predicted "
        "the real outcomes."
    ),
    **dict.fromkeys(
        ("MTT", "FTD", "DATM", "ATT", "HoPTM", "BezierTrajectory", "TrajectoryMatching"),
        "Made-up rows were changed until a neural network that learns from them ends up close to "
        "one that learned from the real rows.",
    ),
    "": "This program has no description of the method: ask whoever made the set.",
}
PRIVATELY = (
    "That is the method without epsilon. With epsilon, as here, it worked on noised counts and "
    "sums in place of the real rows."
)
FORBIDDEN = (
    "To decide about a person. Rows are made up; a model that learned from them must be tested on "
    "real patients of the place where it will be used.",
    "To estimate effects, p values or confidence intervals: the rows were made to train models, "
    "and repeat no study.",
    "To say anything about rare groups: few or none of the rows stand for them.",
    "To measure how good a model is. Test on real rows.",
    "To learn about a person who may have been in the table, or to link the rows with other data "
    "in order to do so.",
)
SIGNERS = ("data owner", "data protection", "clinical lead")
CONTENTS = {
    "CARD.md": "this account as plain text, without pictures",
    "audit.json": "what attacks found, all numbers",
    "condensed.csv": "the rows, to look at; cells that a spreadsheet would run start with an "
    "apostrophe",
    "condensed.json": "facts about the rows, to load them",
    "condensed.npz": "the images, exact",
    "condensed.parquet": "the rows, exact, to load",
    "croissant.json": "a description for data catalogues (Croissant)",
    "privacy.json": "the privacy statement, and what the ledger says",
    "schema.json": "what each column may hold",
    "utility.json": "how well models learn from the set, all numbers",
}


@dataclass(frozen=True)
class ReleaseFacts:
    """All that is known when a set is handed over.

    Attributes
    ----------
    name : str
        Name of the folder.
    condensed : CondensedSet
        The set.
    purpose, population : str
        What it is for, and whom the real table was about.
    ledger : LedgerExtract or None
        What the ledger says.
    audit : Audit or None
        What attacks found.
    utility : UtilityComparison or None
        How well models learn from it.
    objections : tuple of str
        What speaks against the release.
    reason : str or None
        Why it is released nevertheless.
    """

    name: str
    condensed: CondensedSet
    purpose: str
    population: str
    ledger: LedgerExtract | None = None
    audit: Audit | None = None
    utility: UtilityComparison | None = None
    objections: tuple[str, ...] = ()
    reason: str | None = None

    @property
    def is_private(self) -> bool:
        """Whether something is promised."""
        privacy = self.condensed.privacy
        return privacy is not None and privacy.is_releasable


def account_of(release: ReleaseFacts, files: Mapping[str, str]) -> Document:
    """Write down what a release is, promises and does not.

    Parameters
    ----------
    release : ReleaseFacts
        What is handed over.
    files : mapping of {str: str}
        SHA-256 digests of the files beside it, by name.

    Returns
    -------
    Document
        For `release_card` and `release_report`.
    """
    condensed = release.condensed
    sections = [
        Section("purpose", "Purpose and population", _purpose(release)),
        Section("method", "How it was condensed", _method(condensed)),
        Section("privacy", "Privacy", _privacy(release)),
        Section("utility", "Is it useful?", utility_of(release.utility)),
        Section("risks", "Risks: what attacks found", risks(release.audit)),
        Section("rows", "The rows themselves", _rows(condensed)),
        Section("forbidden", "What it must not be used for", [Bullets(FORBIDDEN)]),
    ]
    last = [
        Section("signatures", "Signatures", _signatures()),
        Section("files", "Files, and how to check them", _files(release.name, files)),
    ]
    verdict = _verdict(release)
    title = f"Release report: {release.name}"
    said = "\n".join(_words(Document(title, verdict, [*sections, *last])))
    glossary = Section("glossary", "Words used here", [glossary_for(said)])
    return Document(title, verdict, [*sections, glossary, *last])


# The verdict.


def _verdict(release: ReleaseFacts) -> Verdict:
    facts = (
        ("What is it?", _what(release.condensed)),
        ("Is privacy promised?", _promised(release)),
        ("What did attacks find?", _found(release.audit)),
        ("Do models learn from it?", _useful(release.utility)),
        (
            "Who decides?",
            "Those who sign below. This page was written by a program from what it was given; it "
            "checked neither the purpose nor whether patients were asked.",
        ),
    )
    tone, answer = _answer(release)
    return Verdict(tone, answer, facts, release.objections, release.reason)


def _answer(release: ReleaseFacts) -> tuple[str, str]:
    if release.objections:
        return "bad", "No: there are objections. It was released in spite of them."
    privacy = release.condensed.privacy
    if privacy is None or not release.is_private:
        return (
            "caution",
            "Only to people who may see the real table: there is no privacy promise.",
        )
    if is_delta_large(privacy, _n_rows(release.condensed)):
        return (
            "caution",
            "With care: privacy is promised, but delta is so large that it could allow a whole "
            "record to be published. Read Privacy first.",
        )
    if release.audit is not None and release.audit.has_evidence:
        return (
            "caution",
            "With care: privacy is promised, but an attack found more than chance explains. Read "
            "Risks first.",
        )
    return "good", "Nothing that was checked speaks against it."


def _what(condensed: CondensedSet) -> str:
    rows = "images" if is_images(condensed.X) else "rows"
    origin = "None of them is a patient's."
    if condensed.contains_real_rows:
        origin = "Some of them are patients'."
    elif condensed.privacy is not None:
        origin = "They were computed from noised numbers; none was copied from a patient."
    noise = ", with noise" if condensed.privacy is not None else ""
    return (
        f"{condensed.n_prototypes} made-up patients (prototypes) in {len(condensed)} {rows}, to "
        f"train {TASKS[condensed.task]} in place of a real table. {origin} Each row has a weight, "
        "the number of real patients for whom it stands; weights sum to "
        f"{condensed.sample_weight.sum():,.0f}, the number (or total weight) of the real rows"
        f"{noise}."
    )


def _promised(release: ReleaseFacts) -> str:
    privacy = release.condensed.privacy
    if privacy is None:
        return "No. Nothing bounds what a clever reader may learn about a patient."
    if not privacy.is_releasable:
        return "No. The noise was made from a seed, so it can be repeated and subtracted."
    right = percent_up((1 + privacy.caps.advantage) / 2)
    return (
        f"Yes: differential privacy with epsilon = {privacy.epsilon:.4g} and delta = "
        f"{privacy.delta:.4g}, for each {privacy.unit}. Somebody who has the set and guesses "
        f"whether a given {privacy.unit} is in the table is right at most {right} times in 100, "
        "where a coin is right 50 times. Privacy explains this."
    )


def _found(audit: Audit | None) -> str:
    if audit is None:
        return "None was tried, or the result is not part of this release."
    if audit.has_evidence:
        return f"More than chance explains, in: {', '.join(audit.found)}."
    return (
        f"Nothing, in {len(audit.parts)} kinds of attack. That does not show that there is nothing "
        "to find."
    )


def _useful(utility: UtilityComparison | None) -> str:
    if utility is None:
        return "Not measured, or not part of this release."
    set_mean = utility.means[utility.of_set]
    text = f"Trained on it, models reach {utility.metric} {set_mean:.3f} on real patients"
    if utility.difference is None:
        return f"{text}, on average over {len(utility.scores[utility.of_set])} models."
    real = next(iter(utility.scores))
    return f"{text}; trained on {real}, {utility.means[real]:.3f}."


# Sections.


def _purpose(release: ReleaseFacts) -> list[Block]:
    return [
        Heading("What it is for"),
        Paragraph(release.purpose),
        Heading("Whom the real table was about"),
        Paragraph(release.population),
    ]


def _method(condensed: CondensedSet) -> list[Block]:
    words = next(text for name, text in METHODS.items() if condensed.method.startswith(name))
    blocks: list[Block] = [Paragraph(words)]
    if condensed.privacy is not None:
        blocks.append(Paragraph(PRIVATELY))
    return [*blocks, Paragraph("Method and settings, as the program knows them:"),
            Code(condensed.method)]  # fmt: skip


def _privacy(release: ReleaseFacts) -> list[Block]:
    statement = release.condensed.privacy
    if statement is None:
        return no_promise()
    return promise(statement, release.ledger, _n_rows(release.condensed))


def _n_rows(condensed: CondensedSet) -> float:
    """About how many rows the table had: what the weights sum to."""
    return float(condensed.sample_weight.sum())


def _rows(condensed: CondensedSet) -> list[Block]:
    return [*pictures_of_rows(condensed), _first_rows(condensed)]


def _first_rows(condensed: CondensedSet) -> Table:
    """Columns as lines: patients side by side are read more easily, and fit on paper."""
    frame = nw.from_native(condensed.to_frame(), eager_only=True)
    shown = frame.head(ROWS_SHOWN)
    n_features = 0 if is_images(condensed.X) else len(condensed.schema)
    # Outcome, weight and prototype come first: a long table is cut at its end.
    names = [*frame.columns[n_features:], *frame.columns[:n_features]][:COLUMNS_SHOWN]
    units = dict.fromkeys(names, "")
    units |= {
        name: f" ({column.unit})"
        for name, column in zip(frame.columns[:n_features], condensed.schema, strict=False)
        if column.unit
    }
    left_out = len(frame.columns) - len(names)
    more = f"; {left_out} more columns are in condensed.csv" if left_out else ""
    return Table(
        caption=f"The first {len(shown)} of {len(frame)} released rows, one per column{more}",
        head=("", *(f"row {i + 1}" for i in range(len(shown)))),
        rows=tuple(
            (f"{name}{units.get(name, '')}", *map(_shown, shown[name].to_list())) for name in names
        ),
    )


def _shown(value: Any) -> str:
    if pd.isna(value):
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _signatures() -> list[Block]:
    head = ("role", "name", "date", "signature")
    rows = tuple((who, "", "", "") for who in SIGNERS)
    fingerprint = "fingerprint of this release, as skcondense verify prints it"
    return [
        Table("Who agrees to this release", head, rows, "form"),
        Table("What is signed", ("", ""), ((fingerprint, ""),), "form"),
    ]


def _files(name: str, files: Mapping[str, str]) -> list[Block]:
    rows = tuple((file, CONTENTS.get(file, ""), digest) for file, digest in sorted(files.items()))
    return [
        Table("Files of this release", ("file", "holds", "SHA-256"), rows, "words"),
        Paragraph(
            "MANIFEST.sha256 lists these files and this one with their SHA-256 digests. To check "
            "all of them, the rows against the schema, and the arithmetic of the privacy "
            "statement, install skcondense and type:"
        ),
        Code(f"skcondense verify {shlex.quote(name)}"),
        Paragraph(
            "It prints what the release claims, and a fingerprint. Whoever changes a file could "
            "write a new manifest, but not one with the same fingerprint: compare it with the one "
            "that was signed."
        ),
    ]


# Everything that is said, to know which words need a gloss.


def _words(document: Document) -> list[str]:
    verdict = document.verdict
    found = [verdict.answer, *(f"{asked} {said}" for asked, said in verdict.facts)]
    found += verdict.objections
    for section in document.sections:
        found.append(section.title)
        for block in section.blocks:
            found += _words_of(block)
    return found


def _words_of(block: Block) -> list[str]:
    match block:
        case Paragraph(text) | Notice(text) | Heading(text) | Code(text):
            return [text]
        case Bullets(items):
            return list(items)
        case Terms(pairs):
            return [word for pair in pairs for word in pair]
        case Table():
            return [block.caption, *block.head, *(cell for row in block.rows for cell in row)]
        case Picture():
            return [block.alt, block.caption]
