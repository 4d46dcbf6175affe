"""``skcondense audit``: attacks on a set, before it leaves."""

import argparse

from skcondense import CondensedSet
from skcondense.audit import Audit, audit
from skcondense.cli.command import Command, Result
from skcondense.cli.condense import condenser_of
from skcondense.cli.options import add_attacks, add_condensed
from skcondense.cli.progress import is_watched
from skcondense.cli.reading import load_condensed, read_real_rows

__all__ = ["COMMAND", "audited"]

EXAMPLES = """\
  skcondense audit condensed --train train.csv --holdout holdout.csv
  skcondense audit condensed --train train.csv --holdout holdout.csv --groups patient \\
      --sensitive hiv --by sex age:50,70
  skcondense audit condensed --train train.csv --holdout holdout.csv --condenser run.toml
"""


def _add_options(command: argparse.ArgumentParser) -> None:
    add_condensed(command)
    add_attacks(command, required=True)


def _run(args: argparse.Namespace) -> Result:
    found = audited(load_condensed(args.condensed), args)
    return Result(str(found), found.to_json())


def audited(condensed: CondensedSet, args: argparse.Namespace) -> Audit:
    """What attacks on a set found."""
    train = read_real_rows(args.train, condensed, args.groups)
    holdout = read_real_rows(args.holdout, condensed, args.groups)
    again = args.condenser and condenser_of(args.condenser, condensed, train, args.groups)
    return audit(
        condensed,
        train.pair,
        holdout.pair,
        condenser=again,
        sensitive=tuple(args.sensitive),
        by=tuple(args.by),
        train_groups=train.groups,
        holdout_groups=holdout.groups,
        random_state=args.random_state,
        verbose=int(is_watched(args)),
    )


COMMAND = Command(
    "audit", "attack a condensed set, and say what was found", _add_options, _run, EXAMPLES
)
