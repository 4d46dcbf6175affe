"""The loss of a candidate condensed set: what black boxes fitted to it do on real rows."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import sklearn
from joblib import Parallel, delayed, effective_n_jobs
from numpy.typing import NDArray
from sklearn.base import clone

from skcondense._threads import single_threaded, without_warnings
from skcondense.exceptions import BlackBoxError
from skcondense.private_table import PrivateTable
from skcondense.table import encode_once, take_encoded, take_rows
from skcondense.tasks import Loss, Rows, fit_weighted

__all__ = ["Candidate", "Objective"]


class Candidate(NamedTuple):
    """A condensed set that is to be scored.

    Attributes
    ----------
    rows : array or frame
        Legal rows, which candidates that are scored together share.
    members : ndarray of shape (n_rows,)
        Which of them the set holds.
    y : ndarray of shape (n_rows,)
        Outcomes in the task's working form.
    weight : ndarray of shape (n_rows,)
        Weights.
    """

    rows: Any
    members: NDArray[np.intp]
    y: NDArray[Any]
    weight: NDArray[np.float64]

    def taken(self) -> Rows:
        """The set as black boxes take it."""
        return Rows(take_encoded(self.rows, self.members), self.y, self.weight)


class Objective:
    """Mean loss of black boxes, each fitted to a candidate and scored on real rows.

    Parameters
    ----------
    estimators : sequence of estimators
        Black boxes. Those whose ``random_state`` is no number get one: comparing candidates needs
        the same randomness on both sides.
    weights : {"condensed", "replicate", "uniform"}
        How weights reach estimators that take none.
    parallel : joblib.Parallel
        Where candidates are evaluated.
    loss : Loss
        What they are scored by.
    seed : int
        Seed of the black boxes.

    Attributes
    ----------
    n_evals : int
        Candidates evaluated so far.
    """

    def __init__(
        self,
        estimators: Sequence[Any],
        weights: Any,
        parallel: Parallel,
        loss: Loss,
        seed: int,
    ) -> None:
        self._estimators = [_seeded(estimator, seed) for estimator in estimators]
        self._weights = weights
        self._parallel = parallel
        self.loss = loss
        self.n_evals = 0

    def check(self, candidate: Candidate, table: PrivateTable) -> None:
        """Fit and score once with all of scikit-learn's validation, so that mistakes show."""
        rows, train = table.take(np.arange(min(len(table), 50))), candidate.taken()
        with single_threaded():
            for estimator in self._estimators:
                fitted = fit_weighted(clone(estimator), *train, self._weights)
                self.loss(fitted, rows.X, rows.y, train)

    def __call__(self, candidates: Sequence[Candidate], batch: PrivateTable) -> NDArray[Any]:
        """Loss of each candidate on a batch of real rows.

        Returns
        -------
        ndarray of shape (n_candidates,)
            Averaged over rows (by their weights) and over black boxes.
        """
        self.n_evals += len(candidates)
        return np.average(self.by_row(candidates, batch), axis=0, weights=batch.weight)

    def by_row(self, candidates: Sequence[Candidate], batch: PrivateTable) -> NDArray[Any]:
        """Loss of each candidate on each of some rows.

        Returns
        -------
        ndarray of shape (n_rows, n_candidates)
            Averaged over black boxes. A row's losses depend on no other row.
        """
        n_parts = min(len(candidates), effective_n_jobs(self._parallel.n_jobs))
        parts = np.array_split(np.arange(len(candidates)), n_parts)
        losses = self._parallel(
            delayed(_losses)(
                self._estimators,
                _without_idle_rows([candidates[i] for i in part]),
                batch.X,
                batch.y,
                self._weights,
                self.loss,
            )
            for part in parts
        )
        return np.concatenate(losses).T


def _without_idle_rows(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The same candidates without the rows that none of them holds.

    What remains is sent to a worker, and encoded, once for all of them.
    """
    used, index = np.unique(np.concatenate([c.members for c in candidates]), return_inverse=True)
    rows = take_rows(candidates[0].rows, used)
    ends = np.cumsum([len(c.members) for c in candidates])
    parts = np.split(index, ends[:-1])
    return [c._replace(rows=rows, members=i) for c, i in zip(candidates, parts, strict=True)]


def _losses(
    estimators: Sequence[Any],
    candidates: Sequence[Candidate],
    X: Any,
    y: NDArray[Any],
    weights: Any,
    loss: Loss,
) -> NDArray[np.float64]:
    with (
        single_threaded(),
        encode_once(),
        # Validation of parameters and finiteness dominates tiny fits; `check` has done it.
        sklearn.config_context(assume_finite=True, skip_parameter_validation=True),
        without_warnings(),
    ):
        # One copy serves all candidates, since fit starts afresh; a copy each costs more than
        # the fit of a small tree.
        estimators = [clone(estimator) for estimator in estimators]
        out = np.zeros((len(candidates), len(y)))
        for candidate, total in zip(candidates, out, strict=True):
            train = candidate.taken()
            for estimator in estimators:
                total += loss(_fitted(estimator, train, weights), X, y, train)
        return out / len(estimators)


def _fitted(estimator: Any, train: Rows, weights: Any) -> Any:
    try:
        return fit_weighted(estimator, *train, weights)
    except Exception as error:
        # Told apart from failing on a real row, which under epsilon must not show.
        raise BlackBoxError(
            f"{type(estimator).__name__} cannot be fitted to a candidate condensed set: {error} "
            "Ask for more prototypes, or use an estimator that takes small weighted sets."
        ) from error


def _seeded(estimator: Any, seed: int) -> Any:
    estimator = clone(estimator)
    params = estimator.get_params()
    # Candidates must not continue from each other.
    warm = [name for name in params if name.rpartition("__")[2] == "warm_start"]
    # Neither must they draw on from where another one stopped.
    unset = [
        name
        for name, value in params.items()
        if name.rpartition("__")[2] == "random_state" and not isinstance(value, Integral)
    ]
    return estimator.set_params(**dict.fromkeys(unset, seed), **dict.fromkeys(warm, False))
