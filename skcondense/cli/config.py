"""``--config run.toml``: a file whose values take the place of options that were not typed.

Every command uses it in the same way. The file has a section per command, with the names of options
as keys (``n_prototypes`` or ``n-prototypes``); its values become the defaults of the command's
parser. That the command line wins, and what a value may be, follow from there.
"""

import argparse
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skcondense.cli.messages import UsageError

__all__ = ["parse_section", "parse_with_file"]

Parsers = Mapping[str, argparse.ArgumentParser]

WANTED: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
}
# What no file may set: the file itself, and what prints help and ends.
NOT_IN_FILES = {"config", "help"}


def parse_with_file(
    parser: argparse.ArgumentParser, commands: Parsers, argv: Sequence[str]
) -> argparse.Namespace:
    """Parse arguments, with the values of a file where the command line names one.

    Parameters
    ----------
    parser : ArgumentParser
        Of the program.
    commands : mapping of {str: ArgumentParser}
        Of each command.
    argv : sequence of str
        Arguments.

    Returns
    -------
    Namespace

    Raises
    ------
    UsageError
        If the file cannot be read, has unknown keys or values of another type, or the arguments
        are not what the command takes.
    """
    path = _named_file(argv)
    if path is None or argv[0] not in commands:
        return parser.parse_args(argv)
    positional = _use(path, commands)[argv[0]]
    completed = [argv[0], *positional, *argv[1:]]
    # Where a name is left over, the command line has one of its own, and it wins.
    _, left = parser.parse_known_args(completed)
    typed = any(not text.startswith("-") for text in left)
    return parser.parse_args(argv if typed else completed)


def parse_section(
    path: Path, name: str, parser: argparse.ArgumentParser, argv: Sequence[str]
) -> argparse.Namespace:
    """Parse arguments of one command, with the values of its section of a file.

    Parameters
    ----------
    path : Path
        The file; its other sections are not looked at.
    name : str
        Of the section.
    parser : ArgumentParser
        Of the command.
    argv : sequence of str
        Arguments, all positional ones among them.

    Returns
    -------
    Namespace

    Raises
    ------
    UsageError
        If the file has no such section, or one that `parse_with_file` refuses.
    """
    section = _read(path).get(name)
    if not isinstance(section, dict):
        raise UsageError(f"{path} has no section [{name}].")
    _use_section(path, name, section, parser)
    return parser.parse_args(argv)


def _named_file(argv: Sequence[str]) -> Path | None:
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    finder.add_argument("--config", type=Path, nargs="?")
    found: Path | None = finder.parse_known_args(argv)[0].config
    return found


def _use(path: Path, commands: Parsers) -> dict[str, list[str]]:
    """Make a file's values the defaults of all parsers; positional arguments, by command."""
    positional: dict[str, list[str]] = {name: [] for name in commands}
    for name, section in _read(path).items():
        if name not in commands or not isinstance(section, dict):
            raise UsageError(
                f"{path}: {name!r} is no section. Possible are "
                f"{', '.join(f'[{command}]' for command in commands)}."
            )
        positional[name] = _use_section(path, name, section, commands[name])
    return positional


def _use_section(
    path: Path, name: str, section: dict[str, Any], parser: argparse.ArgumentParser
) -> list[str]:
    """Make a section's values the defaults of a parser; return those of positional arguments."""
    positional, actions = [], _by_key(parser)
    for key, value in section.items():
        action = actions.get(key.replace("-", "_"))
        where = f"{path}: [{name}] {key}"
        if action is None:
            raise UsageError(f"{where} is unknown. Possible are {', '.join(actions)}.")
        value = _converted(action, value, where, path.parent)
        if action.option_strings:
            action.default, action.required = value, False
        else:
            positional.append(str(value))
    return positional


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path} cannot be read as TOML: {error}") from None


def _by_key(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """Actions by the key that a file uses: the long name of the option, or of the argument."""
    keyed = {}
    for action in parser._actions:
        long = next((name[2:] for name in action.option_strings if name.startswith("--")), None)
        keyed[(long or action.dest).replace("-", "_")] = action
    return {key: action for key, action in keyed.items() if key not in NOT_IN_FILES}


def _converted(action: argparse.Action, value: Any, where: str, folder: Path) -> Any:
    """The value as the command line would have given it, with paths relative to the file."""
    if action.nargs == "+":
        if not isinstance(value, list) or not value:
            raise UsageError(f"{where} must be a list. Got {_kind(value)}.")
        return [_single(action, item, where, folder) for item in value]
    return _single(action, value, where, folder)


def _single(action: argparse.Action, value: Any, where: str, folder: Path) -> Any:
    is_switch = isinstance(action, argparse.BooleanOptionalAction)
    numbers: dict[Any, type] = {int: int, float: float}
    kind = bool if is_switch else numbers.get(action.type, str)
    # For Python true is a whole number, and 1 is no float.
    allowed = (int, float) if kind is float else (kind,)
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
        raise UsageError(f"{where} must be {WANTED[kind]}. Got {_kind(value)}.")
    if action.choices is not None and value not in action.choices:
        raise UsageError(f"{where} must be one of {', '.join(action.choices)}. Got {value!r}.")
    if action.type is Path:
        return folder / value
    return action.type(value) if callable(action.type) else value


def _kind(value: Any) -> str:
    named: dict[type, str] = {**WANTED, dict: "a section", list: "a list"}
    return named.get(type(value), "a date")
