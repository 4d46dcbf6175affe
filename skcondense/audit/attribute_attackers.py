"""What is guessed of patients, and by whom: with a set, with rows of one's own, or with both."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.utils import check_consistent_length, column_or_1d

from skcondense.audit.real_rows import Records
from skcondense.audit.releases import Floats
from skcondense.condensed_set import CondensedSet
from skcondense.models import WeightedCoxPH
from skcondense.table import TableEncoder
from skcondense.tasks import TargetContainer, Task, fit_weighted, resolve_task

__all__ = ["MODELS", "OWN_ROWS", "Levels", "RowsWithLevel", "Secret", "secret_of"]

Levels = NDArray[np.intp]
Guess = Callable[[Records], Floats]

# Attackers, by what they have.
SET, OWN_ROWS, BOTH = "set", "reference rows", "set and reference rows"
MODELS = {
    "classification": RandomForestClassifier(100, random_state=0),
    "regression": RandomForestRegressor(100, random_state=0),
    "survival": WeightedCoxPH(alpha=1.0),
}


@dataclass(frozen=True)
class RowsWithLevel:
    """Rows with the attribute, as a value and then as a level; weights are those of a set."""

    records: Records
    level: NDArray[Any]
    weight: Floats

    def take(self, rows: NDArray[Any]) -> "RowsWithLevel":
        """Some of the rows."""
        return RowsWithLevel(self.records.take(rows), self.level[rows], self.weight[rows])


class Secret(Protocol):
    """An attribute, and how it may be guessed."""

    @property
    def name(self) -> str:
        """How it is called."""

    def values(self, own: Records, inside: Records, outside: Records) -> list[NDArray[Any]]:
        """Values of the attribute; missing ones of rows that are left out."""

    def reader(self, reference: NDArray[Any]) -> Callable[[NDArray[Any]], Levels]:
        """How values become levels; -1 for those that are none."""

    def attackers(self, given: RowsWithLevel, known: RowsWithLevel) -> dict[str, Guess]:
        """Attackers with rows that were released, with rows of their own, and with both."""


@dataclass(frozen=True)
class _ColumnSecret:
    """A column of the table."""

    condensed: CondensedSet
    task: Task
    model: Any
    name: str

    def values(self, *parts: Records) -> list[NDArray[Any]]:
        schema = self.condensed.schema
        position = schema.names.index(self.name)
        columns = [TableEncoder(schema).decode(part.Z)[position] for part in parts]
        return [pd.Series(c.values).mask(c.missing).to_numpy() for c in columns]

    def reader(self, reference: NDArray[Any]) -> Callable[[NDArray[Any]], Levels]:
        column = self.condensed.schema[self.name]
        return _halves(reference) if column.is_number else _categories(column.categories)

    def attackers(self, given: RowsWithLevel, known: RowsWithLevel) -> dict[str, Guess]:
        both = RowsWithLevel(
            given.records.and_others(known.records),
            np.concatenate([given.level, known.level]),
            np.concatenate([given.weight / given.weight.mean(), known.weight]),
        )
        sources = {SET: given, OWN_ROWS: known, BOTH: both}
        return {who: _trained(self.model, rows, self._seen) for who, rows in sources.items()}

    def _seen(self, records: Records) -> Floats:
        schema = self.condensed.schema
        hidden = TableEncoder(schema).slices[schema.names.index(self.name)]
        return np.hstack([np.delete(records.Z, hidden, axis=1), _outcomes(self.task, records.y)])


@dataclass(frozen=True)
class _OutsideSecret:
    """Something that is no column of the table, by its values for members and for others."""

    task: Task
    model: Any
    inside: NDArray[Any]
    outside: NDArray[Any]
    name: str = "attribute"

    def values(self, own: Records, inside: Records, outside: Records) -> list[NDArray[Any]]:
        check_consistent_length(inside.Z, self.inside)
        check_consistent_length(outside.Z, self.outside)
        # Released rows have none, and are not asked for one.
        return [np.full(len(own.Z), ""), self.inside, self.outside]

    def reader(self, reference: NDArray[Any]) -> Callable[[NDArray[Any]], Levels]:
        pooled = np.concatenate([self.inside, self.outside])
        pooled = pooled[~pd.isna(pooled)]
        names = np.unique(pooled)
        if len(names) > 1 and resolve_task("auto", pooled)[0].name == "regression":
            return _halves(reference)
        return _categories(names)

    def attackers(self, given: RowsWithLevel, known: RowsWithLevel) -> dict[str, Guess]:
        records = given.records
        model = clone(MODELS[self.task.name])
        fit_weighted(model, records.Z, records.y, given.weight, weights="replicate")

        def seen(records: Records) -> Floats:
            return np.hstack([records.Z, _outcomes(self.task, records.y)])

        def seen_with(records: Records) -> Floats:
            outputs = self.task.predict(model, records.Z).reshape(len(records.Z), -1)
            return np.hstack([seen(records), outputs])

        views = {OWN_ROWS: seen, BOTH: seen_with}
        return {who: _trained(self.model, known, view) for who, view in views.items()}


def secret_of(condensed: CondensedSet, task: Task, model: Any, attribute: Any) -> Secret:
    """Check what the caller named."""
    if not isinstance(attribute, str):
        if not isinstance(attribute, tuple) or len(attribute) != 2:
            raise ValueError(
                "attribute must be the name of a column, or a pair of arrays with the values of "
                f"members and of others. Got a {type(attribute).__name__}."
            )
        return _OutsideSecret(task, model, *(column_or_1d(np.asarray(part)) for part in attribute))
    schema = condensed.schema
    names = [column.name for column in schema if not column.is_image]
    if attribute in names:
        return _ColumnSecret(condensed, task, model, attribute)
    if attribute in schema.names:
        raise ValueError(
            f"Column {attribute!r} is the image itself. Pass a pair of arrays with the attribute's "
            "values for members and for others."
        )
    if attribute in TargetContainer.of(condensed.y).names:
        raise ValueError(
            f"{attribute!r} is the outcome, which the attacker knows. Name a column of the table: "
            f"{names}."
        )
    raise ValueError(f"The table has no column {attribute!r}. Its columns are {names}.")


def _halves(reference: NDArray[Any]) -> Callable[[NDArray[Any]], Levels]:
    """Whether numbers are above the median of what the attacker knows."""
    reference = reference.astype(np.float64)
    # Where more than half have the greatest value, nothing is above the median.
    cut = min([np.median(reference), *np.unique(reference)[-2:-1]])
    return lambda values: (pd.to_numeric(values, errors="coerce") > cut).astype(np.intp)


def _categories(names: Any) -> Callable[[NDArray[Any]], Levels]:
    index = pd.Index(names, dtype=object)
    return lambda values: np.asarray(index.get_indexer(pd.Index(values, dtype=object)))


def _outcomes(task: Task, y: NDArray[Any]) -> Floats:
    """Outcomes as columns: one per class, the number, or event and time."""
    if y.dtype.names is not None:
        return np.column_stack([y[name] for name in y.dtype.names]).astype(np.float64)
    classes = getattr(task, "classes", None)
    columns = y[:, np.newaxis] if classes is None else y[:, np.newaxis] == classes
    return np.asarray(columns, dtype=np.float64)


def _trained(model: Any, rows: RowsWithLevel, seen: Callable[[Records], Floats]) -> Guess:
    """Share of each level, by a model that sees something of the rows."""
    present = np.unique(rows.level)
    width = present.max() + 1
    if len(present) > 1:
        model = clone(model)
        fit_weighted(model, seen(rows.records), rows.level, rows.weight, weights="replicate")

    def guess(records: Records) -> Floats:
        shares = np.zeros((len(records.Z), width))
        shares[:, present] = model.predict_proba(seen(records)) if len(present) > 1 else 1.0
        return shares

    return guess
