"""A digest of values: the same rows have the same one in every container and file format."""

import hashlib
import json
from collections.abc import Iterable
from numbers import Real
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

__all__ = ["digest_of"]


def digest_of(frame: Any, arrays: Iterable[NDArray[Any]], texts: Iterable[str]) -> str:
    """SHA-256 of a table, of arrays of numbers beside it, and of texts.

    Parameters
    ----------
    frame : frame of shape (n_rows, n_columns)
        Numbers count as double precision, everything else as text.
    arrays : iterable of ndarray
        Such as images.
    texts : iterable of str
        Such as a schema.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    table = nw.from_native(frame, eager_only=True)
    digest = hashlib.sha256(json.dumps([*table.columns, *texts]).encode())
    for values in (*(table[name] for name in table.columns), *arrays):
        digest.update(_bytes_of(values))
    return digest.hexdigest()


def _bytes_of(values: Any) -> bytes:
    if not isinstance(values, nw.Series):
        return _bytes_of_numbers(values)
    if values.dtype.is_numeric() or values.dtype == nw.Boolean:
        return _bytes_of_numbers(values.cast(nw.Float64).to_numpy())
    gaps = values.is_null().to_list()
    cells = [None if gap else cell for gap, cell in zip(gaps, values.to_list(), strict=True)]
    # Numbers as Python objects come back from a file as others of the same value.
    if all(cell is None or isinstance(cell, Real) for cell in cells):
        return _bytes_of_numbers([np.nan if cell is None else float(cell) for cell in cells])
    return json.dumps([None if cell is None else str(cell) for cell in cells]).encode()


def _bytes_of_numbers(values: Any) -> bytes:
    # Adding zero makes -0 the 0 that it equals.
    numbers = np.ascontiguousarray(values, dtype="<f8") + 0.0
    return json.dumps(numbers.shape).encode() + numbers.tobytes()
