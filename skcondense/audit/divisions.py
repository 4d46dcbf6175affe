"""Divisions of a table: which subgroup each row belongs to, by a column, by bands, or as given."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import column_or_1d

from skcondense.audit.releases import Floats
from skcondense.table import Container, TableSchema, check_table

__all__ = ["Division"]

MISSING = "(missing)"


@dataclass(frozen=True)
class Division:
    """Names of subgroups, in order, and the subgroup of each row of a table."""

    names: tuple[str, ...]
    levels: Callable[[Any], NDArray[Any]]

    @classmethod
    def of(cls, schema: TableSchema, by: Any, *, has_members: bool) -> "Division":
        """By a column, by bands of one, or by what is given for each test row."""
        if isinstance(by, str):
            return cls._by_category(schema, by)
        if isinstance(by, tuple) and len(by) == 2 and isinstance(by[0], str):
            return cls._by_band(schema, by[0], np.asarray(by[1], dtype=np.float64))
        if has_members:
            raise ValueError(
                "Members have subgroups only by a column of the table; what was given names those "
                "of the test rows. Pass the name of a column, or leave out members."
            )
        values = column_or_1d(np.asarray(by))
        return cls((), lambda X: _named(values, pd.isna(values)))

    @classmethod
    def _by_category(cls, schema: TableSchema, name: str) -> "Division":
        position = _position(schema, name)
        if schema[name].is_number:
            raise ValueError(
                f"Column {name!r} holds numbers. Pass it with the edges of bands: "
                f"by=({name!r}, [...])."
            )
        names = tuple(str(category) for category in schema[name].categories or ())
        return cls(names, lambda X: _named(*_cells(schema, position, X)))

    @classmethod
    def _by_band(cls, schema: TableSchema, name: str, edges: Floats) -> "Division":
        position = _position(schema, name)
        if not schema[name].is_number:
            raise ValueError(
                f"Column {name!r} holds categories, which have no bands. Pass by={name!r}."
            )
        if edges.ndim != 1 or not len(edges) or not (np.diff(edges) > 0).all():
            raise ValueError(
                "The edges of bands must be a list of increasing numbers. Got an array of shape "
                f"{edges.shape}."
            )
        between = (f"{a:g} to {b:g}" for a, b in pairwise(edges))
        names = (f"below {edges[0]:g}", *between, f"{edges[-1]:g} or more")

        def levels(X: Any) -> NDArray[Any]:
            values, missing = _cells(schema, position, X)
            return _named(np.array(names)[np.digitize(values, edges)], missing)

        return cls(names, levels)

    def and_found_in(self, level: NDArray[Any]) -> list[str]:
        """All names, also of subgroups without rows, and those that only the rows have."""
        return [*self.names, *sorted(set(level.tolist()) - set(self.names))]


def _position(schema: TableSchema, name: str) -> int:
    names = [column.name for column in schema if not column.is_image]
    if name not in names:
        raise ValueError(
            f"The table has no column {name!r} to divide by. Its columns are {names}. Pass an "
            "array for what is no column."
        )
    return schema.names.index(name)


def _cells(schema: TableSchema, position: int, X: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Values of a column of the schema, and which are missing."""
    X = check_table(X)
    container = Container.of(X)
    ordered = schema.for_container(container)
    # Frames have their own order of columns.
    cells = container.read(X)[ordered.names.index(schema.names[position])]
    return cells.values, cells.missing


def _named(values: NDArray[Any], missing: NDArray[np.bool_]) -> NDArray[Any]:
    pairs = zip(values.tolist(), missing.tolist(), strict=True)
    return np.array([MISSING if gone else str(value) for value, gone in pairs], dtype=object)
