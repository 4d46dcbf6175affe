"""Virtual environments of the peers, whose pins clash with ours and with each other's.

Run: python -m tests.benchmarks.peers.environments FOLDER [--only NAME ...]
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

ADAPTERS = Path(__file__).parent / "adapters"
TABPE = "git+https://github.com/microsoft/DPSDA.git@9078c67995499e6769113780200bbf1d788d3d60"
# Each list is one call of pip.
ENVIRONMENTS = {
    # Newer scipy doubles dpmm's time: it makes and transposes sparse matrices in an inner loop.
    "dpmm": [["dpmm==0.1.9", "scipy==1.15.3"]],
    # Torch comes first and pinned: the library leaves its version open. It also imports azure
    # without naming it, and hashes what newer omegaconf does not let it hash.
    "private-evolution": [
        ["torch==2.13.0", "torchvision==0.28.0"],
        [f"private-evolution[tabular] @ {TABPE}", "azure-identity", "omegaconf<2.4"],
    ],
    # Its forest reads private names of scikit-learn, which are gone since 1.6.
    "diffprivlib": [["diffprivlib==0.6.6", "scikit-learn<1.6", "pandas"]],
    "interpret": [["interpret-core==0.7.8", "pandas"]],
}
VERSIONS = """
import importlib.metadata, json
print(json.dumps({d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}))
"""
REASON_LENGTH = 120


class PeerFailed(Exception):
    """A method gave no answer; the message becomes the status in the results."""


@dataclass(frozen=True)
class Answer:
    """Tables by name, and what they cost."""

    tables: dict[str, pd.DataFrame]
    cost: dict[str, float]


def create(name: str, folder: Path) -> None:
    venv.create(folder / name, with_pip=True)
    for packages in ENVIRONMENTS[name]:
        subprocess.run([_python(folder, name), "-m", "pip", "install", *packages], check=True)


def ask(
    folder: Path | None,
    name: str,
    adapter: str,
    config: dict,
    train: pd.DataFrame,
    test: pd.DataFrame,
    limit: float,
) -> Answer:
    """Run an adapter in a peer's environment."""
    if folder is None or not _python(folder, name).exists():
        raise PeerFailed(f"failed: no environment {name}")
    with tempfile.TemporaryDirectory() as exchange:
        here = Path(exchange)
        train.to_csv(here / "train.csv", index=False)
        test.to_csv(here / "test.csv", index=False)
        (here / "config.json").write_text(json.dumps({**config, "limit": limit}), encoding="utf-8")
        _run([_python(folder, name), ADAPTERS / adapter, here], limit)
        cost = json.loads((here / "facts.json").read_text(encoding="utf-8"))
        written = set(here.glob("*.csv")) - {here / "train.csv", here / "test.csv"}
        tables = {path.stem: pd.read_csv(path) for path in written}
    return Answer(tables, cost)


def _run(command: list, limit: float) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment["OMP_NUM_THREADS"] = "1"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == -signal.SIGXCPU:
        raise PeerFailed(f"timed out after {limit:.0f} s")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise PeerFailed(f"failed: {lines[-1][:REASON_LENGTH]}")


def facts(folder: Path | None) -> dict:
    """The machine, and the version of every package in every environment."""
    names = [name for name in ENVIRONMENTS if folder and _python(folder, name).exists()]
    pythons = {"skcondense": sys.executable, **{name: _python(folder, name) for name in names}}
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: _versions(python) for name, python in pythons.items()},
    }


def _versions(python: Path | str) -> dict[str, str]:
    done = subprocess.run([python, "-c", VERSIONS], capture_output=True, text=True, check=True)
    return dict(sorted(json.loads(done.stdout).items()))


def _python(folder: Path, name: str) -> Path:
    return (folder / name / "bin" / "python").absolute()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", default=list(ENVIRONMENTS), choices=ENVIRONMENTS)
    args = parser.parse_args()
    for name in args.only:
        try:
            create(name, args.folder)
        except subprocess.CalledProcessError:
            # The benchmark goes on without it, and its rows say so.
            print(f"{name} could not be installed.", file=sys.stderr)


if __name__ == "__main__":
    main()
