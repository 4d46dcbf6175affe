"""Prototypes for rare categories, which means of groups would lose.

A level that one patient in a hundred has is in no mean's majority, and a model trained on a set
without it cannot know its effect. The mean of its own rows has it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcondense.condensers.grouping import GROUP_SIZE
from skcondense.private_table import PrivateTable
from skcondense.table import TableBins

__all__ = ["RareLevels", "with_rare_levels"]

Matrix = NDArray[Any]
# Largest share of the prototypes that is given up for rare levels.
SHARE = 0.2
# Levels with more rows than so many prototypes stand for are not rare.
RARE = 2.0


@dataclass(frozen=True)
class RareLevels:
    """Prototypes of which some were replaced.

    Attributes
    ----------
    Z : ndarray of shape (n_prototypes, n_codes)
        Encoded prototypes.
    weight : ndarray of shape (n_prototypes,)
        Their weights. A new prototype has the weight of its rows; the others share the rest.
    rows : dict of {int: ndarray}
        Rows whose mean each new prototype is, by its position.
    """

    Z: Matrix
    weight: NDArray[np.float64]
    rows: dict[int, NDArray[np.intp]]


def with_rare_levels(
    table: PrivateTable, Z: Matrix, weight: NDArray[np.float64], varying: NDArray[np.bool_]
) -> RareLevels:
    """Put means of rows with a lost level in the place of the lightest prototypes.

    Parameters
    ----------
    table : PrivateTable
        Real rows.
    Z : ndarray of shape (n_prototypes, n_codes)
        Encoded prototypes.
    weight : ndarray of shape (n_prototypes,)
        Their weights.
    varying : ndarray of shape (n_columns,)
        Columns whose levels count.

    Returns
    -------
    RareLevels
    """
    listed = np.flatnonzero(
        varying & [column.categories is not None for column in table.encoder.schema]
    )
    if not len(listed):
        return RareLevels(Z, weight, {})
    bins = TableBins(table.encoder)
    real, kept = bins.of(table.Z)[:, listed], bins.of(Z)[:, listed]
    count = np.bincount(real.ravel(), minlength=len(bins))
    held = np.bincount(kept.ravel(), minlength=len(bins))
    # A level that is not rare, and in no mode, says little.
    is_rare = (count >= GROUP_SIZE) & (count <= RARE * len(table) / len(Z))
    lost = np.flatnonzero(is_rare & (held == 0))
    # The most frequent of the lost levels come first, if there are too many.
    lost = lost[np.argsort(-count[lost], kind="stable")]
    free = np.ones(len(table), dtype=bool)
    Z, weight = Z.copy(), weight.copy()
    found: dict[int, NDArray[np.intp]] = {}
    for level in lost:
        # A row speaks for one level, so that the weights of new prototypes add up.
        rows = np.flatnonzero((real == level).any(axis=1) & free)
        # A prototype that alone holds some level, or is new, stays.
        alone = (held[kept] == 1).any(axis=1)
        alone[list(found)] = True
        is_full = len(found) + 1 > SHARE * len(Z)
        if held[level] or alone.all() or is_full or len(rows) < GROUP_SIZE:
            continue
        seat = int(np.where(alone, np.inf, weight).argmin())
        Z[seat] = table.encoder.project(
            np.average(table.Z[rows], axis=0, weights=table.weight[rows])[np.newaxis]
        )[0]
        np.subtract.at(held, kept[seat], 1)
        kept[seat] = bins.of(Z[[seat]])[0, listed]
        np.add.at(held, kept[seat], 1)
        weight[seat] = table.weight[rows].sum()
        found[seat] = rows
        free[rows] = False
    seats = np.array(list(found), dtype=np.intp)
    others = np.setdiff1d(np.arange(len(Z)), seats)
    weight[others] *= (table.weight.sum() - weight[seats].sum()) / weight[others].sum()
    return RareLevels(Z, weight, found)
