"""The loop that all matching methods share: steps, checks, progress, snapshots, checkpoints."""

import math
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from skcondense.callbacks import Callback, FitProgress
from skcondense.neural.checkpoint import Checkpoint, as_array
from skcondense.neural.randomness import generator_state, restore_generator
from skcondense.neural.synthetic import SyntheticSet

__all__ = ["Learned", "Matcher", "MatchingLoop", "Validation"]

State = dict[str, NDArray[Any]]
# Seconds between checkpoints, beside one at the end.
CHECKPOINT_EVERY = 60.0


@dataclass(frozen=True)
class Learned:
    """A tensor that is learned beside the synthetic rows.

    Attributes
    ----------
    values : Tensor
        Needs gradients.
    learning_rate : float or None
        Its own; None for that of the rows.
    """

    values: Any
    learning_rate: float | None = None


class Matcher(ABC):
    """What a method does in one iteration."""

    @abstractmethod
    def iterate(self, synthetic: SyntheticSet, step: Callable[[float], None]) -> None:
        """Put gradients into the synthetic rows, then call `step` with the loss; once or more."""

    def begin(self, synthetic: SyntheticSet) -> list[Learned]:
        """Get ready; return what is learned beside the synthetic rows."""
        return []

    def labels(self, synthetic: SyntheticSet) -> NDArray[np.float64] | None:
        """Labels of the images that networks see; None where they are those of the outcomes."""
        return None

    def origin(self) -> str:
        """What the method was given beside rows and settings: a resumed run must have the same."""
        return ""

    def facts(self) -> dict[str, Any]:
        """What a fitted condenser is to say of the method, by name of the attribute."""
        return {}

    def traces(self) -> dict[str, NDArray[np.float64]]:
        """What `history_` is to say beside the loss: a number per iteration."""
        return {}

    def state(self) -> State:
        """What a resumed run needs beside the synthetic rows."""
        return {}

    def restore(self, state: State) -> None:
        """Take back what `state` gave."""
        assert not state


@dataclass(frozen=True)
class Validation:
    """How snapshots are chosen.

    Attributes
    ----------
    score : callable
        Takes the synthetic set, returns a number; greater is better.
    every : int
        Iterations between scores.
    patience : int
        Scores without improvement after which the run stops.
    """

    score: Callable[[SyntheticSet], float]
    every: int
    patience: int


@dataclass
class MatchingLoop:
    """Optimise a synthetic set.

    Attributes
    ----------
    synthetic : SyntheticSet
        What is optimised, in place.
    matcher : Matcher
        The method.
    generator : torch.Generator
        Everything that the method draws comes from it.
    max_iter : int
        Iterations.
    optimizer, learning_rate : str, float
        "adam", or "sgd" with momentum 0.5.
    max_time : float or None
        Seconds after which the run stops.
    callback : callable or None
        Told of each iteration; True stops the run.
    checkpoint : Checkpoint or None
        Where the state is kept, and found when the run goes on.
    validation : Validation or None
        How snapshots are chosen; without it, the last iterate is kept.
    averaging : float or None
        Decay of a moving average of the rows, which then takes the place of the last iterate.
    history : list of float
        Mean loss of each iteration.
    scores : list of float
        Validation scores.
    n_iter : int
        Iterations done.
    n_steps, n_skipped : int
        Steps taken, and steps that were not, since a number was not finite.
    """

    synthetic: SyntheticSet
    matcher: Matcher
    generator: torch.Generator
    max_iter: int
    optimizer: str
    learning_rate: float
    max_time: float | None = None
    callback: Callback | None = None
    checkpoint: Checkpoint | None = None
    validation: Validation | None = None
    averaging: float | None = None
    history: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    n_iter: int = 0
    n_steps: int = 0
    n_skipped: int = 0

    def __post_init__(self) -> None:
        learned = [Learned(self.synthetic.x), *self.matcher.begin(self.synthetic)]
        self._learned = [one.values for one in learned]
        rate = self.learning_rate
        groups = [{"params": one.values, "lr": one.learning_rate or rate} for one in learned]
        self._optimizer: torch.optim.Optimizer = (
            torch.optim.Adam(groups)
            if self.optimizer == "adam"
            else torch.optim.SGD(groups, momentum=0.5)
        )
        self._average = self.synthetic.x.detach().clone()
        self._best: list[Any] = []
        self._losses: list[float] = []

    def run(self) -> None:
        """Run until the iterations, the time or the patience are over."""
        self._resume()
        started = saved = time.monotonic()
        while self.n_iter < self.max_iter and not self._is_patience_over():
            if self.max_time is not None and time.monotonic() - started > self.max_time:
                break
            self._losses = []
            self.matcher.iterate(self.synthetic, self._step)
            self.n_iter += 1
            self.history.append(float(np.mean(self._losses)) if self._losses else math.nan)
            self._move_average()
            self._validate()
            if self.checkpoint and time.monotonic() - saved > CHECKPOINT_EVERY:
                self._save(self.checkpoint)
                saved = time.monotonic()
            if self._tell():
                break
        if self.checkpoint:
            self._save(self.checkpoint)
        self._keep_best()
        self._report_skipped()

    def _step(self, loss: float) -> None:
        """Step along the gradients, unless something is not finite."""
        gradients = [p.grad for p in self._learned if p.grad is not None]
        if math.isfinite(loss) and all(bool(g.isfinite().all()) for g in gradients):
            self._optimizer.step()
            self.synthetic.project()
            self._losses.append(loss)
            self.n_steps += 1
        else:
            self.n_skipped += 1
        self._optimizer.zero_grad()

    def _move_average(self) -> None:
        """Early on the average must not hang on the start, so it is shorter then."""
        if self.averaging is not None:
            decay = min(self.averaging, self.n_iter / (10 + self.n_iter))
            self._average.lerp_(self.synthetic.x.detach(), 1 - decay)

    def _candidate(self) -> list[Any]:
        """What would be delivered now, as copies."""
        values = [p.detach().clone() for p in self._learned]
        return values if self.averaging is None else [self._average.clone(), *values[1:]]

    def _validate(self) -> None:
        """Score the set when it is due."""
        if self.validation is None or self.n_iter % self.validation.every:
            return
        candidate = self._candidate()
        scored = replace(self.synthetic, x=candidate[0])
        self.scores.append(self.validation.score(scored))
        if int(np.argmax(self.scores)) == len(self.scores) - 1:
            self._best = candidate

    def _is_patience_over(self) -> bool:
        if self.validation is None or not self.scores:
            return False
        return len(self.scores) - 1 - int(np.argmax(self.scores)) >= self.validation.patience

    def _keep_best(self) -> None:
        for parameter, best in zip(self._learned, self._best or self._candidate(), strict=True):
            parameter.data.copy_(best)

    def _tell(self) -> bool:
        if self.callback is None:
            return False
        progress = FitProgress(
            stage="match",
            n_iter=self.n_iter,
            max_iter=self.max_iter,
            loss=self.history[-1],
            n_evals=self.n_steps,
            score=self.scores[-1] if self.scores else None,
        )
        return self.callback(progress) is True

    def _report_skipped(self) -> None:
        if self.n_skipped:
            warnings.warn(
                f"{self.n_skipped} of {self.n_skipped + self.n_steps} steps were skipped because "
                "the loss or a gradient was not finite. Lower learning_rate, or use "
                'dtype="float32".',
                ConvergenceWarning,
                stacklevel=2,
            )

    def _save(self, checkpoint: Checkpoint) -> None:
        arrays = {
            **{f"learned/{i}": as_array(p) for i, p in enumerate(self._learned)},
            **{f"matcher/{name}": values for name, values in self.matcher.state().items()},
            **self._optimizer_state(),
            "average": as_array(self._average),
            "generator": generator_state(self.generator),
            "history": np.array(self.history),
            "scores": np.array(self.scores),
        }
        arrays |= {f"best/{i}": as_array(p) for i, p in enumerate(self._best)}
        counts = {"n_iter": self.n_iter, "n_steps": self.n_steps, "n_skipped": self.n_skipped}
        checkpoint.save(arrays, counts)

    def _resume(self) -> None:
        found = self.checkpoint.load() if self.checkpoint else None
        if found is None:
            return
        arrays, counts = found
        for i, parameter in enumerate(self._learned):
            parameter.data.copy_(torch.from_numpy(arrays[f"learned/{i}"]))
        self._average = torch.from_numpy(arrays["average"]).to(self._average)
        self.matcher.restore(_part(arrays, "matcher/"))
        self._restore_optimizer(_part(arrays, "optimizer/"))
        restore_generator(self.generator, arrays["generator"])
        self.history = arrays["history"].tolist()
        self.scores = arrays["scores"].tolist()
        best = _part(arrays, "best/")
        if best:
            self._best = [torch.from_numpy(best[str(i)]).to(p) for i, p in enumerate(self._learned)]
        self.n_iter, self.n_steps = counts["n_iter"], counts["n_steps"]
        self.n_skipped = counts["n_skipped"]

    def _optimizer_state(self) -> State:
        return {
            f"optimizer/{i}/{name}": as_array(values)
            for i, p in enumerate(self._learned)
            for name, values in self._optimizer.state.get(p, {}).items()
            if values is not None
        }

    def _restore_optimizer(self, arrays: State) -> None:
        for name, values in arrays.items():
            i, key = name.split("/")
            parameter = self._learned[int(i)]
            # Counts of steps stay on the CPU, as torch keeps them.
            value = torch.from_numpy(values.copy())
            value = value if key == "step" else value.to(parameter)
            self._optimizer.state[parameter][key] = value


def _part(arrays: State, prefix: str) -> State:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
