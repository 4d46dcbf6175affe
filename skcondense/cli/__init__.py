"""The command line: `main` is what the ``skcondense`` command runs. One file per command."""

from skcondense.cli.program import main

__all__ = ["main"]
