"""The plot of utility as a figure of its own, which needs no screen."""

from collections.abc import Mapping
from typing import Any

from skcondense.report.displays import UtilityDisplay

__all__ = ["plot_utility"]


def plot_utility(scores: Mapping[str, Mapping[str, float]], metric: str) -> Any:
    """Draw how models score, by the rows they were trained on.

    Parameters
    ----------
    scores : mapping of {str: mapping of {str: float}}
        For each training set, the score of each model.
    metric : str
        Name of the score, for the axis.

    Returns
    -------
    matplotlib.figure.Figure

    See Also
    --------
    UtilityDisplay : The same on any axes, and of a `UtilityComparison`.
    """
    from matplotlib.figure import Figure

    n_rows = len(next(iter(scores.values()))) + 1
    axes = Figure(figsize=(6.4, 1.4 + 0.55 * n_rows), layout="constrained").subplots()
    return UtilityDisplay.from_scores(scores, metric, ax=axes).figure_
