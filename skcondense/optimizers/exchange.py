"""Exchange search: swap members of a set for members of a pool, keep what helps."""

import numpy as np
from numpy.typing import NDArray

from skcondense.optimizers.base import BatchOptimizer

__all__ = ["ExchangeSearch"]

# Share of the set that the first proposals exchange.
FIRST_SHARE = 0.25


class ExchangeSearch(BatchOptimizer):
    """Choose a fixed number of pool members.

    Points are vectors of positions in the pool. Each round proposes sets that differ from the
    best one in a random part, which shrinks from a quarter to one member.

    Parameters
    ----------
    start : ndarray of shape (n_members,)
        First set.
    loss : float
        Its loss.
    n_pool : int
        Size of the pool.
    n_points : int
        Sets per round.
    max_iter : int
        Number of rounds.
    rng : Generator
        Draws the exchanges.
    """

    def __init__(
        self,
        start: NDArray[np.intp],
        loss: float,
        *,
        n_pool: int,
        n_points: int,
        max_iter: int,
        rng: np.random.Generator,
    ) -> None:
        self._best, self.loss = start, loss
        self._n_pool = n_pool
        self._n_points = n_points
        self._max_iter = max_iter
        self._rng = rng
        self._n_iter = 0

    def ask(self) -> NDArray[np.intp]:
        remaining = 1 - self._n_iter / self._max_iter
        n_out = max(1, round(FIRST_SHARE * remaining * len(self._best)))
        outside = np.setdiff1d(np.arange(self._n_pool), self._best)
        n_out = min(n_out, len(outside))
        self._points = np.array([self._exchanged(n_out, outside) for _ in range(self._n_points)])
        return self._points

    def _exchanged(self, n_out: int, outside: NDArray[np.intp]) -> NDArray[np.intp]:
        members = self._best.copy()
        seats = self._rng.choice(len(members), n_out, replace=False)
        members[seats] = self._rng.choice(outside, n_out, replace=False)
        return members

    def tell(self, losses: NDArray[np.float64]) -> None:
        best = int(np.argmin(losses))
        if losses[best] < self.loss:
            self._best, self.loss = self._points[best], float(losses[best])
        self._n_iter += 1

    @property
    def solution(self) -> NDArray[np.intp]:
        """The best set so far. All sets are scored on the same rows, so losses compare."""
        return self._best
