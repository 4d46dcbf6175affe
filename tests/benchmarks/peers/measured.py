"""Call a function in a process of its own: its time, its peak of memory, and a limit."""

import multiprocessing
import time

from tests.benchmarks.peers.adapters.exchange import peak_mb
from tests.benchmarks.peers.environments import REASON_LENGTH, PeerFailed


def measured(function, *arguments, limit: float):
    """Return the function's answer, seconds and MB."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(there, function, arguments))
    process.start()
    there.close()
    try:
        if not here.poll(limit):
            raise PeerFailed(f"timed out after {limit:.0f} s")
        answer = here.recv()
    except EOFError:
        raise PeerFailed("failed: the process died") from None
    finally:
        process.kill()
        process.join()
    if isinstance(answer, str):
        raise PeerFailed(answer)
    return answer


def _serve(pipe, function, arguments) -> None:
    start = time.perf_counter()
    try:
        answer = function(*arguments)
    except Exception as error:
        pipe.send(f"failed: {type(error).__name__}: {error}"[:REASON_LENGTH])
        return
    seconds = time.perf_counter() - start
    pipe.send((answer, seconds, peak_mb()))
