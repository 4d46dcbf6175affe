"""The program: read arguments, run one command, print what it hands back."""

import argparse
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from skcondense import __version__
from skcondense.cli import audit, condense, demo, evaluate, ledger, release, schema, verify
from skcondense.cli.command import Result
from skcondense.cli.config import parse_with_file
from skcondense.cli.messages import UsageError, one_line
from skcondense.cli.options import add_running

__all__ = ["COMMANDS", "main", "parsers"]

COMMANDS = tuple(
    module.COMMAND for module in (demo, schema, condense, evaluate, audit, release, verify, ledger)
)
# Exit codes: 0 done, 2 bad input or usage, 130 interrupted.
BAD_INPUT, INTERRUPTED = 2, 130


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all errors of the program."""

    def __init__(self, **settings: Any) -> None:
        settings["formatter_class"] = argparse.RawDescriptionHelpFormatter
        # A prefix that works today would be ambiguous with the next option.
        super().__init__(**settings, allow_abbrev=False)

    def error(self, message: str) -> Any:
        """Refuse the arguments."""
        raise UsageError(f"{message}. `{self.prog} --help` lists the options.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments; those of the process when None.

    Returns
    -------
    int
        Exit code: 0 done, 2 bad input, 130 interrupted.
    """
    parser, commands = parsers()
    try:
        with _warnings_on_one_line():
            args = parse_with_file(parser, commands, sys.argv[1:] if argv is None else argv)
            _show(args.run(args), args)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        print(f"skcondense: error: {one_line(error)}", file=sys.stderr)
        return BAD_INPUT
    return 0


def parsers() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser of the program, and that of each command by its name."""
    parser = Parser(
        prog="skcondense", description="Condense a private table into a tiny synthetic one."
    )
    parser.add_argument("--version", action="version", version=f"skcondense {__version__}")
    added = parser.add_subparsers(required=True, metavar="COMMAND")
    commands: dict[str, argparse.ArgumentParser] = {}
    for command in COMMANDS:
        own = added.add_parser(
            command.name,
            help=command.help,
            description=f"{command.help[0].upper()}{command.help[1:]}.",
            epilog=f"examples:\n{command.examples}",
        )
        command.add_options(own)
        add_running(own)
        own.set_defaults(run=command.run)
        commands[command.name] = own
    return parser, commands


def _show(result: Result, args: argparse.Namespace) -> None:
    try:
        print(result.json if args.json else result.text, flush=True)
    except BrokenPipeError:
        # Whoever reads has seen enough (`| head`); Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if result.note and not args.quiet:
        print(result.note, file=sys.stderr)


@contextmanager
def _warnings_on_one_line() -> Iterator[None]:
    """Warnings look like errors; Python would quote the line of code that warned."""

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        print(f"skcondense: warning: {' '.join(str(message).split())}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
