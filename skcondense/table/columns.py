"""What a column, or an outcome, may hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from skcondense.exceptions import SchemaError

__all__ = ["ColumnSchema", "Kind", "SurvivalSchema"]

Kind = Literal["numeric", "integer", "binary", "ordinal", "categorical", "image"]
PLAIN = (str, int, float)


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
        _check_plain_text(self.name, self.unit)
        object.__setattr__(self, "missing", _as_bool(self.name, self.missing))
        if self.kind not in get_args(Kind):
            raise SchemaError(
                f"Column {self.name!r}: kind must be one of {list(get_args(Kind))}. "
                f"Got {self.kind!r}."
            )
        for field in ("bounds", "typical", "categories", "shape"):
            if getattr(self, field) is not None:
                object.__setattr__(self, field, tuple(getattr(self, field)))
        if self.categories is not None:
            object.__setattr__(self, "categories", tuple(map(_plain, self.categories)))
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
        if self.typical is not None and not _is_range_within(self.typical, low, high):
            raise SchemaError(
                f"Column {self.name!r}: the typical range (low, high) must lie inside the bounds "
                f"{self.bounds!r}. Got {self.typical!r}."
            )

    def _check_categories(self) -> None:
        if self.bounds is not None or self.typical is not None:
            raise SchemaError(
                f"Column {self.name!r}: {self.kind} columns have categories, not bounds."
            )
        if not self.categories:
            raise SchemaError(f"Column {self.name!r}: list its categories. Got none.")
        if any(category is None or category != category for category in self.categories):
            raise SchemaError(
                f"Column {self.name!r}: an empty cell is no category. Leave it out of the "
                "categories, and declare missing=True."
            )
        # Sets and schemas are written as JSON and CSV, which hold nothing else.
        odd = {type(one).__name__ for one in self.categories if not isinstance(one, PLAIN)}
        if odd:
            raise SchemaError(
                f"Column {self.name!r}: categories must be texts, numbers, or true and false. Got "
                f"{', '.join(sorted(odd))}. Convert the column to text."
            )
        if len(set(self.categories)) < len(self.categories):
            raise SchemaError(f"Column {self.name!r}: categories must be unique.")
        if self.kind == "binary" and len(self.categories) != 2:
            raise SchemaError(
                f"Column {self.name!r}: a binary column has two categories. "
                f"Got {len(self.categories)}."
            )


def _plain(category: Any) -> Any:
    """A number of numpy's as one of Python's."""
    return category.item() if isinstance(category, np.generic) else category


def _check_plain_text(name: Any, unit: Any) -> None:
    if not isinstance(name, str):
        raise SchemaError(f"The name of a column must be text. Got {name!r}.")
    if unit is not None and not isinstance(unit, str):
        raise SchemaError(f"Column {name!r}: its unit must be text. Got {unit!r}.")


def _as_bool(name: str, missing: Any) -> bool:
    if not isinstance(missing, bool | np.bool_):
        raise SchemaError(f"Column {name!r}: missing must be True or False. Got {missing!r}.")
    # numpy's cannot be written as JSON.
    return bool(missing)


def _is_range_within(numbers: Sequence[float], low: float, high: float) -> bool:
    return len(numbers) == 2 and low <= numbers[0] <= numbers[1] <= high


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
        _check_plain_text(self.event, self.unit)
        _check_plain_text(self.time, self.unit)
        object.__setattr__(self, "grid", tuple(float(end) for end in self.grid))
        ends = np.array((0.0, *self.grid))
        if len(ends) < 2 or not np.isfinite(ends).all() or (np.diff(ends) <= 0).any():
            raise SchemaError(
                f"The time grid must hold increasing positive numbers. Got {list(self.grid)}."
            )
