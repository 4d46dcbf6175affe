"""`SchemaVectorizer`: any table a schema describes, as numbers for any estimator."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import validate_data

from skcondense.table.columns import ColumnSchema
from skcondense.table.encoder import TableEncoder
from skcondense.table.frames import Column, Container, check_table, take_rows
from skcondense.table.schema import TableSchema

__all__ = ["SchemaVectorizer", "encode_once", "take_encoded"]


@dataclass
class _Memory:
    """Codes by table and schema, and which rows of which table a table is.

    Tables are kept beside their ids, which must not be given to other ones.
    """

    codes: dict[Any, Any] = field(default_factory=dict)
    origins: dict[int, Any] = field(default_factory=dict)


_memory: ContextVar[_Memory | None] = ContextVar("memory", default=None)


@contextmanager
def encode_once() -> Iterator[None]:
    """Let vectorizers encode each table once, for code that passes the same one many times.

    Inside the block tables must not be changed in place.
    """
    token = _memory.set(_Memory())
    try:
        yield
    finally:
        _memory.reset(token)


def take_encoded(X: Any, index: NDArray[np.intp]) -> Any:
    """Select rows by position; inside `encode_once` their codes are taken from those of `X`."""
    rows = take_rows(X, index)
    memory = _memory.get()
    if memory is not None:
        memory.origins[id(rows)] = (rows, X, index)
    return rows


class SchemaVectorizer(TransformerMixin, BaseEstimator):
    """Encode mixed columns, with gaps, as a matrix of floats.

    For estimators that need numbers: ``make_pipeline(SchemaVectorizer(schema), estimator)`` takes
    real and condensed rows alike. Nothing is learned from rows, so real and condensed rows are
    encoded the same way.

    Parameters
    ----------
    schema : TableSchema
        What the columns may hold.

    Notes
    -----
    A category or a gap that the schema does not list is encoded as the middle of its columns.
    """

    def __init__(self, schema: TableSchema) -> None:
        self.schema = schema

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the number of columns; there is nothing to learn.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_features)
            Rows.
        y : object, default=None
            Ignored.

        Returns
        -------
        self
        """
        X = check_table(X, images=True)
        validate_data(self, X, skip_check_array=True)
        self.schema.for_container(Container.of(X))
        return self

    def transform(self, X: Any) -> NDArray[np.floating[Any]]:
        """Encode rows.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_features), or images
            Rows.

        Returns
        -------
        ndarray of shape (n_rows, n_codes)
        """
        memory = _memory.get()
        if memory is None:
            return self._encode(X)
        if id(X) in memory.origins:
            _, whole, index = memory.origins[id(X)]
            return self.transform(whole)[index]
        key = (id(X), self.schema)
        if key not in memory.codes:
            memory.codes[key] = (X, self._encode(X))
        return memory.codes[key][1]

    def _encode(self, X: Any) -> NDArray[np.floating[Any]]:
        X = check_table(X, images=True)
        container = Container.of(X)
        schema = self.schema.for_container(container)
        pairs = zip(schema, container.read(X), strict=True)
        codes = TableEncoder(schema).encode([_known(column, cells) for column, cells in pairs])
        codes.setflags(write=_memory.get() is None)
        return codes

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.three_d_array = True
        tags.requires_fit = False
        return tags


def _known(column: ColumnSchema, cells: Column) -> Column:
    """Treat unlisted categories as empty."""
    if column.categories is None:
        return cells
    known = set(column.categories or ())
    unlisted = np.fromiter((v not in known for v in cells.values.tolist()), bool, len(cells.values))
    return replace(cells, missing=cells.missing | unlisted)
