"""What is handed over. This room writes and never measures."""

from skcondense.report.card import release_card
from skcondense.report.displays import (
    AttackROCDisplay,
    CalibrationDisplay,
    ConvergenceDisplay,
    MarginalsDisplay,
    SurvivalCurvesDisplay,
    UtilityCurveDisplay,
    UtilityDisplay,
)
from skcondense.report.image_grid import ImageGridDisplay
from skcondense.report.plots import plot_utility
from skcondense.report.release import (
    VerifiedRelease,
    objections_to,
    verify_release,
    write_release,
)

__all__ = [
    "AttackROCDisplay",
    "CalibrationDisplay",
    "ConvergenceDisplay",
    "ImageGridDisplay",
    "MarginalsDisplay",
    "SurvivalCurvesDisplay",
    "UtilityCurveDisplay",
    "UtilityDisplay",
    "VerifiedRelease",
    "objections_to",
    "plot_utility",
    "release_card",
    "verify_release",
    "write_release",
]
