"""Options that several commands share. Their names are those of the API's parameters."""

import argparse
from pathlib import Path
from typing import Any

from skcondense.audit import default_estimators

__all__ = [
    "add_attacks",
    "add_condensed",
    "add_models",
    "add_outcome",
    "add_overwriting",
    "add_running",
    "add_seed",
    "black_boxes",
    "chosen_estimators",
    "refuse_existing",
]

Parser = argparse.ArgumentParser


def add_running(command: Parser) -> None:
    """Add how a command is run, and what it prints."""
    group = command.add_argument_group("running")
    group.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML file with a section per command"
    )
    group.add_argument(
        "--json", **_switch(), help="print one JSON document on standard output, and nothing else"
    )
    group.add_argument("--quiet", **_switch(), help="no progress bars and no notes")


def add_overwriting(command: Parser) -> None:
    """Add leave to replace files."""
    command.add_argument("--force", **_switch(), help="overwrite existing files")


def _switch() -> dict[str, Any]:
    # With a --no- form, so that the command line can take back what a file sets.
    return {"action": argparse.BooleanOptionalAction, "default": False}


def add_seed(command: Any) -> None:
    """Add the seed."""
    command.add_argument(
        "--random-state", type=int, metavar="N", help="seed of everything but noise"
    )


def add_outcome(command: Parser) -> None:
    """Add what names the outcome."""
    group = command.add_argument_group("outcome", "a class or a number, or a censored time")
    group.add_argument("--target", metavar="COLUMN", help="outcome; for .npz files y by default")
    group.add_argument("--time", metavar="COLUMN", help="time until the event or censoring")
    group.add_argument("--event", metavar="COLUMN", help="1 event, 0 censored")


def add_condensed(command: Parser) -> None:
    """Add the set that a command reads."""
    command.add_argument("condensed", type=Path, help="folder that `condense` wrote")


def add_models(command: Any) -> None:
    """Add the models to train."""
    command.add_argument(
        "--estimators",
        nargs="+",
        metavar="NAME",
        help="models to train, of: logistic (ridge, cox), tree, forest, boosting; by default all, "
        "and all but boosting to condense with",
    )


def add_attacks(command: Parser, *, required: bool) -> None:
    """Add what an audit reads and asks."""
    group = command.add_argument_group("real rows", "CSV, Parquet or .npz with the set's columns")
    group.add_argument(
        "--train", type=Path, required=required, metavar="FILE", help="rows that were condensed"
    )
    group.add_argument(
        "--holdout",
        type=Path,
        required=required,
        metavar="FILE",
        help="rows of the same population that were not",
    )
    add_patients(group)
    add_subgroups(group)
    group.add_argument(
        "--condenser",
        type=Path,
        metavar="FILE",
        help="TOML file whose section [condense] made the set: it is made again, five times, for "
        "the strongest attacks and a lower bound of epsilon",
    )
    group.add_argument(
        "--sensitive", nargs="+", default=[], metavar="COLUMN", help="columns to guess"
    )
    add_seed(group)


def add_patients(group: Any) -> None:
    """Add whose rows they are."""
    group.add_argument(
        "--groups",
        metavar="COLUMN",
        help="patient of each row, if patients have several; for .npz files groups, if it is there",
    )


def add_subgroups(group: Any) -> None:
    """Add whose results are shown apart."""
    group.add_argument(
        "--by",
        nargs="+",
        type=subgroup,
        default=[],
        metavar="COLUMN[:EDGES]",
        help="columns whose levels are subgroups, or bands between edges: sex age:50,70",
    )


def subgroup(text: str) -> str | tuple[str, tuple[float, ...]]:
    """A column, or a column and edges between its bands."""
    name, _, edges = text.rpartition(":")
    try:
        return (name, tuple(float(edge) for edge in edges.split(","))) if name else text
    except ValueError:
        # No numbers behind the colon: it is part of the column's name.
        return text


def black_boxes(names: list[str] | None, task: str, schema: Any) -> list[Any]:
    """Models to ask for: without names all but boosting.

    It takes longer than the others together, and shows how a set serves a model never asked.
    """
    quick = [name for name in default_estimators(task, schema) if name != "boosting"]
    return list(chosen_estimators(names or quick, task, schema).values())


def chosen_estimators(names: list[str] | None, task: str, schema: Any) -> dict[str, Any]:
    """Models by name, all of them without names."""
    models = default_estimators(task, schema)
    unknown = [name for name in names or [] if name not in models]
    if unknown:
        raise ValueError(f"--estimators are {', '.join(models)}. Got {', '.join(unknown)}.")
    return {name: models[name] for name in names or models}


def refuse_existing(force: bool, *paths: Path) -> None:
    """Refuse to write where something is, unless it may be replaced."""
    taken = [str(path) for path in paths if path.exists()]
    if taken and not force:
        raise FileExistsError(f"{', '.join(taken)} exists already. Pass --force to overwrite.")
