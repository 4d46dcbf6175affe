"""A digest of values: the same rows have the same one in every container and file format."""

import hashlib
import json
from collections.abc import Iterable
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
    if isinstance(values, nw.Series) and not _is_number(values.dtype):
        gaps = values.is_null().to_list()
        cells = [None if gap else str(v) for gap, v in zip(gaps, values.to_list(), strict=True)]
        return json.dumps(cells).encode()
    if isinstance(values, nw.Series):
        values = values.cast(nw.Float64).to_numpy()
    # Adding zero makes -0 the 0 that it equals.
    numbers = np.ascontiguousarray(values, dtype="<f8") + 0.0
    return json.dumps(numbers.shape).encode() + numbers.tobytes()


def _is_number(dtype: Any) -> bool:
    return bool(dtype.is_numeric() or dtype == nw.Boolean)
