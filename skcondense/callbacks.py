"""Watch a long fit, or stop it."""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

__all__ = ["Callback", "FitProgress", "ProgressBar"]


@dataclass(frozen=True)
class FitProgress:
    """Where a fit stands.

    Attributes
    ----------
    stage : {"columns", "select", "exchange", "refine", "match"}
        What is being done.
    n_iter : int
        Rounds finished in this stage.
    max_iter : int
        Rounds planned for this stage.
    loss : float
        Mean loss of the last round's candidates.
    n_evals : int
        Candidates evaluated so far, over all stages; for matching, steps taken.
    score : float or None
        Last validation score of the set, where there is one.
    """

    stage: str
    n_iter: int
    max_iter: int
    loss: float
    n_evals: int
    score: float | None = None


Callback = Callable[[FitProgress], Any]
"""Called after each round; returning True ends the stage and keeps what was found."""


class ProgressBar:
    """A callback that draws a progress bar per stage; use it in a ``with`` block.

    Parameters
    ----------
    description : str, default="Condensing"
        Text before the bar.
    """

    def __init__(self, description: str = "Condensing") -> None:
        self.description = description
        self._progress: Any = None
        self._bars: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._progress is not None:
            self._progress.stop()
        self._progress = None
        self._bars.clear()

    def __call__(self, progress: FitProgress) -> None:
        """Move the bar of the stage; the first call starts the drawing."""
        if self._progress is None:
            from rich.console import Console
            from rich.progress import Progress

            self._progress = Progress(console=Console(stderr=True), transient=True)
            self._progress.start()
        if progress.stage not in self._bars:
            text = f"{self.description}: {progress.stage}"
            self._bars[progress.stage] = self._progress.add_task(text, total=progress.max_iter)
        self._progress.update(self._bars[progress.stage], completed=progress.n_iter)
