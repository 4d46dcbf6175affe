"""Measures of a condensed set. This room measures and never writes."""

from skcondense.audit.attack_scores import AttackScore, score_attack
from skcondense.audit.attribute import AttributeAudit, AttributeScore, Estimate, attribute_audit
from skcondense.audit.closeness import ClosenessAudit, closeness_audit
from skcondense.audit.comparison import UtilityComparison, compare_utility
from skcondense.audit.feature_similarity import feature_similarity
from skcondense.audit.image_similarity import (
    earth_movers_distance,
    normalised_cross_correlation,
    peak_signal_to_noise_ratio,
    structural_similarity,
)
from skcondense.audit.kaplan_meier import (
    compare_kaplan_meier,
    curve_distance,
    kaplan_meier_distance,
)
from skcondense.audit.membership import MembershipAudit, membership_audit
from skcondense.audit.one_run import OneRunAudit, one_run_audit
from skcondense.audit.perceptual_similarity import learned_perceptual_similarity
from skcondense.audit.proportional_hazards import hazard_ratios, sign_agreement
from skcondense.audit.reconstruction import (
    ReconstructionAudit,
    ReconstructionGap,
    reconstruction_audit,
)
from skcondense.audit.subgroups import SubgroupAudit, subgroup_audit
from skcondense.audit.survival_prediction import (
    calibration_by_risk,
    survival_metrics,
    survival_table,
)
from skcondense.audit.together import Audit, audit
from skcondense.audit.utility import default_estimators, train_and_test
from skcondense.tasks import Rows

__all__ = [
    "AttackScore",
    "AttributeAudit",
    "AttributeScore",
    "Audit",
    "ClosenessAudit",
    "Estimate",
    "MembershipAudit",
    "OneRunAudit",
    "ReconstructionAudit",
    "ReconstructionGap",
    "Rows",
    "SubgroupAudit",
    "UtilityComparison",
    "attribute_audit",
    "audit",
    "calibration_by_risk",
    "closeness_audit",
    "compare_kaplan_meier",
    "compare_utility",
    "curve_distance",
    "default_estimators",
    "earth_movers_distance",
    "feature_similarity",
    "hazard_ratios",
    "kaplan_meier_distance",
    "learned_perceptual_similarity",
    "membership_audit",
    "normalised_cross_correlation",
    "one_run_audit",
    "peak_signal_to_noise_ratio",
    "reconstruction_audit",
    "score_attack",
    "sign_agreement",
    "structural_similarity",
    "subgroup_audit",
    "survival_metrics",
    "survival_table",
    "train_and_test",
]
