"""Plots for reports."""

from collections.abc import Mapping
from typing import Any

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
    """
    from matplotlib.figure import Figure

    models = list(next(iter(scores.values())))
    figure = Figure(figsize=(6.4, 0.9 + 0.6 * len(models)), layout="constrained")
    axes = figure.subplots()
    for shift, (name, row) in enumerate(scores.items()):
        heights = [i + 0.12 * (shift - (len(scores) - 1) / 2) for i in range(len(models))]
        axes.plot([row[model] for model in models], heights, "o", label=name)
    axes.set_yticks(range(len(models)), models)
    axes.invert_yaxis()
    axes.set_xlabel(f"{metric} on real rows that were held out")
    axes.grid(axis="x", alpha=0.3)
    figure.legend(title="Trained on", loc="outside right upper")
    return figure
