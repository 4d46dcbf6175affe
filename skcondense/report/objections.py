"""What speaks against a release."""

from collections.abc import Mapping, Set
from typing import Any

from skcondense.audit import Audit
from skcondense.audit.closeness import ClosenessAudit
from skcondense.audit.one_run import OneRunAudit
from skcondense.condensed_set import CondensedSet
from skcondense.privacy import PrivacyLedger, PrivacyStatement, Spend

__all__ = ["REFUSING", "objections_to", "objections_to_attacks", "objections_to_set"]

# Audits that may forbid a release, by name.
REFUSING = {"closeness": ClosenessAudit, "one run": OneRunAudit}


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
    found = objections_to_set(condensed, counted)
    return found if audit is None else found + objections_to_attacks(audit.parts)


def objections_to_set(condensed: CondensedSet, counted: Set[Spend]) -> list[str]:
    """What a set says against itself, with the spends that a ledger counts."""
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


def objections_to_attacks(parts: Mapping[str, Any]) -> list[str]:
    """What audits found that forbids a release; `parts` is as of `Audit`."""
    found = []
    if parts["closeness"].has_copies:
        found.append("The audit found more copies of training rows than of rows held out.")
    one_run = parts.get("one run")
    if one_run is not None and one_run.stated is not None and one_run.has_evidence:
        found.append("The audit found more made-up patients than the privacy statement allows.")
    return found
