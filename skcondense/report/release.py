"""A release: one folder with the rows, what they promise, and a manifest that finds any change."""

import json
import shutil
import tempfile
from pathlib import Path

from skcondense.audit import Audit, UtilityComparison
from skcondense.condensed_set import CondensedSet
from skcondense.exceptions import ReleaseError
from skcondense.privacy import PrivacyLedger, PrivacyStatement
from skcondense.report.account import ReleaseFacts, account_of
from skcondense.report.card import release_card
from skcondense.report.croissant import croissant_metadata
from skcondense.report.html import release_report
from skcondense.report.objections import objections_to
from skcondense.report.privacy_words import LedgerExtract
from skcondense.report.release_files import (
    AUDIT,
    CARD,
    CROISSANT,
    MANIFEST,
    PRIVACY,
    REPORT,
    SCHEMA,
    TABLE,
    UTILITY,
    digests_of,
    harmless,
    manifest_of,
    privacy_json,
)
from skcondense.report.verification import verify_release
from skcondense.table.storage import write_table

__all__ = ["write_release"]

NOT_STATED = "Not stated."


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
    write_table(harmless(condensed.to_frame()), folder / TABLE, "csv")
    texts = {SCHEMA: condensed.schema.to_json(), PRIVACY: privacy_json(facts)}
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
        files=digests_of(folder),
    )
    _write(folder / CROISSANT, json.dumps(described, indent=2, ensure_ascii=False))
    _write(folder / CARD, release_card(account_of(facts, digests_of(folder))))
    _write(folder / REPORT, release_report(account_of(facts, digests_of(folder))))
    _write(folder / MANIFEST, manifest_of(folder))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
