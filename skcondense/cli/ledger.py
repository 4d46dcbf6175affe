"""``skcondense ledger``: what a privacy ledger has counted."""

import argparse
from pathlib import Path

import pandas as pd

from skcondense import PrivacyLedger
from skcondense.cli.command import Command, Result, as_json
from skcondense.privacy import Spend, compose, epsilon_of

__all__ = ["COMMAND", "existing_ledger"]

EXAMPLES = """\
  skcondense ledger ledger.jsonl
  skcondense ledger ledger.jsonl --json
"""


def _add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", type=Path, help="file that `condense --ledger` wrote")


def _run(args: argparse.Namespace) -> Result:
    ledger = existing_ledger(args.file)
    fits = _by_fit(ledger)
    facts = {
        "file": str(args.file),
        "neighbors": ledger.terms.neighbors,
        "delta": ledger.terms.delta,
        "budget": ledger.terms.epsilon,
        "epsilon": ledger.epsilon,
        "n_spends": len(ledger.spends),
        "fits": fits.to_dict(orient="records"),
    }
    shown = fits.drop(columns="run").to_string(index=False, float_format="{:.4g}".format)
    return Result(f"{ledger!r}\n{shown}" if len(fits) else repr(ledger), as_json(facts))


def existing_ledger(path: Path, epsilon: float | None = None) -> PrivacyLedger:
    """The ledger in a file that is there; `PrivacyLedger` would start a new one."""
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    return PrivacyLedger(path, epsilon=epsilon)


def _by_fit(ledger: PrivacyLedger) -> pd.DataFrame:
    """One row per fit, in the order in which they began."""
    fits: dict[str, list[Spend]] = {}
    for spend in ledger.spends:
        fits.setdefault(spend.run, []).append(spend)
    return pd.DataFrame(
        [
            {
                "run": run,
                "at": spends[0].at,
                "by": spends[0].by,
                "unit": spends[0].unit,
                "questions": len(spends),
                "epsilon": epsilon_of(compose(spend.mu for spend in spends), ledger.terms.delta),
            }
            for run, spends in fits.items()
        ],
        columns=["run", "at", "by", "unit", "questions", "epsilon"],
    )


COMMAND = Command("ledger", "print what a privacy ledger has counted", _add_options, _run, EXAMPLES)
