"""A release: one folder with the rows, what they promise, and a manifest that finds any change."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skcondense.audit import Audit, UtilityComparison
from skcondense.audit.closeness import ClosenessAudit
from skcondense.audit.one_run import OneRunAudit
from skcondense.condensed_set import CondensedSet
from skcondense.exceptions import ReleaseError
from skcondense.privacy import PrivacyLedger, PrivacyStatement, Spend, compose, epsilon_of
from skcondense.report.account import ReleaseFacts, account_of
from skcondense.report.card import release_card
from skcondense.report.croissant import croissant_metadata
from skcondense.report.html import release_report
from skcondense.report.privacy_words import NOTHING_PROMISED, LedgerExtract
from skcondense.table import ColumnSchema, Container, SurvivalSchema, TableSchema
from skcondense.table.storage import write_table
from skcondense.tasks import working_form

__all__ = ["VerifiedRelease", "objections_to", "verify_release", "write_release"]

MANIFEST, CARD, REPORT, TABLE = "MANIFEST.sha256", "CARD.md", "report.html", "condensed.csv"
PRIVACY, SCHEMA, AUDIT, UTILITY = "privacy.json", "schema.json", "audit.json", "utility.json"
FACTS, CROISSANT = "condensed.json", "croissant.json"
FORMAT = "skcondense privacy of a release, version 1"
NOT_STATED = "Not stated."
# Audits that may forbid a release, by name.
REFUSING = {"closeness": ClosenessAudit, "one run": OneRunAudit}
# What spreadsheets take for the start of a formula (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r")
REQUIRED = {CARD, REPORT, TABLE, PRIVACY, SCHEMA, FACTS, CROISSANT}
# Sums of a ledger may differ in the last digits on another machine.
SLACK = 1e-6
# The least number of single precision with all its digits.
TINY = 1.2e-38


@dataclass(frozen=True)
class VerifiedRelease:
    """A release whose files are what its manifest lists.

    Attributes
    ----------
    condensed : CondensedSet
        The rows.
    fingerprint : str
        SHA-256 of the manifest. Whoever could change a file could write a new manifest: keep this
        line elsewhere, beside the signatures.
    n_files : int
        Files that were checked.
    objections : tuple of str
        What speaks against the release, as its files show it.
    """

    condensed: CondensedSet
    fingerprint: str
    n_files: int
    objections: tuple[str, ...]

    def __str__(self) -> str:
        privacy = self.condensed.privacy
        claims = (NOTHING_PROMISED,) if privacy is None else privacy.sentences
        against = [f"Objection: {objection}" for objection in self.objections]
        lines = [repr(self.condensed), *claims]
        lines += against or ["Nothing that was checked forbids the release."]
        lines += [
            f"All {self.n_files} files are what the manifest lists, rows are what the schema "
            "allows, and the statement adds up.",
            f"Fingerprint: {self.fingerprint}",
        ]
        return "\n".join(lines)


def objections_to(
    condensed: CondensedSet, *, ledger: PrivacyLedger | None = None, audit: Audit | None = None
) -> list[str]:
    """What speaks against a release.

    Parameters
    ----------
    condensed : CondensedSet
        What is to be released.
    ledger : PrivacyLedger, default=None
        Where the spends of the fit should be.
    audit : Audit, default=None
        What attacks found.

    Returns
    -------
    list of str
        Sentences; empty where nothing does.
    """
    counted = set() if ledger is None else set(ledger.spends)
    found = _objections_to_set(condensed, counted)
    return found if audit is None else found + _objections_to_attacks(audit.parts)


def _objections_to_set(condensed: CondensedSet, counted: Set[Spend]) -> list[str]:
    found = []
    if condensed.privacy is not None:
        found += _objections_to_statement(condensed.privacy, counted)
    if condensed.contains_real_rows:
        found.append("Some prototypes coincide with real rows.")
    return found


def _objections_to_statement(statement: PrivacyStatement, counted: Set[Spend]) -> list[str]:
    found = []
    if not statement.is_releasable:
        found.append("The noise was seeded, so it can be repeated and nothing is promised.")
    missing = sum(spend not in counted for spend in statement.spends)
    if missing:
        found.append(
            f"{missing} of {len(statement.spends)} spends of this fit are in no ledger that was "
            "given, so other releases about the same patients cannot count them."
        )
    return found


def _objections_to_attacks(parts: Mapping[str, Any]) -> list[str]:
    found = []
    if parts["closeness"].has_copies:
        found.append("The audit found more copies of training rows than of rows held out.")
    one_run = parts.get("one run")
    if one_run is not None and one_run.stated is not None and one_run.has_evidence:
        found.append("The audit found more made-up patients than the privacy statement allows.")
    return found


def write_release(
    condensed: CondensedSet,
    folder: str | Path,
    *,
    purpose: str = NOT_STATED,
    population: str = NOT_STATED,
    ledger: PrivacyLedger | None = None,
    audit: Audit | None = None,
    utility: UtilityComparison | None = None,
    in_spite_of_objections: str | None = None,
) -> Path:
    """Write everything that is handed over into one new folder, or nothing.

    Parameters
    ----------
    condensed : CondensedSet
        The set.
    folder : str or Path
        Must not exist. Receives ``condensed.parquet`` and ``condensed.json`` (to load),
        ``condensed.csv`` (to look at, with cells that a spreadsheet would run made harmless),
        images where there are some, ``schema.json``, ``privacy.json``, ``croissant.json`` for data
        catalogues, what was given of ``audit.json`` and ``utility.json``, ``report.html`` and
        ``CARD.md`` for people, and ``MANIFEST.sha256``.
    purpose : str
        What the set is for.
    population : str
        Whom the real table was about.
    ledger : PrivacyLedger, default=None
        Where the spends of a private fit are; needed for a private set.
    audit : Audit, default=None
        What attacks found. Its numbers are about the real rows and not covered by epsilon.
    utility : UtilityComparison, default=None
        How well models learn from the set, from `compare_utility`. Not covered by epsilon either.
    in_spite_of_objections : str, default=None
        A reason to release a set that should not be; card and report show it.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ReleaseError
        If something speaks against the release and no reason is given, `audit` or `utility` is of
        another set, or the set contradicts its schema.
    FileExistsError
        If the folder exists.
    """
    folder = Path(folder)
    if folder.exists():
        raise FileExistsError(f"{folder} exists already. Name a new folder for each release.")
    _check_whose(condensed, audit, utility)
    objections = objections_to(condensed, ledger=ledger, audit=audit)
    if objections and not (in_spite_of_objections or "").strip():
        raise ReleaseError(
            f"This set should not be released: {' '.join(objections)} Mend that, or give a reason "
            "that the card will show (in_spite_of_objections, --force REASON)."
        )
    facts = ReleaseFacts(
        name=folder.resolve().name,
        condensed=condensed,
        purpose=purpose,
        population=population,
        ledger=_extract(ledger, condensed.privacy),
        audit=audit,
        utility=utility,
        objections=tuple(objections),
        reason=in_spite_of_objections if objections else None,
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write_all(facts, part)
        # What cannot be verified is not handed over.
        verify_release(part)
        part.chmod(0o755)
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return folder


def _check_whose(
    condensed: CondensedSet, audit: Audit | None, utility: UtilityComparison | None
) -> None:
    """Refuse what was measured of another set."""
    for name, found in {"audit": audit, "utility": utility}.items():
        if found is not None and found.digest != condensed.digest:
            raise ReleaseError(
                f"{name} is of another set: its digest begins with {found.digest[:8]}, that of "
                f"this set with {condensed.digest[:8]}. Measure the set that is to be released."
            )


def _extract(
    ledger: PrivacyLedger | None, statement: PrivacyStatement | None
) -> LedgerExtract | None:
    return None if ledger is None or statement is None else LedgerExtract.of(ledger, statement)


def _write_all(facts: ReleaseFacts, folder: Path) -> None:
    """Each file describes those before it; the manifest is last and lists all."""
    condensed = facts.condensed
    condensed.save(folder, format="parquet")
    write_table(_harmless(condensed.to_frame()), folder / TABLE, "csv")
    texts = {SCHEMA: condensed.schema.to_json(), PRIVACY: _privacy_json(facts)}
    if facts.audit is not None:
        texts[AUDIT] = facts.audit.to_json()
    if facts.utility is not None:
        texts[UTILITY] = facts.utility.to_json()
    for name, text in texts.items():
        _write(folder / name, text)
    described = croissant_metadata(
        condensed,
        name=facts.name,
        description=f"{facts.purpose} {facts.population}",
        files=_digests(folder),
    )
    _write(folder / CROISSANT, json.dumps(described, indent=2, ensure_ascii=False))
    _write(folder / CARD, release_card(account_of(facts, _digests(folder))))
    _write(folder / REPORT, release_report(account_of(facts, _digests(folder))))
    _write(folder / MANIFEST, _manifest(folder))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


# Privacy: the statement is about this fit, the ledger about all fits to the same patients.


def _privacy_json(facts: ReleaseFacts) -> str:
    statement, ledger = facts.condensed.privacy, facts.ledger
    parts = {
        "format": FORMAT,
        "statement": statement and json.loads(statement.to_json()),
        "ledger": ledger and asdict(ledger),
    }
    return json.dumps(parts, indent=2, ensure_ascii=False)


def _read_privacy(text: str) -> tuple[PrivacyStatement | None, LedgerExtract | None]:
    parts = json.loads(text)
    statement, ledger = parts["statement"], parts["ledger"]
    if statement is not None:
        statement = PrivacyStatement.from_json(json.dumps(statement))
    if ledger is not None:
        spends = tuple(Spend(**spend) for spend in ledger["spends"])
        ledger = LedgerExtract(**{**ledger, "spends": spends})
        _check_total(ledger)
    return statement, ledger


def _check_total(ledger: LedgerExtract) -> None:
    own = epsilon_of(compose(spend.mu for spend in ledger.spends), ledger.delta)
    # Not the other way round: no number is larger than NaN.
    if not own <= ledger.epsilon * (1 + SLACK):
        raise ReleaseError(
            f"{PRIVACY} says that all spends of the ledger amount to epsilon="
            f"{ledger.epsilon:.4g}, but those of this fit alone amount to {own:.4g}."
        )


def verify_release(folder: str | Path) -> VerifiedRelease:
    """Check files against the manifest, rows against the schema, and the statement's arithmetic.

    Parameters
    ----------
    folder : str or Path
        What `write_release` wrote.

    Returns
    -------
    VerifiedRelease
        Print it for what the release claims.

    Raises
    ------
    ReleaseError
        If a file was changed, added or removed, or the files contradict each other.
    """
    folder = Path(folder)
    try:
        listed = (folder / MANIFEST).read_bytes()
    except OSError:
        raise ReleaseError(f"{folder} is no release: it has no {MANIFEST}.") from None
    found = _manifest(folder)
    if listed != found.encode():
        raise ReleaseError(
            f"{folder} was changed after its release: {_differences(listed, found)}. Ask for the "
            "release again."
        )
    try:
        return _read(folder, listed)
    except ReleaseError:
        raise
    # Whoever wrote the files may have written anything, and readers raise whatever they like.
    except Exception as error:
        raise ReleaseError(f"{folder} holds files that cannot be read: {error}") from error


def _read(folder: Path, listed: bytes) -> VerifiedRelease:
    digests = _digests(folder)
    data = json.loads((folder / FACTS).read_text(encoding="utf-8"))["data"]
    if data not in digests:
        raise ReleaseError(f"{FACTS} of {folder} names a table that is not part of the release.")
    condensed = CondensedSet.load(folder)
    condensed.schema.check(Container.of(condensed.X).read(condensed.X))
    _check_outcome(condensed)
    _check_readable(condensed, folder)
    schema = TableSchema.from_json((folder / SCHEMA).read_text(encoding="utf-8"))
    privacy, ledger = _read_privacy((folder / PRIVACY).read_text(encoding="utf-8"))
    if schema != condensed.schema or privacy != condensed.privacy:
        raise ReleaseError(f"{SCHEMA} or {PRIVACY} is not that of the rows in {folder}.")
    objections = _objections_to_set(condensed, set() if ledger is None else set(ledger.spends))
    measured = {
        name: json.loads((folder / name).read_text(encoding="utf-8"))
        for name in (AUDIT, UTILITY)
        if name in digests
    }
    for name, facts in measured.items():
        if facts["set"] != condensed.digest:
            raise ReleaseError(f"{name} is about another set than the rows in {folder}.")
    if AUDIT in measured:
        audits = measured[AUDIT]["audits"]
        objections += _objections_to_attacks(
            {
                name: kind(**audits[name]["table"][0])
                for name, kind in REFUSING.items()
                if name in audits
            }
        )
    _check_card(folder, digests)
    fingerprint = hashlib.sha256(listed).hexdigest()
    return VerifiedRelease(condensed, fingerprint, len(digests), tuple(objections))


def _check_outcome(condensed: CondensedSet) -> None:
    """Refuse outcomes that the schema does not allow, where the fit went by it."""
    outcome = condensed.schema.outcome
    is_declared = condensed.privacy is not None or isinstance(outcome, SurvivalSchema)
    if outcome is None or not is_declared:
        return
    values = working_form(condensed.task, condensed.y)
    match outcome:
        case SurvivalSchema():
            _, time = values.dtype.names or ("", "")
            allowed = _within(values[time], 0.0, outcome.grid[-1])
        case ColumnSchema(bounds=(low, high)):
            allowed = _within(values, low, high)
        case _:
            allowed = set(values.tolist()) <= set(outcome.categories or ())
    if not allowed:
        raise ReleaseError(f"Outcomes of the rows are not what {SCHEMA} declares.")


def _within(values: Any, low: float, high: float) -> bool:
    # Whole numbers are rounded, which may lead out of bounds.
    rounding = 1 if (values == np.rint(values)).all() else 0
    return bool(np.isclose(values, values.clip(low, high), rtol=SLACK, atol=rounding).all())


def _check_readable(condensed: CondensedSet, folder: Path) -> None:
    """Refuse rows to look at that are not the rows to load."""
    own = nw.from_native(_harmless(condensed.to_frame()), eager_only=True)
    # Names as cells: a reader of headers would change some of them.
    said = pd.read_csv(folder / TABLE, dtype=str, keep_default_na=False, header=None)
    names, rows = said.iloc[0].tolist(), said.iloc[1:]
    if (names, len(rows)) != (own.columns, len(own)) or not all(
        _same(own[name], rows[at].tolist()) for at, name in enumerate(names)
    ):
        raise ReleaseError(f"{TABLE} has other rows than {FACTS} loads.")


def _same(own: Any, said: list[str]) -> bool:
    """Whether the texts of a column say its values, however a writer puts them."""
    cells = [None if gap else cell for gap, cell in zip(own.is_null(), own, strict=True)]
    if not own.dtype.is_numeric():
        texts = ["" if cell is None else str(cell) for cell in cells]
        # Writers differ in how they spell true.
        form = str.lower if own.dtype == nw.Boolean else str
        return [form(text) for text in texts] == [form(text) for text in said]
    try:
        if own.dtype.is_integer():
            return cells == [int(text) if text else None for text in said]
        numbers = [float(text or "nan") for text in said]
    except ValueError:
        return False
    # Single and half precision are written in fewer digits than they have as double.
    slack = {nw.Float64: 0, nw.Float32: 1e-6}.get(type(own.dtype), 1e-3)
    values = own.cast(nw.Float64).to_numpy()
    return np.allclose(values, numbers, rtol=slack, atol=slack * TINY, equal_nan=True)


def _check_card(folder: Path, digests: Mapping[str, str]) -> None:
    """Refuse a card and a report that were written about other files, or that are not there."""
    missing = sorted(REQUIRED - set(digests))
    if missing:
        raise ReleaseError(f"{folder} lacks {missing}, which every release has.")
    for name in (CARD, REPORT):
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
        unlisted = sorted(
            file
            for file, digest in digests.items()
            if file not in (CARD, REPORT) and not any(file in x and digest in x for x in lines)
        )
        if unlisted:
            raise ReleaseError(f"{name} does not list {unlisted} as they are.")


def _digests(folder: Path) -> Mapping[str, str]:
    """SHA-256 of every file but the manifest, by name."""
    files = sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    odd = [path.name for path in files if path.is_symlink() or not path.is_file()]
    if odd:
        raise ReleaseError(f"{folder} holds what is no plain file: {odd}. Ask for it again.")
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path != folder / MANIFEST
    }


def _manifest(folder: Path) -> str:
    """Digests in the form that ``sha256sum --check`` reads."""
    return "".join(f"{digest}  {name}\n" for name, digest in _digests(folder).items())


def _differences(listed: bytes, found: str) -> str:
    lines = set(listed.decode("utf-8", errors="replace").splitlines())
    names = sorted({line[66:] for line in lines ^ set(found.splitlines())})
    return ", ".join(names) or MANIFEST


def _harmless(frame: Any) -> Any:
    """Text cells that a spreadsheet would run get an apostrophe, as do names of columns."""
    table = nw.from_native(frame, eager_only=True)
    columns: dict[str, Any] = {}
    for name in table.columns:
        shown, cells = _quoted(name), table[name]
        # The apostrophe may make it the name of another column.
        while shown != name and shown in (*table.columns, *columns):
            shown = f"'{shown}"
        if not (cells.dtype.is_numeric() or cells.dtype == nw.Boolean):
            quoted = [_quoted(cell) for cell in cells.to_list()]
            cells = nw.new_series(shown, quoted, backend=table.implementation)
        columns[shown] = cells.alias(shown)
    return table.select(*columns.values())


def _quoted(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
