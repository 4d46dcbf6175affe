"""Plots in scikit-learn's style: made `from_*` something measured, drawn on any axes."""

from skcondense.report.displays.attack_roc import AttackROCDisplay
from skcondense.report.displays.calibration import CalibrationDisplay
from skcondense.report.displays.convergence import ConvergenceDisplay
from skcondense.report.displays.marginals import MarginalsDisplay
from skcondense.report.displays.survival_curves import SurvivalCurvesDisplay
from skcondense.report.displays.utility import UtilityDisplay
from skcondense.report.displays.utility_curve import UtilityCurveDisplay

__all__ = [
    "AttackROCDisplay",
    "CalibrationDisplay",
    "ConvergenceDisplay",
    "MarginalsDisplay",
    "SurvivalCurvesDisplay",
    "UtilityCurveDisplay",
    "UtilityDisplay",
]
