"""Outcomes in and out: which task `y` belongs to, and in which container it travels."""

from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.validation import assert_all_finite

from skcondense.exceptions import TargetError
from skcondense.table import SurvivalSchema, is_frame, take_rows
from skcondense.tasks.base import Task
from skcondense.tasks.classification import ClassificationTask
from skcondense.tasks.regression import RegressionTask
from skcondense.tasks.survival import SurvivalTask

__all__ = ["TargetContainer", "resolve_task", "take_target", "working_form"]

DECLARED: dict[str, type[Task]] = {
    "classification": ClassificationTask,
    "regression": RegressionTask,
    "survival": SurvivalTask,
}

# Numbers with more distinct values than this are an outcome to regress on, not class labels.
MAX_NUMERIC_CLASSES = 20


@dataclass(frozen=True)
class TargetContainer:
    """The shape `y` arrived in, without any of its rows.

    Attributes
    ----------
    template : object
        An array, series or frame with no rows.
    names : tuple of str
        Name of the outcome; event and time for survival. Used as column names.
    """

    template: Any
    names: tuple[str, ...]

    @classmethod
    def of(cls, y: Any) -> "TargetContainer":
        """Describe `y`."""
        if is_frame(y):
            frame = nw.from_native(y, eager_only=True)
            if len(frame.columns) > 1:
                return cls(frame.head(0).to_native(), tuple(frame.columns))
            y = frame[frame.columns[0]].to_native()
        series = _as_series(y)
        if series is not None:
            return cls(series.head(0).to_native(), (str(series.name or "target"),))
        array = np.asarray(y)
        return cls(array[:0], array.dtype.names or ("target",))

    def build(self, values: NDArray[Any]) -> Any:
        """Put outcomes into a container like the one that came in."""
        if is_frame(self.template):
            frame = nw.from_native(self.template, eager_only=True)
            return frame.select(
                nw.new_series(
                    name,
                    _times(values[name], dtype.is_integer()).tolist(),
                    backend=frame.implementation,
                ).cast(dtype)
                for name, dtype in frame.schema.items()
            ).to_native()
        series = _as_series(self.template)
        if series is None:
            return self._structured(values) if values.dtype.names else values
        if series.dtype.is_integer() and values.dtype.kind == "f":
            # A mean of whole numbers: the nearest one.
            values = np.rint(values).astype(np.int64)
        if series.implementation.is_pandas_like():
            namespace = series.implementation.to_native_namespace()
            return namespace.Series(values, name=self.template.name).astype(self.template.dtype)
        return nw.new_series(
            series.name, values.tolist(), dtype=series.dtype, backend=series.implementation
        ).to_native()

    def _structured(self, values: NDArray[Any]) -> NDArray[Any]:
        out = np.empty(len(values), dtype=self.template.dtype)
        for name in values.dtype.names or ():
            out[name] = _times(values[name], self.template.dtype[name].kind in "iu")
        return out


def resolve_task(task: str, y: Any, outcome: Any = None) -> tuple[Task, NDArray[Any]]:
    """Find the task and bring `y` into its working form.

    Parameters
    ----------
    task : {"auto", "classification", "regression", "survival"}
        What the caller asked for. "auto" takes structured arrays and two-column frames for
        survival, numbers with more than 20 distinct values for regression, anything else for
        classification.
    y : array-like, series or two-column frame of shape (n_rows,)
        Outcomes.
    outcome : ColumnSchema or SurvivalSchema, default=None
        What `y` is declared to be; then nothing is learned from its values.

    Returns
    -------
    task : Task
    values : ndarray of shape (n_rows,)
        Labels, floats, or a structured array.
    """
    if outcome is not None:
        task = _declared_name(task, outcome)
        y = _event_first(y, outcome)
        _check_categories(y, outcome)
        return DECLARED[task].declared(outcome, working_form(task, y))
    if _is_event_time_frame(y):
        y = _structured(y)
    names = getattr(getattr(y, "dtype", None), "names", None)
    if names is not None or task == "survival":
        if task not in ("auto", "survival"):
            raise TargetError(f"A structured y is a survival outcome. Got task={task!r}.")
        values = _structured(y)
        return SurvivalTask.of(values), values
    values = _values(y)
    if task == "auto":
        task = "regression" if _looks_continuous(values) else "classification"
    if task == "classification":
        return ClassificationTask.of(values), values
    values = _as_floats(values)
    return RegressionTask.of(values), values


def _event_first(y: Any, outcome: Any) -> Any:
    """A frame of the declared event and time columns, in this order; anything else as it is."""
    if not isinstance(outcome, SurvivalSchema) or not _is_event_time_frame(y):
        return y
    frame = nw.from_native(y, eager_only=True)
    names = [outcome.event, outcome.time]
    return frame.select(names).to_native() if set(frame.columns) == set(names) else y


def _declared_name(task: str, outcome: Any) -> str:
    if task != "auto":
        return task
    if isinstance(outcome, SurvivalSchema):
        return "survival"
    return "regression" if outcome.is_number else "classification"


def _check_categories(y: Any, outcome: Any) -> None:
    """Outcomes leave in the dtype that came in, which must not list what occurs."""
    series = _as_series(y)
    if series is None or not isinstance(series.dtype, nw.Categorical | nw.Enum):
        return
    listed = tuple(series.cat.get_categories().to_list())
    if listed != getattr(outcome, "categories", None):
        raise TargetError(
            f"The outcome has a categorical dtype with {len(listed)} categories, but the schema "
            f"declares {len(getattr(outcome, 'categories', None) or ())}, or another order. "
            "Convert it to text or numbers, or give the dtype the schema's categories."
        )


def working_form(task: str, y: Any) -> NDArray[Any]:
    """Outcomes as labels, floats, or a structured array, whichever of them occur.

    Parameters
    ----------
    task : {"classification", "regression", "survival"}
        Theirs.
    y : array-like, series or two-column frame of shape (n_rows,)
        Outcomes.

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    if task == "survival":
        return _structured(y)
    values = _values(y)
    if task == "regression":
        return _as_floats(values)
    # Only a dtype that was declared with the data may leave; numpy infers one from what occurs.
    series = _as_series(y)
    is_declared = hasattr(y, "dtype") if series is None else series.dtype.is_numeric()
    return values if is_declared else values.astype(object)


def take_target(y: Any, rows: NDArray[np.intp]) -> Any:
    """Select outcomes by position."""
    series = _as_series(y)
    return take_rows(y, rows) if series is None else series[rows.tolist()].to_native()


def _is_event_time_frame(y: Any) -> bool:
    return is_frame(y) and nw.from_native(y).shape[1] == 2


def _structured(y: Any) -> NDArray[Any]:
    """A survival outcome as a structured array of event and time."""
    if _is_event_time_frame(y):
        return _structured_from_frame(nw.from_native(y, eager_only=True))
    y = np.asarray(y)
    names = y.dtype.names
    kinds = [y.dtype[name].kind for name in names or ()]
    if names is None or len(names) != 2 or kinds[0] not in "biu" or kinds[1] not in "fiu":
        raise TargetError(
            "A survival outcome must be a structured array with an event indicator (bool) and a "
            "time (float), or a frame with these two columns. Got dtype "
            f"{y.dtype}. Build it with sksurv.util.Surv.from_arrays(event, time)."
        )
    if not np.isin(y[names[0]], (0, 1)).all():
        raise TargetError(
            f"The event field {names[0]!r} must be True/False or 0/1. "
            "Recode it: 1 where the event was observed, 0 where the row was censored."
        )
    # Times in single precision or whole numbers would be misread at the ends of bands.
    out = np.empty(len(y), dtype=[(names[0], bool), (names[1], np.float64)])
    for name in names:
        out[name] = y[name]
    return out


def _times(values: NDArray[Any], whole: bool) -> NDArray[Any]:
    """Times for a column of whole numbers: up, since bands are closed at their ends."""
    return np.ceil(values) if whole and values.dtype.kind == "f" else values


def _structured_from_frame(frame: Any) -> NDArray[Any]:
    event_name, time_name = _event_time_columns(frame)
    event, time = frame[event_name], frame[time_name]
    if event.is_null().any() or not set(event.unique().to_list()) <= {0, 1}:
        raise TargetError(
            f"The event column {event_name!r} must be True/False or 0/1 without gaps. "
            "Recode it: 1 where the event was observed, 0 where the row was censored."
        )
    if not time.dtype.is_numeric():
        raise TargetError(f"The time column {time_name!r} must hold numbers. Got {time.dtype}.")
    y = np.empty(len(frame), dtype=[(event_name, bool), (time_name, np.float64)])
    y[event_name] = event.cast(nw.Boolean).to_numpy()
    y[time_name] = time.cast(nw.Float64).to_numpy()
    return y


def _event_time_columns(frame: Any) -> tuple[str, str]:
    """Columns called event and time in any order; otherwise the first is the event."""
    first, second = frame.columns
    return (second, first) if first.lower() == "time" else (first, second)


def _values(y: Any) -> NDArray[Any]:
    series = _as_series(y)
    if series is not None:
        if series.is_null().any():
            raise TargetError("y contains missing values (NaN). Drop those rows first.")
        y = series.to_list()
    values = column_or_1d(y, warn=True)
    if values.dtype.kind == "O" and any(v is None or v != v for v in values):
        raise TargetError("Input y contains NaN. Drop the rows with a missing outcome first.")
    if values.dtype.kind in "fc":
        # It sums first, and inf - inf warns.
        with np.errstate(invalid="ignore"):
            assert_all_finite(values, input_name="y")
    return values


def _as_floats(values: NDArray[Any]) -> NDArray[np.float64]:
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError):
        # numpy's message shows the value.
        raise TargetError(
            f"A regression outcome must hold numbers. Got dtype {values.dtype}. Convert y, or "
            "choose another task."
        ) from None


def _looks_continuous(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "fiu" and len(np.unique(values)) > MAX_NUMERIC_CLASSES


def _as_series(y: Any) -> Any | None:
    series = nw.from_native(y, allow_series=True, eager_only=True, pass_through=True)
    return series if isinstance(series, nw.Series) else None
