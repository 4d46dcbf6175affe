"""Outcomes: what `y` is, how prototypes are labelled with it, how models are scored on it."""

from skcondense.tasks.base import Task
from skcondense.tasks.classification import ClassificationTask
from skcondense.tasks.losses import Loss, Rows, loss_type
from skcondense.tasks.regression import RegressionTask
from skcondense.tasks.survival import SurvivalTask
from skcondense.tasks.target import TargetContainer, resolve_task, take_target, working_form
from skcondense.tasks.weighting import fit_weighted, replicate, takes_weights
from skcondense.tasks.xgboost_survival import to_bounds, to_signed_time

__all__ = [
    "ClassificationTask",
    "Loss",
    "RegressionTask",
    "Rows",
    "SurvivalTask",
    "TargetContainer",
    "Task",
    "fit_weighted",
    "loss_type",
    "replicate",
    "resolve_task",
    "take_target",
    "takes_weights",
    "to_bounds",
    "to_signed_time",
    "working_form",
]
