"""What may be asked about private rows: two kinds of question, and nothing else.

A query is public: it says what it computes, how it is bounded and what share of the fit's budget
it takes. Its function must look at each row by itself, together with public facts and earlier
answers; the oracle then adds up, bounds and protects.

References
----------
Dwork and Roth (2014), The algorithmic foundations of differential privacy, chapter 3,
doi:10.1561/0400000042.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["GRID", "Query", "SelectQuery", "SumQuery"]

Floats = NDArray[np.float64]

# Steps of the integer grid in one clip norm (or one loss bound).
GRID = 2**20
# Entries are cut here before they are added up and squared, so that nothing overflows.
HUGE = 1e100


@dataclass(frozen=True)
class Query(ABC):
    """A question about private rows.

    Attributes
    ----------
    name : str
        What is asked, for the ledger.
    share : float
        Share of the fit's budget, in units of mu squared: shares of a fit add up to one.
    size : int
        Numbers in the answer of a sum; candidates of a selection.
    bound : float
        Largest L2 norm of one patient's vector; largest loss of one row.
    function : callable
        Takes a part of the rows, returns an array of shape (n_rows, size).
    """

    name: str
    share: float
    size: int
    bound: float
    function: Callable[[Any], Floats]
    mechanism: ClassVar[str]

    @abstractmethod
    def within_reach(self, values: Floats) -> Floats:
        """Values of rows, cut to where they can be added up."""


@dataclass(frozen=True)
class SumQuery(Query):
    """Noised sum over patients of vectors clipped to L2 norm `bound`.

    A patient's vector is the sum over that patient's rows, clipped afterwards.

    Attributes
    ----------
    nonnegative : bool
        Whether vectors have no negative entry; negative ones are then cut off.
    """

    nonnegative: bool = False
    mechanism: ClassVar[str] = "gaussian"

    def within_reach(self, values: Floats) -> Floats:
        """Values of rows without what cannot be added up: NaN counts as nothing."""
        lowest = 0.0 if self.nonnegative else -HUGE
        return np.clip(np.nan_to_num(values, nan=0.0), lowest, HUGE)

    def sensitivity(self, neighbors: str) -> float:
        """How far one patient can move the sum, in L2.

        Adding or removing a patient moves it by one vector. Replacing a patient moves it by the
        difference of two: at most twice the bound, and at most sqrt(2) times the bound where no
        entry is negative, since the inner product of the two is not negative either.
        """
        if neighbors == "add_remove":
            return self.bound
        return self.bound * (math.sqrt(2) if self.nonnegative else 2.0)


@dataclass(frozen=True)
class SelectQuery(Query):
    """Private choice of the candidate with a small total loss.

    A patient's loss is the mean over that patient's rows, cut to [0, `bound`].
    """

    mechanism: ClassVar[str] = "exponential"

    def within_reach(self, values: Floats) -> Floats:
        """Losses of rows, cut to their bounds; NaN counts as the largest."""
        return np.clip(np.nan_to_num(values, nan=self.bound), 0.0, self.bound)

    def sensitivity(self, neighbors: str) -> float:
        """How far apart one patient can move two candidates' total losses.

        A patient who is added or removed moves all of them in the same direction, by 0 to
        `bound`. A patient who is replaced may move one up and another down.
        """
        return self.bound if neighbors == "add_remove" else 2 * self.bound
