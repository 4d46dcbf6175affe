"""`SurvivalCurvesDisplay`: survival of a condensed set beside that of real patients."""

from typing import Any, Self

import numpy as np
import pandas as pd

from skcondense.audit import compare_kaplan_meier
from skcondense.condensed_set import CondensedSet
from skcondense.report.displays.style import COLOURS, axes_or_new

__all__ = ["SurvivalCurvesDisplay"]


class SurvivalCurvesDisplay:
    """Kaplan-Meier curve of a condensed set, and of real rows.

    Make one with `from_condensed`, which also draws it.

    Parameters
    ----------
    table : DataFrame
        "time" and "condensed", the probability of being without the event after it; with real rows
        also "real", and its 95 % limits "lower" and "upper".
    unit : str, default=None
        Unit of time.
    real_label : str, default="real rows"
        What the real rows are called.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        What was drawn on last.
    figure_ : matplotlib.figure.Figure
        Its figure.
    condensed_ : matplotlib.lines.Line2D
        The curve of the set.
    real_ : matplotlib.lines.Line2D or None
        The curve of the real rows.
    """

    def __init__(
        self, table: pd.DataFrame, unit: str | None = None, real_label: str = "real rows"
    ) -> None:
        self.table = table
        self.unit = unit
        self.real_label = real_label

    @classmethod
    def from_condensed(cls, condensed: CondensedSet, y_real: Any = None, *, ax: Any = None) -> Self:
        """Draw the curve of a set, and that of real rows where they are given.

        A curve of real rows is exact. The epsilon of a private set does not cover it, and the
        legend says so: such a plot stays with the rows.

        Parameters
        ----------
        condensed : CondensedSet
            A survival set.
        y_real : structured array or two-column frame of shape (n_real,), default=None
            Outcomes of real rows, in the same unit.
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        SurvivalCurvesDisplay

        Raises
        ------
        ValueError
            If the set is of another task.
        TargetError
            If an outcome is none, or has no event.
        """
        if condensed.task != "survival":
            raise ValueError(f"Survival curves need a survival set. Got a set of {condensed.task}.")
        # Beside itself, a set's curve reaches to the end of its own follow-up.
        is_alone = y_real is None
        other = (condensed.y, condensed.sample_weight) if is_alone else (y_real, None)
        table = compare_kaplan_meier(condensed.y, condensed.sample_weight, *other)
        if is_alone:
            table = table[["time", "condensed"]]
        unit = getattr(condensed.schema.outcome, "unit", None)
        covered = condensed.privacy is None
        label = "real rows" if covered else "real rows (not covered by epsilon)"
        return cls(table, unit, label).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        SurvivalCurvesDisplay
            Itself.
        """
        ax = axes_or_new(ax)
        self.ax_, self.figure_, self.real_ = ax, ax.figure, None
        time = np.append(0.0, self.table["time"])
        if "real" in self.table:
            steps = {"step": "post", "color": "0.85", "linewidth": 0}
            ax.fill_between(
                self.table["time"], self.table["lower"], self.table["upper"],
                **steps, label="95 % limits of real rows",
            )  # fmt: skip
            (self.real_,) = ax.plot(
                time, np.append(1.0, self.table["real"]), color="0.35", drawstyle="steps-post",
                label=f"{self.real_label}, Kaplan-Meier",
            )  # fmt: skip
        (self.condensed_,) = ax.plot(
            time, np.append(1.0, self.table["condensed"]), color=COLOURS[0],
            drawstyle="steps-post", label="condensed set",
        )  # fmt: skip
        ax.set(ylim=(0, 1.02), xlim=(0, None))
        ax.set_xlabel("Time" if self.unit is None else f"Time ({self.unit})")
        ax.set_ylabel("Share without the event")
        ax.grid(alpha=0.3)
        ax.legend(loc="lower left", fontsize="small")
        return self
