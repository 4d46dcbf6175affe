"""Errors as one line that never quotes a private row."""

import dis
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from skcondense.exceptions import SPENT

__all__ = ["UsageError", "one_line", "quoting_nothing"]

# Who may speak: these name columns, files and parameters, and never a cell.
TRUSTED = ("skcondense", "sklearn.utils._param_validation", "sklearn.utils.validation")


class UsageError(ValueError):
    """Options that are unknown, missing, or contradict each other."""


def one_line(error: Exception) -> str:
    """What to print of an error.

    Messages of other libraries may quote a cell, so that only their kind and place are shown.
    """
    notes = [note for note in getattr(error, "__notes__", ()) if note.startswith(SPENT)]
    return " ".join([_message(error), *notes])


def _message(error: Exception) -> str:
    if _is_trusted(error):
        return " ".join(str(error).split())
    return (
        f"{type(error).__name__} in {_origin(error)}, whose message is not shown because it may "
        "quote a private row. Check the table's columns against what the command asks for; if "
        "they are right, report this as a bug."
    )


@contextmanager
def quoting_nothing(message: str) -> Iterator[None]:
    """Put a message in the place of those of other libraries, which may quote a row."""
    try:
        yield
    except Exception as error:
        if _is_trusted(error):
            raise
        raise ValueError(message) from None


def _is_trusted(error: Exception) -> bool:
    """Whether somebody who may speak wrote the message.

    ``float(cell)`` within this package raises too, and quotes the cell: only what a ``raise``
    statement says was written by somebody.
    """
    if isinstance(error, FileNotFoundError | FileExistsError | PermissionError | ImportError):
        return True
    tracebacks = list(_walk(error.__traceback__))
    if not tracebacks:
        return False
    last = tracebacks[-1]
    is_written = last.tb_frame.f_code.co_code[last.tb_lasti] == dis.opmap["RAISE_VARARGS"]
    return is_written and _origin(error).startswith(TRUSTED)


def _origin(error: Exception) -> str:
    """Module that raised it."""
    tracebacks = list(_walk(error.__traceback__))
    return str(tracebacks[-1].tb_frame.f_globals.get("__name__", "")) if tracebacks else ""


def _walk(last: TracebackType | None) -> Iterator[TracebackType]:
    while last is not None:
        yield last
        last = last.tb_next
