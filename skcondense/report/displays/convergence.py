"""`ConvergenceDisplay`: the loss of a fit, round by round."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from skcondense.base import DatasetCondenser
from skcondense.report.displays.style import axes_or_new, marked

__all__ = ["ConvergenceDisplay"]

WORDS = {
    "columns": "choice of columns",
    "select": "choice of a candidate",
    "exchange": "exchange",
    "refine": "refinement",
}


class ConvergenceDisplay:
    """Loss of a fit by evaluation or iteration, and the validation score where there is one.

    Make one with `from_condenser`, which also draws it.

    Parameters
    ----------
    curves : mapping of {str: tuple of (x, loss)}
        A curve per stage.
    unit : str
        What is counted along the axis.
    score : tuple of (x, score), default=None
        Validation scores; drawn against an axis of their own.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        What was drawn on last.
    figure_ : matplotlib.figure.Figure
        Its figure.
    lines_ : list of matplotlib.lines.Line2D
        The curve of each stage, in order.
    score_ax_ : matplotlib.axes.Axes or None
        The axis of scores, on the right.
    """

    def __init__(
        self,
        curves: dict[str, tuple[ArrayLike, ArrayLike]],
        unit: str,
        score: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> None:
        self.curves = curves
        self.unit = unit
        self.score = score

    @classmethod
    def from_condenser(cls, condenser: DatasetCondenser, *, ax: Any = None) -> Self:
        """Draw what a fitted condenser recorded in ``history_``.

        A fit with epsilon records what the door answered, which is noised, so a curve of it may
        leave with the set. Without epsilon losses are exact.

        Parameters
        ----------
        condenser : DatasetCondenser
            Fitted; `skcondense.ZeroOrderCondenser`, or one of `skcondense.neural`. Others compute
            their sets in one go.
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        ConvergenceDisplay

        Raises
        ------
        ValueError
            If nothing was recorded.
        """
        history = getattr(condenser, "history_", None)
        if not history or not len(history["loss"]):
            raise ValueError(
                f"There is no history of a fit to draw. Got {type(condenser).__name__}: it is not "
                "fitted, searched in no rounds, or computes its set in one go."
            )
        loss = np.asarray(history["loss"], dtype=np.float64)
        if "stage" in history:
            stage, evals = np.asarray(history["stage"]), np.asarray(history["n_evals"])
            curves = {
                name: (evals[stage == name], loss[stage == name])
                for name in dict.fromkeys(stage.tolist())
            }
            return cls(curves, "Candidates evaluated").plot(ax=ax)
        iteration = np.arange(1, len(loss) + 1)
        return cls({"loss": (iteration, loss)}, "Iteration", _scores(condenser)).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> Self:
        """Draw the curves.

        Losses of one stage are compared with each other only: each stage may look at other rows.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        ConvergenceDisplay
            Itself.
        """
        ax = axes_or_new(ax)
        self.ax_, self.figure_, self.score_ax_ = ax, ax.figure, None
        self.lines_ = []
        looks = marked([*self.curves, "validation score"])
        for name, look in looks[:-1]:
            x, loss = (np.asarray(values) for values in self.curves[name])
            # Few rounds would not be seen as a line.
            look["marker"] = look["marker"] if len(x) <= 30 else ""
            (line,) = ax.plot(x, loss, **look, markersize=4, label=WORDS.get(name, name))
            self.lines_.append(line)
        ax.set(xlabel=self.unit, ylabel="Loss (smaller is better)")
        ax.grid(alpha=0.3)
        handles = list(self.lines_)
        if self.score is not None:
            self.score_ax_ = ax.twinx()
            handles += self.score_ax_.plot(
                *self.score, **looks[-1][1], linestyle=":", label="validation score"
            )
            self.score_ax_.set_ylabel("Validation score (greater is better)")
        if len(handles) > 1:
            ax.legend(handles=handles, fontsize="small")
        return self


def _scores(condenser: Any) -> tuple[ArrayLike, ArrayLike] | None:
    """Scores, and the iterations after which snapshots were scored."""
    score = np.asarray(condenser.history_.get("score", ()), dtype=np.float64)
    if not len(score):
        return None
    return condenser._score_every * np.arange(1, len(score) + 1), score
