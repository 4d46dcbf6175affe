"""Tables on disk: rows as CSV or Parquet, their dtypes as JSON facts. Never a pickle."""

import csv
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from skcondense.exceptions import missing_extra
from skcondense.table.frames import Container, is_images

__all__ = [
    "IMAGE_ARRAY",
    "describe_dtype",
    "describe_table",
    "read_images",
    "read_table",
    "refuse_empty_texts",
    "restore_table",
    "texts_of",
    "write_atomically",
    "write_images",
    "write_table",
]

# What the facts say where rows are images.
IMAGE_ARRAY = "numpy images"


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Write next to the target and rename, so that no half-written file is ever seen."""
    # Of this process: another may write the same file meanwhile.
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    write(part)
    part.replace(path)


def write_table(frame: Any, path: Path, format: str) -> None:
    """Write a narwhals frame as CSV or Parquet."""
    if format == "csv" and frame.implementation.is_pandas_like():
        # Texts in quotation marks: by itself pandas leaves those out around a carriage return.
        frame.to_native().to_csv(path, index=False, quoting=csv.QUOTE_NONNUMERIC)
        return
    if format == "csv":
        frame.write_csv(str(path))
        return
    try:
        frame.write_parquet(str(path))
    except ImportError as error:
        raise missing_extra("Writing Parquet", "pyarrow", "parquet") from error


def texts_of(frame: Any) -> dict[str, bool]:
    """Columns of a narwhals frame whose cells are text, and whether they have gaps."""
    found = {}
    for name in frame.columns:
        is_gap = frame[name].is_null()
        cells = frame[name].filter(~is_gap).to_list()
        if cells and all(isinstance(cell, str) for cell in cells):
            found[name] = bool(is_gap.any())
    return found


def refuse_empty_texts(frame: Any, texts: Mapping[str, bool]) -> None:
    """Refuse empty texts beside gaps: a CSV does not tell one from the other."""
    lost = [name for name, has_gaps in texts.items() if has_gaps and "" in frame[name].to_list()]
    if lost:
        raise ValueError(
            f"Columns {lost} have both gaps and empty texts, which CSV cannot tell apart. Save as "
            "Parquet (format='parquet')."
        )


def read_table(path: Path, texts: Mapping[str, bool]) -> Any:
    """Read a table that `write_table` wrote, as a narwhals frame; `texts` is as of `texts_of`."""
    import pandas as pd

    if path.suffix == ".csv":
        names = pd.read_csv(path, nrows=0).columns
        native = pd.read_csv(
            path,
            # Codes are no numbers: "010" and "250.00" would lose zeros.
            dtype=dict.fromkeys(texts, str),
            keep_default_na=False,
            na_values={name: [""] for name in names if texts.get(name, True)},
            **_exact_floats(),
        )
    else:
        native = pd.read_parquet(path)
    return nw.from_native(native, eager_only=True)


def _exact_floats() -> dict[str, Any]:
    """Ask older pandas to read what it wrote; from 3.0 on that is the default."""
    import pandas as pd

    return {} if int(pd.__version__.split(".")[0]) >= 3 else {"float_precision": "round_trip"}


def write_images(X: NDArray[Any], path: Path) -> None:
    """Write an array of images, compressed."""
    with path.open("wb") as file:
        np.savez_compressed(file, X=X)


def read_images(path: Path) -> NDArray[Any]:
    """Read an array that `write_images` wrote."""
    # Opened here: numpy leaves a file open that it cannot read.
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        return np.asarray(file["X"])


def describe_table(X: Any) -> dict[str, Any]:
    """Facts that `restore_table` needs to bring a table back."""
    if is_images(X):
        return {"library": IMAGE_ARRAY, "dtypes": [str(X.dtype)], "shape": list(X.shape[1:])}
    container = Container.of(X)
    if not container.is_frame:
        return {"library": "numpy", "dtypes": [str(X.dtype)]}
    frame = nw.from_native(container.template, eager_only=True)
    return {
        "library": "polars" if frame.implementation.is_polars() else "pandas",
        "dtypes": [describe_dtype(frame[name]) for name in frame.columns],
    }


def describe_dtype(series: Any) -> dict[str, Any]:
    """Facts about the dtype of a narwhals series, its categories included."""
    native = series.to_native()
    if isinstance(series.dtype, nw.Categorical | nw.Enum):
        ordered = bool(getattr(native.dtype, "ordered", False))
        categories = series.cat.get_categories().to_list()
        kind = "Enum" if isinstance(series.dtype, nw.Enum) else "category"
        return {"name": kind, "categories": categories, "ordered": ordered}
    return {"name": str(native.dtype)}


def restore_table(frame: Any, facts: dict[str, Any]) -> Any:
    """Bring a frame that was read back into the container and dtypes it was saved from."""
    if facts["library"] == "numpy":
        return frame.to_native().to_numpy().astype(facts["dtypes"][0])
    names = dict(zip(frame.columns, facts["dtypes"], strict=True))
    if facts["library"] == "polars":
        import polars as pl

        return pl.DataFrame([_polars_series(frame[n], facts) for n, facts in names.items()])
    native = frame.to_native()
    return native.astype({name: _pandas_dtype(dtype) for name, dtype in names.items()})


def _pandas_dtype(facts: dict[str, Any]) -> Any:
    import pandas as pd

    if "categories" in facts:
        return pd.CategoricalDtype(facts["categories"], ordered=facts["ordered"])
    return facts["name"]


def _polars_series(series: Any, facts: dict[str, Any]) -> Any:
    import polars as pl

    values = [None if v != v else v for v in series.to_list()]
    if facts["name"] == "Enum":
        return pl.Series(series.name, values, dtype=pl.Enum(facts["categories"]))
    if facts["name"] == "category":
        return pl.Series(series.name, values, dtype=pl.Categorical)
    return pl.Series(series.name, values).cast(getattr(pl, facts["name"]))
