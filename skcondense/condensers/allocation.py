"""How many prototypes each stratum gets."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcondense.private_table import PrivateTable
from skcondense.tasks import ClassificationTask

__all__ = ["allocate", "blocks_of", "share_out"]


def allocate(
    allocation: Any, n_prototypes: int, table: PrivateTable, smallest: int = 1
) -> dict[int, int]:
    """Share prototypes over the strata that occur.

    Parameters
    ----------
    allocation : {"balanced", "proportional"} or mapping
        Equal shares, shares by weight, or a count per class label (per stratum number for tasks
        other than classification).
    n_prototypes : int
        Total.
    table : PrivateTable
        Real rows.
    smallest : int, default=1
        Rows that each prototype stands for at least.

    Returns
    -------
    dict of {int: int}
        Prototypes per stratum; every stratum gets at least one, none more than its rows allow.

    Raises
    ------
    ValueError
        If the strata have too few rows, or the counts contradict the strata or the total.
    """
    strata, rows = np.unique(table.strata, return_counts=True)
    if rows.min() < smallest:
        raise ValueError(
            f"A class (or band of the outcome) has {rows.min()} row(s), and a prototype is the "
            f"mean of at least {smallest}: its only prototype would be a patient's row. Merge the "
            "class with another, or use labels that are not confined to a class."
        )
    room = rows // smallest
    if n_prototypes > room.sum():
        raise ValueError(
            f"n_prototypes={n_prototypes} is more than the {rows.sum()} rows (patients, where "
            f"groups are given) allow with {smallest} or more of a stratum for each. Ask for "
            f"{room.sum()} at most."
        )
    if isinstance(allocation, Mapping):
        return _declared(allocation, n_prototypes, table, strata, room)
    if n_prototypes < len(strata):
        raise ValueError(
            f"n_prototypes={n_prototypes} is less than one for each of the {len(strata)} strata "
            "(classes, or bands of the outcome). Ask for more prototypes."
        )
    share: NDArray[np.float64] = np.ones(len(strata))
    if allocation == "proportional":
        share = np.bincount(table.strata, table.weight)[strata].astype(np.float64)
    counts = share_out(n_prototypes, share, room)
    return dict(zip(strata.tolist(), counts.tolist(), strict=True))


def share_out(total: int, share: NDArray[np.float64], room: NDArray[np.intp]) -> NDArray[np.intp]:
    """Give one to each, then one at a time to whoever is furthest below its share."""
    counts = np.ones(len(share), dtype=np.intp)
    target = total * share / share.sum()
    for _ in range(total - len(share)):
        gap = np.where(counts < room, target - counts, -np.inf)
        counts[gap.argmax()] += 1
    return counts


def blocks_of(
    allocation: Any, n_prototypes: int, table: PrivateTable
) -> list[tuple[NDArray[np.intp], int]]:
    """Parts of the rows, and how many prototypes each gets.

    Parameters
    ----------
    allocation, n_prototypes, table
        As for `allocate`.

    Returns
    -------
    list of (ndarray of shape (n_rows_of_part,), int)
        Strata; or all rows, with "proportional": then the rows themselves see to the shares.
    """
    counts = allocate(allocation, n_prototypes, table)
    if isinstance(allocation, str) and allocation == "proportional":
        return [(np.arange(len(table)), n_prototypes)]
    return [(np.flatnonzero(table.strata == k), count) for k, count in counts.items()]


def _declared(
    allocation: Mapping[Any, int],
    n_prototypes: int,
    table: PrivateTable,
    strata: NDArray[np.intp],
    room: NDArray[np.intp],
) -> dict[int, int]:
    task = table.task
    names = task.classes.tolist() if isinstance(task, ClassificationTask) else strata.tolist()
    if set(allocation) != set(names):
        raise ValueError(
            f"allocation must give a count for each of {names}. Got counts for {list(allocation)}."
        )
    counts = [int(allocation[name]) for name in names]
    if min(counts) < 1 or sum(counts) != n_prototypes:
        raise ValueError(
            f"The counts in allocation must be positive and add up to n_prototypes={n_prototypes}."
            f" Got {counts}."
        )
    short = [n for n, c, r in zip(names, counts, room, strict=True) if c > r]
    if short:
        raise ValueError(
            f"allocation asks for more prototypes than the rows of {short} allow. Ask for fewer."
        )
    return dict(zip(strata.tolist(), counts, strict=True))
