"""``skcondense schema``: a first version of a schema, to correct by hand."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from skcondense import ColumnSchema, SurvivalSchema
from skcondense.cli.command import Command, Result, as_json
from skcondense.cli.messages import UsageError
from skcondense.cli.options import add_outcome, add_overwriting, add_patients, refuse_existing
from skcondense.cli.reading import Arrays, outcome_columns, present, read_table, split_table
from skcondense.table import Container, infer_schema
from skcondense.table.storage import write_atomically
from skcondense.tasks import resolve_task

__all__ = ["COMMAND"]

EXAMPLES = """\
  skcondense schema table.csv --target died --output schema.json
  skcondense schema table.csv --groups patient --time days --event died --grid 30 90 180 365
  skcondense schema scans.npz --output schema.json
"""


def _add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("input", type=Path, help="CSV, Parquet or .npz file")
    command.add_argument(
        "-o", "--output", type=Path, default=Path("schema.json"), help="schema.json by default"
    )
    command.add_argument(
        "--exclude", nargs="+", default=[], metavar="COLUMN", help="columns that are no features"
    )
    add_patients(command)
    add_overwriting(command)
    add_outcome(command)
    command.add_argument(
        "--grid", type=float, nargs="+", metavar="TIME", help="ends of the time bands (survival)"
    )


def _run(args: argparse.Namespace) -> Result:
    refuse_existing(args.force, args.output)
    table = read_table(args.input)
    is_images = isinstance(table, Arrays)
    if is_images and args.exclude:
        raise UsageError("--exclude names columns, and a .npz file has none beside its images.")
    is_named = args.target or args.time or args.event or is_images
    outcome = outcome_columns(args) if is_named else []
    if is_images:
        rows = split_table(table, outcome, None)
        X, y = rows.X, rows.y
    else:
        patients = [] if args.groups is None else [args.groups]
        X = table.drop(columns=present(table, [*args.exclude, *outcome, *patients]))
        y = table[outcome]
    container = Container.of(X)
    schema = infer_schema(container, container.read(X))
    if outcome:
        schema = replace(schema, outcome=_outcome(pd.DataFrame(y), args.grid))
    args.output.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(args.output, schema.save)
    return Result(
        f"Wrote {args.output} with {len(schema)} columns.",
        as_json({"output": str(args.output), "schema": json.loads(schema.to_json())}),
        "Its bounds, categories and gaps are those that occur in the table: replace them by what "
        "is possible before you share it or use it with --epsilon. Held-out and later rows must "
        "fit it too.",
    )


def _outcome(y: Any, grid: list[float] | None) -> Any:
    if y.shape[1] == 2:
        if grid is None:
            raise UsageError("A survival outcome needs a time grid: --grid 30 90 180 365.")
        return SurvivalSchema(event=y.columns[0], time=y.columns[1], grid=tuple(grid))
    if grid is not None:
        raise UsageError("--grid is for a survival outcome: --time COLUMN --event COLUMN.")
    name = y.columns[0]
    task, _ = resolve_task("auto", y[name])
    if task.name == "classification":
        # Text and numbers are categories alike.
        kinds = tuple(sorted(set(y[name].astype(object).tolist())))
        kind: Any = "binary" if len(kinds) == 2 else "categorical"
        return ColumnSchema(name=name, kind=kind, categories=kinds)
    container = Container.of(y)
    return infer_schema(container, container.read(y)).columns[0]


COMMAND = Command(
    "schema", "write a schema of a table, to correct by hand", _add_options, _run, EXAMPLES
)
