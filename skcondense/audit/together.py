"""All audits that apply to a set, in one call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TimeElapsedColumn
from sklearn.utils import check_random_state

from skcondense.audit.attribute import attribute_audit
from skcondense.audit.closeness import closeness_audit
from skcondense.audit.json_text import json_text, records_of
from skcondense.audit.membership import membership_audit
from skcondense.audit.one_run import one_run_audit
from skcondense.audit.reconstruction import reconstruction_audit
from skcondense.audit.subgroups import subgroup_audit
from skcondense.base import DatasetCondenser
from skcondense.condensed_set import CondensedSet
from skcondense.table import is_images

__all__ = ["Audit", "AuditResult", "audit"]

FORMAT = "skcondense audit, version 1"


class AuditResult(Protocol):
    """What every audit returns."""

    @property
    def table(self) -> pd.DataFrame:
        """All numbers."""

    @property
    def has_evidence(self) -> bool:
        """Whether it found more than chance explains."""


Plan = Callable[[], AuditResult]


@dataclass(frozen=True)
class Audit:
    """What the audits of one set found.

    Attributes
    ----------
    parts : dict of {str: result}
        By name of the audit; print one for its sentences.
    left_out : dict of {str: str}
        Audits that were not run, and why.
    statement : str
        The promise of the set in a few words.
    digest : str
        Digest of the set.
    """

    parts: dict[str, Any]
    left_out: dict[str, str]
    statement: str
    digest: str

    @property
    def has_evidence(self) -> bool:
        """Whether any audit found more than chance explains."""
        return bool(self.found)

    @property
    def found(self) -> tuple[str, ...]:
        """Audits that found more than chance explains."""
        return tuple(name for name, part in self.parts.items() if part.has_evidence)

    @property
    def table(self) -> pd.DataFrame:
        """One row per audit."""
        return pd.DataFrame(
            {"audit": name, "evidence of a leak": part.has_evidence, "finding": str(part)}
            for name, part in self.parts.items()
        )

    def __str__(self) -> str:
        verdict = (
            f"Evidence of leaks in: {', '.join(self.found)}."
            if self.found
            else "No audit found evidence of a leak, at the power that each of them states."
        )
        lines = [verdict, f"Statement of the set: {self.statement}.", ""]
        for name, part in self.parts.items():
            lines += [name, "-" * len(name), str(part), ""]
        lines += [f"Not run: {name}, because {why}." for name, why in self.left_out.items()]
        return "\n".join(lines).rstrip()

    def to_json(self) -> str:
        """Write sentences and numbers of all audits as JSON text."""
        parts = {
            name: {
                "evidence": part.has_evidence,
                "sentences": str(part).splitlines(),
                "table": records_of(part.table),
            }
            for name, part in self.parts.items()
        }
        facts: dict[str, Any] = {"format": FORMAT, "set": self.digest, "statement": self.statement}
        facts |= {"found": self.found, "audits": parts, "left_out": self.left_out}
        return json_text(facts)


def audit(
    condensed: CondensedSet,
    train: tuple[Any, Any],
    holdout: tuple[Any, Any],
    *,
    condenser: DatasetCondenser | None = None,
    sensitive: tuple[str, ...] = (),
    by: tuple[Any, ...] = (),
    train_groups: Any = None,
    holdout_groups: Any = None,
    n_shadows: int = 4,
    n_canaries: int = 100,
    n_jobs: int | None = None,
    random_state: Any = None,
    verbose: int = 0,
) -> Audit:
    """Run every audit that applies to a set.

    Closeness and membership always; with `condenser` membership by shadows, and a lower bound of
    epsilon from one more fit; an attribute audit for each sensitive column; utility and risk by
    subgroup; and for images, reconstruction, where torch is installed.

    Parameters
    ----------
    condensed : CondensedSet
        The set.
    train, holdout : tuple of (X, y)
        Rows that were condensed, and rows of the same population that were not.
    condenser : DatasetCondenser, default=None
        What made the set, fitted or not; it is cloned and fitted ``n_shadows + 1`` times more. No
        ledger counts these fits: what they find is for the auditor's eyes.
    sensitive : tuple of str, default=()
        Columns that an attacker might want to learn.
    by : tuple of str or of (str, edges), default=()
        Columns whose levels, or bands between edges, are subgroups.
    train_groups, holdout_groups : array-like of shape (n_rows,), default=None
        Patient of each row.
    n_shadows : int, default=4
        See `membership_audit`.
    n_canaries : int, default=100
        See `one_run_audit`.
    n_jobs : int, default=None
        Number of shadows that are made at the same time.
    random_state : int, RandomState instance or None, default=None
        Seed of all audits.
    verbose : int, default=0
        Whether to draw a progress bar over the audits on standard error, where that is a terminal.

    Returns
    -------
    Audit
        Print it for sentences; `parts` has the results, `to_json` all numbers.

    Raises
    ------
    ValueError
        As each audit does, for too few rows, patients on both sides and unknown columns.

    Notes
    -----
    The verdict counts audits with evidence; with five audits at 5 % each, one finds something by
    chance in a fifth of all sets without a leak. A single narrow finding asks for a second look
    with other seeds and more rows, and not for a release.
    """
    rng = np.random.default_rng(int(check_random_state(random_state).randint(2**31 - 1)))
    groups = {"member_groups": train_groups, "other_groups": holdout_groups}
    of_set = {"train_groups": train_groups, "holdout_groups": holdout_groups}
    repeated = {"condenser": condenser, "n_shadows": n_shadows, "n_jobs": n_jobs, **groups}

    def planned(run: Callable[..., AuditResult], *args: Any, **kwargs: Any) -> Plan:
        return partial(run, *args, random_state=int(rng.integers(2**31 - 1)), **kwargs)

    rows, tables = (train[0], holdout[0]), (train, holdout)
    plans = {
        "closeness": planned(closeness_audit, condensed, *rows, **of_set),
        # Without a bar of its own: two of them would draw over each other.
        "membership": planned(membership_audit, condensed, *tables, **repeated),
    }
    for name in sensitive:
        plans[f"attribute {name}"] = planned(attribute_audit, condensed, *tables, name, **groups)
    divided = [of if isinstance(of, str) else of[0] for of in by]
    if len(set(divided)) < len(divided):
        raise ValueError(f"by names a column twice. Got {divided}. Give its edges in one tuple.")
    for of in by:
        plans[f"subgroups by {of if isinstance(of, str) else of[0]}"] = planned(
            subgroup_audit, condensed, holdout, of, train=train, members=train,
            groups=holdout_groups, member_groups=train_groups,
        )  # fmt: skip
    left_out = _left_out(condensed, condenser, sensitive, by)
    if "one run" not in left_out:
        plans["one run"] = planned(
            one_run_audit, condenser, *train, groups=train_groups, n_canaries=n_canaries
        )
    if "reconstruction" not in left_out:
        plans["reconstruction"] = planned(reconstruction_audit, condensed, *rows, **groups)
    return Audit(_run(plans, verbose), left_out, _statement_of(condensed), condensed.digest)


def _statement_of(condensed: CondensedSet) -> str:
    if condensed.privacy is None:
        return "none; nothing bounds attacks that were not tried"
    return condensed.privacy.short


def _run(plans: Mapping[str, Plan], verbose: int) -> dict[str, Any]:
    found = {}
    with _bar(verbose) as bar:
        task = bar.add_task("", total=len(plans))
        for name, run in plans.items():
            # At once: a quick audit ends between two redraws.
            bar.update(task, description=f"Audit: {name}", refresh=True)
            found[name] = run()
            bar.advance(task)
    return found


def _bar(verbose: int) -> Progress:
    """One bar over all audits; none where nobody watches."""
    console = Console(stderr=True)
    # Audits take from seconds to minutes, so a clock shows that a bar that stands still is at work.
    columns = (SpinnerColumn(), *Progress.get_default_columns()[:2], TimeElapsedColumn())
    silent = not (verbose and console.is_terminal)
    return Progress(*columns, MofNCompleteColumn(), console=console, transient=True, disable=silent)


def _left_out(
    condensed: CondensedSet, condenser: Any, sensitive: tuple[str, ...], by: tuple[Any, ...]
) -> dict[str, str]:
    """Audits that cannot be run with what was given."""
    reasons = {}
    if condenser is None:
        reasons["one run"] = "no condenser was given to plant made-up patients with"
        reasons["membership by shadows"] = "no condenser was given to repeat the condensation with"
    if not sensitive:
        reasons["attribute"] = "no sensitive column was named"
    if not by:
        reasons["subgroups"] = "no column was named whose levels are subgroups"
    if not is_images(condensed.X):
        reasons["reconstruction"] = "it is of images, and the rows are none"
    elif find_spec("torch") is None:
        reasons["reconstruction"] = "it needs torch, which is not installed"
    return reasons
