"""What each column of a table may hold: the public facts about a private table.

A schema is written once, by someone who knows the table, and carries no patient. It fixes the
geometry in which rows are condensed and the set of values that may ever leave.
"""

import json
import math
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from skcondense.exceptions import PrivacyLeakWarning, SchemaError
from skcondense.table.frames import Column, Container, check_table, is_frame, is_images

__all__ = [
    "ColumnSchema",
    "Kind",
    "SurvivalSchema",
    "TableSchema",
    "clip_to_bounds",
    "infer_schema",
]

Kind = Literal["numeric", "integer", "binary", "ordinal", "categorical", "image"]

# The share of values on each side that counts as unusual when a typical range is learned.
TAIL = 0.05


@dataclass(frozen=True, kw_only=True)
class ColumnSchema:
    """One column: its kind and the values it may hold.

    Parameters
    ----------
    name : str
        Name of the column.
    kind : {"numeric", "integer", "binary", "ordinal", "categorical", "image"}
        What the values are.
    bounds : tuple of (float, float), default=None
        Smallest and largest value; for numeric and integer columns, in the column's unit; for
        images, of a pixel.
    typical : tuple of (float, float), default=None
        Range in which most values fall, for example a laboratory's reference range. It gets four
        fifths of the encoded axis, so that a few extreme values do not squeeze all others.
    categories : tuple, default=None
        Every value of a binary, ordinal (in order) or categorical column.
    unit : str, default=None
        Unit of measurement, for people.
    missing : bool, default=False
        Whether cells may be empty.
    shape : tuple of int, default=None
        Height and width of an image in pixels, and its channels where the array has an axis for
        them.

    Raises
    ------
    SchemaError
        If the parts contradict each other.
    """

    name: str
    kind: Kind
    bounds: tuple[float, float] | None = None
    typical: tuple[float, float] | None = None
    categories: tuple[Any, ...] | None = None
    unit: str | None = None
    missing: bool = False
    shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise SchemaError(
                f"Column {self.name!r}: kind must be one of {list(get_args(Kind))}. "
                f"Got {self.kind!r}."
            )
        for field in ("bounds", "typical", "categories", "shape"):
            if getattr(self, field) is not None:
                object.__setattr__(self, field, tuple(getattr(self, field)))
        self._check_shape()
        if self.is_number or self.is_image:
            self._check_bounds()
        else:
            self._check_categories()

    @property
    def is_number(self) -> bool:
        """Whether a cell is a number, described by bounds rather than by categories."""
        return self.kind in ("numeric", "integer")

    @property
    def is_image(self) -> bool:
        """Whether a cell is an image."""
        return self.kind == "image"

    def _check_shape(self) -> None:
        if not self.is_image:
            if self.shape is not None:
                raise SchemaError(f"Column {self.name!r}: only images have a shape.")
            return
        if self.shape is None or len(self.shape) not in (2, 3) or min(self.shape) < 1:
            raise SchemaError(
                f"Column {self.name!r}: an image needs shape=(height, width) or (height, width, "
                f"channels). Got {self.shape!r}."
            )
        if self.missing or self.typical is not None:
            raise SchemaError(
                f"Column {self.name!r}: images have neither gaps nor a typical range. Leave out "
                "missing and typical."
            )

    def _check_bounds(self) -> None:
        if self.categories is not None:
            raise SchemaError(f"Column {self.name!r}: {self.kind} columns have no categories.")
        if self.bounds is None or len(self.bounds) != 2:
            raise SchemaError(
                f"Column {self.name!r}: a {self.kind} column needs bounds=(low, high). "
                f"Got {self.bounds!r}."
            )
        low, high = self.bounds
        if not (np.isfinite(high - low) and low <= high):
            raise SchemaError(
                f"Column {self.name!r}: bounds must be finite, in order, and less than 1.8e308 "
                f"apart. Got {self.bounds!r}."
            )
        if self.typical is not None and not low <= self.typical[0] <= self.typical[1] <= high:
            raise SchemaError(
                f"Column {self.name!r}: the typical range must lie inside the bounds "
                f"{self.bounds!r}. Got {self.typical!r}."
            )

    def _check_categories(self) -> None:
        if self.bounds is not None or self.typical is not None:
            raise SchemaError(
                f"Column {self.name!r}: {self.kind} columns have categories, not bounds."
            )
        if not self.categories:
            raise SchemaError(f"Column {self.name!r}: list its categories. Got none.")
        if len(set(self.categories)) < len(self.categories):
            raise SchemaError(f"Column {self.name!r}: categories must be unique.")
        if self.kind == "binary" and len(self.categories) != 2:
            raise SchemaError(
                f"Column {self.name!r}: a binary column has two categories. "
                f"Got {len(self.categories)}."
            )


@dataclass(frozen=True, kw_only=True)
class SurvivalSchema:
    """A right-censored outcome: its two columns and the grid on which time is told apart.

    Parameters
    ----------
    grid : tuple of float
        Ends of the time bands, positive and increasing, in the unit of the time column. The last
        one is the horizon: what happens later counts as censored there.
    event : str, default="event"
        Name of the event column.
    time : str, default="time"
        Name of the time column.
    unit : str, default=None
        Unit of time, for people.

    Raises
    ------
    SchemaError
        If the grid is not increasing.
    """

    grid: tuple[float, ...]
    event: str = "event"
    time: str = "time"
    unit: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "grid", tuple(float(end) for end in self.grid))
        ends = np.array((0.0, *self.grid))
        if len(ends) < 2 or not np.isfinite(ends).all() or (np.diff(ends) <= 0).any():
            raise SchemaError(
                f"The time grid must hold increasing positive numbers. Got {list(self.grid)}."
            )


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
        except (AttributeError, json.JSONDecodeError, KeyError, TypeError) as error:
            raise SchemaError(
                f"This is not a schema in JSON: {error}. Write one with `skcondense schema`."
            ) from error

    def save(self, path: str | Path) -> None:
        """Write the schema to a JSON file."""
        Path(path).write_text(self.to_json() + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "TableSchema":
        """Read a schema from a JSON file."""
        return cls.from_json(Path(path).read_text(encoding="utf-8"))

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
    return TableSchema(tuple(_infer_column(name, column) for name, column in pairs))


def _infer_column(name: str, column: Column) -> ColumnSchema:
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
