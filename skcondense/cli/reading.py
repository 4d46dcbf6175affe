"""Real rows from files: CSV, Parquet, and .npz for images."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skcondense import CondensedSet, ParquetSample
from skcondense.cli.messages import UsageError, quoting_nothing
from skcondense.table.declared import as_declared, outcome_as_declared
from skcondense.tasks import TargetContainer, resolve_task

__all__ = [
    "RealRows",
    "is_parquet",
    "load_condensed",
    "outcome_columns",
    "present",
    "read_real_rows",
    "read_table",
    "split_table",
]

# Arrays of a .npz file.
IMAGES, LABELS, PATIENTS = "X", "y", "groups"
# What is empty in a CSV: what pandas takes for it, but for "None", which is an answer in clinics.
GAPS = ("", "#N/A", "#NA", "<NA>", "N/A", "NA", "NULL", "NaN", "-NaN", "n/a", "nan", "-nan", "null")


@dataclass(frozen=True)
class RealRows:
    """Rows of a file.

    Attributes
    ----------
    X : DataFrame of shape (n_rows, n_features), or array of shape (n_images, ...)
        Features.
    y : Series, or DataFrame of event and time
        Outcomes.
    groups : Series or None
        Patient of each row.
    """

    X: Any
    y: Any
    groups: Any

    @property
    def pair(self) -> tuple[Any, Any]:
        """Features and outcomes."""
        return self.X, self.y


@dataclass(frozen=True)
class Arrays:
    """The arrays of a .npz file; all but X are columns, as of a table.

    Attributes
    ----------
    X : ndarray of shape (n_images, height, width[, channels])
        Images.
    columns : DataFrame of shape (n_images, n_columns)
        One row per image.
    """

    X: Any
    columns: Any


def read_table(path: Path) -> Any:
    """A DataFrame, or `Arrays`.

    Raises
    ------
    ValueError
        If the file cannot be read; the message quotes none of its rows.
    """
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    if path.suffix == ".npz":
        return _read_arrays(path)
    if path.is_file() and not path.stat().st_size:
        raise ValueError(f"{path} is empty. Pass a table with a header and rows.")
    with quoting_nothing(
        f"{path} cannot be read as a table. Pass CSV in UTF-8, Parquet, or .npz with X and y."
    ):
        table = ParquetSample.draw(path, rate=1).frame if is_parquet(path) else _read_csv(path)
    # A quotation mark too many makes rows a part of the header, which messages may show.
    if any({"\n", "\r"} & set(str(name)) for name in table.columns):
        raise ValueError(
            f"{path} has a line break within the name of a column. Is a quotation mark missing, or "
            "one too many? Mend the first line."
        )
    return table


def _read_csv(path: Path) -> Any:
    import pandas as pd

    return pd.read_csv(path, keep_default_na=False, na_values=GAPS)


def _is_number(name: Any) -> bool:
    try:
        float(name)
    except (TypeError, ValueError):
        return False
    return True


def is_parquet(path: Path) -> bool:
    """Whether a path is a Parquet file, or a folder of some."""
    return path.is_dir() or path.suffix == ".parquet"


def _read_arrays(path: Path) -> Arrays:
    import pandas as pd

    with (
        quoting_nothing(f"{path} cannot be read as .npz: it is damaged, or has pickled objects."),
        np.load(path, allow_pickle=False) as file,
    ):
        arrays = {name: file[name] for name in file.files}
    X = arrays.pop(IMAGES, None)
    if X is None or X.ndim < 2:
        raise ValueError(
            f"{path} needs an array {IMAGES} with one image per row. Got {sorted(arrays)}."
        )
    # Other arrays may be anything: names of classes, say.
    per_row = {name: array for name, array in arrays.items() if array.shape == (len(X),)}
    return Arrays(X, pd.DataFrame(per_row, index=range(len(X))))


def outcome_columns(args: argparse.Namespace) -> list[str]:
    """The outcome's column, or those of event and time."""
    if args.target and not (args.time or args.event):
        return [args.target]
    if args.time and args.event and not args.target:
        return [args.event, args.time]
    if args.input.suffix == ".npz" and not (args.time or args.event):
        return [LABELS]
    raise UsageError("Name the outcome: either --target COLUMN, or --time COLUMN --event COLUMN.")


def split_table(
    table: Any, outcome: Sequence[str], groups: str | None, features: Sequence[str] | None = None
) -> RealRows:
    """Features, outcomes and patients of a table.

    Parameters
    ----------
    table : DataFrame or Arrays
        What `read_table` returned.
    outcome : sequence of str
        One column, or event and time.
    groups : str or None
        Column of the patients.
    features : sequence of str, default=None
        Columns to keep; all others by default.
    """
    columns = table.columns if isinstance(table, Arrays) else table
    if isinstance(table, Arrays) and groups is None and PATIENTS in columns:
        groups = PATIENTS
    y = columns[present(columns, outcome)]
    y = y if len(outcome) == 2 else y[outcome[0]]
    patients = None if groups is None else columns[present(columns, [groups])[0]]
    if isinstance(table, Arrays):
        return RealRows(table.X, y, patients)
    if features is not None:
        return RealRows(table[present(table, features)], y, patients)
    return RealRows(
        table.drop(columns=[*outcome, *([] if groups is None else [groups])]), y, patients
    )


def present(frame: Any, names: Sequence[str]) -> list[str]:
    """The names, if the frame has them all."""
    lost = [name for name in names if name not in frame.columns]
    if lost and any(_is_number(name) for name in frame.columns):
        raise ValueError(
            f"The table has no column {lost}, and names of its columns are numbers. Is the first "
            "line one of rows? Add a header."
        )
    if lost:
        raise ValueError(f"The table has no column {lost}. Got {list(frame.columns)}.")
    return list(names)


def load_condensed(folder: Path) -> CondensedSet:
    """A condensed set, or one line that says why not."""
    with quoting_nothing(f"{folder} is no condensed set, or a damaged one."):
        return CondensedSet.load(folder)


def read_real_rows(path: Path, condensed: CondensedSet, groups: str | None) -> RealRows:
    """Real rows with the columns of a condensed set, and outcomes in the task's working form."""
    names = TargetContainer.of(condensed.y).names
    rows = split_table(read_table(path), names, groups, condensed.schema.names)
    X, y = rows.X, rows.y
    if condensed.privacy is not None:
        # As they were when the set was made.
        X = X if isinstance(X, np.ndarray) else as_declared(X, condensed.schema)
        y = outcome_as_declared(y, condensed.schema.outcome)
    return RealRows(X, resolve_task(condensed.task, y)[1], rows.groups)
