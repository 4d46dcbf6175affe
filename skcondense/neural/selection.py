"""Which candidates are chosen: of the right stratum, and unlike each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist

__all__ = ["Choice", "Selection", "nearest_mean"]

Floats = NDArray[np.floating[Any]]

# Rows among which the distance between real rows is found.
N_COMPARED = 500
# A distance that nobody keeps is relaxed by this factor, and given up after so many times.
RELAXATION, MOST_RELAXATIONS = 0.8, 40


def nearest_mean(features: Floats, means: Mapping[int, Floats]) -> NDArray[np.intp]:
    """Stratum whose mean feature vector is nearest to each candidate."""
    strata = np.array(list(means), dtype=np.intp)
    away = cdist(features, np.array(list(means.values())))
    return strata[away.argmin(axis=1)]


@dataclass(frozen=True)
class Choice:
    """What was selected of one stratum.

    Attributes
    ----------
    rows : ndarray of shape (n_selected,)
        Positions of the candidates.
    distance : float
        Least distance between two of them that was demanded in the end.
    """

    rows: NDArray[np.intp]
    distance: float


@dataclass(frozen=True)
class Selection:
    """Greedy choice of candidates that keep a distance from each other.

    Parameters
    ----------
    order : {"herding", "nearest"}
        What is taken next: the candidate with which the mean of those taken comes closest to the
        real mean, or the candidate closest to it.
    distance : float
        Least distance between two, in units of the median distance of real rows of the stratum.
    """

    order: str
    distance: float

    def choose(self, features: Floats, real: Floats, mean: Floats, count: int) -> Choice:
        """Choose among the candidates of a stratum.

        Parameters
        ----------
        features : ndarray of shape (n_candidates, n_features)
            Candidates; at least `count`.
        real : ndarray of shape (n_rows, n_features)
            Real rows of the stratum.
        mean : ndarray of shape (n_features,)
            Their weighted mean.
        count : int
            How many to choose.
        """
        step = max(1, len(real) // N_COMPARED)
        between = pdist(real[::step][:N_COMPARED])
        least = self.distance * float(np.median(between)) if len(between) else 0.0
        away = cdist(features, features)
        for _ in range(MOST_RELAXATIONS):
            chosen = self._greedy(features, mean, away, least, count)
            if len(chosen) == count:
                return Choice(np.array(chosen, dtype=np.intp), least)
            least *= RELAXATION
        return Choice(np.array(self._greedy(features, mean, away, 0.0, count), np.intp), 0.0)

    def _greedy(
        self, features: Floats, mean: Floats, away: Floats, least: float, count: int
    ) -> Sequence[int]:
        chosen: list[int] = []
        allowed = np.ones(len(features), dtype=bool)
        total = np.zeros_like(mean)
        while len(chosen) < count and allowed.any():
            taken = total if self.order == "herding" else np.zeros_like(mean)
            n_taken = len(chosen) if self.order == "herding" else 0
            gap = np.linalg.norm((taken + features) / (n_taken + 1) - mean, axis=1)
            best = int(np.where(allowed, gap, np.inf).argmin())
            chosen.append(best)
            total = total + features[best]
            allowed &= away[best] >= least
            allowed[best] = False
        return chosen
