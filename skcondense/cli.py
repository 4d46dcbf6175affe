"""The command line: ``skcondense demo | schema | condense | evaluate | audit | release | ...``."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from skcondense import (
    ClusterCondenser,
    ColumnSchema,
    CondensedSet,
    HerdingCondenser,
    ParquetSample,
    PrivacyLedger,
    ProgressBar,
    RandomCondenser,
    SurvivalSchema,
    TableSchema,
    ZeroOrderCondenser,
)
from skcondense.audit import Audit, audit, default_estimators, train_and_test
from skcondense.privacy import compose, epsilon_of
from skcondense.report import plot_utility, verify_release, write_release
from skcondense.table import Container, infer_schema
from skcondense.table.declared import as_declared, outcome_as_declared
from skcondense.table.parquet_files import count_rows
from skcondense.table.storage import write_atomically
from skcondense.tasks import TargetContainer, Task, resolve_task

__all__ = ["main"]

Scores = dict[str, dict[str, float]]

# Longer Parquet files are sampled piece by piece.
LARGE_FILE = 1_000_000
METHODS = ("zero-order", "cluster", "herding", "random")
# Exit codes: 0 done, 2 bad input or usage (argparse's own), 130 interrupted.
BAD_INPUT, INTERRUPTED = 2, 130


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
    args = _parser().parse_args(argv)
    try:
        args.run(args)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"skcondense: error: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="skcondense", description="Condense a table into a tiny synthetic one."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="condense a real table and compare models")
    demo.add_argument("-o", "--output", type=Path, default=Path("skcondense-demo"))
    demo.set_defaults(run=_demo)

    schema = commands.add_parser("schema", help="write a schema of a table, to edit by hand")
    schema.add_argument("input", type=Path, help="CSV or Parquet file")
    schema.add_argument("-o", "--output", type=Path, default=Path("schema.json"))
    schema.add_argument("--exclude", nargs="+", default=[], help="columns that are no features")
    _add_outcome(schema)
    schema.add_argument("--grid", type=float, nargs="+", help="ends of the time bands (survival)")
    schema.set_defaults(run=_schema)

    condense = commands.add_parser("condense", help="condense a table")
    condense.add_argument("input", type=Path, help="CSV or Parquet file, or folder of Parquet")
    _add_outcome(condense)
    condense.add_argument("--groups", help="patient column, if patients have several rows")
    condense.add_argument("--schema", type=Path, help="JSON file; learned from the table if absent")
    condense.add_argument("--method", choices=METHODS, default="zero-order")
    condense.add_argument("--n-prototypes", type=int, default=100)
    condense.add_argument("--format", choices=("csv", "parquet"), default="csv")
    condense.add_argument("--seed", type=int)
    condense.add_argument("--n-jobs", type=int)
    condense.add_argument(
        "--sample-rate",
        type=float,
        help="share of the patients (rows) of a Parquet file to read; by default all of a "
        "million rows, some 50,000 rows of longer files; all rows of any file with --epsilon",
    )
    condense.add_argument("--epsilon", type=float, help="differential privacy; needs --schema")
    condense.add_argument("--delta", type=float, default=1e-5)
    condense.add_argument("--neighbors", choices=("add_remove", "replace"), default="add_remove")
    condense.add_argument("--ledger", type=Path, help="file in which all spends are counted")
    condense.add_argument("--budget", type=float, help="largest epsilon of a new ledger")
    condense.add_argument("-o", "--output", type=Path, required=True)
    condense.set_defaults(run=_condense)

    evaluate = commands.add_parser("evaluate", help="train on condensed rows, test on real ones")
    evaluate.add_argument("condensed", type=Path, help="directory that `condense` wrote")
    evaluate.add_argument("--test", type=Path, required=True, help="real rows that were held out")
    evaluate.add_argument("--train", type=Path, help="the real rows, to compare with")
    evaluate.set_defaults(run=_evaluate)

    auditing = commands.add_parser("audit", help="attack a condensed set, and say what was found")
    auditing.add_argument("condensed", type=Path, help="directory that `condense` wrote")
    _add_attacked(auditing, required=True)
    auditing.add_argument("--json", action="store_true", help="print JSON, with all numbers")
    auditing.set_defaults(run=_audit)

    release = commands.add_parser("release", help="write what is handed over, or say why not")
    release.add_argument("condensed", type=Path, help="directory that `condense` wrote")
    release.add_argument("-o", "--output", type=Path, required=True, help="a new folder")
    release.add_argument("--purpose", default="Not stated.", help="for the card")
    release.add_argument("--ledger", type=Path, help="the ledger of a private fit")
    _add_attacked(release, required=False)
    release.add_argument("--force", metavar="REASON", help="in spite of objections; on the card")
    release.set_defaults(run=_release)

    verify = commands.add_parser("verify", help="check a release, and say what it claims")
    verify.add_argument("release", type=Path, help="folder that `release` wrote")
    verify.set_defaults(run=_verify)

    ledger = commands.add_parser("ledger", help="print what a privacy ledger has counted")
    ledger.add_argument("file", type=Path)
    ledger.set_defaults(run=_ledger)

    for writing in (demo, schema, condense):
        writing.add_argument("--force", action="store_true", help="overwrite existing files")
    return parser


def _add_outcome(command: argparse.ArgumentParser) -> None:
    command.add_argument("--target", help="outcome column (classification or regression)")
    command.add_argument("--time", help="time column (survival)")
    command.add_argument("--event", help="event column (survival): 1 event, 0 censored")


def _add_attacked(command: argparse.ArgumentParser, *, required: bool) -> None:
    """Add what an audit reads."""
    command.add_argument("--train", type=Path, required=required, help="what was condensed")
    command.add_argument("--holdout", type=Path, required=required, help="rows that were not")
    command.add_argument("--groups", help="patient column, if patients have several rows")
    command.add_argument("--sensitive", nargs="+", default=[], help="columns to guess")
    command.add_argument("--by", nargs="+", default=[], help="columns whose levels are subgroups")
    command.add_argument("--seed", type=int)


def _demo(args: argparse.Namespace) -> None:
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    plot = args.output / "utility.png"
    _refuse_existing(args.force, args.output / "condensed.csv", plot)
    data = load_breast_cancer(as_frame=True)
    y = data.target.map(dict(enumerate(data.target_names))).rename("diagnosis")
    X_train, X_test, y_train, y_test = train_test_split(
        data.data, y, test_size=0.3, stratify=y, random_state=0
    )
    task, values = resolve_task("auto", y_train)
    container = Container.of(X_train)
    models = default_estimators(task.name, infer_schema(container, container.read(X_train)))
    test = (X_test, y_test.to_numpy())
    scores = {f"all {len(y_train)} real rows": _full(models, task, X_train, values, test)}
    random = RandomCondenser(30, random_state=0).condense(X_train, y_train)
    scores["30 random real rows"] = _train(models, task, random, test)
    with ProgressBar() as progress:
        condenser = ZeroOrderCondenser(
            list(models.values()),
            n_prototypes=30,
            n_candidates=20,
            n_exchanges=20,
            n_jobs=-1,
            random_state=0,
            callbacks=[progress],
        )
        condensed = condenser.condense(X_train, y_train)
    scores["30 condensed rows"] = _train(models, task, condensed, test)
    condensed.save(args.output, overwrite=args.force)
    figure = plot_utility(scores, task.metric_name)
    write_atomically(plot, lambda path: figure.savefig(path, format="png", dpi=150))
    _print(scores, f"Breast cancer Wisconsin: {task.metric_name} on {len(y_test)} held-out rows")
    print(condensed)
    print(f"Wrote {args.output / 'condensed.csv'}, condensed.json and {plot.name}.")


def _schema(args: argparse.Namespace) -> None:
    _refuse_existing(args.force, args.output)
    frame = _read(args.input)
    outcome = _outcome_columns(args) if args.target or args.time or args.event else []
    X = frame.drop(columns=_present(frame, [*args.exclude, *outcome]))
    container = Container.of(X)
    schema = infer_schema(container, container.read(X))
    if outcome:
        schema = replace(schema, outcome=_infer_outcome(frame, outcome, args.grid))
    write_atomically(args.output, schema.save)
    print(
        f"Wrote {args.output} with {len(schema)} columns. Its bounds and categories are those that "
        "occur in the table: replace them by what is possible before you share it."
    )


def _infer_outcome(frame: Any, names: list[str], grid: list[float] | None) -> Any:
    if len(names) == 2:
        if grid is None:
            raise ValueError("A survival outcome needs a time grid: --grid 30 90 180 365.")
        return SurvivalSchema(event=names[0], time=names[1], grid=tuple(grid))
    y = frame[_present(frame, names)]
    task, _ = resolve_task("auto", y[names[0]])
    if task.name == "classification":
        # Text and numbers are categories alike.
        y = y.astype(object)
        kinds = tuple(sorted(set(y[names[0]].tolist())))
        kind: Any = "binary" if len(kinds) == 2 else "categorical"
        return ColumnSchema(name=names[0], kind=kind, categories=kinds)
    container = Container.of(y)
    return infer_schema(container, container.read(y)).columns[0]


def _condense(args: argparse.Namespace) -> None:
    _refuse_existing(args.force, args.output / "condensed.json")
    if args.epsilon is not None and args.schema is None:
        raise ValueError(
            "--epsilon needs --schema FILE with an outcome: nothing may be learned from the table "
            "but through noise. Write a first version with `skcondense schema FILE --target "
            "COLUMN`, and replace what occurs by what is possible."
        )
    schema = TableSchema.load(args.schema) if args.schema else None
    outcome = _outcome_columns(args)
    listed = [name for name in outcome if schema is not None and name in schema.names]
    if listed:
        raise ValueError(
            f"The schema lists the outcome {listed} among the features. Remove it from the schema, "
            f"or write the schema anew with --exclude {' '.join(listed)}."
        )
    sample = _sample(args, schema)
    frame = _read(args.input) if sample is None else sample.frame
    groups = frame[_present(frame, [args.groups])[0]] if args.groups else None
    y = frame[_present(frame, outcome)]
    y = y if len(outcome) == 2 else y[outcome[0]]
    X = frame.drop(columns=[*outcome, *([args.groups] if args.groups else [])])
    if schema is not None:
        X = X[_present(X, list(schema.names))]
    if schema is not None and args.epsilon is not None:
        X, y = as_declared(X, schema), outcome_as_declared(y, schema.outcome)
    with ProgressBar() as progress:
        condenser = _condenser(args, X, y, schema, progress)
        condensed = condenser.condense(X, y, groups=groups)
    if sample is not None:
        condensed = sample.scaled_up(condensed)
    condensed.save(args.output, format=args.format, overwrite=args.force)
    print(condensed)
    if condensed.privacy is not None:
        print(condensed.privacy)
    print(f"Wrote {args.output}.")


def _sample(args: argparse.Namespace, schema: TableSchema | None) -> ParquetSample | None:
    """A sample of a Parquet file, which may be all of it; None for other files."""
    if not (args.input.is_dir() or args.input.suffix == ".parquet"):
        if args.sample_rate is not None:
            raise ValueError(f"--sample-rate needs a Parquet file or folder. Got {args.input}.")
        return None
    if not args.input.exists():
        raise FileNotFoundError(f"There is no file {args.input}.")
    groups = [] if args.groups is None else [args.groups]
    columns = None if schema is None else [*schema.names, *_outcome_columns(args), *groups]
    if args.epsilon is not None:
        # The number of rows is private: nothing, not even an error, may depend on it.
        rate = 1.0 if args.sample_rate is None else args.sample_rate
        return ParquetSample.draw(args.input, rate=rate, groups=args.groups, columns=columns)
    rate = args.sample_rate
    if rate is None and count_rows(args.input) <= LARGE_FILE:
        rate = 1.0
    return ParquetSample.draw(
        args.input, rate=rate, groups=args.groups, columns=columns, random_state=args.seed
    )


def _condenser(args: argparse.Namespace, X: Any, y: Any, schema: Any, progress: Any) -> Any:
    common = {
        "schema": schema,
        "random_state": args.seed,
        "n_prototypes": args.n_prototypes,
        "epsilon": args.epsilon,
        "delta": args.delta,
        "neighbors": args.neighbors,
        "ledger": None if args.ledger is None else _open_ledger(args),
    }
    if args.method != "zero-order":
        kinds: dict[str, Any] = {
            "cluster": ClusterCondenser,
            "herding": HerdingCondenser,
            "random": RandomCondenser,
        }
        return kinds[args.method](**common)
    task, _ = resolve_task("auto", y, schema and args.epsilon and schema.outcome)
    if schema is None:
        container = Container.of(X)
        schema = infer_schema(container, container.read(X))
    models = default_estimators(task.name, schema)
    return ZeroOrderCondenser(
        list(models.values()),
        weights="replicate",
        n_jobs=args.n_jobs,
        callbacks=[progress],
        **common,
    )


def _open_ledger(args: argparse.Namespace) -> PrivacyLedger:
    if args.ledger.exists():
        return PrivacyLedger(args.ledger, epsilon=args.budget)
    return PrivacyLedger(
        args.ledger, epsilon=args.budget, delta=args.delta, neighbors=args.neighbors
    )


def _evaluate(args: argparse.Namespace) -> None:
    condensed = CondensedSet.load(args.condensed)
    metric = resolve_task(condensed.task, condensed.y)[0].metric_name
    scores = _utility(condensed, args.test, args.train)
    _print(scores, f"{metric} on real rows that were held out")


def _utility(condensed: CondensedSet, holdout: Path, train: Path | None) -> Scores:
    """Scores of models trained on the set, and on the real rows where they are given."""
    # The classes are those of the condensed rows; a test file may lack one.
    task, _ = resolve_task(condensed.task, condensed.y)
    test = _real_rows(_read(holdout), condensed)
    models = default_estimators(task.name, condensed.schema)
    scores = {f"{condensed.n_prototypes} prototypes": _train(models, task, condensed, test)}
    if train is not None:
        X, y = _real_rows(_read(train), condensed)
        scores = {f"all {len(y)} real rows": _full(models, task, X, y, test), **scores}
    return scores


def _audit(args: argparse.Namespace) -> None:
    found = _audited(CondensedSet.load(args.condensed), args)
    print(found.to_json() if args.json else found)


def _audited(condensed: CondensedSet, args: argparse.Namespace) -> Audit:
    frames = _read(args.train), _read(args.holdout)
    train, holdout = (_real_rows(frame, condensed) for frame in frames)
    names = None if args.groups is None else [args.groups]
    groups = [None if names is None else frame[_present(frame, names)[0]] for frame in frames]
    return audit(
        condensed,
        train,
        holdout,
        sensitive=tuple(args.sensitive),
        by=tuple(args.by),
        train_groups=groups[0],
        holdout_groups=groups[1],
        random_state=args.seed,
        verbose=1,
    )


def _release(args: argparse.Namespace) -> None:
    condensed = CondensedSet.load(args.condensed)
    if args.train and not args.holdout:
        raise ValueError("An audit needs rows that were not condensed: --holdout FILE.")
    if args.ledger and not args.ledger.exists():
        raise FileNotFoundError(f"There is no file {args.ledger}.")
    ledger = PrivacyLedger(args.ledger) if args.ledger else None
    write_release(
        condensed,
        args.output,
        purpose=args.purpose,
        ledger=ledger,
        audit=_audited(condensed, args) if args.train else None,
        utility=_utility(condensed, args.holdout, args.train) if args.holdout else None,
        in_spite_of_objections=args.force,
    )
    print(verify_release(args.output))
    print(f"Wrote {args.output}. Read CARD.md, and have it signed.")


def _verify(args: argparse.Namespace) -> None:
    print(verify_release(args.release))


def _real_rows(frame: Any, condensed: CondensedSet) -> tuple[Any, Any]:
    names = list(TargetContainer.of(condensed.y).names)
    y = frame[_present(frame, names)]
    _, values = resolve_task(condensed.task, y if len(names) == 2 else y[names[0]])
    return frame[_present(frame, list(condensed.schema.names))], values


def _full(models: Any, task: Task, X: Any, y: Any, test: Any) -> dict[str, float]:
    return train_and_test(models, task, (X, y, np.ones(len(y))), test)


def _train(models: Any, task: Task, condensed: CondensedSet, test: Any) -> dict[str, float]:
    _, y = resolve_task(condensed.task, condensed.y)
    return train_and_test(models, task, (condensed.X, y, condensed.sample_weight), test)


def _ledger(args: argparse.Namespace) -> None:
    if not args.file.exists():
        raise FileNotFoundError(f"There is no file {args.file}.")
    ledger = PrivacyLedger(args.file)
    print(ledger)
    table = Table()
    for name in ("fit", "by", "unit"):
        table.add_column(name, no_wrap=True)
    for name in ("questions", "epsilon"):
        table.add_column(name, justify="right")
    runs: dict[str, list[Any]] = {}
    for spend in ledger.spends:
        runs.setdefault(spend.run, []).append(spend)
    for spends in runs.values():
        first = spends[0]
        epsilon = epsilon_of(compose(spend.mu for spend in spends), ledger.terms.delta)
        table.add_row(first.at, first.by, first.unit, str(len(spends)), f"{epsilon:.4g}")
    Console().print(table)


def _outcome_columns(args: argparse.Namespace) -> list[str]:
    if args.target and not (args.time or args.event):
        return [args.target]
    if args.time and args.event and not args.target:
        return [args.event, args.time]
    raise ValueError("Name the outcome: either --target COLUMN, or --time COLUMN --event COLUMN.")


def _read(path: Path) -> Any:
    import pandas as pd

    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        if path.is_dir() or path.suffix == ".parquet":
            return ParquetSample.draw(path, rate=1).frame
        return pd.read_csv(path)
    except pd.errors.EmptyDataError:
        raise ValueError(f"{path} is empty. Pass a table with a header and rows.") from None
    except (pd.errors.ParserError, UnicodeDecodeError):
        # The parser's own message may quote a row.
        raise ValueError(
            f"{path} cannot be read as a table. Pass CSV in UTF-8, or Parquet."
        ) from None


def _present(frame: Any, names: list[str]) -> list[str]:
    lost = [name for name in names if name not in frame.columns]
    if lost:
        raise ValueError(f"The table has no column {lost}. Got {list(frame.columns)}.")
    return names


def _refuse_existing(force: bool, *paths: Path) -> None:
    taken = [str(path) for path in paths if path.exists()]
    if taken and not force:
        raise FileExistsError(f"{', '.join(taken)} exists already. Pass --force to overwrite.")


def _print(scores: Scores, title: str) -> None:
    table = Table(title=title)
    table.add_column("Trained on")
    for model in next(iter(scores.values())):
        table.add_column(model, justify="right")
    table.add_column("mean", justify="right")
    for name, row in scores.items():
        table.add_row(name, *(f"{v:.3f}" for v in (*row.values(), np.mean(list(row.values())))))
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
