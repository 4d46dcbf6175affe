r"""A teacher that never saw a real row: models of proxy rows, corrected by one private query.

The models learn which stratum a proxy row belongs to, so they know what the measured marginals and
correlations know. What these miss, a forest finds: its trees are grown on the proxy, which costs
nothing, and the *residuals* of the models are summed over the real rows in every leaf, which is one
query, whatever the number of trees. One Bayesian step turns the sums into corrections of the
log-odds. A residual is a function of the outcome (the task's `tilts`: indicators of classes, the
outcome itself, the martingale residual) minus its expected value, and the correction tilts the
outcome's probabilities by the exponential of that function. With leaf corrections :math:`d`,
Hessian H of the log loss (of the proxy, scaled to the noised number of rows) and noise
:math:`\sigma`,

.. math:: s \sim N(H d, C), \quad C = \sigma^2 I + H + \rho^2 \tau^2 \operatorname{diag}
    \Bigl(\sum_m H_{lm}^2\Bigr), \quad d \sim N(0, \tau^2 I),

the posterior mean is :math:`\tau^2 H (\tau^2 H H + C)^{-1} s`, where :math:`\tau^2` has the
greatest marginal likelihood (MacKay 1992, doi:10.1162/neco.1992.4.3.415). The more noise, the
smaller the step. The last term of C is the error of H: real rows share leaves in other numbers than
proxy rows do, by a relative error :math:`\rho` per entry. Without it the step follows differences
that only exist between the two.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix
from scipy.spatial.distance import pdist
from scipy.special import log_softmax, softmax
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcondense._threads import single_threaded
from skcondense.condensers.copula import Copula
from skcondense.privacy import Oracle, SumQuery
from skcondense.private_table import PrivateTable

__all__ = ["PrivateTeacher", "refuse_other_teacher"]

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

# Proxy rows that models learn from.
N_ROWS = 10_000
# Strong ridge penalties: the proxy is smoother than the truth it stands for.
PENALTY = 0.01
# Log-probabilities of the forest stay above this.
RAREST = 0.005
N_TREES, DEPTH, SMALLEST_LEAF = 40, 6, 0.02
# Residual vectors are clipped at this part of the length that they can have.
CLIP = 0.7
# Relative error of the proxy's Hessian.
MISFIT = 0.7
# Variances of the corrections, summed over trees, among which the evidence decides.
PRIOR_VARIANCES = (0.03, 0.1, 0.3, 1.0, 3.0)


def refuse_other_teacher(teacher: Any) -> None:
    """Refuse a teacher of the caller's: the private one is built in."""
    if teacher is not None:
        raise ValueError(
            "With epsilon labels come from the built-in private teacher, which is measured through "
            "the door. Leave teacher=None."
        )


class PrivateTeacher:
    """Probability of each stratum, and soft labels, for any encoded rows.

    Parameters
    ----------
    copula : Copula
        What was measured.
    oracle : Oracle
        Answers.
    share : float
        Share of the budget for the residuals; 0 leaves the models uncorrected.
    rng : Generator
        Source of randomness.

    Attributes
    ----------
    proxy : PrivateTable
        Synthetic rows that the models learned from.
    """

    def __init__(
        self, copula: Copula, oracle: Oracle, share: float, rng: np.random.Generator
    ) -> None:
        self._marginals = copula.marginals
        self.proxy = copula.draw(N_ROWS, rng)
        seed = int(rng.integers(2**31 - 1))
        with single_threaded():
            self._models = _Models(self._marginals.bins, self.proxy, seed)
            self._leaves = _Leaves(self.proxy, seed)
        self._tilts = self.proxy.task.tilts(self._marginals.cells)
        self._step = np.zeros((self._leaves.n_leaves, self._tilts.shape[1]))
        if share > 0:
            with single_threaded():
                self._step = self._correction(oracle, share)

    def outcomes(self, Z: NDArray[Any]) -> Floats:
        """Probability of each outcome cell for encoded rows, of shape (n_rows, n_cells)."""
        with single_threaded():
            tilt = self._step[self._leaves.of(Z)].sum(axis=1) @ self._tilts.T
            return np.asarray(softmax(np.log(self._expected(Z)) + tilt, axis=1))

    def label(self, Z: NDArray[Any]) -> Floats:
        """Soft labels of encoded rows, of shape (n_rows, n_label_columns)."""
        return self._marginals.labels(self.outcomes(Z))

    def _expected(self, Z: NDArray[Any]) -> Floats:
        """Probability of each outcome cell, as the models see it."""
        return self._marginals.outcomes(np.exp(self._models.log_odds(Z)))

    def _correction(self, oracle: Oracle, share: float) -> Floats:
        leaves, tilts = self._leaves, self._tilts

        def residuals(rows: PrivateTable) -> Floats:
            with single_threaded():
                expected, where = self._expected(rows.Z), leaves.of(rows.Z)
            residual = tilts[rows.task.cells(rows.y)] - expected @ tilts
            out = np.zeros((len(rows), leaves.n_leaves, tilts.shape[1]))
            out[np.arange(len(rows))[:, np.newaxis], where] = residual[:, np.newaxis]
            return out.reshape(len(rows), -1)

        bound = CLIP * _diameter(tilts) * N_TREES**0.5
        answer = oracle.ask(
            SumQuery("residuals", share, leaves.n_leaves * tilts.shape[1], bound, residuals)
        )
        return self._bayes_step(answer.value.reshape(leaves.n_leaves, -1), answer.noise)

    def _bayes_step(self, sums: Floats, noise: float) -> Floats:
        where = self._leaves.of(self.proxy.Z)
        expected = self._expected(self.proxy.Z)
        variances = expected @ self._tilts**2 - (expected @ self._tilts) ** 2
        hessians = [self._leaves.gram(where, v * self.proxy.weight) for v in variances.T]
        best, greatest = np.zeros_like(sums), -np.inf
        for variance in PRIOR_VARIANCES:
            steps, evidence = zip(
                *(
                    _posterior(s, H, variance / N_TREES, noise)
                    for s, H in zip(sums.T, hessians, strict=True)
                ),
                strict=True,
            )
            if sum(evidence) > greatest:
                best, greatest = np.stack(steps, axis=1), sum(evidence)
        return best


def _diameter(points: Floats) -> float:
    """Largest distance between two of some points."""
    return float(pdist(points).max())


def _posterior(
    sums: Floats, hessian: Floats, variance: float, noise: float
) -> tuple[Floats, float]:
    """Posterior mean of leaf corrections, and the log of the marginal likelihood."""
    covariance = variance * hessian @ hessian + hessian
    misfit = MISFIT**2 * variance * (hessian**2).sum(axis=1)
    covariance[np.diag_indices_from(covariance)] += noise**2 + misfit + 0.01
    factor = cho_factor(covariance, lower=True, overwrite_a=True)
    solved = cho_solve(factor, sums)
    evidence = -np.log(np.diag(factor[0])).sum() - sums @ solved / 2
    return variance * hessian @ solved, float(evidence)


class _Models:
    """Mean log-probabilities of a linear model, an additive model on bins, and a forest."""

    def __init__(self, bins: Any, proxy: PrivateTable, seed: int) -> None:
        self._bins = bins
        self._strata = np.unique(proxy.strata)
        self._n_strata = (
            int(proxy.task.strata(proxy.task.from_cells(np.arange(proxy.task.n_cells))).max()) + 1
        )
        linear = LogisticRegression(C=PENALTY, max_iter=500)
        self._linear = make_pipeline(StandardScaler(), linear).fit(proxy.Z, proxy.strata)
        self._additive = LogisticRegression(C=PENALTY, max_iter=200)
        self._additive.fit(self._indicators(proxy.Z), proxy.strata)
        self._forest = RandomForestClassifier(60, min_samples_leaf=10, random_state=seed)
        self._forest.fit(proxy.Z, proxy.strata)

    def _indicators(self, Z: NDArray[Any]) -> Any:
        return _indicators(self._bins.of(Z), len(self._bins))

    def log_odds(self, Z: NDArray[Any]) -> Floats:
        """Log-probability per stratum, of shape (n_rows, n_strata)."""
        probabilities = [
            self._linear.predict_proba(Z),
            self._additive.predict_proba(self._indicators(Z)),
            np.maximum(self._forest.predict_proba(Z), RAREST),
        ]
        found = np.mean([np.log(np.maximum(p, 1e-12)) for p in probabilities], axis=0)
        out = np.full((len(Z), self._n_strata), np.log(RAREST))
        out[:, self._strata] = found
        return np.asarray(log_softmax(out, axis=1))


class _Leaves:
    """Leaves of extremely randomised trees, grown on the proxy."""

    def __init__(self, proxy: PrivateTable, seed: int) -> None:
        self._trees = ExtraTreesClassifier(
            N_TREES,
            max_depth=DEPTH,
            max_features=0.5,
            min_samples_leaf=SMALLEST_LEAF,
            random_state=seed,
        ).fit(proxy.Z, proxy.strata)
        self._known = [np.unique(leaf) for leaf in self._trees.apply(proxy.Z).T]
        self._starts = np.cumsum([0, *(len(known) for known in self._known)])

    @property
    def n_leaves(self) -> int:
        """Number of leaves of all trees."""
        return int(self._starts[-1])

    def of(self, Z: NDArray[Any]) -> Positions:
        """Leaf of each row in each tree, of shape (n_rows, n_trees)."""
        triples = zip(self._trees.apply(Z).T, self._known, self._starts, strict=False)
        columns = [start + np.searchsorted(known, leaf) for leaf, known, start in triples]
        return np.stack(columns, axis=1)

    def gram(self, where: Positions, weight: Floats) -> Floats:
        """Weight of the rows that two leaves share, of shape (n_leaves, n_leaves)."""
        F = _indicators(where, self.n_leaves)
        return np.asarray((F.T @ F.multiply(weight[:, np.newaxis]).tocsr()).toarray())


def _indicators(positions: Positions, n_columns: int) -> Any:
    """Sparse matrix with ones at some positions of each row."""
    n_rows, n_ones = positions.shape
    rows = np.repeat(np.arange(n_rows), n_ones)
    ones = np.ones(n_rows * n_ones)
    return csr_matrix((ones, (rows, positions.ravel())), shape=(n_rows, n_columns))
