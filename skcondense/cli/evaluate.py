"""``skcondense evaluate``: what models that learned from the set predict for held-out rows."""

import argparse
from pathlib import Path

from skcondense import CondensedSet
from skcondense.audit import UtilityComparison, compare_utility
from skcondense.cli.command import Command, Result
from skcondense.cli.options import (
    add_condensed,
    add_models,
    add_patients,
    add_seed,
    add_subgroups,
    chosen_estimators,
)
from skcondense.cli.progress import working
from skcondense.cli.reading import load_condensed, read_real_rows

__all__ = ["COMMAND", "compared"]

EXAMPLES = """\
  skcondense evaluate condensed --test holdout.csv --train train.csv
  skcondense evaluate condensed --test holdout.csv --train train.csv --by sex age:50,70 --json
"""


def _add_options(command: argparse.ArgumentParser) -> None:
    add_condensed(command)
    group = command.add_argument_group("real rows", "CSV, Parquet or .npz with the set's columns")
    group.add_argument(
        "--test", type=Path, required=True, metavar="FILE", help="real rows that were held out"
    )
    group.add_argument(
        "--train", type=Path, metavar="FILE", help="rows that were condensed, to compare with"
    )
    add_patients(group)
    add_subgroups(group)
    models = command.add_argument_group("models")
    add_models(models)
    models.add_argument(
        "--n-bootstrap", type=int, default=100, metavar="N", help="resamples; 100 by default"
    )
    add_seed(models)


def _run(args: argparse.Namespace) -> Result:
    found = compared(load_condensed(args.condensed), args, args.test, args.n_bootstrap)
    return Result(str(found), found.to_json())


def compared(
    condensed: CondensedSet, args: argparse.Namespace, test: Path, n_bootstrap: int = 100
) -> UtilityComparison:
    """Utility of a set on held-out rows, beside that of real rows where they are given."""
    test_rows = read_real_rows(test, condensed, args.groups)
    train = None if args.train is None else read_real_rows(args.train, condensed, args.groups)
    with working("Training models", args):
        return compare_utility(
            condensed,
            test_rows.pair,
            train=None if train is None else train.pair,
            by=tuple(args.by),
            estimators=chosen_estimators(args.estimators, condensed.task, condensed.schema),
            test_groups=test_rows.groups,
            train_groups=None if train is None else train.groups,
            n_bootstrap=n_bootstrap,
            random_state=args.random_state,
        )


COMMAND = Command(
    "evaluate", "train on condensed rows, test on real ones", _add_options, _run, EXAMPLES
)
