"""Call a function in a process of its own: what it costs, and a limit on its time."""

import multiprocessing
import signal
from multiprocessing.connection import wait

from tests.benchmarks.peers.adapters.exchange import limit_cpu, measured
from tests.benchmarks.peers.environments import REASON_LENGTH, PeerFailed


def call(function, *arguments, limit: float):
    """Return the function's answer and its cost."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(there, limit, function, arguments))
    process.start()
    there.close()
    # A process that dies early may leave the pipe open: its end is waited for, too.
    wait([here, process.sentinel])
    try:
        answer = here.recv() if here.poll() else _epitaph(process, limit)
    except EOFError:
        answer = _epitaph(process, limit)
    process.join()
    if isinstance(answer, str):
        raise PeerFailed(answer)
    return answer


def _epitaph(process, limit: float) -> str:
    process.join()
    timed_out = process.exitcode == -signal.SIGXCPU
    return f"timed out after {limit:.0f} s" if timed_out else "failed: the process died"


def _serve(pipe, limit, function, arguments) -> None:
    limit_cpu(limit)
    try:
        answer = measured(function, *arguments)
    except Exception as error:
        answer = f"failed: {type(error).__name__}: {error}"[:REASON_LENGTH]
    pipe.send(answer)
