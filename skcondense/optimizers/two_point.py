"""Two-point random-direction gradient descent: the work-horse.

For directions u_k with random signs the slope of a function f that can only be evaluated is

    g = sum_k [f(x + h u_k) - f(x - h u_k)] u_k,

where h is a radius per coordinate (product and quotient element by element). Both ends of a
direction are evaluated on the same rows, so what the rows have in common cancels.

References
----------
Spall (1992), Multivariate stochastic approximation using a simultaneous perturbation gradient
approximation, IEEE TAC 37(3), doi:10.1109/9.119632.
Polyak and Juditsky (1992), Acceleration of stochastic approximation by averaging, SIAM J. Control
Optim. 30(4), doi:10.1137/0330046.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from skcondense.optimizers.base import BatchOptimizer

__all__ = ["TwoPointOptimizer"]

Vector = NDArray[np.float64]

# Iterates that are averaged into the solution.
WINDOW = 10


class TwoPointOptimizer(BatchOptimizer):
    """Descend along a slope estimated from antithetic pairs of points.

    Parameters
    ----------
    start : ndarray of shape (n_dimensions,)
        First point.
    radius : ndarray of shape (n_dimensions,)
        Smoothing radius h of each coordinate.
    lower, upper : ndarray of shape (n_dimensions,)
        Box that steps stay in.
    n_directions : int
        Pairs of points per batch.
    learning_rate : float
        Root mean square of the first step, in radii. It falls linearly to a fifth.
    momentum : float
        Share of the slope that is carried over to the next step.
    max_iter : int
        Number of steps, for the fall of the learning rate.
    rng : Generator
        Draws the directions.
    """

    def __init__(
        self,
        start: Vector,
        radius: Vector,
        *,
        lower: Vector,
        upper: Vector,
        n_directions: int,
        learning_rate: float,
        momentum: float,
        max_iter: int,
        rng: np.random.Generator,
    ) -> None:
        self._point = start.copy()
        self._radius = radius
        self._box = (lower, upper)
        self._n_directions = n_directions
        self._learning_rate = learning_rate
        self._momentum = momentum
        self._max_iter = max_iter
        self._rng = rng
        self._slope = np.zeros_like(start)
        self._n_iter = 0
        self._trust = 1.0
        self._power = self._noise = 0.0
        self._recent: deque[Vector] = deque([self._point], maxlen=WINDOW)

    def ask(self) -> Vector:
        shape = (self._n_directions, len(self._point))
        self._signs = self._rng.choice([-1.0, 1.0], shape)
        moves = self._signs * self._radius
        return np.clip(np.vstack([self._point + moves, self._point - moves]), *self._box)

    def tell(self, losses: Vector) -> None:
        ahead, behind = losses[: self._n_directions], losses[self._n_directions :]
        slope = (ahead - behind) @ self._signs
        self._slope = self._momentum * self._slope + (1 - self._momentum) * slope
        size = np.sqrt(np.mean(self._slope**2))
        if size > 0:
            step = self._trust * self._rate() * self._radius * self._slope / size
            self._point = np.clip(self._point - step, *self._box)
        self._n_iter += 1
        self._recent.append(self._point)

    def contrasts(self, losses: Vector) -> Vector:
        """Differences between the two ends of each direction."""
        return losses[:, : self._n_directions] - losses[:, self._n_directions :]

    def tell_contrasts(self, contrasts: Vector, noise: float) -> None:
        """Take noised slopes; the less they stand out from their noise, the smaller the step.

        The step is multiplied by the share of the recent slopes' power that is not noise, which
        is the linear (Wiener) estimate's answer to how far to trust them.
        """
        power = np.mean(contrasts**2)
        carried = self._momentum * np.array([self._power, self._noise])
        self._power, self._noise = carried + (1 - self._momentum) * np.array([power, noise**2])
        self._trust = max(0.0, 1 - self._noise / max(self._power, 1e-300))
        self.tell(np.concatenate([contrasts, -contrasts]) / 2)

    def _rate(self) -> float:
        return self._learning_rate * (1 - 0.8 * self._n_iter / self._max_iter)

    @property
    def solution(self) -> Vector:
        """Mean of the last ten iterates."""
        return np.mean(self._recent, axis=0)
