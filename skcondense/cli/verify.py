"""``skcondense verify``: whether a release is what it was, and what it claims."""

import argparse
from pathlib import Path
from typing import Any

from skcondense.cli.command import Command, Result, as_json
from skcondense.cli.described import describe
from skcondense.report import verify_release

__all__ = ["COMMAND", "verified"]

EXAMPLES = """\
  skcondense verify release
  skcondense verify release --json
"""


def _add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("release", type=Path, help="folder that `release` wrote")


def _run(args: argparse.Namespace) -> Result:
    text, facts = verified(args.release)
    return Result(text, as_json({"release": str(args.release), **facts}))


def verified(folder: Path) -> tuple[str, dict[str, Any]]:
    """What a release claims, in words and as facts."""
    found = verify_release(folder)
    facts = {"fingerprint": found.fingerprint, "n_files": found.n_files}
    return str(found), {**facts, **describe(found.condensed)}


COMMAND = Command("verify", "check a release, and say what it claims", _add_options, _run, EXAMPLES)
