"""Which candidates are released: no copies, of the right stratum, and unlike each other.

References
----------
Yoon, Choi, Kwon and Ryu (2023), Diffusion probabilistic models generalize when they fail to
memorize, ICML workshop on structured probabilistic inference: a copy is at less than a third of
the distance of the second nearest training image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist
from sklearn.neighbors import NearestNeighbors

__all__ = ["Choice", "Selection", "are_copies", "nearest_mean"]

Floats = NDArray[np.floating[Any]]

# Neighbours among which the second nearest is sought.
N_NEIGHBOURS = 50
# Rows that are alike up to a candidate's distance, from which none of them is copied.
N_SHARING = 5
# Rows among which the distance between real rows is found.
N_COMPARED = 500
# A distance that nobody keeps is relaxed by this factor, and given up after so many times.
RELAXATION, MOST_RELAXATIONS = 0.8, 40


def are_copies(candidates: Floats, real: Floats, ratio: float) -> NDArray[np.bool_]:
    """Which candidates lie much closer to one real row than to any other.

    Duplicates would hide a copy, so the second nearest row is sought beyond those that are as close
    to the nearest one as the candidate is. Where there are five or more such, as in tables of few
    columns, what they share is nobody's own.

    Parameters
    ----------
    candidates : ndarray of shape (n_candidates, n_dimensions)
        Candidates.
    real : ndarray of shape (n_rows, n_dimensions)
        Real rows.
    ratio : float
        A candidate is a copy if the nearest row is at less than this share of the distance of the
        second nearest.

    Returns
    -------
    ndarray of shape (n_candidates,)
    """
    n_neighbours = min(N_NEIGHBOURS, len(real))
    search = NearestNeighbors(n_neighbors=n_neighbours, algorithm="brute").fit(real)
    nearest = search.kneighbors(candidates, return_distance=False)
    found = np.zeros(len(candidates), dtype=bool)
    for number, neighbours in enumerate(real[rows] for rows in nearest):
        # Found by inner products, distances of copies are rounding; so these are computed again.
        away = np.linalg.norm(neighbours - candidates[number], axis=1)
        closest = int(away.argmin())
        twins = np.linalg.norm(neighbours - neighbours[closest], axis=1) <= away[closest]
        second = away[~twins].min(initial=np.inf)
        found[number] = twins.sum() < N_SHARING and away[closest] < ratio * second
    return found


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
