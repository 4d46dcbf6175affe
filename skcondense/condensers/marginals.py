"""Noised counts of outcomes and of the columns' bins, with the noise smoothed out of them.

References
----------
Stein (1981), Estimation of the mean of a multivariate normal distribution, Ann. Statist. 9(6),
doi:10.1214/aos/1176345632 (the unbiased risk estimate that chooses the smoothing).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from skcondense.privacy import Oracle, SumQuery
from skcondense.private_table import PrivateTable
from skcondense.table import TableBins
from skcondense.tasks import Task

__all__ = ["Marginals", "count_bins", "count_outcomes"]

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

# Widths of the smoothing kernel to choose from, in bins.
WIDTHS = (0.5, 0.8, 1.2, 2.0, 3.0, 5.0)
# No stratum is taken to be smaller, however the noise falls.
SMALLEST_STRATUM = 20.0


@dataclass(frozen=True)
class Marginals:
    """What was counted, with the noise smoothed out of it.

    Attributes
    ----------
    facts : PrivateTable
        The public facts about the table; no rows.
    bins : TableBins
        Bins of the columns.
    cells : ndarray of shape (n_outcome_cells,)
        Patients (rows) per outcome cell; no count is negative.
    counts : ndarray of shape (n_strata, n_bins)
        Rows per bin within each stratum; each column's counts add up to the stratum's size.
    """

    facts: PrivateTable
    bins: TableBins
    cells: Floats
    counts: Floats

    @cached_property
    def stratum(self) -> Positions:
        """Stratum of each outcome cell."""
        return _stratum_of_cells(self.facts.task)

    @cached_property
    def sizes(self) -> Floats:
        """Rows per stratum."""
        return _sizes(self.cells, self.stratum)

    @property
    def n_rows(self) -> float:
        """Noised number of rows (patients, where groups are given)."""
        return float(self.cells.sum())

    @property
    def overall(self) -> Floats:
        """Label of the whole table."""
        return self.labels(self.cells[np.newaxis])[0]

    def outcomes(self, strata: Floats) -> Floats:
        """Probability of each outcome cell for rows whose stratum is known by probabilities.

        Parameters
        ----------
        strata : ndarray of shape (n_rows, n_strata)
            Probability of each stratum.

        Returns
        -------
        ndarray of shape (n_rows, n_outcome_cells)
        """
        within = self.cells / np.bincount(self.stratum, self.cells)[self.stratum]
        return strata[:, self.stratum] * within

    def labels(self, outcomes: Floats) -> Floats:
        """Labels of prototypes with given outcomes.

        Parameters
        ----------
        outcomes : ndarray of shape (n_prototypes, n_outcome_cells)
            Counts or probabilities of the outcome cells.

        Returns
        -------
        ndarray of shape (n_prototypes, n_label_columns)
        """
        return self.facts.task.outcome_labels(outcomes)


def count_outcomes(facts: PrivateTable, oracle: Oracle, share: float) -> Floats:
    """Ask how many rows have each outcome."""
    n_cells = facts.task.n_cells

    def indicators(rows: PrivateTable) -> Floats:
        return np.eye(n_cells)[rows.task.cells(rows.y)]

    query = SumQuery("outcomes", share, n_cells, 1.0, indicators, nonnegative=True)
    # Half a patient everywhere: no outcome is impossible.
    return np.maximum(oracle.ask(query).value, 0.5)


def _stratum_of_cells(task: Task) -> Positions:
    return task.strata(task.from_cells(np.arange(task.n_cells)))


def _sizes(cells: Floats, stratum: Positions) -> Floats:
    return np.maximum(np.bincount(stratum, cells), SMALLEST_STRATUM)


def count_bins(
    facts: PrivateTable, oracle: Oracle, share: float, bins: TableBins, cells: Floats
) -> Floats:
    """Ask how many rows of each stratum are in each bin, all columns at once."""
    task = facts.task
    sizes = _sizes(cells, _stratum_of_cells(task))
    n_strata, n_columns = len(sizes), len(bins.sizes)

    def indicators(rows: PrivateTable) -> Floats:
        out = np.zeros((len(rows), n_strata, len(bins)))
        out[np.arange(len(rows)), task.strata(rows.y)] = bins.indicators(rows.Z)
        return out.reshape(len(rows), -1)

    bound = n_columns**0.5
    query = SumQuery("histograms", share, n_strata * len(bins), bound, indicators, nonnegative=True)
    answer = oracle.ask(query)
    noised = answer.value.reshape(n_strata, -1)
    counts = [_smoothed(n, bins, s, answer.noise) for n, s in zip(noised, sizes, strict=True)]
    return np.stack(counts)


def _smoothed(noised: Floats, bins: TableBins, size: float, noise: float) -> Floats:
    """Counts of one stratum, column by column: smooth where bins have an order, then repair."""
    out = np.empty_like(noised)
    for start, n_bins, n_ordered in zip(bins.starts, bins.sizes, bins.n_ordered, strict=True):
        column = noised[start : start + n_bins].copy()
        if n_ordered > 3:
            column[:n_ordered] = _least_risk(column[:n_ordered], noise)
        out[start : start + n_bins] = _onto_simplex(column, size)
    return out


def _least_risk(noised: Floats, noise: float) -> Floats:
    """The smoothed counts whose estimated squared error is least (Stein's estimate)."""
    distance = np.subtract.outer(np.arange(len(noised)), np.arange(len(noised)))
    best, least = noised, 2 * noise**2 * len(noised)
    for width in WIDTHS:
        kernel = np.exp(-((distance / width) ** 2) / 2)
        kernel /= kernel.sum(axis=1, keepdims=True)
        smooth = kernel @ noised
        risk = ((smooth - noised) ** 2).sum() + 2 * noise**2 * np.trace(kernel)
        if risk < least:
            best, least = smooth, risk
    return best


def _onto_simplex(counts: Floats, total: float) -> Floats:
    """The nearest counts that are not negative and add up to a total."""
    ordered = np.sort(counts)[::-1]
    excess = (np.cumsum(ordered) - total) / np.arange(1, len(counts) + 1)
    shift = excess[np.flatnonzero(ordered > excess)[-1]]
    return np.maximum(counts - shift, 0.0)
