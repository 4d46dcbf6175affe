"""`UtilityDisplay`: how models score on held-out rows, by the rows that they were trained on."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from skcondense.audit import Estimate, UtilityComparison
from skcondense.report.displays.style import axes_or_new, marked

__all__ = ["UtilityDisplay"]

MEAN = "mean of models"


class UtilityDisplay:
    """Scores of models, a row per model and a marker per training set.

    Make one with `from_comparison` or `from_scores`, which also draw it.

    Parameters
    ----------
    scores : mapping of {str: mapping of {str: float}}
        By training set, the score of each model.
    metric : str
        Name of the score.
    mean : Estimate, default=None
        Mean score of the models that were trained on the last set, with its interval.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        What was drawn on last.
    figure_ : matplotlib.figure.Figure
        Its figure.
    lines_ : list of matplotlib.lines.Line2D
        The markers of each training set, in order.
    interval_ : matplotlib.container.ErrorbarContainer or None
        The interval of the mean.
    """

    def __init__(
        self,
        scores: Mapping[str, Mapping[str, float]],
        metric: str,
        mean: Estimate | None = None,
    ) -> None:
        self.scores = scores
        self.metric = metric
        self.mean = mean

    @classmethod
    def from_comparison(cls, comparison: UtilityComparison, *, ax: Any = None) -> Self:
        """Draw what `skcondense.audit.compare_utility` measured.

        Parameters
        ----------
        comparison : UtilityComparison
            Scores by training set and model.
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        UtilityDisplay
        """
        return cls(comparison.scores, comparison.metric, comparison.mean).plot(ax=ax)

    @classmethod
    def from_scores(
        cls, scores: Mapping[str, Mapping[str, float]], metric: str, *, ax: Any = None
    ) -> Self:
        """Draw scores that were measured otherwise, without an interval.

        Parameters
        ----------
        scores : mapping of {str: mapping of {str: float}}
            By training set, the score of each model; the same models everywhere.
        metric : str
            Name of the score, for the axis.
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        UtilityDisplay

        Raises
        ------
        ValueError
            If there are no scores, or training sets have different models.
        """
        models = {tuple(sorted(row)) for row in scores.values()}
        if len(models) != 1 or not min(models):
            raise ValueError(
                "Every training set needs a score of every model. Got "
                f"{len(models)} different lists of models for {len(scores)} training sets."
            )
        return cls(scores, metric).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> Self:
        """Draw the scores.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure of fitting height.

        Returns
        -------
        UtilityDisplay
            Itself.
        """
        models = list(next(iter(self.scores.values())))
        # A mean of one model is that model.
        shown = [*models, MEAN] if len(models) > 1 else models
        ax = axes_or_new(ax, 6.4, 1.4 + 0.55 * len(shown))
        self.ax_, self.figure_, self.interval_ = ax, ax.figure, None
        self.lines_ = []
        for position, (name, look) in enumerate(marked(self.scores)):
            row = self.scores[name]
            values = [row[model] for model in models]
            values += [float(np.mean(values))] * (len(shown) - len(models))
            # Markers of one model lie below each other, so that none hides another.
            heights = np.arange(len(shown)) + 0.14 * (position - (len(self.scores) - 1) / 2)
            self.lines_ += ax.plot(values, heights, **look, linestyle="", markersize=6, label=name)
            if self.mean is not None and name == list(self.scores)[-1]:
                reach = [[self.mean.value - self.mean.low], [self.mean.high - self.mean.value]]
                self.interval_ = ax.errorbar(
                    self.mean.value, heights[-1], xerr=np.maximum(reach, 0),
                    color=look["color"], capsize=3, label="95 % interval of the mean",
                )  # fmt: skip
        ax.set_yticks(np.arange(len(shown)), shown)
        ax.set_ylim(len(shown) - 0.5, -0.5)
        ax.set_xlabel(f"{self.metric} on held-out real rows (greater is better)")
        ax.grid(axis="x", alpha=0.3)
        # Above: markers may lie anywhere within.
        ax.legend(
            title="Trained on", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3,
            fontsize="small", frameon=False,
        )  # fmt: skip
        return self
