"""Which columns a condensed set needs: those that move a teacher's opinion.

In a hundred rows some column splits the labels well by chance, and black boxes fall for it. A
column that the teacher hardly uses cannot mislead if it has one value everywhere. How many columns
to keep is decided by the black boxes' loss, among halvings of their number.

References
----------
Breiman (2001), Random forests, Machine Learning 45, section 10, doi:10.1023/A:1010933404324, for
importance by permutation.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcondense.private_table import PrivateTable
from skcondense.table import ColumnSchema

__all__ = [
    "FEWEST",
    "column_importance",
    "fewer_columns",
    "with_typical_values",
]

Matrix = NDArray[Any]
Floats = NDArray[np.float64]
Columns = NDArray[np.bool_]

# Rows on which importance is measured.
N_ROWS = 1000
# Fewer columns are not offered: other models than the black boxes are to learn from the set too.
FEWEST = 4


def column_importance(
    label: Callable[[Matrix], Floats], table: PrivateTable, rng: np.random.Generator
) -> Floats:
    """How much a teacher's labels change when a column is permuted.

    Parameters
    ----------
    label : callable
        Soft labels of encoded rows.
    table : PrivateTable
        Rows to permute.
    rng : Generator
        Permutes.

    Returns
    -------
    ndarray of shape (n_columns,)
        Root mean square change of the unconstrained labels.
    """
    Z = table.Z[rng.choice(len(table), min(N_ROWS, len(table)), replace=False)]
    free = table.task.to_free(label(Z))
    change = []
    for codes in table.encoder.slices:
        shuffled = Z.copy()
        shuffled[:, codes] = Z[rng.permutation(len(Z)), codes]
        change.append(np.mean((table.task.to_free(label(shuffled)) - free) ** 2) ** 0.5)
    return np.array(change)


def fewer_columns(importance: Floats) -> list[Columns]:
    """The most important half of the columns, a quarter, and so on down to four.

    Returns
    -------
    list of ndarray of shape (n_columns,)
        Which columns vary. The first lets all of them.
    """
    n_columns = len(importance)
    rank = np.empty(n_columns, dtype=np.intp)
    rank[np.argsort(-importance, kind="stable")] = np.arange(n_columns)
    counts = [n_columns]
    while counts[-1] // 2 >= FEWEST:
        counts.append(counts[-1] // 2)
    return [rank < count for count in counts]


def with_typical_values(Z: Matrix, varying: Columns, table: PrivateTable) -> Matrix:
    """Rows in which the other columns have one value.

    The weighted median of numbers and ordered categories, the commonest of other categories, or a
    gap where more than half of the cells are gaps.
    """
    Z = Z.copy()
    columns = zip(table.encoder.schema, table.encoder.slices, varying, strict=True)
    for column, codes, varies in columns:
        if not varies:
            Z[:, codes] = _typical(column, table.Z[:, codes], table.weight)
    return Z


def _typical(column: ColumnSchema, codes: Matrix, weight: Floats) -> Matrix:
    """Codes of a column's typical cell."""
    if column.missing:
        is_gap = codes[:, -1] > 0
        if weight[is_gap].sum() > weight.sum() / 2:
            return np.asarray(codes[is_gap][0])
        codes, weight = codes[~is_gap], weight[~is_gap]
    if column.kind == "categorical":
        commonest = (weight @ codes[:, : len(column.categories or ())]).argmax()
        return np.asarray(codes[codes[:, commonest].argmax()])
    typical = codes[0].copy()
    typical[0] = np.quantile(codes[:, 0], 0.5, weights=weight, method="inverted_cdf")
    return np.asarray(typical)
