"""``skcondense release``: the folder that is handed over, or why it should not be."""

import argparse
from pathlib import Path

from skcondense.cli.audit import audited
from skcondense.cli.command import Command, Result, as_json
from skcondense.cli.evaluate import compared
from skcondense.cli.ledger import existing_ledger
from skcondense.cli.messages import UsageError
from skcondense.cli.options import add_attacks, add_condensed, add_models
from skcondense.cli.reading import load_condensed
from skcondense.cli.verify import verified
from skcondense.report import write_release

__all__ = ["COMMAND"]

EXAMPLES = """\
  skcondense release condensed --ledger ledger.jsonl --output release
  skcondense release condensed --ledger ledger.jsonl --train train.csv --holdout holdout.csv \\
      --purpose "To train models of death in hospital." \\
      --population "Adults admitted from 2015 to 2020." --by sex --output release
"""


def _add_options(command: argparse.ArgumentParser) -> None:
    add_condensed(command)
    command.add_argument("-o", "--output", type=Path, required=True, help="a new folder")
    command.add_argument("--purpose", metavar="TEXT", help="what the set is for; on the card")
    command.add_argument(
        "--population", metavar="TEXT", help="whom the real rows were about; on the card"
    )
    command.add_argument("--ledger", type=Path, metavar="FILE", help="the ledger of a private fit")
    command.add_argument(
        "--force", metavar="REASON", help="release in spite of objections; on the card"
    )
    add_attacks(command, required=False)
    add_models(command.add_argument_group("models"))


def _run(args: argparse.Namespace) -> Result:
    if args.train and not args.holdout:
        raise UsageError("An audit needs rows that were not condensed: --holdout FILE.")
    for name in ("groups", "by", "sensitive", "estimators", "condenser"):
        if getattr(args, name) and not args.holdout:
            raise UsageError(f"--{name} is about real rows: --train FILE --holdout FILE.")
    if args.condenser and not args.train:
        raise UsageError("--condenser makes the set again of the rows of --train FILE.")
    # Before minutes of attacks and not after.
    if args.output.exists():
        raise UsageError(f"{args.output} exists already. Name a new folder for each release.")
    condensed = load_condensed(args.condensed)
    stated = {"purpose": args.purpose, "population": args.population}
    write_release(
        condensed,
        args.output,
        **{name: text for name, text in stated.items() if text is not None},
        ledger=existing_ledger(args.ledger) if args.ledger else None,
        audit=audited(condensed, args) if args.train else None,
        utility=compared(condensed, args, args.holdout) if args.holdout else None,
        in_spite_of_objections=args.force,
    )
    text, facts = verified(args.output)
    note = f"Wrote {args.output}. Read CARD.md, and have it signed."
    return Result(text, as_json({"output": str(args.output), **facts}), note)


COMMAND = Command(
    "release", "write what is handed over, or say why not", _add_options, _run, EXAMPLES
)
