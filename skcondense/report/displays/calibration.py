"""`CalibrationDisplay`: whether a predicted risk of 20 % means that 20 in 100 have the event."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from skcondense.audit import UtilityComparison
from skcondense.report.displays.style import CHANCE, axes_or_new, marked

__all__ = ["CalibrationDisplay"]


class CalibrationDisplay:
    """Observed against predicted risk of held-out patients, by what a model was trained on.

    Make one with `from_comparison`, which also draws it.

    Parameters
    ----------
    tables : mapping of {str: DataFrame}
        By training set, a row per group of patients: "predicted", "observed", and its 95 % limits
        "lower" and "upper", between 0 and 1.
    model : str
        Whose predictions they are.
    risk_of : str
        Of what.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        What was drawn on last.
    figure_ : matplotlib.figure.Figure
        Its figure.
    lines_ : list of matplotlib.lines.Line2D
        The curve of each training set, in order.
    ideal_ : matplotlib.lines.Line2D
        Where predictions would come true.
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame], model: str, risk_of: str) -> None:
        self.tables = tables
        self.model = model
        self.risk_of = risk_of

    @classmethod
    def from_comparison(
        cls,
        comparison: UtilityComparison,
        *,
        trained_on: Sequence[str] | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the calibration that `skcondense.audit.compare_utility` measured.

        Parameters
        ----------
        comparison : UtilityComparison
            Of two classes, or of survival.
        trained_on : sequence of str, default=None
            Training sets to draw; by default the first and the last, all real rows and the set.
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        CalibrationDisplay

        Raises
        ------
        ValueError
            If the comparison has no calibration, or there is no such training set.
        """
        if comparison.calibration is None:
            raise ValueError(
                "Risks are calibrated for two classes and for survival. Got a comparison of "
                f"another outcome, whose score is {comparison.metric}."
            )
        names = list(comparison.calibration)
        chosen = list(dict.fromkeys([names[0], names[-1]] if trained_on is None else trained_on))
        unknown = sorted(set(chosen) - set(names))
        if unknown or not chosen:
            raise ValueError(f"trained_on must name some of {names}. Got {unknown or 'none'}.")
        tables = {name: comparison.calibration[name] for name in chosen}
        model, risk_of = comparison.calibration_model, comparison.calibration_of
        return cls(tables, str(model), str(risk_of)).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        CalibrationDisplay
            Itself.
        """
        ax = axes_or_new(ax, 5.4, 4.8)
        self.ax_, self.figure_ = ax, ax.figure
        (self.ideal_,) = ax.plot([0, 1], [0, 1], "--", color=CHANCE, label="as predicted")
        self.lines_ = []
        for name, look in marked(self.tables):
            table = self.tables[name]
            reach = [table["observed"] - table["lower"], table["upper"] - table["observed"]]
            drawn = ax.errorbar(
                table["predicted"], table["observed"], np.maximum(reach, 0), **look,
                elinewidth=0.8, markersize=5, clip_on=False, label=name,
            )  # fmt: skip
            self.lines_.append(drawn.lines[0])
        ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        ax.set_xlabel(f"Predicted risk of {self.risk_of}")
        ax.set_ylabel("Observed share, with 95 % limits")
        ax.grid(alpha=0.3)
        ax.legend(title=f"{self.model}, trained on", loc="upper left", fontsize="small")
        return self
