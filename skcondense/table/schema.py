"""What each column of a table may hold: the public facts about a private table.

A schema is written once, by someone who knows the table, and carries no patient. It fixes the
geometry in which rows are condensed and the set of values that may ever leave.
"""

import json
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from skcondense.exceptions import PrivacyLeakWarning, SchemaError
from skcondense.table.columns import ColumnSchema, SurvivalSchema
from skcondense.table.frames import Column, Container, check_table, is_frame, is_images
from skcondense.table.inference import infer_column

__all__ = [
    "TableSchema",
    "clip_to_bounds",
    "infer_schema",
]


@dataclass(frozen=True)
class TableSchema:
    """The columns of a table, in order.

    Parameters
    ----------
    columns : tuple of ColumnSchema
        One entry per feature column.
    outcome : ColumnSchema or SurvivalSchema, default=None
        What the outcome may be: categories for classification, bounds for regression, a time
        grid for survival. Needed with `epsilon` only.

    Examples
    --------
    >>> from skcondense import ColumnSchema, TableSchema
    >>> schema = TableSchema((
    ...     ColumnSchema(name="age", kind="integer", bounds=(18, 110), unit="years"),
    ...     ColumnSchema(name="sex", kind="binary", categories=("female", "male")),
    ... ))
    >>> TableSchema.from_json(schema.to_json()) == schema
    True
    """

    columns: tuple[ColumnSchema, ...]
    outcome: ColumnSchema | SurvivalSchema | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        if not self.columns:
            raise SchemaError("A schema needs at least one column. Got none.")
        if len(set(self.names)) < len(self.columns):
            raise SchemaError("Column names of a schema must be unique.")

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[ColumnSchema]:
        return iter(self.columns)

    def __getitem__(self, name: str) -> ColumnSchema:
        return self.columns[self.names.index(name)]

    @classmethod
    def from_frame(cls, X: Any) -> "TableSchema":
        """Describe a table by looking at it.

        Parameters
        ----------
        X : array-like or data frame of shape (n_rows, n_columns)
            The table to describe.

        Returns
        -------
        TableSchema
            A first version to correct by hand: bounds and categories are those that occur.

        Warns
        -----
        PrivacyLeakWarning
            Always: the smallest and largest values belong to patients. Widen the bounds to what
            is possible before the schema leaves the building.
        """
        warnings.warn(
            "TableSchema.from_frame reads private values: bounds and categories are those that "
            "occur in the table. Replace them by what is possible before sharing the schema.",
            PrivacyLeakWarning,
            stacklevel=2,
        )
        X = check_table(X)
        container = Container.of(X)
        return infer_schema(container, container.read(X))

    def to_json(self) -> str:
        """Write the schema as JSON text."""
        facts: dict[str, Any] = {"columns": [_as_json(column) for column in self]}
        if self.outcome is not None:
            facts["outcome"] = _as_json(self.outcome)
        return json.dumps(facts, indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "TableSchema":
        """Read a schema from JSON text.

        Raises
        ------
        SchemaError
            If the text is not a schema.
        """
        try:
            facts = json.loads(text)
            columns = tuple(ColumnSchema(**column) for column in facts["columns"])
            outcome = facts.get("outcome")
            if outcome is not None:
                outcome = (SurvivalSchema if "grid" in outcome else ColumnSchema)(**outcome)
            return cls(columns, outcome)
        except SchemaError:
            raise
        # What a file can make of lists, numbers and nesting raises nearly anything.
        except Exception as error:
            raise SchemaError(
                f"This is not a schema in JSON: {error}. Write one with `skcondense schema`."
            ) from error

    def save(self, path: str | Path) -> None:
        """Write the schema to a JSON file."""
        Path(path).write_text(self.to_json() + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "TableSchema":
        """Read a schema from a JSON file.

        Raises
        ------
        SchemaError
            If the file is not a schema.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise SchemaError(f"{path} is not text in UTF-8, so it is no schema.") from None
        return cls.from_json(text)

    def for_container(self, container: Container) -> "TableSchema":
        """The same columns in the order in which a table holds them.

        Arrays have no names, so their columns are matched by position.

        Raises
        ------
        SchemaError
            If table and schema have different columns.
        """
        if len(self) != len(container.names):
            raise SchemaError(
                f"The schema describes {len(self)} columns. Got a table with "
                f"{len(container.names)}."
            )
        if not container.is_frame:
            return self
        if set(self.names) != set(container.names):
            raise SchemaError(
                "Table and schema must have the same columns. Only in the table: "
                f"{sorted(set(container.names) - set(self.names))}. Only in the schema: "
                f"{sorted(set(self.names) - set(container.names))}."
            )
        return replace(self, columns=tuple(self[name] for name in container.names))

    def restricted_to(self, container: Container) -> "TableSchema":
        """Forbid missing cells where the container's dtype could not hold one."""
        pairs = zip(self.columns, container.names, strict=True)
        columns = (
            replace(column, missing=column.missing and container.holds_missing(name))
            for column, name in pairs
        )
        return replace(self, columns=tuple(columns))

    def check_pixels(self, container: Container) -> None:
        """Refuse images of a dtype that cannot hold every pixel that the schema allows.

        Raises
        ------
        SchemaError
            Names the dtype and the bounds.
        """
        for column in self.columns:
            if column.is_image:
                _check_pixels(column, container.template.dtype)

    def check_container(self, container: Container) -> None:
        """Refuse a container that would show what is in its cells.

        Rows leave in the container that came in. A dtype that depends on the cells (whole numbers
        because no gap occurs; the categories that do occur) would leave with them.

        Raises
        ------
        SchemaError
            Names the column and what to do.
        """
        for column, name in zip(self.columns, container.names, strict=True):
            if column.is_image:
                continue
            if column.missing and not container.holds_missing(name):
                raise SchemaError(
                    f"Column {column.name!r} may have gaps by its schema, but its dtype cannot "
                    "hold one, which shows that none occurs. Convert it to float, or declare "
                    "missing=False."
                )
            if column.kind == "numeric" and container.holds_integers(name):
                raise SchemaError(
                    f"Column {column.name!r} is numeric by its schema, but its dtype holds whole "
                    "numbers only, which shows that no other occurs. Convert it to float, or "
                    "declare it as integer."
                )
            listed = container.categories(name)
            if listed is not None and listed != column.categories:
                raise SchemaError(
                    f"Column {column.name!r} has a categorical dtype with {len(listed)} "
                    f"categories, but its schema declares {len(column.categories or ())}, or "
                    "another order. Convert it to text, or give the dtype the schema's categories."
                )

    def check(self, columns: list[Column]) -> None:
        """Refuse cells that the schema does not allow.

        Numbers outside their bounds pass: the encoder clips them.

        Raises
        ------
        SchemaError
            Names the column and never a value.
        """
        for column, cells in zip(self.columns, columns, strict=True):
            _check_column(column, cells)


def _as_json(part: ColumnSchema | SurvivalSchema) -> dict[str, Any]:
    return {key: value for key, value in asdict(part).items() if value not in (None, False)}


def clip_to_bounds(X: Any, schema: TableSchema) -> Any:
    """Clip the numbers of a table to their bounds, in a copy; everything else is left alone."""
    numbers = [(j, column) for j, column in enumerate(schema) if column.is_number]
    if is_frame(X):
        frame = nw.from_native(X, eager_only=True)
        names = frame.columns
        # Clipping must not change a dtype: integer columns get integer bounds.
        clipped = [
            nw.col(names[j]).clip(*_bounds_like(column, frame.schema[names[j]].is_integer()))
            for j, column in numbers
            if frame.schema[names[j]].is_numeric()
        ]
        return frame.with_columns(*clipped).to_native() if clipped else X
    X = np.array(X)
    if is_images(X):
        return np.clip(X, *_bounds_like(schema.columns[0], X.dtype.kind in "iu"))
    if X.dtype.kind in "fiu":
        for j, column in numbers:
            low, high = _bounds_like(column, X.dtype.kind in "iu")
            X[:, j] = np.clip(X[:, j], low, high)
    return X


def _bounds_like(column: ColumnSchema, is_integer: bool) -> tuple[float, float]:
    low, high = column.bounds or (-np.inf, np.inf)
    return (int(np.ceil(low)), int(np.floor(high))) if is_integer else (low, high)


def _check_column(column: ColumnSchema, cells: Column) -> None:
    if cells.missing.any() and not column.missing:
        raise SchemaError(
            f"Column {column.name!r} has {int(cells.missing.sum())} missing values (NaN), which "
            "its schema forbids. Declare it with missing=True, or fill the gaps."
        )
    if column.is_image or cells.values.ndim > 1:
        _check_images(column, cells)
        return
    present = cells.values[~cells.missing]
    if not len(present):
        return
    if column.is_number:
        if present.dtype.kind != "f":
            raise SchemaError(
                f"Column {column.name!r} must hold numbers ({column.kind}). Got text or other "
                "objects. Convert it, or declare it as categorical."
            )
        if np.isinf(present).any():
            raise SchemaError(
                f"Column {column.name!r} contains infinity (inf). Replace it by a missing value "
                "or by the largest possible number."
            )
        return
    unknown = len(set(present.tolist()) - set(column.categories or ()))
    if unknown:
        raise SchemaError(
            f"Column {column.name!r} has {unknown} unknown categories, not among the "
            f"{len(column.categories or ())} that its schema lists. Add them to the schema, or "
            "recode the column."
        )


def _check_images(column: ColumnSchema, cells: Column) -> None:
    shape = cells.values.shape[1:]
    if shape != (column.shape or ()):
        raise SchemaError(
            f"Column {column.name!r} is declared as {column.kind} of shape {column.shape}. Got "
            f"cells of shape {shape}. Resize the images, or correct the schema."
        )


def infer_schema(container: Container, columns: list[Column]) -> TableSchema:
    """Describe columns by their own values. Not private: for use without `epsilon` only."""
    pairs = zip(container.names, columns, strict=True)
    return TableSchema(tuple(infer_column(name, column) for name, column in pairs))


def _check_pixels(column: ColumnSchema, dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "iu" or column.bounds is None:
        return
    limits = np.iinfo(dtype)
    if column.bounds[0] < limits.min or column.bounds[1] > limits.max:
        raise SchemaError(
            f"Column {column.name!r}: pixels of dtype {dtype} cannot hold all values within "
            f"{column.bounds!r}. Declare bounds within {limits.min} to {limits.max}, or convert "
            "the images."
        )
