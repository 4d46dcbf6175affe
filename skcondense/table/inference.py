"""Columns described by their own values: a first version of a schema, and not private."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcondense.exceptions import SchemaError
from skcondense.table.columns import ColumnSchema, Kind
from skcondense.table.frames import Column

__all__ = ["infer_column"]

# The share of values on each side that counts as unusual when a typical range is learned.
TAIL = 0.05


def infer_column(name: str, column: Column) -> ColumnSchema:
    """Describe a column by what it holds."""
    if column.values.ndim > 1:
        return _infer_images(name, column.values)
    missing = bool(column.missing.any())
    present = column.values[~column.missing]
    if not len(present):
        raise SchemaError(
            f"Column {name!r} is empty: every value is missing. Drop it, or declare a schema."
        )
    if column.is_ordinal:
        return ColumnSchema(name=name, kind="ordinal", categories=column.ordered, missing=missing)
    if present.dtype.kind != "f":
        categories = column.ordered or _sorted_categories(name, present)
        kind: Kind = "binary" if len(categories) == 2 else "categorical"
        return ColumnSchema(name=name, kind=kind, categories=categories, missing=missing)
    return _infer_numbers(name, present, missing)


def _infer_images(name: str, images: NDArray[Any]) -> ColumnSchema:
    """Bounds from the dtype where it has a convention, so that they say nothing of the pixels."""
    if images.dtype.kind in "biu":
        bounds = (0.0, 1.0) if images.dtype.kind == "b" else _range_of_dtype(images)
    else:
        low, high = float(images.min()), float(images.max())
        bounds = (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)
    return ColumnSchema(name=name, kind="image", bounds=bounds, shape=images.shape[1:])


def _range_of_dtype(images: NDArray[Any]) -> tuple[float, float]:
    """All of uint8; wider types (12-bit scans in 16-bit arrays) are used in part only."""
    if images.dtype == np.uint8:
        return 0.0, 255.0
    return float(images.min()), float(images.max())


def _infer_numbers(name: str, present: NDArray[np.float64], missing: bool) -> ColumnSchema:
    if np.isinf(present).any():
        raise SchemaError(
            f"Column {name!r} contains infinity (inf). Replace it by a missing value or by the "
            "largest possible number."
        )
    integral = bool((present == np.round(present)).all())
    low, high = float(present.min()), float(present.max())
    # ColumnSchema would refuse them too, but show the bounds, which are cells here.
    if not math.isfinite(high - low):
        raise SchemaError(
            f"Column {name!r} spans more than a 64-bit float can hold (1.8e308). Rescale it."
        )
    if integral and low < high and ((present == low) | (present == high)).all():
        categories = (int(low), int(high))
        return ColumnSchema(name=name, kind="binary", categories=categories, missing=missing)
    typical = np.quantile(present, [TAIL, 1 - TAIL])
    return ColumnSchema(
        name=name,
        kind="integer" if integral else "numeric",
        bounds=(low, high),
        typical=(float(typical[0]), float(typical[1])),
        missing=missing,
    )


def _sorted_categories(name: str, present: NDArray[Any]) -> tuple[Any, ...]:
    categories = set(present.tolist())
    # Categories are published verbatim, so a column of names or notes must never become one.
    if len(categories) > 20 and len(categories) > len(present) / 2:
        raise SchemaError(
            f"Column {name!r} holds {len(categories)} different texts in {len(present)} rows: an "
            "identifier or free text? Drop it, or declare its categories in a schema."
        )
    return tuple(sorted(categories, key=lambda c: (type(c).__name__, c)))
