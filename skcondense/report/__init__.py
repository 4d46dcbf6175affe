"""What is handed over. This room writes and never measures."""

from skcondense.report.plots import plot_utility

__all__ = ["plot_utility"]
