"""Files between the benchmark and a peer's environment: tables as CSV, all else as JSON."""

import json
import sys
import time
from pathlib import Path

import pandas as pd


def serve(fit) -> None:
    """Run ``fit(config, train, test)`` on the folder that the command line names.

    It returns tables by name; each becomes a CSV beside the time it took and the peak of memory.
    """
    folder = Path(sys.argv[1])
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    train, test = pd.read_csv(folder / "train.csv"), pd.read_csv(folder / "test.csv")
    start = time.perf_counter()
    answers = fit(config, train, test)
    facts = {
        "seconds": time.perf_counter() - start,
        "peak_mb": peak_mb(),
    }
    for name, table in answers.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")


def peak_mb() -> float:
    """Peak of this process's memory.

    From /proc, because getrusage counts what the parent held when it started this process.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    peak = next(line for line in status if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024
