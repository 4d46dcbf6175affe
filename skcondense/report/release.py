"""A release: one folder with the rows, what they promise, and a manifest that finds any change."""

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw

from skcondense.audit import Audit
from skcondense.condensed_set import CondensedSet
from skcondense.exceptions import ReleaseError
from skcondense.privacy import PrivacyLedger, PrivacyStatement
from skcondense.report.card import Scores, release_card
from skcondense.table import Container, TableSchema

__all__ = ["VerifiedRelease", "objections_to", "verify_release", "write_release"]

MANIFEST, CARD, TABLE = "MANIFEST.sha256", "CARD.md", "condensed.csv"
PRIVACY, SCHEMA, AUDIT, UTILITY = "privacy.json", "schema.json", "audit.json", "utility.json"
# What spreadsheets take for the start of a formula (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r")


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
    """

    condensed: CondensedSet
    fingerprint: str
    n_files: int

    def __str__(self) -> str:
        privacy = self.condensed.privacy
        promise = "It states no epsilon: nothing bounds what it gives away."
        if privacy is not None:
            promise = "\n".join(privacy.sentences)
        return (
            f"{self.condensed!r}\n{promise}\nAll {self.n_files} files are what the manifest lists, "
            "rows are what the schema allows, and the statement adds up.\nFingerprint: "
            f"{self.fingerprint}"
        )


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
    found = []
    if condensed.privacy is not None:
        found += _objections_to_statement(condensed.privacy, ledger)
    if condensed.contains_real_rows:
        found.append("Some prototypes coincide with real rows.")
    if audit is not None and audit.parts["closeness"].has_copies:
        found.append("The audit found more copies of training rows than of rows held out.")
    return found


def _objections_to_statement(
    statement: PrivacyStatement, ledger: PrivacyLedger | None
) -> list[str]:
    found = []
    if not statement.is_releasable:
        found.append("The noise was seeded, so it can be repeated and nothing is promised.")
    counted = set() if ledger is None else set(ledger.spends)
    missing = sum(spend not in counted for spend in statement.spends)
    if missing:
        found.append(
            f"{missing} of {len(statement.spends)} spends of this fit are in no ledger that was "
            "given, so other releases about the same patients cannot count them."
        )
    return found


def write_release(
    condensed: CondensedSet,
    folder: str | Path,
    *,
    purpose: str = "Not stated.",
    ledger: PrivacyLedger | None = None,
    audit: Audit | None = None,
    utility: Scores | None = None,
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
        images where there are some, ``schema.json``, ``privacy.json``, ``CARD.md``, what was
        given of ``audit.json`` and ``utility.json``, and ``MANIFEST.sha256``.
    purpose : str
        What the set is for, and whom the real table was about; for the card.
    ledger : PrivacyLedger, default=None
        Where the spends of a private fit are; needed for a private set.
    audit : Audit, default=None
        What attacks found. Its numbers are about the real rows and not covered by epsilon.
    utility : mapping of {str: mapping of {str: float}}, default=None
        By training set, the score of each model on held-out rows.
    in_spite_of_objections : str, default=None
        A reason to release a set that should not be; the card shows it.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ReleaseError
        If something speaks against the release and no reason is given.
    FileExistsError
        If the folder exists.
    """
    folder = Path(folder)
    if folder.exists():
        raise FileExistsError(f"{folder} exists already. Name a new folder for each release.")
    objections = objections_to(condensed, ledger=ledger, audit=audit)
    if objections and not (in_spite_of_objections or "").strip():
        raise ReleaseError(
            f"This set should not be released: {' '.join(objections)} Mend that, or give a reason "
            "that the card will show (in_spite_of_objections, --force REASON)."
        )
    texts = {
        SCHEMA: condensed.schema.to_json(),
        PRIVACY: "null" if condensed.privacy is None else condensed.privacy.to_json(),
        CARD: release_card(
            condensed,
            purpose=purpose,
            audit=audit,
            utility=utility,
            objections=objections,
            reason=in_spite_of_objections,
        ),
    }
    if audit is not None:
        texts[AUDIT] = audit.to_json()
    if utility is not None:
        texts[UTILITY] = json.dumps(utility, indent=2, ensure_ascii=False)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        condensed.save(part, format="parquet")
        _harmless(condensed.to_frame()).write_csv(str(part / TABLE))
        for name, text in texts.items():
            (part / name).write_text(text, encoding="utf-8", newline="\n")
        (part / MANIFEST).write_text(_manifest(part), encoding="utf-8", newline="\n")
        part.chmod(0o755)
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return folder


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
        condensed = CondensedSet.load(folder)
        condensed.schema.check(Container.of(condensed.X).read(condensed.X))
        schema = TableSchema.from_json((folder / SCHEMA).read_text(encoding="utf-8"))
        text = (folder / PRIVACY).read_text(encoding="utf-8")
        privacy = None if text == "null" else PrivacyStatement.from_json(text)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ReleaseError(f"{folder} holds files that cannot be read: {error}") from error
    if schema != condensed.schema or privacy != condensed.privacy:
        raise ReleaseError(f"{SCHEMA} or {PRIVACY} is not that of the rows in {folder}.")
    fingerprint = hashlib.sha256(listed).hexdigest()
    return VerifiedRelease(condensed, fingerprint, found.count("\n"))


def _manifest(folder: Path) -> str:
    """Digests of all other files, in the form that ``sha256sum --check`` reads."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        for path in files
        if path != folder / MANIFEST
    )


def _differences(listed: bytes, found: str) -> str:
    lines = set(listed.decode("utf-8", errors="replace").splitlines())
    names = sorted({line[66:] for line in lines ^ set(found.splitlines())})
    return ", ".join(names) or MANIFEST


def _harmless(frame: Any) -> Any:
    """Text cells that a spreadsheet would run get an apostrophe, as do names of columns."""
    table = nw.from_native(frame, eager_only=True)
    columns = [
        nw.new_series(
            _quoted(name), [_quoted(cell) for cell in table[name].to_list()],
            backend=table.implementation,
        )
        if not (table[name].dtype.is_numeric() or table[name].dtype == nw.Boolean)
        else table[name].alias(_quoted(name))
        for name in table.columns
    ]  # fmt: skip
    return table.select(*columns)


def _quoted(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
