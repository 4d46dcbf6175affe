"""A Gaussian copula of noised counts, from which proxy rows are drawn.

Correlations are drawn towards those of all strata together, and these towards zero, as far as the
noise demands: a copula without correlations is the naive Bayes model, so the two compete, entry
by entry, and the data decide.

References
----------
Li, Xiong and Jiang (2014), Differentially private synthesization of multi-dimensional data using
copula functions, EDBT, doi:10.5441/002/edbt.2014.43.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from skcondense.condensers.grouping import GROUP_SIZE
from skcondense.condensers.marginals import Marginals
from skcondense.privacy import Oracle, SumQuery
from skcondense.private_table import PrivateTable

__all__ = ["Copula"]

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

# Normal scores are clipped here; the clip norm of a row leaves this much room above the mean.
LARGEST_SCORE, ROOM = 2.5, 1.3
# Correlations stay off 1, eigenvalues off 0.
STRONGEST, FLATTEST = 0.98, 0.02


class Copula:
    """Gaussian copula of the bins of a row, within each stratum.

    Each column has a latent normal variable for its value and, where cells may be missing, one
    more for being missing. A value's normal score is the mean of the latent over its bin.

    Parameters
    ----------
    marginals : Marginals
        Noised counts.
    """

    def __init__(self, marginals: Marginals) -> None:
        self.marginals = marginals
        bins = marginals.bins
        self._latents = [
            _Latent.of(marginals, column, is_missing)
            for column in range(len(bins.sizes))
            for is_missing in ([False, True] if bins.has_missing[column] else [False])
        ]
        n_strata = len(marginals.sizes)
        self._correlations = np.tile(np.eye(len(self._latents)), (n_strata, 1, 1))

    def fit(self, oracle: Oracle, share: float) -> "Copula":
        """Ask for correlations, unless the table is too wide or the share is nothing."""
        d, n_strata = len(self._latents), len(self.marginals.sizes)
        if share == 0:
            return self
        upper = np.triu_indices(d, 1)
        # Mean squared norm of a row of scores, as the marginals predict it.
        expected = np.mean([sum(v.power[k] for v in self._latents) for k in range(n_strata)])
        norm = float(np.sqrt(ROOM * expected))

        def products(rows: PrivateTable) -> Floats:
            scores = self._scores(rows)
            scores *= np.minimum(1, norm / np.maximum(np.linalg.norm(scores, axis=1), 1e-9))[
                :, None
            ]
            out = np.zeros((len(rows), n_strata, len(upper[0])))
            stratum = self.marginals.facts.task.strata(rows.y)
            out[np.arange(len(rows)), stratum] = scores[:, upper[0]] * scores[:, upper[1]]
            return out.reshape(len(rows), -1)

        # The products above the diagonal have at most half the square of the norm's square.
        query = SumQuery(
            "correlations", share, n_strata * len(upper[0]), norm**2 / 2**0.5, products
        )
        answer = oracle.ask(query)
        sums = answer.value.reshape(n_strata, -1)
        self._correlations = self._estimated(sums, answer.noise, upper)
        return self

    def _scores(self, rows: PrivateTable) -> Floats:
        bins = self.marginals.bins.of(rows.Z)
        strata = self.marginals.facts.task.strata(rows.y)
        return np.stack([v.scores(bins, strata) for v in self._latents], axis=1)

    def _estimated(self, sums: Floats, noise: float, upper: Any) -> Floats:
        """Correlations of each stratum, drawn to those of all strata and these to zero."""
        variance = np.array([v.variance for v in self._latents])
        present = np.array([v.present for v in self._latents])
        n = self.marginals.sizes[:, np.newaxis]
        scale = n * np.stack(
            [
                (np.outer(v, v) * np.minimum.outer(p, p))[upper]
                for v, p in zip(variance.T, present.T, strict=True)
            ]
        )
        total = scale.sum(axis=0)
        pooled = _shrunk(sums.sum(axis=0) / total, (len(sums) * noise**2 + total) / total**2, 1e-4)
        own = [
            pooled + _shrunk(s / c - pooled, (noise**2 + c) / c**2, 0.0)
            for s, c in zip(sums, scale, strict=True)
        ]
        return np.stack([_as_correlations(values, upper, len(variance)) for values in own])

    def draw(self, n_rows: int, rng: np.random.Generator) -> PrivateTable:
        """Draw proxy rows, whose weights add up to the noised number of rows.

        Parameters
        ----------
        n_rows : int
            Number of rows.
        rng : Generator
            Source of randomness.

        Returns
        -------
        PrivateTable
        """
        found = self.marginals
        cells = rng.choice(len(found.cells), n_rows, p=found.cells / found.n_rows)
        # Every outcome occurs, or estimators and strata would not know of it; and often enough to
        # make a prototype of.
        every = np.repeat(np.arange(len(found.cells)), GROUP_SIZE)
        cells[: len(every)] = every
        strata = found.stratum[cells]
        bins = np.empty((n_rows, len(found.bins.sizes)), dtype=np.intp)
        for k in np.unique(strata):
            rows = np.flatnonzero(strata == k)
            root = np.linalg.cholesky(self._correlations[k])
            latent = ndtr(rng.normal(size=(len(rows), len(root))) @ root.T)
            for column, values in zip(self._latents, latent.T, strict=True):
                column.write(bins, rows, k, values)
        y = found.facts.task.from_cells(cells)
        weight = np.full(n_rows, found.n_rows / n_rows)
        return found.facts.with_rows(found.bins.rows(bins, rng), y, weight)


@dataclass(frozen=True)
class _Latent:
    """One latent variable of a row.

    Attributes
    ----------
    column : int
        Column it belongs to.
    members : ndarray of shape (n_levels,)
        Bins from low to high values of the latent; a missing indicator has none of its own.
    is_missing : bool
        Whether it says that the cell is missing.
    cuts : list of ndarray of shape (n_levels - 1,)
        Per stratum: probabilities at which one level ends and the next begins.
    score : ndarray of shape (n_strata, n_bins_of_the_column)
        Mean of the latent over each bin.
    variance, present : ndarray of shape (n_strata,)
        Variance of the scores, and share of rows whose value is present.
    """

    column: int
    start: int
    members: Positions
    is_missing: bool
    cuts: Floats
    score: Floats
    variance: Floats
    present: Floats

    @classmethod
    def of(cls, marginals: Marginals, column: int, is_missing: bool) -> "_Latent":
        bins = marginals.bins
        start, n_bins = int(bins.starts[column]), int(bins.sizes[column])
        counts = marginals.counts[:, start : start + n_bins] + 1e-6
        share = counts / counts.sum(axis=1, keepdims=True)
        n_values = n_bins - int(bins.has_missing[column])
        present = np.ones(len(share))
        if is_missing:
            levels = np.stack([1 - share[:, -1], share[:, -1]], axis=1)
            members, where = np.arange(2), np.array([0] * n_values + [1])
        else:
            present = share[:, :n_values].sum(axis=1)
            members = np.arange(n_values)
            if bins.n_ordered[column] == 0:
                members = np.argsort(_mean_stratum(share[:, :n_values], marginals.sizes))
            levels = share[:, members] / present[:, np.newaxis]
            gone = np.full(n_bins - n_values, n_values)
            where = np.concatenate([np.argsort(members), gone])
        ends = np.cumsum(levels, axis=1)
        edges = np.hstack([np.zeros((len(ends), 1)), ends[:, :-1], np.ones((len(ends), 1))])
        density = np.exp(-(ndtri(np.clip(edges, 1e-9, 1 - 1e-9)) ** 2) / 2) / np.sqrt(2 * np.pi)
        density[:, [0, -1]] = 0
        score = np.clip(-np.diff(density, axis=1) / levels, -LARGEST_SCORE, LARGEST_SCORE)
        variance = np.maximum((levels * score**2).sum(axis=1), 1e-3)
        # A missing value has no score.
        padded = np.hstack([score, np.zeros((len(score), 1))])
        return cls(
            column, start, members, is_missing, ends[:, :-1], padded[:, where], variance, present
        )

    @property
    def power(self) -> Floats:
        """Mean squared score, per stratum."""
        return self.variance * self.present

    def scores(self, bins: Positions, strata: Positions) -> Floats:
        """Normal score of each row."""
        return self.score[strata, bins[:, self.column] - self.start]

    def write(self, bins: Positions, rows: Positions, stratum: int, values: Floats) -> None:
        """Turn latent probabilities of some rows into bins, in place."""
        level = np.searchsorted(self.cuts[stratum], values)
        if self.is_missing:
            gone = rows[level == 1]
            bins[gone, self.column] = self.start + self.score.shape[1] - 1
        else:
            bins[rows, self.column] = self.start + self.members[level]


def _mean_stratum(share: Floats, sizes: Floats) -> Floats:
    """Where rows of each bin stand on average among the strata: an order for categories."""
    rows = share * sizes[:, np.newaxis] + 1.0
    return np.arange(len(sizes)) @ rows / rows.sum(axis=0)


def _shrunk(values: Floats, noise: Floats, smallest: float) -> Floats:
    """Draw noised values to zero by how much they vary beyond their noise (both variances)."""
    trust = 1 / noise
    signal = ((values**2 - noise) * trust**2).sum() / (trust**2).sum()
    signal = max(float(signal), smallest)
    return values * signal / (signal + noise)


def _as_correlations(values: Floats, upper: Any, size: int) -> Floats:
    """A correlation matrix near given entries above the diagonal."""
    matrix = np.eye(size)
    matrix[upper] = np.clip(values, -STRONGEST, STRONGEST)
    matrix = matrix + matrix.T - np.eye(size)
    eigenvalues, vectors = np.linalg.eigh(matrix)
    matrix = (vectors * np.maximum(eigenvalues, FLATTEST)) @ vectors.T
    scale = np.sqrt(np.diag(matrix))
    return matrix / scale[:, np.newaxis] / scale
