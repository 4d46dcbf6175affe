"""What a fit will cost, from a few iterations of it."""

import time
from dataclasses import dataclass, field
from typing import Any

import torch

from skcondense.callbacks import FitProgress

__all__ = ["CostEstimate", "CostMeter"]


@dataclass(frozen=True)
class CostEstimate:
    """Expected cost of a fit.

    Attributes
    ----------
    seconds : float
        The whole fit.
    seconds_per_iteration : float
        One iteration.
    memory : float
        Bytes that autograd keeps for one iteration, at most: on the CPU the sum of all tensors it
        saves, on a GPU the peak of all allocations. The real rows come on top.
    """

    seconds: float
    seconds_per_iteration: float
    memory: float

    def __str__(self) -> str:
        minutes, megabytes = self.seconds / 60, self.memory / 2**20
        return (
            f"about {minutes:.1f} minutes ({self.seconds_per_iteration:.3g} s per iteration), "
            f"{megabytes:.0f} MB beside the rows"
        )


@dataclass
class CostMeter:
    """A callback that notes when rounds of stages end, in a ``with`` block that counts memory."""

    ends: list[float] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)
    saved: int = 0
    most: int = 0

    def __call__(self, progress: FitProgress) -> None:
        """Note the end of a round."""
        self.ends.append(time.perf_counter())
        self.stages.append(progress.stage)
        # Of the first iteration, what gets ready is a part.
        if self.stages.count("match") > 1:
            self.most = max(self.most, self.saved)
        self.saved = 0

    def __enter__(self) -> "CostMeter":
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._count, lambda saved: saved)
        self._hooks.__enter__()
        self._start = time.perf_counter()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        return self

    def __exit__(self, *error: Any) -> None:
        self._hooks.__exit__(*error)
        if torch.cuda.is_available():
            self.most = int(torch.cuda.max_memory_allocated())

    def _count(self, saved: Any) -> Any:
        self.saved += saved.numel() * saved.element_size()
        return saved

    def estimate(self, planned: dict[str, int]) -> CostEstimate:
        """Extrapolate to numbers of rounds, by stage; the last stage is that of iterations.

        Of a stage with several rounds the first one warms up.
        """
        seconds, started = 0.0, self._start
        for stage, count in planned.items():
            ends = [end for end, of in zip(self.ends, self.stages, strict=True) if of == stage]
            each = (ends[-1] - ends[0]) / (len(ends) - 1) if ends[1:] else ends[0] - started
            seconds += (ends[0] - started if ends[1:] else 0.0) + each * count
            started = ends[-1]
        return CostEstimate(seconds, each, self.most)
