"""Random search around the best point: the control every optimiser must beat."""

import numpy as np
from numpy.typing import NDArray

from skcondense.optimizers.base import BatchOptimizer

__all__ = ["RandomSearch"]


class RandomSearch(BatchOptimizer):
    """Try normal steps from the best point so far.

    Parameters
    ----------
    start, radius, lower, upper : ndarray of shape (n_dimensions,)
        First point, standard deviation of a step, and the box.
    n_points : int
        Points per batch.
    rng : Generator
        Draws the steps.
    """

    def __init__(
        self,
        start: NDArray[np.float64],
        radius: NDArray[np.float64],
        *,
        lower: NDArray[np.float64],
        upper: NDArray[np.float64],
        n_points: int,
        rng: np.random.Generator,
    ) -> None:
        self._best = start
        self._radius = radius
        self._box = (lower, upper)
        self._n_points = n_points
        self._rng = rng

    def ask(self) -> NDArray[np.float64]:
        steps = self._rng.normal(size=(self._n_points - 1, len(self._best))) * self._radius
        # The best point is asked for again: losses are only comparable within a batch.
        self._points = np.clip(np.vstack([self._best, self._best + steps]), *self._box)
        return self._points

    def tell(self, losses: NDArray[np.float64]) -> None:
        self._best = self._points[int(np.argmin(losses))]

    @property
    def solution(self) -> NDArray[np.float64]:
        """The best point of the last batch."""
        return self._best
