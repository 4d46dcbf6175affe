"""The files of a release: their names, digests and forms."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw

from skcondense.exceptions import ReleaseError
from skcondense.privacy import PrivacyStatement, Spend, compose, epsilon_of
from skcondense.report.account import ReleaseFacts
from skcondense.report.privacy_words import LedgerExtract

__all__ = [
    "AUDIT",
    "CARD",
    "CROISSANT",
    "FACTS",
    "MANIFEST",
    "PRIVACY",
    "REPORT",
    "REQUIRED",
    "SCHEMA",
    "SLACK",
    "TABLE",
    "UTILITY",
    "differences",
    "digests_of",
    "harmless",
    "manifest_of",
    "privacy_json",
    "read_privacy",
]

MANIFEST, CARD, REPORT, TABLE = "MANIFEST.sha256", "CARD.md", "report.html", "condensed.csv"
PRIVACY, SCHEMA, AUDIT, UTILITY = "privacy.json", "schema.json", "audit.json", "utility.json"
FACTS, CROISSANT = "condensed.json", "croissant.json"
REQUIRED = {CARD, REPORT, TABLE, PRIVACY, SCHEMA, FACTS, CROISSANT}
FORMAT = "skcondense privacy of a release, version 1"
# What spreadsheets take for the start of a formula (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r")
# Sums of a ledger may differ in the last digits on another machine.
SLACK = 1e-6


# Which files there are.


def digests_of(folder: Path) -> Mapping[str, str]:
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


def manifest_of(folder: Path) -> str:
    """Digests in the form that ``sha256sum --check`` reads."""
    return "".join(f"{digest}  {name}\n" for name, digest in digests_of(folder).items())


def differences(listed: bytes, found: str) -> str:
    """Names of files that a manifest lists otherwise than they are."""
    lines = set(listed.decode("utf-8", errors="replace").splitlines())
    names = sorted({line[66:] for line in lines ^ set(found.splitlines())})
    return ", ".join(names) or MANIFEST


# Privacy: the statement is about this fit, the ledger about all fits to the same patients.


def privacy_json(facts: ReleaseFacts) -> str:
    """Statement and extract of the ledger as JSON text."""
    statement, ledger = facts.condensed.privacy, facts.ledger
    parts = {
        "format": FORMAT,
        "statement": statement and json.loads(statement.to_json()),
        "ledger": ledger and asdict(ledger),
    }
    return json.dumps(parts, indent=2, ensure_ascii=False)


def read_privacy(text: str) -> tuple[PrivacyStatement | None, LedgerExtract | None]:
    """Read what `privacy_json` wrote, and check its arithmetic."""
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


# Rows to look at.


def harmless(frame: Any) -> Any:
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
