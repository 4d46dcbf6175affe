"""Files between the benchmark and a peer's environment: tables as CSV, all else as JSON."""

import json
import resource
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
    limit_cpu(config["limit"])
    answers, cost = measured(fit, config, train, test)
    for name, table in answers.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    (folder / "facts.json").write_text(json.dumps(cost), encoding="utf-8")


def measured(function, *arguments):
    """Return the answer and its cost; processor seconds hold on a machine that is shared, too."""
    start, start_cpu = time.perf_counter(), time.process_time()
    answer = function(*arguments)
    return answer, {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - start_cpu,
        "peak_mb": peak_mb(),
    }


def limit_cpu(seconds: float) -> None:
    """Have the system end this process, with SIGXCPU, after so much more processor time."""
    spent = time.process_time()
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (round(spent + seconds) + 1, hard))


def peak_mb() -> float:
    """Peak of this process's memory.

    From /proc, because getrusage counts what the parent held when it started this process.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    peak = next(line for line in status if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024
