"""Tables in and out: numpy, pandas and polars through one pair of functions.

Inside the package a table is a list of :class:`Column`, one per feature. `Container` remembers
how the table arrived, so that rows leave as they came: library, names, order and dtypes.
"""

from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from skcondense.exceptions import SchemaError

__all__ = ["Column", "Container", "check_table", "is_frame", "is_images", "take_rows"]


# Name of the only column of an array of images.
IMAGE = "image"


@dataclass(frozen=True)
class Column:
    """Values of one feature.

    Attributes
    ----------
    values : ndarray of shape (n_rows,), or (n_rows, height, width) and with channels for images
        float64 for numbers, as they came in for images, object for anything else; arbitrary
        where `missing`.
    missing : ndarray of shape (n_rows,), dtype bool
        True where the cell is empty.
    ordered : tuple or None
        Categories in their order, when the container declares them (pandas, polars Enum).
    is_ordinal : bool
        Whether the container says that the order means something.
    """

    values: NDArray[Any]
    missing: NDArray[np.bool_]
    ordered: tuple[Any, ...] | None = None
    is_ordinal: bool = False


def is_frame(X: Any) -> bool:
    """Whether `X` is a data frame of a library that narwhals knows."""
    if isinstance(X, np.ndarray):
        # Said at once: a search asks of every candidate, and narwhals takes longer to say it.
        return False
    return isinstance(nw.from_native(X, eager_only=True, pass_through=True), nw.DataFrame)


def is_images(X: Any) -> bool:
    """Whether `X` is an array of images: (n_images, height, width), channels last if any."""
    return isinstance(X, np.ndarray) and X.ndim in (3, 4)


def take_rows(X: Any, index: NDArray[np.intp]) -> Any:
    """Select rows of an array or frame by position; a pandas index starts again at 0."""
    if is_frame(X):
        rows = nw.from_native(X, eager_only=True)[index]
        return nw.maybe_reset_index(rows).to_native()
    return np.asarray(X)[index]


@dataclass(frozen=True)
class Container:
    """The shape a table arrived in, without any of its rows.

    Attributes
    ----------
    names : tuple of str
        Column names; ``x0, x1, ...`` for arrays, as scikit-learn names them. An array of images
        is a table with one column, ``image``.
    template : object
        A frame without rows, or a numpy array of shape (0, n_features) or (0, height, width).
    """

    names: tuple[str, ...]
    template: Any

    @classmethod
    def of(cls, X: Any) -> "Container":
        """Describe `X`."""
        if is_frame(X):
            frame = nw.from_native(X, eager_only=True)
            names = frame.columns
            if len(set(names)) < len(names):
                twice = sorted({name for name in names if names.count(name) > 1})
                raise SchemaError(f"Column names must be unique. Got twice: {twice}. Rename them.")
            return cls(tuple(names), frame.head(0).to_native())
        X = np.asarray(X)
        if is_images(X):
            return cls((IMAGE,), X[:0])
        return cls(tuple(f"x{i}" for i in range(X.shape[1])), X[:0])

    @property
    def is_frame(self) -> bool:
        """Whether the table is a data frame (else a numpy array)."""
        return not isinstance(self.template, np.ndarray)

    def holds_missing(self, name: str) -> bool:
        """Whether the column's dtype has a way to say that a cell is empty."""
        if not self.is_frame:
            return bool(self.template.dtype.kind in "fcO")
        dtype = getattr(self.template[name], "dtype", None)
        return not (isinstance(dtype, np.dtype) and dtype.kind in "iub")

    def holds_integers(self, name: str) -> bool:
        """Whether the column's dtype is one of whole numbers."""
        if not self.is_frame:
            return bool(self.template.dtype.kind in "iu")
        return bool(nw.from_native(self.template, eager_only=True).schema[name].is_integer())

    def categories(self, name: str) -> tuple[Any, ...] | None:
        """Categories that the column's dtype lists, if it does."""
        if not self.is_frame:
            return None
        column = nw.from_native(self.template, eager_only=True)[name]
        # Categories of polars' Categorical belong to the process, not to the column.
        pandas_like = column.implementation.is_pandas_like()
        if not isinstance(column.dtype, (nw.Categorical, nw.Enum) if pandas_like else nw.Enum):
            return None
        return tuple(column.cat.get_categories().to_list())

    def read(self, X: Any) -> list[Column]:
        """Columns of `X` in the order of `names`; extra columns of a frame are left out."""
        if is_images(X):
            return [Column(X, np.zeros(len(X), dtype=bool))]
        if not self.is_frame:
            return [_read_array(X[:, j]) for j in range(X.shape[1])]
        frame = nw.from_native(X, eager_only=True)
        lost = [name for name in self.names if name not in frame.columns]
        if lost:
            raise SchemaError(
                f"The table must have the columns it was condensed with. Missing: {lost}. "
                f"Got: {list(frame.columns)}."
            )
        return [_read_series(frame[name]) for name in self.names]

    def build(self, columns: list[Column]) -> Any:
        """Put columns back into a table like the one that came in."""
        if is_images(self.template):
            return _as_pixels(columns[0].values, self.template.dtype)
        if not self.is_frame:
            return _build_array(columns, self.template.dtype)
        template = nw.from_native(self.template, eager_only=True)
        cells = {
            name: _cells(column, is_integer=template.schema[name].is_integer())
            for name, column in zip(self.names, columns, strict=True)
        }
        if template.implementation.is_pandas_like():
            native = template.implementation.to_native_namespace().DataFrame(cells)
            dtypes = self.template.dtypes.to_dict()
            return native.astype({name: dtypes[name] for name in self.names})
        return nw.from_dict(
            cells, schema=template.schema, backend=template.implementation
        ).to_native()


def check_table(X: Any, *, images: bool = False) -> Any:
    """Refuse what is no table; return the frame itself or an array.

    NaN is left alone here: whether a column may have missing cells is the schema's business.

    Parameters
    ----------
    X : array-like or data frame of shape (n_rows, n_features)
        The table, or an array of images.
    images : bool, default=False
        Whether arrays of images, of shape (n_images, height, width) or (n_images, height, width,
        channels), are tables too.
    """
    if images and is_images(X):
        return _check_images(X)
    if is_frame(X):
        frame = nw.from_native(X, eager_only=True)
        if not any(isinstance(name, str) for name in frame.columns):
            # Numbered columns of pandas get names, since released rows need them.
            X = X.set_axis([str(name) for name in X.columns], axis=1)
        if frame.shape[0] == 0 or frame.shape[1] == 0:
            raise ValueError(
                f"The table must have rows and columns. Got shape {frame.shape} "
                "(a minimum of 1 is required)."
            )
        return X
    return check_array(X, dtype=None, ensure_all_finite=False, input_name="X")


def _check_images(X: NDArray[Any]) -> NDArray[Any]:
    if X.dtype.kind not in "biuf":
        raise TypeError(f"Pixels must be numbers. Got dtype {X.dtype}. Convert the array.")
    if min(X.shape) < 1:
        raise ValueError(
            f"Images must have rows, columns and channels. Got shape {X.shape} "
            "(a minimum of 1 is required)."
        )
    if X.dtype.kind == "f" and not np.isfinite(X).all():
        raise ValueError(
            "Images contain NaN or infinity. Fill those pixels, or drop the images, first."
        )
    return X


def _read_array(values: NDArray[Any]) -> Column:
    if values.dtype.kind in "fiub":
        numbers = values.astype(np.float64, copy=False)
        return Column(numbers, np.isnan(numbers))
    return _read_objects(values.tolist())


def _read_series(series: Any) -> Column:
    dtype = series.dtype
    if dtype.is_numeric():
        numbers = series.cast(nw.Float64).to_numpy().astype(np.float64)
        return Column(numbers, np.isnan(numbers) | series.is_null().to_numpy())
    if dtype.is_temporal():
        raise SchemaError(
            f"Column {series.name!r} holds dates or times ({dtype}). Turn it into a number first, "
            "for example days since admission."
        )
    column = _read_objects(series.to_list())
    if isinstance(dtype, nw.Categorical | nw.Enum):
        # narwhals knows the categories, but only pandas says whether their order means anything.
        ordinal = bool(getattr(getattr(series.to_native(), "dtype", None), "ordered", False))
        present = {v for v, gone in zip(column.values, column.missing, strict=True) if not gone}
        known = tuple(series.cat.get_categories().to_list())
        ordered = known if ordinal else tuple(c for c in known if c in present)
        return Column(column.values, column.missing, ordered or None, ordinal)
    return column


def _read_objects(values: list[Any]) -> Column:
    missing = np.fromiter((_is_missing(v) for v in values), dtype=bool, count=len(values))
    array = np.empty(len(values), dtype=object)
    array[:] = values
    if any(isinstance(v, list | tuple | dict | np.ndarray) for v in array[~missing]):
        raise TypeError(
            "A cell of X holds one value, so each argument must be a string or a number. "
            "Got a list, tuple, dict or array."
        )
    numbers = _as_numbers(array, missing)
    return Column(array if numbers is None else numbers, missing)


def _is_missing(value: Any) -> bool:
    # pandas.NA refuses to be compared, so it is asked for by name.
    return value is None or type(value).__name__ in {"NAType", "NaTType"} or value != value


def _as_numbers(values: NDArray[Any], missing: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """Objects that are all numbers, as float64 (an object array of numbers is numeric)."""
    present = values[~missing]
    if not len(present) or not all(
        isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in present
    ):
        return None
    numbers = np.full(len(values), np.nan)
    numbers[~missing] = present.astype(np.float64)
    return numbers


def _cells(column: Column, *, is_integer: bool) -> list[Any]:
    return [
        None if gone else int(value) if is_integer else value
        for value, gone in zip(column.values.tolist(), column.missing, strict=True)
    ]


def _as_pixels(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    return (np.rint(values) if dtype.kind in "iub" else values).astype(dtype)


def _build_array(columns: list[Column], dtype: np.dtype[Any]) -> NDArray[Any]:
    out = np.empty((len(columns[0].values), len(columns)), dtype=dtype)
    for j, column in enumerate(columns):
        out[:, j] = column.values
        if column.missing.any():
            out[column.missing, j] = np.nan
    return out
