"""``skcondense condense``: from a file of real rows to a folder of condensed ones."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from skcondense import (
    CondensedSet,
    DatasetCondenser,
    ParquetSample,
    PrivacyLedger,
    TableSchema,
)
from skcondense.cli.command import Command, Result, as_json
from skcondense.cli.config import parse_section
from skcondense.cli.described import describe
from skcondense.cli.ledger import existing_ledger
from skcondense.cli.messages import UsageError
from skcondense.cli.methods import (
    add_method,
    check_takes_images,
    differing_settings,
    make_condenser,
)
from skcondense.cli.options import (
    add_outcome,
    add_overwriting,
    add_patients,
    add_running,
    black_boxes,
    refuse_existing,
)
from skcondense.cli.progress import condense_watched
from skcondense.cli.reading import (
    RealRows,
    is_parquet,
    outcome_columns,
    read_table,
    split_table,
)
from skcondense.table import Container, infer_schema
from skcondense.table.declared import as_declared, outcome_as_declared
from skcondense.table.parquet_files import count_rows
from skcondense.tasks import TargetContainer, resolve_task

__all__ = ["COMMAND", "condenser_of"]

# Longer Parquet files are sampled piece by piece.
LARGE_FILE = 1_000_000
EXAMPLES = """\
  skcondense condense train.csv --target died --output condensed
  skcondense condense train.csv --target died --schema schema.json --epsilon 1 \\
      --ledger ledger.jsonl --output condensed
  skcondense condense train.parquet --time days --event died --groups patient --output condensed
  skcondense condense scans.npz --method distribution-matching --preset fast --output condensed
  skcondense condense --config run.toml
"""


def _add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "input", type=Path, help="CSV, Parquet (file or folder), or .npz with X (images) and y"
    )
    command.add_argument("-o", "--output", type=Path, required=True, help="folder to write")
    command.add_argument("--format", choices=("csv", "parquet"), default="csv", help="of the rows")
    add_overwriting(command)
    add_outcome(command)
    table = command.add_argument_group("table")
    add_patients(table)
    table.add_argument(
        "--schema", type=Path, metavar="FILE", help="JSON file; learned from the table if absent"
    )
    table.add_argument(
        "--sample-rate",
        type=float,
        metavar="X",
        help="share of the patients (rows) of a Parquet file to read; by default all of a "
        "million rows, some 50,000 rows of longer files; all rows of any file with --epsilon",
    )
    add_method(command)


def _run(args: argparse.Namespace) -> Result:
    _check(args)
    schema = TableSchema.load(args.schema) if args.schema else None
    outcome = outcome_columns(args)
    _check_features(schema, outcome, args.groups)
    sample = _sample(args, schema, outcome)
    table = read_table(args.input) if sample is None else sample.frame
    rows = _declared(
        split_table(table, outcome, args.groups, None if schema is None else schema.names),
        schema,
        args,
    )
    condenser = _condenser(args, rows, schema)
    # The ledger's file comes last: an error in the options leaves none behind.
    if args.ledger is not None:
        condenser.set_params(ledger=_open_ledger(args))
    condensed = condense_watched(condenser, args, rows.X, rows.y, rows.groups)
    if sample is not None:
        condensed = sample.scaled_up(condensed)
    condensed.save(args.output, format=args.format, overwrite=args.force)
    text = repr(condensed) if condensed.privacy is None else f"{condensed!r}\n{condensed.privacy}"
    facts = {"output": str(args.output), **describe(condensed)}
    return Result(text, as_json(facts), f"Wrote {args.output}.")


def _check(args: argparse.Namespace) -> None:
    """What can be known to be wrong before a row is read."""
    refuse_existing(args.force, args.output / "condensed.json")
    if args.epsilon is None:
        for name in ("delta", "neighbors", "ledger"):
            if getattr(args, name) is not None:
                raise UsageError(f"--{name} is about privacy, and needs --epsilon.")
    elif args.schema is None:
        raise UsageError(
            "--epsilon needs --schema FILE with an outcome: nothing may be learned from the table "
            "but through noise. Write a first version with `skcondense schema FILE --target "
            "COLUMN`, and replace what occurs by what is possible."
        )
    if args.budget is not None and args.ledger is None:
        raise UsageError("--budget is kept by a ledger: name its file with --ledger.")
    if args.sample_rate is not None and not is_parquet(args.input):
        raise UsageError(f"--sample-rate needs a Parquet file or folder. Got {args.input}.")


def _check_features(schema: TableSchema | None, outcome: list[str], groups: str | None) -> None:
    features = () if schema is None else schema.names
    listed = [name for name in outcome if name in features]
    if listed:
        raise ValueError(
            f"The schema lists the outcome {listed} among the features. Remove it from the schema, "
            f"or write the schema anew with --exclude {' '.join(listed)}."
        )
    if groups in features:
        raise ValueError(
            f"The schema lists {groups!r}, which tells patients apart, among the features: their "
            "identifiers would be condensed. Remove it from the schema, or write the schema anew "
            f"with --groups {groups}."
        )


def _sample(
    args: argparse.Namespace, schema: TableSchema | None, outcome: list[str]
) -> ParquetSample | None:
    """A sample of a Parquet file, which may be all of it; None for other files."""
    if not is_parquet(args.input):
        return None
    if not args.input.exists():
        raise FileNotFoundError(f"There is no file {args.input}.")
    groups = [] if args.groups is None else [args.groups]
    columns = None if schema is None else [*schema.names, *outcome, *groups]
    if args.epsilon is not None:
        # The number of rows is private: nothing, not even an error, may depend on it.
        rate = 1.0 if args.sample_rate is None else args.sample_rate
        return ParquetSample.draw(args.input, rate=rate, groups=args.groups, columns=columns)
    rate = args.sample_rate
    if rate is None and count_rows(args.input) <= LARGE_FILE:
        rate = 1.0
    return ParquetSample.draw(
        args.input, rate=rate, groups=args.groups, columns=columns, random_state=args.random_state
    )


def _declared(rows: RealRows, schema: TableSchema | None, args: argparse.Namespace) -> RealRows:
    """With epsilon, cells in the dtypes that the schema declares, whichever occur."""
    if schema is None or args.epsilon is None:
        return rows
    X = rows.X if isinstance(rows.X, np.ndarray) else as_declared(rows.X, schema)
    return RealRows(X, outcome_as_declared(rows.y, schema.outcome), rows.groups)


def _condenser(
    args: argparse.Namespace, rows: RealRows, schema: TableSchema | None
) -> DatasetCondenser:
    built: dict[str, Any] = {"schema": schema}
    if isinstance(rows.X, np.ndarray):
        check_takes_images(args.method)
    elif args.method == "zero-order":
        built |= {"estimator": _models(args, rows, schema), "weights": "replicate"}
    return make_condenser(args, **built)


def _models(args: argparse.Namespace, rows: RealRows, schema: TableSchema | None) -> list[Any]:
    task, _ = resolve_task(args.task or "auto", rows.y, schema and args.epsilon and schema.outcome)
    if schema is None:
        container = Container.of(rows.X)
        schema = infer_schema(container, container.read(rows.X))
    return black_boxes(args.estimators, task.name, schema)


def _open_ledger(args: argparse.Namespace) -> PrivacyLedger:
    if args.ledger.exists():
        return existing_ledger(args.ledger, args.budget)
    return PrivacyLedger(
        args.ledger, epsilon=args.budget, delta=args.delta, neighbors=args.neighbors
    )


def condenser_of(
    config: Path, condensed: CondensedSet, rows: RealRows, groups: str | None
) -> DatasetCondenser:
    """What made a set, for an audit that makes it again, as far as the set tells.

    Parameters
    ----------
    config : Path
        TOML file with the section [condense] that was used.
    condensed : CondensedSet
        The set.
    rows : RealRows
        Rows that were condensed.
    groups : str or None
        Column of their patients.

    Raises
    ------
    UsageError
        If the section names another method, setting, outcome or column of patients.
    """
    parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
    _add_options(parser)
    add_running(parser)
    # An audit has rows of its own, and writes nothing.
    args = parse_section(config, COMMAND.name, parser, ["", "--output", ""])
    schema = TableSchema.load(args.schema) if args.schema else condensed.schema
    condenser = _condenser(args, rows, schema)
    differing = differing_settings(condenser, condensed.method)
    is_named = args.target or args.time or args.event
    if is_named and outcome_columns(args) != list(TargetContainer.of(condensed.y).names):
        differing.append("outcome")
    if args.groups != groups:
        differing.append("groups")
    if differing:
        raise UsageError(
            f"[{COMMAND.name}] of {config} is not what made the set: it differs in "
            f"{', '.join(differing)}. Pass the file with which the set was made."
        )
    return condenser


COMMAND = Command("condense", "condense a table or images", _add_options, _run, EXAMPLES)
