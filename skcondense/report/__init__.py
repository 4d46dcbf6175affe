"""What is handed over. This room writes and never measures."""

from skcondense.report.image_grid import ImageGridDisplay
from skcondense.report.plots import plot_utility

__all__ = ["ImageGridDisplay", "plot_utility"]
