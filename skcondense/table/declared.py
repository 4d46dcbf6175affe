"""Cells of a file in the dtypes that a schema declares, whichever of them occur."""

from typing import Any

import numpy as np

from skcondense.table.columns import ColumnSchema, SurvivalSchema
from skcondense.table.schema import TableSchema

__all__ = ["as_declared", "outcome_as_declared"]


def as_declared(X: Any, schema: TableSchema) -> Any:
    """Columns of a pandas frame in the dtypes that a schema asks for, whatever a file holds.

    What cannot be converted is left for the schema's check, whose message shows no cell.
    """
    present = (column for column in schema if column.name in X.columns)
    return X.assign(
        **{column.name: _cells_as_declared(X[column.name], column) for column in present}
    )


def outcome_as_declared(y: Any, outcome: ColumnSchema | SurvivalSchema | None) -> Any:
    """The same for an outcome of one column; survival has dtypes of its own."""
    if not isinstance(outcome, ColumnSchema):
        return y
    is_number = outcome.is_number and y.dtype.kind in "iuf"
    return y.astype(float) if is_number else _cells_as_declared(y, outcome)


def _cells_as_declared(cells: Any, column: ColumnSchema) -> Any:
    """Cells in a dtype that depends on the declaration, and not on which of them occur."""
    import pandas as pd

    if isinstance(cells.dtype, pd.CategoricalDtype):
        cells = _without_categories(cells)
    if cells.dtype.kind == "O" and cells.isna().all():
        return cells.astype(_dtype_of_gaps(column))
    if cells.dtype.kind == "b" and column.missing:
        # As bools beside a gap are read.
        return cells.astype(object).where(cells.notna(), None)
    if cells.dtype.kind in "iuf" and _wants_float(column):
        return cells.astype(float)
    if cells.dtype.kind in "iuf" and _wants_integer(column):
        return _whole(cells, column)
    return cells


def _without_categories(cells: Any) -> Any:
    dtype = cells.cat.categories.dtype
    if dtype.kind in "iuf":
        return cells.astype(float)
    return cells.astype(object if dtype.kind == "b" else dtype)


def _dtype_of_gaps(column: ColumnSchema) -> Any:
    """The dtype that the column would have had, had there been a value."""
    import pandas as pd

    if column.is_number or _is_coded(column):
        return float
    is_text = all(isinstance(category, str) for category in column.categories or ())
    return pd.Series(["text"]).dtype if is_text else object


def _whole(cells: Any, column: ColumnSchema) -> Any:
    """Whole numbers, which a gap in a row that is not here may have made floats."""
    numbers = cells.astype(float)
    if not np.isfinite(numbers).all():
        return cells
    is_exact = cells.dtype.kind != "f" or bool((numbers == numbers.round()).all())
    # Rounding must not make a category of what is none.
    return cells.round().astype(int) if is_exact or column.kind == "integer" else cells


def _wants_float(column: ColumnSchema) -> bool:
    is_coded = all(isinstance(c, int | float) for c in column.categories or ())
    return column.kind == "numeric" or (column.missing and is_coded)


def _wants_integer(column: ColumnSchema) -> bool:
    return column.kind == "integer" or (
        _is_coded(column) and all(isinstance(c, int) for c in column.categories or ())
    )


def _is_coded(column: ColumnSchema) -> bool:
    """Whether categories are numbers; Python counts bools as such."""
    categories = column.categories or ()
    return bool(categories) and all(
        isinstance(c, int | float) and not isinstance(c, bool) for c in categories
    )
