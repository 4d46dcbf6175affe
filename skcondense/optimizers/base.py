"""Ask for points, tell their losses: optimisers that see nothing but numbers."""

from abc import ABC, abstractmethod
from typing import Any

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

    @property
    @abstractmethod
    def solution(self) -> NDArray[Any]:
        """The point to use now, of shape (n_dimensions,)."""
