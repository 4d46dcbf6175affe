"""Optimisers of nevergrad, by name."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcondense.exceptions import missing_extra
from skcondense.optimizers.base import BatchOptimizer

__all__ = ["NevergradOptimizer"]


class NevergradOptimizer(BatchOptimizer):
    """Adapt an optimiser of nevergrad.

    Parameters
    ----------
    name : str
        Name in nevergrad's registry: "CMA", "DE", "TBPSA", "OnePlusOne", "SPSA", ...
    start, radius, lower, upper : ndarray of shape (n_dimensions,)
        First point, typical step, and the box.
    n_points : int
        Points per batch.
    max_iter : int
        Number of batches.
    rng : Generator
        Seeds nevergrad.

    Raises
    ------
    ValueError
        If nevergrad knows no optimiser of that name.

    References
    ----------
    Bennet et al. (2021), Nevergrad: black-box optimization platform, SIGEVOlution 14(1),
    doi:10.1145/3460310.3460312.
    """

    def __init__(
        self,
        name: str,
        start: NDArray[np.float64],
        radius: NDArray[np.float64],
        *,
        lower: NDArray[np.float64],
        upper: NDArray[np.float64],
        n_points: int,
        max_iter: int,
        rng: np.random.Generator,
    ) -> None:
        try:
            import nevergrad
        except ImportError as error:
            raise missing_extra(f"optimizer={name!r}", "nevergrad", "search") from error
        if name not in nevergrad.optimizers.registry:
            raise ValueError(
                f"optimizer must be 'two-point', 'random' or the name of a nevergrad optimiser, "
                f"such as 'CMA', 'DE' or 'OnePlusOne'. Got {name!r}."
            )
        space = nevergrad.p.Array(init=np.zeros_like(start)).set_mutation(sigma=1.0)
        space.random_state.seed(int(rng.integers(2**31 - 1)))
        self._optimizer = nevergrad.optimizers.registry[name](
            space, budget=n_points * max_iter, num_workers=n_points
        )
        self._start, self._radius, self._box = start, radius, (lower, upper)
        self._n_points = n_points
        self._asked: list[Any] = []

    def ask(self) -> NDArray[np.float64]:
        self._asked = [self._optimizer.ask() for _ in range(self._n_points)]
        return np.array([self._to_point(candidate.value) for candidate in self._asked])

    def _to_point(self, steps: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.clip(self._start + self._radius * steps, *self._box)

    def tell(self, losses: NDArray[np.float64]) -> None:
        for candidate, loss in zip(self._asked, losses.tolist(), strict=True):
            self._optimizer.tell(candidate, loss)

    @property
    def solution(self) -> NDArray[np.float64]:
        """What nevergrad recommends."""
        return self._to_point(self._optimizer.provide_recommendation().value)
