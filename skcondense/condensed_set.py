"""`CondensedSet`: the rows that leave, with labels, weights and the facts about them."""

import json
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from skcondense.exceptions import LedgerError, SchemaError
from skcondense.privacy import PrivacyStatement
from skcondense.table import Container, TableSchema, is_images, take_rows
from skcondense.table.digest import digest_of
from skcondense.table.storage import (
    IMAGE_ARRAY,
    describe_dtype,
    describe_table,
    read_images,
    read_table,
    refuse_empty_texts,
    restore_table,
    texts_of,
    write_atomically,
    write_images,
    write_table,
)
from skcondense.tasks import TargetContainer, take_target

__all__ = ["CondensedSet", "RealRowMatches"]

WEIGHT, PROTOTYPE = "sample_weight", "prototype"
DATA, FACTS, IMAGES = "condensed", "condensed.json", "condensed.npz"
ROWS_SHOWN = 10
TASKS = ("classification", "regression", "survival")


@dataclass(frozen=True)
class RealRowMatches:
    """How many prototypes coincide with a real row.

    Attributes
    ----------
    exact : int
        Prototypes whose features all equal those of a real row.
    rounded : int
        The same after rounding each encoded feature to 1/100 of its axis.
    """

    exact: int
    rounded: int

    def __post_init__(self) -> None:
        if not (self.exact >= 0 and self.rounded >= 0):
            raise ValueError("Numbers of matches cannot be negative.")


@dataclass(frozen=True)
class CondensedSet:
    """A condensed data set.

    Attributes
    ----------
    X : array or frame of shape (n_rows, n_features), or array (n_rows, height, width[, channels])
        Rows in the container, columns, dtypes and units of the table that came in. A prototype
        with a soft label takes one row per outcome.
    y : array, series or frame of shape (n_rows,)
        Outcomes.
    sample_weight : ndarray of shape (n_rows,)
        Weights; they sum to the number (or the total weight) of the rows that came in.
    prototype : ndarray of shape (n_rows,)
        Which prototype each row belongs to.
    schema : TableSchema
        What the columns may hold.
    task : str
        "classification", "regression" or "survival".
    method : str
        The condenser, as its repr.
    real_row_matches : RealRowMatches or None
        Prototypes that coincide with a real row. Not counted in a private set, because the
        number would not be private: its rows are made of noised answers, and none is copied.
    privacy : PrivacyStatement or None
        What a private set promises.
    """

    X: Any
    y: Any
    sample_weight: NDArray[np.float64]
    prototype: NDArray[np.intp]
    schema: TableSchema
    task: str
    method: str
    real_row_matches: RealRowMatches | None
    privacy: PrivacyStatement | None = None

    def __len__(self) -> int:
        return len(self.sample_weight)

    @property
    def n_prototypes(self) -> int:
        """Number of distinct feature rows."""
        return len(np.unique(self.prototype))

    @property
    def contains_real_rows(self) -> bool:
        """Whether any prototype is a real row, exactly or after rounding."""
        matches = self.real_row_matches
        return matches is not None and (matches.exact > 0 or matches.rounded > 0)

    @property
    def digest(self) -> str:
        """SHA-256 of rows, outcomes, weights and promise, which saving and loading keep.

        What is measured of a set carries it, so that it cannot be taken for that of another.
        """
        images = [self.X] if is_images(self.X) else []
        # Its facts: later versions may say them in other words.
        promise = "" if self.privacy is None else json.dumps(asdict(self.privacy))
        return digest_of(self.to_frame(), images, (self.task, self.schema.to_json(), promise))

    def take(self, rows: NDArray[np.intp]) -> tuple[Any, Any]:
        """Features and outcomes of some rows, by position."""
        return take_rows(self.X, rows), take_target(self.y, rows)

    def to_frame(self) -> Any:
        """One frame of features, outcome, ``sample_weight`` and ``prototype``.

        Returns
        -------
        frame of shape (n_rows, n_features + n_outcome_columns + 2)
            In the library that came in; pandas for arrays. A name that the table already uses is
            prefixed with an underscore. Images are left out: no cell holds one.
        """
        features = nw.from_native(_as_frame(self.X), eager_only=True)
        extra = {**self._outcome_columns(), WEIGHT: self.sample_weight, PROTOTYPE: self.prototype}
        for name, values in extra.items():
            series = nw.from_native(values, series_only=True, pass_through=True)
            # The outcome may be of another library than the features.
            if getattr(series, "implementation", None) is not features.implementation:
                cells = series.to_list() if isinstance(series, nw.Series) else values
                series = nw.new_series(name, cells, backend=features.implementation)
            features = features.with_columns(series.alias(_free_name(name, features.columns)))
        return features.to_native()

    def _outcome_columns(self) -> dict[str, Any]:
        names = TargetContainer.of(self.y).names
        if len(names) == 1:
            return {names[0]: self.y}
        return {name: self.y[name] for name in names}

    def save(
        self,
        directory: str | Path,
        *,
        format: Literal["csv", "parquet"] = "csv",
        overwrite: bool = False,
    ) -> Path:
        """Write the rows as one table, images as an array beside it, and the facts as JSON.

        Parameters
        ----------
        directory : str or Path
            Created if needed; receives ``condensed.csv`` (or ``.parquet``), ``condensed.json``
            and for images ``condensed.npz``, one image per row of the table.
        format : {"csv", "parquet"}, default="csv"
            Format of the table.
        overwrite : bool, default=False
            Whether files of the same name may be replaced.

        Returns
        -------
        Path
            The directory.

        Raises
        ------
        FileExistsError
            If a file is there and `overwrite` is False.
        ValueError
            If a column has both gaps and empty texts, which CSV does not tell apart.
        """
        directory = Path(directory)
        data, facts = directory / f"{DATA}.{format}", directory / FACTS
        images = [directory / IMAGES] if is_images(self.X) else []
        taken = [path.name for path in (data, facts, *images) if path.exists()]
        if taken and not overwrite:
            raise FileExistsError(
                f"{directory} already holds {taken}. Choose another directory, or pass "
                "overwrite=True."
            )
        frame = nw.from_native(self.to_frame(), eager_only=True)
        texts = texts_of(frame)
        if format == "csv":
            refuse_empty_texts(frame, texts)
        directory.mkdir(parents=True, exist_ok=True)
        write_atomically(data, lambda path: write_table(frame, path, format))
        for path in images:
            write_atomically(path, lambda part: write_images(self.X, part))
        known = {**self._facts(data.name), "texts": texts}
        text = json.dumps(known, indent=2, ensure_ascii=False) + "\n"
        write_atomically(facts, lambda path: path.write_text(text, encoding="utf-8"))
        return directory

    def _facts(self, data: str) -> dict[str, Any]:
        from skcondense import __version__

        return {
            "format": "skcondense condensed set, version 1",
            "skcondense": __version__,
            "data": data,
            "method": self.method,
            "task": self.task,
            "n_rows": len(self),
            "n_prototypes": self.n_prototypes,
            "weight_sum": float(self.sample_weight.sum()),
            "real_row_matches": self.real_row_matches and asdict(self.real_row_matches),
            "privacy": self.privacy and json.loads(self.privacy.to_json()),
            "X": describe_table(self.X),
            "y": _describe_target(self.y),
            "schema": json.loads(self.schema.to_json()),
        }

    @classmethod
    def load(cls, directory: str | Path) -> "CondensedSet":
        """Read a set that `save` wrote, in the container it was saved from.

        Parameters
        ----------
        directory : str or Path
            What was given to `save`.

        Returns
        -------
        CondensedSet

        Raises
        ------
        OSError
            If a file is missing or cannot be read.
        ValueError
            If the files are damaged, or contradict each other.
        """
        directory = Path(directory)
        try:
            condensed = cls._read(directory)
        except (OSError, SchemaError, LedgerError):
            raise
        # What a file can make of lists, numbers and bytes raises nearly anything.
        except Exception as error:
            raise ValueError(
                f"{directory} holds no condensed set, or a damaged one. Save the set again."
            ) from error
        _check_parts(condensed, directory)
        return condensed

    @classmethod
    def _read(cls, directory: Path) -> "CondensedSet":
        facts = json.loads((directory / FACTS).read_text(encoding="utf-8"))
        if facts["data"] not in (f"{DATA}.csv", f"{DATA}.parquet"):
            raise ValueError("the facts name a table that `save` does not write")
        if facts["task"] not in TASKS or not isinstance(facts["method"], str):
            raise ValueError("the facts name no task, or no method")
        frame = read_table(directory / facts["data"], facts.get("texts", {}))
        names = frame.columns
        is_image = facts["X"]["library"] == IMAGE_ARRAY
        n_features = 0 if is_image else len(facts["schema"]["columns"])
        n_outcomes = len(facts["y"]["names"])
        if [name.lstrip("_") for name in names[n_features + n_outcomes :]] != [WEIGHT, PROTOTYPE]:
            raise ValueError("the table has other columns than the facts say")
        matches, privacy = facts["real_row_matches"], facts.get("privacy")
        return cls(
            X=read_images(directory / IMAGES)
            if is_image
            else restore_table(frame.select(names[:n_features]), facts["X"]),
            y=_restore_target(
                frame.select(names[n_features : n_features + n_outcomes]), facts["y"]
            ),
            sample_weight=frame[names[-2]].to_numpy().astype(np.float64),
            prototype=_whole(frame[names[-1]].to_numpy()),
            schema=TableSchema.from_json(json.dumps(facts["schema"])),
            task=facts["task"],
            method=facts["method"],
            # Only null means none: {} is a statement that is damaged.
            real_row_matches=None if matches is None else RealRowMatches(**matches),
            privacy=None if privacy is None else PrivacyStatement.from_json(json.dumps(privacy)),
        )

    def __repr__(self) -> str:
        shape = next((column.shape for column in self.schema if column.is_image), None)
        form = f"images of shape {shape}" if shape else f"{len(self.schema)} features"
        return (
            f"CondensedSet({self.task}, {self.n_prototypes} prototypes in {len(self)} weighted "
            f"rows, {form}, {self._origin()})"
        )

    def _origin(self) -> str:
        if self.privacy is not None:
            return self.privacy.short
        matches = self.real_row_matches
        if matches is None or not self.contains_real_rows:
            return "no real rows"
        return f"real rows: {matches.exact} exact, {matches.rounded} after rounding"

    def _repr_html_(self) -> str:
        frame = nw.from_native(self.to_frame(), eager_only=True).head(ROWS_SHOWN)
        head = "".join(f"<th>{escape(name)}</th>" for name in frame.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_shown(v))}</td>" for v in row) + "</tr>"
            for row in frame.iter_rows()
        )
        return (
            f"<p><strong>CondensedSet</strong> · {escape(self.task)} · {self.n_prototypes} "
            f"prototypes in {len(self)} weighted rows · weights sum to "
            f"{self.sample_weight.sum():,.0f} · {self._origin()}<br><code>{escape(self.method)}"
            f"</code></p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"<p>Synthetic rows; {min(ROWS_SHOWN, len(self))} of {len(self)} shown.</p>"
        )


def _check_parts(condensed: CondensedSet, directory: Path) -> None:
    """Refuse parts that can be read one by one and do not belong together."""
    weight, rows = condensed.sample_weight, {len(condensed.X), len(condensed.y)}
    facts_hold = (
        rows == {len(condensed)}
        and bool(np.isfinite(weight).all() and (weight >= 0).all())
        and all(column.is_image == is_images(condensed.X) for column in condensed.schema)
    )
    if not facts_hold:
        raise ValueError(
            f"{directory} holds a damaged condensed set: features, outcomes, weights and facts do "
            "not belong together. Save the set again."
        )


def _whole(values: NDArray[Any]) -> NDArray[np.intp]:
    numbers = values.astype(np.float64)
    # Compared as they are: casting NaN warns, and gives a number.
    if not (np.abs(numbers) < 2**53).all() or (numbers != np.rint(numbers)).any():
        raise ValueError("prototypes have whole numbers")
    return numbers.astype(np.intp)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _free_name(name: str, taken: list[str]) -> str:
    while name in taken:
        name = f"_{name}"
    return name


def _as_frame(X: Any) -> Any:
    container = Container.of(X)
    if container.is_frame:
        return X
    import pandas as pd

    if is_images(X):
        return pd.DataFrame(index=range(len(X)))
    return pd.DataFrame(X, columns=list(container.names))


def _describe_target(y: Any) -> dict[str, Any]:
    container = TargetContainer.of(y)
    names = list(container.names)
    frame = nw.from_native(
        container.template, pass_through=True, allow_series=True, eager_only=True
    )
    if isinstance(frame, nw.DataFrame):
        return {"form": "frame", "names": names, **describe_table(container.template)}
    if isinstance(frame, nw.Series):
        library = "polars" if frame.implementation.is_polars() else "pandas"
        dtypes = [describe_dtype(frame)]
        return {"form": "series", "names": names, "library": library, "dtypes": dtypes}
    plain = [str(y.dtype)] if len(names) == 1 else [str(y.dtype[name]) for name in names]
    return {"form": "array", "names": names, "library": "numpy", "dtypes": plain}


def _restore_target(frame: Any, facts: dict[str, Any]) -> Any:
    if facts["form"] == "frame":
        return restore_table(frame, facts)
    if facts["form"] == "series":
        column = restore_table(frame, facts)
        return column[frame.columns[0]].rename(facts["names"][0])
    if len(facts["names"]) == 1:
        return frame.to_native().iloc[:, 0].to_numpy().astype(facts["dtypes"][0])
    y = np.empty(len(frame), dtype=list(zip(facts["names"], facts["dtypes"], strict=True)))
    for name, column in zip(facts["names"], frame.columns, strict=True):
        y[name] = frame[column].to_numpy()
    return y
