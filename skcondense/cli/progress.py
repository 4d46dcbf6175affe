"""Progress on standard error, for who watches a terminal."""

import argparse
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from skcondense import CondensedSet, DatasetCondenser, ProgressBar

__all__ = ["condense_watched", "is_watched", "working"]


def is_watched(args: argparse.Namespace) -> bool:
    """Whether progress is drawn."""
    return sys.stderr.isatty() and not args.quiet


@contextmanager
def working(what: str, args: argparse.Namespace) -> Iterator[None]:
    """Say that something is going on whose end nobody knows."""
    if not is_watched(args):
        yield
        return
    with Console(stderr=True).status(what):
        yield


def condense_watched(
    condenser: DatasetCondenser, args: argparse.Namespace, X: Any, y: Any, groups: Any = None
) -> CondensedSet:
    """Condense with a progress bar, for methods that tell their progress."""
    told = _told_through(condenser)
    if told is None or not is_watched(args):
        with working("Condensing", args):
            return condenser.condense(X, y, groups=groups)
    with ProgressBar() as bar:
        condenser.set_params(**{told: [bar] if told == "callbacks" else bar})
        return condenser.condense(X, y, groups=groups)


def _told_through(condenser: DatasetCondenser) -> str | None:
    """The parameter that takes a callback: several in a list, or one."""
    parameters = inspect.signature(type(condenser)).parameters
    return next((name for name in ("callbacks", "callback") if name in parameters), None)
