"""Which synthetic rows copy a real one.

References
----------
Yoon, Choi, Kwon and Ryu (2023), Diffusion probabilistic models generalize when they fail to
memorize, ICML workshop on structured probabilistic inference: a copy is at less than a third of
the distance of the second nearest training image.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

__all__ = ["are_copies"]

Floats = NDArray[np.floating[Any]]

# Neighbours among which the second nearest is sought.
N_NEIGHBOURS = 50
# Rows that are alike up to a candidate's distance, from which none of them is copied.
N_SHARING = 5


def are_copies(
    candidates: Floats, real: Floats, ratio: float, groups: NDArray[Any] | None = None
) -> NDArray[np.bool_]:
    """Which candidates lie much closer to one real row than to any other.

    Duplicates would hide a copy, so the second nearest row is sought beyond those that are as close
    to the nearest one as the candidate is, and among other patients. Where five patients or more
    have such rows, as in tables of few columns, what they share is nobody's own.

    Parameters
    ----------
    candidates : ndarray of shape (n_candidates, n_dimensions)
        Candidates.
    real : ndarray of shape (n_rows, n_dimensions)
        Real rows.
    ratio : float
        A candidate is a copy if the nearest row is at less than this share of the distance of the
        second nearest.

    groups : ndarray of shape (n_rows,), default=None
        Patient of each real row; every row is one by default.

    Returns
    -------
    ndarray of shape (n_candidates,)
    """
    patients = np.arange(len(real)) if groups is None else np.asarray(groups)
    n_neighbours = min(N_NEIGHBOURS, len(real))
    search = NearestNeighbors(n_neighbors=n_neighbours, algorithm="brute").fit(real)
    nearest = search.kneighbors(candidates, return_distance=False)
    found = np.zeros(len(candidates), dtype=bool)
    for number, rows in enumerate(nearest):
        neighbours, whose = real[rows], patients[rows]
        # Found by inner products, distances of copies are rounding; so these are computed again.
        away = np.linalg.norm(neighbours - candidates[number], axis=1)
        closest = int(away.argmin())
        twins = np.linalg.norm(neighbours - neighbours[closest], axis=1) <= away[closest]
        second = away[~twins & (whose != whose[closest])].min(initial=np.inf)
        is_own = len(np.unique(whose[twins])) < N_SHARING
        found[number] = is_own and away[closest] < ratio * second
    return found
