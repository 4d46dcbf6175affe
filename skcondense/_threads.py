"""One thread per fit: small fits are slower on many, and their sums depend on how many."""

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

__all__ = ["single_threaded"]


@cache
def _controller() -> ThreadpoolController:
    # Finding the thread pools takes longer than a small fit, so each process does it once.
    return ThreadpoolController()


def single_threaded() -> AbstractContextManager[Any]:
    """Limit BLAS and OpenMP to one thread inside a ``with`` block."""
    return _controller().limit(limits=1)
