"""Every benchmark of the classical condensers, one after the other.

Run: python -m tests.benchmarks FOLDER [--seeds 5] [--environments ENVIRONMENTS]

Each writes FOLDER/NAME.txt, with what it printed, and some NAME.csv; machine.json has the machine's
facts and all versions. What is there already is not run again. Days, with five seeds: see the pages
in docs/benchmarks for what single ones take.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.peers.environments import facts


def runs(folder: Path, seeds: int, environments: Path | None) -> Iterator[tuple[str, list[str]]]:
    """Name and arguments of each benchmark."""
    many = ["--seeds", str(seeds)]
    for name in ("privacy_utility", "survival", "ablation", "transfer"):
        yield name, [f"tests.benchmarks.{name}", *many, "--output", f"{folder / name}.csv"]
    results = [f"{folder / name}.csv" for name in ("privacy_utility", "survival")]
    yield "headline", ["tests.benchmarks.headline", *results]
    yield "speed", ["tests.benchmarks.speed"]
    for part in ("parquet", "curves", "defaults"):
        yield f"scale_{part}", ["tests.benchmarks.scale", f"--{part}"]
    peers = [str(environments)] if environments else []
    yield "peers", ["tests.benchmarks.peers", *peers, "--output", str(folder / "peers"), *many]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--environments", type=Path, help="made by tests.benchmarks.peers")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    machine = json.dumps(facts(args.environments), indent=2)
    (args.folder / "machine.json").write_text(machine + "\n", encoding="utf-8")
    failed = []
    for name, arguments in runs(args.folder, args.seeds, args.environments):
        printed = args.folder / f"{name}.txt"
        if printed.exists():
            continue
        done = subprocess.run(
            [sys.executable, "-m", *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode:
            # The others go on; a later call repeats this one.
            print(f"{name} failed:\n{done.stderr}", file=sys.stderr)
            failed.append(name)
        else:
            printed.write_text(done.stdout, encoding="utf-8")
    sys.exit(f"Failed: {', '.join(failed)}." if failed else None)


if __name__ == "__main__":
    main()
