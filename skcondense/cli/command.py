"""What a command is, and what it hands back to be printed."""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Command", "Result", "as_json"]


@dataclass(frozen=True)
class Result:
    """What a command found.

    Attributes
    ----------
    text : str
        For people, on standard output.
    json : str
        The same for programs: one JSON document, printed in place of the text with ``--json``.
    note : str
        What was written and what to do next, on standard error; ``--quiet`` leaves it out.
    """

    text: str
    json: str
    note: str = ""


@dataclass(frozen=True)
class Command:
    """A command of the program.

    Attributes
    ----------
    name : str
        As it is typed.
    help : str
        One line.
    add_options : callable
        Adds arguments to the command's parser.
    run : callable
        Does it.
    examples : str
        Lines that users can copy, shown below the options by ``--help``.
    """

    name: str
    help: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Result]
    examples: str


def as_json(facts: dict[str, Any]) -> str:
    """Write facts as one JSON document."""
    return json.dumps(facts, indent=2, ensure_ascii=False)
