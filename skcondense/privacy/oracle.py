"""The door: the only code that sees real rows of a private fit.

It answers queries. For each it writes the spend to the ledger, computes the exact answer in
integers, adds noise from the operating system, and returns noised numbers. Everything that a
condenser does with them is post-processing, and every condenser can be checked for it:
`ReplayedOracle` gives the recorded answers again without any table, and the condensed set must
come out the same, bit for bit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from skcondense.exceptions import BlackBoxError, BudgetExceededError
from skcondense.privacy._diffprivlib import Exponential
from skcondense.privacy.accountant import range_of
from skcondense.privacy.ledger import PrivacyLedger, Spend, new_run, now
from skcondense.privacy.noise import noise_source
from skcondense.privacy.queries import GRID, Query, SelectQuery, SumQuery

__all__ = ["Answer", "Oracle", "PrivateOracle", "RehearsalOracle", "ReplayedOracle", "Rows"]

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Answer:
    """A noised answer.

    Attributes
    ----------
    value : ndarray of shape (size,) or int
        Noised sum, or position of the chosen candidate.
    noise : float
        Standard deviation of the noise on each number of a sum; 0 for a choice.
    """

    value: Any
    noise: float


# Numbers that a query may compute at a time.
PIECE = 4_000_000
# Shares of a fit add up to one, up to this.
SLACK = 1e-9


class Rows(Protocol):
    """Private rows, such as a `PrivateTable`."""

    @property
    def weight(self) -> Floats:
        """Weight of each row."""
        ...

    @property
    def groups(self) -> NDArray[Any] | None:
        """Patient of each row."""
        ...

    def __len__(self) -> int: ...

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Select rows by position."""
        ...


class Oracle(Protocol):
    """Whatever answers queries."""

    answers: list[Answer]

    def ask(self, query: Query) -> Answer:
        """Answer a query."""
        ...

    def read_sample(self, rate: float) -> None:
        """Answer later queries from a random part of the patients."""
        ...


class PrivateOracle:
    """Answer queries about private rows with noised numbers.

    Parameters
    ----------
    rows : Rows
        Private rows, with weights between 0 and 1 and, optionally, the patient of each row.
    mu : float
        Budget of the fit: Gaussian-DP parameter of all its answers together.
    ledger : PrivacyLedger
        Where spends are written.
    by : str
        Who asks, for the ledger.

    Attributes
    ----------
    answers : list
        All answers so far, in order: what a replay needs.
    spends : list of Spend
        What they cost.
    """

    def __init__(self, rows: Rows, *, mu: float, ledger: PrivacyLedger, by: str) -> None:
        ledger.require(mu)
        self._patients = _Patients(rows)
        self._mu = mu
        self._ledger = ledger
        self._by = by
        self._run = new_run()
        self._share = 0.0
        self.answers: list[Answer] = []
        self.spends: list[Spend] = []
        self.is_seeded = False

    @property
    def unit(self) -> str:
        """Whose presence is protected: "patient" where rows carry one, otherwise "row"."""
        return "row" if self._patients.are_rows else "patient"

    def read_sample(self, rate: float) -> None:
        """Answer later queries from a random part of the patients, which saves time.

        Each patient is in it by a coin flip of the operating system, so the sensitivity of every
        query stays what it is. No amplification of privacy is claimed.

        Parameters
        ----------
        rate : float
            Probability of each patient to be in the part.
        """
        self._patients = self._patients.sample(rate)

    def ask(self, query: Query) -> Answer:
        """Answer a query.

        Parameters
        ----------
        query : SumQuery or SelectQuery
            What is asked.

        Returns
        -------
        Answer

        Raises
        ------
        BudgetExceededError
            If the shares of the fit would exceed one, or the ledger's budget is exhausted.
            Nothing has been spent on the query then.
        """
        self._share = _added(self._share, query)
        if isinstance(query, SumQuery):
            answer = self._noisy_sum(query)
        else:
            assert isinstance(query, SelectQuery)
            answer = self._selection(query)
        self.is_seeded = self.is_seeded or noise_source().is_seeded
        self.answers.append(answer)
        return answer

    def _noisy_sum(self, query: SumQuery) -> Answer:
        mu = self._mu * query.share**0.5
        sensitivity = query.sensitivity(self._ledger.terms.neighbors)
        self._charge(query, mu, sensitivity, noise=sensitivity / mu)
        step = query.bound / GRID
        noise = noise_source().rounded_gaussian(sensitivity / step / mu, query.size)
        return Answer((self._exact_sum(query) + noise) * step, sensitivity / mu)

    def _exact_sum(self, query: SumQuery) -> Integers:
        """Sum over patients, in steps of the integer grid."""
        total = np.zeros(query.size, dtype=np.int64)
        for vectors in self._patients.sums(query):
            total += _clipped(vectors, query).sum(axis=0)
        return total

    def _selection(self, query: SelectQuery) -> Answer:
        mu = self._mu * query.share**0.5
        sensitivity = query.sensitivity(self._ledger.terms.neighbors)
        self._charge(query, mu, sensitivity, noise=range_of(mu))
        total = self._exact_losses(query)
        # Scores between candidates move by at most the sensitivity, so weights of
        # exp(epsilon * score / sensitivity), diffprivlib's for monotonic scores, have bounded
        # range epsilon.
        mechanism = Exponential(
            epsilon=range_of(mu),
            sensitivity=sensitivity / query.bound * GRID,
            utility=(total.min() - total).astype(float).tolist(),
            monotonic=True,
            random_state=noise_source().random_state,
        )
        return Answer(int(mechanism.randomise()), 0.0)

    def _exact_losses(self, query: SelectQuery) -> Integers:
        """Total loss of each candidate, in steps of the integer grid."""
        total = np.zeros(query.size, dtype=np.int64)
        for losses in self._patients.means(query):
            total += _on_grid(losses, query).sum(axis=0)
        return total

    def _charge(self, query: Query, mu: float, sensitivity: float, noise: float) -> None:
        spend = Spend(
            run=self._run,
            by=self._by,
            query=query.name,
            mechanism=query.mechanism,
            mu=mu,
            sensitivity=sensitivity,
            noise=noise,
            size=query.size,
            unit=self.unit,
            at=now(),
        )
        self._ledger.charge(spend)
        self.spends.append(spend)


class RehearsalOracle:
    """Answer queries about made-up rows, so that a fit which cannot be done fails for nothing.

    Where a `PrivateOracle` must be silent about a row on which a query fails, this one raises.

    Parameters
    ----------
    rows : Rows
        Made-up rows.

    Attributes
    ----------
    share : float
        Share of the budget that was asked for.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.answers: list[Answer] = []
        self.share = 0.0

    def read_sample(self, rate: float) -> None:
        """Nothing to sample."""

    def ask(self, query: Query) -> Answer:
        """Sums of the made-up rows, or the first candidate.

        Raises
        ------
        BudgetExceededError
            If shares exceed one.
        ValueError
            If values are not finite numbers, as many as the query says.
        """
        self.share = _added(self.share, query)
        values = np.asarray(query.function(self._rows))
        if values.shape != (len(self._rows), query.size) or not np.isfinite(values).all():
            raise ValueError(
                f"The query {query.name!r} must give {query.size} finite numbers for every row. On "
                f"a made-up row it gave an array of shape {values.shape}. Nothing was spent."
            )
        is_sum = isinstance(query, SumQuery)
        self.answers.append(Answer(values.sum(axis=0) if is_sum else 0, 0.0))
        return self.answers[-1]


class ReplayedOracle:
    """Give recorded answers again, without any table.

    Parameters
    ----------
    answers : list
        What a `PrivateOracle` answered.
    """

    def __init__(self, answers: list[Answer]) -> None:
        self.answers: list[Answer] = []
        self._recorded = list(answers)

    def read_sample(self, rate: float) -> None:
        """Nothing to read."""

    def ask(self, query: Query) -> Answer:
        """Return the next recorded answer, whatever is asked."""
        self.answers.append(self._recorded.pop(0))
        return self.answers[-1]


def _added(share: float, query: Query) -> float:
    """The share that is spent after a query."""
    if share + query.share > 1 + SLACK:
        raise BudgetExceededError(
            f"The query {query.name!r} asks for a share of {query.share:.4g}, but {share:.4g} of "
            "the fit's budget are spent."
        )
    return share + query.share


class _Patients:
    """Private rows, patient by patient."""

    def __init__(self, rows: Rows) -> None:
        self.are_rows = rows.groups is None
        self._rows = rows
        if rows.groups is None:
            self._starts = np.arange(len(rows))
            return
        _, patient = np.unique(rows.groups, return_inverse=True)
        self._rows = rows.take(np.argsort(patient, kind="stable"))
        self._starts = np.flatnonzero(np.diff(np.sort(patient), prepend=-1))

    def sample(self, rate: float) -> "_Patients":
        if rate >= 1:
            return self
        chosen = noise_source().coin_flips(rate, len(self._starts))
        lengths = np.diff(self._starts, append=len(self._rows))
        return _Patients(self._rows.take(np.flatnonzero(np.repeat(chosen, lengths))))

    def sums(self, query: Query) -> Iterator[Floats]:
        """Sum of each patient's weighted vectors, some patients at a time."""
        for values, starts, _ in self._pieces(query):
            yield values if self.are_rows else np.add.reduceat(values, starts)

    def means(self, query: Query) -> Iterator[Floats]:
        """Mean of each patient's weighted losses, some patients at a time."""
        for values, starts, lengths in self._pieces(query):
            sums = values if self.are_rows else np.add.reduceat(values, starts)
            yield sums / lengths[:, np.newaxis]

    def _pieces(self, query: Query) -> Iterator[tuple[Floats, NDArray[np.intp], NDArray[np.intp]]]:
        ends = np.append(self._starts[1:], len(self._rows))
        first = 0
        while first < len(self._starts):
            start = self._starts[first]
            room = max(1, PIECE // query.size)
            last = max(first + 1, int(np.searchsorted(ends, start + room, side="right")))
            piece = self._rows.take(np.arange(start, ends[last - 1]))
            values = query.within_reach(_values(query, piece)) * piece.weight[:, np.newaxis]
            starts = self._starts[first:last] - start
            yield values, starts, np.diff(starts, append=len(values))
            first = last


def _values(query: Query, piece: Rows) -> Floats:
    """Values of rows; NaN for rows on which the function fails.

    An error must neither stop the fit, which would show that such a row is there, nor cost other
    rows their say, so the failing rows are found by halving.
    """
    try:
        return query.function(piece)
    except BlackBoxError:
        # It was fitted to public rows, so this says nothing about private ones.
        raise
    except Exception:
        if len(piece) == 1:
            return np.full((1, query.size), np.nan)
    halves = np.array_split(np.arange(len(piece)), 2)
    return np.concatenate([_values(query, piece.take(half)) for half in halves])


def _clipped(vectors: Floats, query: SumQuery) -> Integers:
    """Vectors on the integer grid, none longer than `GRID` steps."""
    norm = np.sqrt((vectors**2).sum(axis=1, keepdims=True))
    # Towards zero, so that rounding makes no vector longer.
    steps = np.trunc(vectors * (GRID / np.maximum(norm, query.bound))).astype(np.int64)
    # A floating-point error still may have: such a vector counts as nothing.
    steps[(steps**2).sum(axis=1) > GRID**2] = 0
    return steps


def _on_grid(losses: Floats, query: SelectQuery) -> Integers:
    """Losses on the integer grid, between 0 and `GRID`."""
    return np.rint(np.clip(losses / query.bound, 0.0, 1.0) * GRID).astype(np.int64)
