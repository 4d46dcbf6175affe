"""Values of private rows, each computed by itself.

What a row adds to a sum must not depend on the rows beside it: then a patient moves the sum by the
row's own values and by nothing else. Many rows in one pass do not keep to that. A library chooses
its order of summation by the shape of the batch and by where a row lies in it; a gradient through
rectified units turns the last bit into a jump, and one more row in front of ten thousand others
moves them all. A batch of one row at a fresh place in memory always has the same shape.
"""

from collections.abc import Callable
from typing import Any

import torch

__all__ = ["of_single_rows"]


def of_single_rows(function: Callable[..., Any], *tensors: Any) -> Any:
    """Apply a function to batches of one row each.

    Parameters
    ----------
    function : callable
        Takes the tensors' rows, each of shape (1, ...), and returns a vector.
    *tensors : Tensor of shape (n_rows, ...)
        Rows.

    Returns
    -------
    Tensor of shape (n_rows, n_values)
    """
    rows = zip(*(tensor.split(1) for tensor in tensors), strict=True)
    # A view would start wherever the row lies; some libraries sum otherwise there.
    return torch.stack([function(*(part.clone() for part in row)) for row in rows])
