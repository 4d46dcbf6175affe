"""Closeness: a set beside the rows it was made of, and beside rows that it never saw."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state

from skcondense.audit.real_rows import Codes
from skcondense.border import check_groups
from skcondense.condensed_set import CondensedSet
from skcondense.condensers.copies import are_copies
from skcondense.private_table import EXACT, matching

__all__ = ["ClosenessAudit", "closeness_audit"]

Floats = NDArray[np.float64]
# Share of distinct training rows above which a coincidence is no chance.
DISTINCT = 0.75


@dataclass(frozen=True)
class ClosenessAudit:
    """Copies and nearest rows, beside rows that were held out.

    Attributes
    ----------
    n_prototypes, n_train, n_holdout : int
        Prototypes, and rows with which they were compared. Of more rows more are close by chance.
    n_exact, n_exact_holdout : int
        Prototypes that coincide with a training row, and with one that was held out.
    n_copies, n_copies_holdout : int
        Prototypes that lie much closer to one such row than to any other.
    nearer : float
        Share of the prototypes whose nearest row is a training row, among as many of either; a
        half where the set knows nothing of individual rows.
    nearer_low, nearer_high : float
        95 % interval of that share.
    """

    n_prototypes: int
    n_train: int
    n_holdout: int
    n_exact: int
    n_exact_holdout: int
    n_copies: int
    n_copies_holdout: int
    nearer: float
    nearer_low: float
    nearer_high: float

    @property
    def has_evidence(self) -> bool:
        """Whether prototypes are nearer to training rows, or more of them are copies of such."""
        return self.nearer_low > 0.5 or self.has_copies

    @property
    def has_copies(self) -> bool:
        """Whether more prototypes are copies of training rows than chance explains."""
        # Of more rows more coincide, until all that can have coincided. How a nearest distance
        # compares with the second hangs on no number of rows.
        share = max(self.n_train / (self.n_train + self.n_holdout), 0.5)
        return _is_more(self.n_exact, self.n_exact_holdout, share) or _is_more(
            self.n_copies, self.n_copies_holdout, 0.5
        )

    @property
    def table(self) -> pd.DataFrame:
        """All numbers in one row."""
        return pd.DataFrame([asdict(self)])

    def __str__(self) -> str:
        is_nearer = self.nearer_low > 0.5
        return (
            f"Of {self.n_prototypes} prototypes {self.n_exact} coincide with one of {self.n_train} "
            f"training rows and {self.n_exact_holdout} with one of {self.n_holdout} that were held "
            f"out; {self.n_copies} and "
            f"{self.n_copies_holdout} lie so close to one row that they look like copies. "
            f"{self.nearer:.0%} are nearer to a training row ({self.nearer_low:.0%} to "
            f"{self.nearer_high:.0%}; 50 % is what a set shows that knows no single row): "
            + ("the set is closer to its training rows." if is_nearer else "no evidence at this "
               "number of prototypes.")
            + " Closeness is no measure of privacy: sets far from all rows have been attacked."
        )  # fmt: skip


def _is_more(of_train: int, of_holdout: int, share: float) -> bool:
    """Whether training rows have more copies than such a share explains; one of two tests."""
    n_copies = of_train + of_holdout
    if not n_copies:
        return False
    return bool(binomtest(of_train, n_copies, share, alternative="greater").pvalue < 0.025)


def closeness_audit(
    condensed: CondensedSet,
    train: Any,
    holdout: Any,
    *,
    train_groups: Any = None,
    holdout_groups: Any = None,
    copy_ratio: float = 1 / 3,
    random_state: Any = None,
) -> ClosenessAudit:
    """Count copies, and compare the distance to training rows with that to held-out ones.

    Parameters
    ----------
    condensed : CondensedSet
        The set.
    train, holdout : array-like or frame of shape (n_rows, n_features), or images
        Rows that were condensed, and rows of the same kind that were not.
    train_groups, holdout_groups : array-like of shape (n_rows,), default=None
        Patient of each row: rows of one do not hide copies of each other.
    copy_ratio : float, default=1/3
        A prototype is a copy if the nearest row is at less than this share of the distance of the
        second nearest.
    random_state : int, RandomState instance or None, default=None
        Draws as many rows of the larger part as the smaller one has.

    Returns
    -------
    ClosenessAudit
        Print it for sentences.

    Raises
    ------
    ValueError
        If most of the held-out rows are training rows.

    Notes
    -----
    Distances are those of encoded rows: every number on its axis, every category apart. They say
    little about the risk of membership inference; see `membership_audit`.

    References
    ----------
    Ganev and others (2025), The DCR delusion, arXiv:2505.01524: sets that pass such tests are
    attacked with success.
    """
    codes = Codes(condensed)
    Z, _ = codes.of_prototypes()
    parts = codes.of(train), codes.of(holdout)
    _check_held_out(*parts)
    exact = [int(matching(Z, [part], [EXACT])[0].sum()) for part in parts]
    groups = [None if of is None else check_groups(of) for of in (train_groups, holdout_groups)]
    copies = [
        int(are_copies(Z, part, copy_ratio, of).sum())
        for part, of in zip(parts, groups, strict=True)
    ]
    rng = np.random.default_rng(int(check_random_state(random_state).randint(2**31 - 1)))
    count = min(map(len, parts))
    away = [nearest_distance(Z, part[rng.permutation(len(part))[:count]]) for part in parts]
    # Ties say nothing in either direction, so they are shared.
    nearer = float((away[0] < away[1]).sum() + 0.5 * (away[0] == away[1]).sum())
    interval = binomtest(round(nearer), len(Z)).proportion_ci(0.95)
    return ClosenessAudit(
        n_prototypes=len(Z),
        n_train=len(parts[0]),
        n_holdout=len(parts[1]),
        n_exact=exact[0],
        n_exact_holdout=exact[1],
        n_copies=copies[0],
        n_copies_holdout=copies[1],
        nearer=nearer / len(Z),
        nearer_low=float(interval.low),
        nearer_high=float(interval.high),
    )


def _check_held_out(train: Floats, holdout: Floats) -> None:
    """Refuse held-out rows that were condensed, where rows are distinct enough to tell."""
    shared = int(matching(holdout, [train], [EXACT])[0].sum())
    are_distinct = len(np.unique(train, axis=0)) > DISTINCT * len(train)
    if are_distinct and shared > len(holdout) / 2:
        raise ValueError(
            f"{shared} of {len(holdout)} held-out rows coincide with training rows. Pass rows that "
            "were not condensed: to attack a set with its own rows shows nothing."
        )


def nearest_distance(Z: Floats, others: Floats) -> Floats:
    """Distance of each row from the nearest of others."""
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(others)
    nearest = search.kneighbors(Z, return_distance=False)[:, 0]
    # Found by inner products, small distances are rounding; so these are computed again.
    return np.asarray(np.linalg.norm(Z - others[nearest], axis=1))
