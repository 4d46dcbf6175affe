"""Ask for points, tell their losses: optimisers that see nothing but numbers."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BatchOptimizer"]


class BatchOptimizer(ABC):
    """Minimise a function by evaluating batches of points.

    Every call of `ask` must be answered by one call of `tell`. Losses may be noisy, and may come
    from another sample of rows in each batch, so they are compared within a batch only.
    """

    @abstractmethod
    def ask(self) -> NDArray[Any]:
        """Points to evaluate, of shape (n_points, n_dimensions)."""

    @abstractmethod
    def tell(self, losses: NDArray[Any]) -> None:
        """Take the losses of the points that `ask` returned last, in the same order."""

    def contrasts(self, losses: NDArray[Any]) -> NDArray[Any]:
        """Row-wise differences of losses that are enough for `tell_contrasts`.

        What all points have in common on a row says nothing about which is better, and would only
        make the row's vector longer, which costs accuracy under differential privacy.

        Parameters
        ----------
        losses : ndarray of shape (n_rows, n_points)
            Loss of each row at each point, in the order of `ask`.

        Returns
        -------
        ndarray of shape (n_rows, n_contrasts)
            By default differences from the first point.
        """
        return losses[:, 1:] - losses[:, :1]

    def tell_contrasts(self, contrasts: NDArray[Any], noise: float) -> None:
        """Take noised sums over rows of `contrasts`, instead of losses.

        Parameters
        ----------
        contrasts : ndarray of shape (n_contrasts,)
            Sums.
        noise : float
            Standard deviation of the noise on each of them.
        """
        self.tell(np.concatenate([[0.0], contrasts]))

    @property
    @abstractmethod
    def solution(self) -> NDArray[Any]:
        """The point to use now, of shape (n_dimensions,)."""
