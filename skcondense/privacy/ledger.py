"""The ledger: everything that was ever asked about a table, and what it cost.

A ledger file is a line of JSON for its terms and one per spend. Lines are appended under a lock
and reach the disk before noise is drawn, so a crash can count an answer that nobody got and never
miss one that somebody has. Each line carries a digest of all lines before it: a line that is
changed or removed later breaks the chain.
"""

import hashlib
import json
import os
import secrets
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from threading import RLock
from typing import Any, Self

from filelock import FileLock

from skcondense.exceptions import BudgetExceededError, LedgerError
from skcondense.privacy.accountant import compose, epsilon_of, mu_of

__all__ = ["PrivacyLedger", "Spend", "Terms", "new_run", "now"]

FORMAT = "skcondense privacy ledger, version 1"
START = f'{{"format": "{FORMAT}"'.encode()
# Spends whose squares add up to a budget exactly must not fail by a rounding error.
SLACK = 1e-12
# Far beyond any use, and still small enough that sums of squares are finite.
LARGEST_MU = 1e6


@dataclass(frozen=True)
class Terms:
    """What all spends of a ledger have in common.

    Attributes
    ----------
    neighbors : {"add_remove", "replace"}
        Which tables count as neighbours.
    delta : float
        The delta at which the ledger states its epsilon.
    epsilon : float or None
        Budget; None for none.
    """

    neighbors: str = "add_remove"
    delta: float = 1e-5
    epsilon: float | None = None


@dataclass(frozen=True)
class Spend:
    """One answered query.

    Attributes
    ----------
    run : str
        Fit that asked.
    by : str
        Class that asked.
    query : str
        What was asked.
    mechanism : {"gaussian", "exponential"}
        How the answer was protected.
    mu : float
        What it cost.
    sensitivity : float
        How much one patient can change the answer before noise.
    noise : float
        Standard deviation of the Gaussian noise, or the bounded range of the selection.
    size : int
        Numbers in the answer, or candidates to choose from.
    unit : {"patient", "row"}
        Whose presence is protected.
    at : str
        Time of the spend, UTC.
    """

    run: str
    by: str
    query: str
    mechanism: str
    mu: float
    sensitivity: float
    noise: float
    size: int
    unit: str
    at: str

    def __post_init__(self) -> None:
        # Read from files, too: a cost that is no number would make every sum of costs none.
        for field in fields(self):
            value, kind = getattr(self, field.name), field.type
            wanted = (int, float) if kind is float else kind
            if not isinstance(value, wanted) or isinstance(value, bool):  # type: ignore[arg-type]
                raise LedgerError(f"A spend's {field.name} must be {kind}. Got {value!r}.")
        if not 0 <= self.mu <= LARGEST_MU:
            raise LedgerError(f"A spend's mu must be from 0 to {LARGEST_MU:g}. Got {self.mu!r}.")


class PrivacyLedger:
    """Append-only record of privacy spends, with an optional budget.

    Give one ledger to everything that reads the same patients: spends add up over condensers,
    clones, cross-validation folds and processes.

    Parameters
    ----------
    path : str or Path, default=None
        File to keep the ledger in; created if it does not exist. Without one the ledger lives in
        memory, and cannot follow a condenser into other processes.
    epsilon : float, default=None
        Budget: a spend that would exceed it raises `BudgetExceededError` and does not happen.
    delta : float, default=None
        The delta that goes with epsilon; 1e-5 for a new ledger.
    neighbors : {"add_remove", "replace"}, default=None
        Which tables count as neighbours; "add_remove" for a new ledger.

    Raises
    ------
    LedgerError
        If the file is not a ledger, was altered, or has other terms than those given.

    Notes
    -----
    Every fold of a cross-validation is counted as if each patient were in all of them. A patient
    is in all but one, so the true cost is a little lower than what the ledger says.

    Examples
    --------
    >>> from skcondense.privacy import PrivacyLedger
    >>> ledger = PrivacyLedger(epsilon=2.0)
    >>> ledger
    PrivacyLedger(in memory, 0 spends, epsilon 0 of 2 spent at delta=1e-05, add_remove)
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        epsilon: float | None = None,
        delta: float | None = None,
        neighbors: str | None = None,
    ) -> None:
        given = {"neighbors": neighbors, "delta": delta, "epsilon": epsilon}
        given = {name: value for name, value in given.items() if value is not None}
        # Two names of one file must share one lock.
        self.path = None if path is None else Path(path).resolve()
        self._lock = RLock() if self.path is None else FileLock(f"{self.path}.lock")
        self._lines = _Lines()
        with self._lock:
            self._refresh()
            if self._lines.terms is None:
                header = {"format": FORMAT, **asdict(_new_terms(given)), "created": now()}
                self._append(header)
            _check_terms(self.terms, given)

    def __sklearn_clone__(self) -> Self:
        # Clones of a condenser spend from the same purse.
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> Any:
        if self.path is None:
            raise LedgerError(
                "A ledger in memory cannot be copied to another process or stored: its spends "
                "would be counted apart. Give it a file: PrivacyLedger('ledger.jsonl')."
            )
        return _reopen, (type(self), self.path, self.terms, self._lines.size)

    def __repr__(self) -> str:
        where = "in memory" if self.path is None else str(self.path)
        budget = "" if self.terms.epsilon is None else f" of {self.terms.epsilon:.4g}"
        return (
            f"PrivacyLedger({where}, {len(self.spends)} spends, epsilon {self.epsilon:.4g}{budget} "
            f"spent at delta={self.terms.delta:.4g}, {self.terms.neighbors})"
        )

    @property
    def terms(self) -> Terms:
        """What all spends have in common."""
        assert self._lines.terms is not None
        return self._lines.terms

    @property
    def spends(self) -> tuple[Spend, ...]:
        """All spends, oldest first."""
        with self._lock:
            self._refresh()
            return tuple(self._lines.spends)

    @property
    def mu(self) -> float:
        """Gaussian-DP parameter of all spends together."""
        return compose(spend.mu for spend in self.spends)

    @property
    def epsilon(self) -> float:
        """Epsilon of all spends together, at the ledger's delta."""
        return epsilon_of(self.mu, self.terms.delta)

    def require(self, mu: float) -> None:
        """Check that a budget still has room for a fit, before the fit spends anything.

        Parameters
        ----------
        mu : float
            Gaussian-DP parameter of the whole fit.

        Raises
        ------
        BudgetExceededError
            If it does not.
        """
        with self._lock:
            self._check_room(mu)

    def charge(self, spend: Spend) -> None:
        """Write a spend to the disk; call it before drawing noise.

        Parameters
        ----------
        spend : Spend
            What is about to be answered.

        Raises
        ------
        BudgetExceededError
            If the budget has no room for it; nothing is written.
        """
        with self._lock:
            self._refresh()
            self._check_room(spend.mu)
            self._append(asdict(spend))

    def _check_room(self, mu: float) -> None:
        if self.terms.epsilon is None:
            return
        budget = mu_of(self.terms.epsilon, self.terms.delta)
        if compose([self.mu, mu]) > budget * (1 + SLACK):
            asked = epsilon_of(compose([self.mu, mu]), self.terms.delta)
            raise BudgetExceededError(
                f"The privacy budget of the ledger is epsilon={self.terms.epsilon:.4g} at "
                f"delta={self.terms.delta:.4g}; epsilon={self.epsilon:.4g} is spent, and this "
                f"would make it {asked:.4g}. It was not asked. Ask for a smaller epsilon, or let "
                "whoever owns the data open a new ledger with a larger budget."
            )

    def _refresh(self) -> None:
        """Read what others have appended."""
        if self.path is None or not self.path.exists():
            return
        with self.path.open("rb") as file:
            if file.seek(0, os.SEEK_END) < self._lines.size:
                raise LedgerError(
                    f"{self.path} has become shorter: spends were removed from it. Restore it "
                    "from a copy."
                )
            file.seek(self._lines.size)
            self._lines.read(file.read(), str(self.path))

    def _append(self, record: dict[str, Any]) -> None:
        line = json.dumps({**record, "chain": self._lines.chain}, ensure_ascii=False).encode()
        start = self._lines.size
        if self.path is not None:
            flags = os.O_RDWR | os.O_CREAT
            with os.fdopen(os.open(self.path, flags, 0o644), "r+b", buffering=0) as file:
                # A last line that a crash cut short was never answered: noise comes after it.
                file.truncate(start)
                file.seek(start)
                rest = memoryview(line + b"\n")
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            if start == 0:
                _sync_folder(self.path.parent)
        self._lines.read(line + b"\n", str(self.path))


class _Lines:
    """What the complete lines of a ledger say, read once each."""

    def __init__(self) -> None:
        self.size = 0
        self.number = 0
        self.chain = ""
        self.terms: Terms | None = None
        self.spends: list[Spend] = []

    def read(self, text: bytes, name: str) -> None:
        """Read further lines; the rest of the last one may still be missing."""
        for line in text[: text.rfind(b"\n") + 1].splitlines(keepends=True):
            try:
                self._take(json.loads(line))
            # What a file can make of lists, numbers and nesting raises nearly anything.
            except Exception as error:
                raise LedgerError(
                    f"{name} is not an intact privacy ledger: line {self.number + 1}: {error}. "
                    "Restore it from a copy. Without it, what was spent is unknown, and nothing "
                    "more should be."
                ) from error
            self.chain = hashlib.sha256(self.chain.encode() + line).hexdigest()[:32]
            self.size += len(line)
            self.number += 1
        rest = text[text.rfind(b"\n") + 1 :]
        # What a crash cut short is overwritten, but never a file of somebody else's.
        if self.terms is None and not (START.startswith(rest) or rest.startswith(START)):
            raise LedgerError(
                f"{name} is no privacy ledger: it does not begin with {FORMAT!r}. Name another "
                "file; this one was left as it is."
            )

    def _take(self, record: dict[str, Any]) -> None:
        if record.pop("chain") != self.chain:
            raise ValueError("its digest does not fit the lines before it")
        if self.terms is not None:
            self.spends.append(Spend(**record))
        elif record.pop("format") != FORMAT:
            raise ValueError(f"it does not begin with {FORMAT!r}")
        else:
            del record["created"]
            self.terms = _possible(Terms(**record))


def _reopen(kind: type[PrivacyLedger], path: Path, terms: Terms, size: int) -> PrivacyLedger:
    """Unpickle a ledger: its file must be there, with all it held when it was pickled."""
    if not path.exists() or path.stat().st_size < size:
        raise LedgerError(
            f"The ledger {path} is not there, or has become shorter since the object was stored. "
            "Without it, what was spent is unknown."
        )
    return kind(path, **asdict(terms))


def _sync_folder(folder: Path) -> None:
    """Make a new file's name outlive a crash, where the system allows it."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _new_terms(given: dict[str, Any]) -> Terms:
    return _possible(Terms(**given))


def _possible(terms: Terms) -> Terms:
    if terms.neighbors not in ("add_remove", "replace"):
        raise LedgerError(f"neighbors must be 'add_remove' or 'replace'. Got {terms.neighbors!r}.")
    if not 0 < terms.delta < 1:
        raise LedgerError(f"delta must be between 0 and 1. Got {terms.delta!r}.")
    if terms.epsilon is not None and not 0 < terms.epsilon < float("inf"):
        raise LedgerError(f"epsilon must be positive and finite. Got {terms.epsilon!r}.")
    return terms


def _check_terms(terms: Terms, given: dict[str, Any]) -> None:
    for name, value in given.items():
        if getattr(terms, name) != value:
            raise LedgerError(
                f"The ledger was opened with {name}={getattr(terms, name)!r}, and terms do not "
                f"change. Got {name}={value!r}. Leave it out, or use another file."
            )


def now() -> str:
    """Return the time for a ledger line."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def new_run() -> str:
    """Return a name for a fit that nothing else has."""
    return secrets.token_hex(8)
