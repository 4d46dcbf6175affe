"""`UtilityCurveDisplay`: utility against the number of prototypes, or against epsilon."""

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skcondense.audit import UtilityComparison
from skcondense.report.displays.style import REAL, axes_or_new, marked

__all__ = ["UtilityCurveDisplay"]

Against = Literal["n_prototypes", "epsilon"]
AXES = {
    "n_prototypes": {"xlabel": "Number of prototypes", "xscale": "linear"},
    "epsilon": {"xlabel": "epsilon (smaller promises more privacy)", "xscale": "log"},
}


class UtilityCurveDisplay:
    """Scores against what a set cost: prototypes, or privacy.

    Make one with `from_comparisons` or `from_scores`, which also draw it.

    Parameters
    ----------
    x : array-like of shape (n_points,)
        Numbers of prototypes, or values of epsilon.
    scores : mapping of {str: ndarray of shape (n_points,)}
        Score of each curve.
    limits : mapping of {str: tuple of two ndarrays of shape (n_points,)}
        Lower and upper limits of curves that have some.
    metric : str
        Name of the score.
    against : {"n_prototypes", "epsilon"}
        What `x` is; epsilon has a logarithmic axis.
    limits_are : str
        What the limits are, for the axis.
    reference : float, default=None
        Score of models that were trained on all real rows.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        What was drawn on last.
    figure_ : matplotlib.figure.Figure
        Its figure.
    lines_ : list of matplotlib.lines.Line2D
        The curves, in order.
    reference_ : matplotlib.lines.Line2D or None
        The line of all real rows.
    """

    def __init__(
        self,
        x: ArrayLike,
        scores: Mapping[str, NDArray[np.float64]],
        limits: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
        metric: str,
        *,
        against: Against,
        limits_are: str,
        reference: float | None = None,
    ) -> None:
        self.x = x
        self.scores = scores
        self.limits = limits
        self.metric = metric
        self.against = against
        self.limits_are = limits_are
        self.reference = reference

    @classmethod
    def from_comparisons(
        cls,
        comparisons: Mapping[float, UtilityComparison],
        *,
        against: Against = "n_prototypes",
        ax: Any = None,
    ) -> Self:
        """Draw mean scores that `skcondense.audit.compare_utility` measured of several sets.

        Parameters
        ----------
        comparisons : mapping of {float: UtilityComparison}
            By number of prototypes, or by epsilon; all of one metric, with the same kinds of
            training sets.
        against : {"n_prototypes", "epsilon"}, default="n_prototypes"
            What the keys are.
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        UtilityCurveDisplay

        Raises
        ------
        ValueError
            If there is nothing to draw, comparisons differ in kind, or a key is not positive.
        """
        found = [comparisons[key] for key in sorted(comparisons)]
        kinds = {(one.metric, tuple(map(_kind, one.scores))) for one in found}
        if len(kinds) != 1:
            raise ValueError(
                "Comparisons must be of one metric and of the same kinds of training sets. Got "
                f"{len(kinds)} different kinds. Pass `train` to all of them or to none."
            )
        means = {
            _kind(name): np.array([list(one.means.values())[i] for one in found])
            for i, name in enumerate(found[0].scores)
        }
        # All real rows are the same at each point.
        reference = None if found[0].difference is None else float(means.pop("real rows").mean())
        low, high = (np.array([getattr(one.mean, end) for one in found]) for end in ("low", "high"))
        metric = f"Mean {found[0].metric} of the models"
        return cls(
            _checked(sorted(comparisons), against), means, {_kind(found[0].of_set): (low, high)},
            metric, against=against, limits_are="95 % interval", reference=reference,
        ).plot(ax=ax)  # fmt: skip

    @classmethod
    def from_scores(
        cls,
        x: ArrayLike,
        scores: Mapping[str, ArrayLike],
        metric: str,
        *,
        against: Against = "n_prototypes",
        reference: float | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw scores that were measured otherwise, such as those of several runs.

        Parameters
        ----------
        x : array-like of shape (n_points,)
            Numbers of prototypes, or values of epsilon.
        scores : mapping of {str: array-like of shape (n_points,) or (n_points, n_runs)}
            Scores by curve. Of several runs the mean is drawn, and the range.
        metric : str
            Name of the score, for the axis.
        against : {"n_prototypes", "epsilon"}, default="n_prototypes"
            What `x` is.
        reference : float, default=None
            Score of models that were trained on all real rows.
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        UtilityCurveDisplay

        Raises
        ------
        ValueError
            If shapes do not fit, or some `x` is not positive.
        """
        at = _checked(x, against)
        means, limits = {}, {}
        for name, values in scores.items():
            runs = np.asarray(values, dtype=np.float64)
            if runs.ndim not in (1, 2) or len(runs) != len(at):
                raise ValueError(
                    f"Scores must have a row per point. Got shape {runs.shape} of {name!r} for "
                    f"{len(at)} points."
                )
            if runs.ndim == 2:
                limits[name] = (runs.min(axis=1), runs.max(axis=1))
            means[name] = runs if runs.ndim == 1 else runs.mean(axis=1)
        return cls(
            at, means, limits, metric,
            against=against, limits_are="range of the runs", reference=reference,
        ).plot(ax=ax)  # fmt: skip

    def plot(self, *, ax: Any = None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        UtilityCurveDisplay
            Itself.
        """
        ax = axes_or_new(ax)
        self.ax_, self.figure_, self.reference_ = ax, ax.figure, None
        if self.reference is not None:
            self.reference_ = ax.axhline(
                self.reference, color=REAL, linestyle="--", label="all real rows"
            )
        self.lines_ = []
        for name, look in marked(self.scores):
            self.lines_ += ax.plot(self.x, self.scores[name], **look, markersize=5, label=name)
            if name in self.limits:
                low, high = self.limits[name]
                ax.fill_between(
                    self.x, low, high, color=look["color"], alpha=0.15, linewidth=0,
                    label=f"{name}, {self.limits_are}",
                )  # fmt: skip
        ax.set(**AXES[self.against])
        if ax.get_xscale() == "log":
            # Matplotlib would label powers of ten only.
            ax.set_xticks(self.x, [f"{value:g}" for value in np.asarray(self.x)])
            ax.set_xticks([], minor=True)
        ax.set_ylabel(f"{self.metric} (greater is better)")
        ax.grid(alpha=0.3)
        ax.legend(loc="lower right", fontsize="small")
        return self


def _kind(name: str) -> str:
    """A training set without its number of rows: "30 cluster means", "all 398 real rows"."""
    words = [word for word in name.split() if not word.isdigit() and word != "all"]
    return " ".join(words)


def _checked(x: ArrayLike, against: str) -> NDArray[np.float64]:
    if against not in AXES:
        raise ValueError(f"against must be one of {sorted(AXES)}. Got {against!r}.")
    at = np.asarray(x, dtype=np.float64)
    if at.ndim != 1 or not len(at) or not (at > 0).all() or not np.isfinite(at).all():
        raise ValueError(
            f"{against} must be a list of positive, finite numbers. Got shape {at.shape}."
        )
    return at
