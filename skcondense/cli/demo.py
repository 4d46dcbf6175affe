"""``skcondense demo``: condense a real table, and compare models."""

import argparse
from pathlib import Path

from skcondense import ZeroOrderCondenser
from skcondense.audit import compare_utility, default_estimators
from skcondense.cli.command import Command, Result
from skcondense.cli.options import add_overwriting, black_boxes, refuse_existing
from skcondense.cli.progress import condense_watched, working
from skcondense.report import UtilityDisplay
from skcondense.table import Container, infer_schema
from skcondense.table.storage import write_atomically

__all__ = ["COMMAND"]

EXAMPLES = """\
  skcondense demo
  skcondense demo --output elsewhere
"""


def _add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("skcondense-demo"),
        help="folder to write; skcondense-demo by default",
    )
    add_overwriting(command)


def _run(args: argparse.Namespace) -> Result:
    from matplotlib.figure import Figure
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    plot = args.output / "utility.png"
    refuse_existing(args.force, args.output / "condensed.csv", plot)
    data = load_breast_cancer(as_frame=True)
    y = data.target.map(dict(enumerate(data.target_names))).rename("diagnosis")
    X_train, X_test, y_train, y_test = train_test_split(
        data.data, y, test_size=0.3, stratify=y, random_state=0
    )
    container = Container.of(X_train)
    schema = infer_schema(container, container.read(X_train))
    condenser = ZeroOrderCondenser(
        black_boxes(None, "classification", schema),
        n_prototypes=30,
        n_candidates=20,
        n_exchanges=20,
        n_jobs=-1,
        random_state=0,
    )
    condensed = condense_watched(condenser, args, X_train, y_train)
    with working("Training models", args):
        found = compare_utility(
            condensed,
            (X_test, y_test),
            train=(X_train, y_train),
            estimators=default_estimators("classification", schema),
            random_state=0,
        )
    condensed.save(args.output, overwrite=args.force)
    # Not pyplot's, which would open a window where there is a screen.
    figure = Figure(figsize=(7, 4), layout="constrained")
    UtilityDisplay.from_comparison(found, ax=figure.subplots())
    write_atomically(plot, lambda path: figure.savefig(path, format="png", dpi=150))
    return Result(
        f"Breast cancer Wisconsin\n{found}\n{condensed!r}",
        found.to_json(),
        f"Wrote {args.output / 'condensed.csv'}, condensed.json and {plot.name}.",
    )


COMMAND = Command("demo", "condense a real table and compare models", _add_options, _run, EXAMPLES)
