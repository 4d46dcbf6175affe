"""What is handed over. This room writes and never measures."""

from skcondense.report.croissant import croissant_metadata
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
from skcondense.report.objections import objections_to
from skcondense.report.release import write_release
from skcondense.report.verification import VerifiedRelease, verify_release

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
    "croissant_metadata",
    "objections_to",
    "verify_release",
    "write_release",
]
