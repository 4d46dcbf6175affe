"""What a fit of a black box needs of its process: one thread, and no warnings.

BLAS's threads and the filters of warnings are states of the whole process. Where fits run in
several threads, each would otherwise restore, when it ends, what it found when it began: the state
that another one needs.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from threading import Lock
from typing import Any

from joblib import parallel_config
from threadpoolctl import ThreadpoolController

__all__ = ["single_threaded", "without_warnings"]


class _Together:
    """A state of the process that the first thread enters and the last one leaves.

    Parameters
    ----------
    state : callable
        Returns a context manager.
    """

    def __init__(self, state: Callable[[], AbstractContextManager[Any]]) -> None:
        self._state = state
        self._lock = Lock()
        self._n_inside = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._n_inside == 0:
                self._open = self._state()
                self._open.__enter__()
            self._n_inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._n_inside -= 1
                if self._n_inside == 0:
                    self._open.__exit__(None, None, None)


@cache
def _pools(user_api: str) -> ThreadpoolController:
    # Finding the thread pools takes longer than a small fit, so each process does it once. Only
    # those of one kind: a limit restores, when it ends, all pools that its controller knows.
    return ThreadpoolController().select(user_api=user_api)


@contextmanager
def _ignored() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


_one_blas_thread = _Together(lambda: _pools("blas").limit(limits=1))
_no_warnings = _Together(_ignored)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Limit BLAS, OpenMP and joblib to one thread inside a ``with`` block.

    Small fits are slower on many threads, and their sums depend on how many, and on who is first.
    """
    with (
        parallel_config(backend="sequential"),
        # OpenMP's limit belongs to the thread that sets it.
        _pools("openmp").limit(limits=1),
        _one_blas_thread(),
    ):
        yield


def without_warnings() -> AbstractContextManager[None]:
    """Ignore warnings inside a ``with`` block."""
    return _no_warnings()
