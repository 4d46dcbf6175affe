"""Whether a release is what it was, and does not contradict itself."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skcondense.condensed_set import CondensedSet
from skcondense.exceptions import ReleaseError
from skcondense.report.objections import REFUSING, objections_to_attacks, objections_to_set
from skcondense.report.privacy_words import NOTHING_PROMISED
from skcondense.report.release_files import (
    AUDIT,
    CARD,
    FACTS,
    MANIFEST,
    PRIVACY,
    REPORT,
    REQUIRED,
    SCHEMA,
    SLACK,
    TABLE,
    UTILITY,
    differences,
    digests_of,
    harmless,
    manifest_of,
    read_privacy,
)
from skcondense.table import ColumnSchema, Container, SurvivalSchema, TableSchema
from skcondense.tasks import working_form

__all__ = ["VerifiedRelease", "verify_release"]

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
    found = manifest_of(folder)
    if listed != found.encode():
        raise ReleaseError(
            f"{folder} was changed after its release: {differences(listed, found)}. Ask for the "
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
    digests = digests_of(folder)
    data = json.loads((folder / FACTS).read_text(encoding="utf-8"))["data"]
    if data not in digests:
        raise ReleaseError(f"{FACTS} of {folder} names a table that is not part of the release.")
    condensed = CondensedSet.load(folder)
    condensed.schema.check(Container.of(condensed.X).read(condensed.X))
    _check_outcome(condensed)
    _check_readable(condensed, folder)
    schema = TableSchema.from_json((folder / SCHEMA).read_text(encoding="utf-8"))
    privacy, ledger = read_privacy((folder / PRIVACY).read_text(encoding="utf-8"))
    if schema != condensed.schema or privacy != condensed.privacy:
        raise ReleaseError(f"{SCHEMA} or {PRIVACY} is not that of the rows in {folder}.")
    objections = objections_to_set(condensed, set() if ledger is None else set(ledger.spends))
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
        objections += objections_to_attacks(
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
    own = nw.from_native(harmless(condensed.to_frame()), eager_only=True)
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
