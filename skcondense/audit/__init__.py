"""Measures of a condensed set. This room measures and never writes."""

from skcondense.audit.utility import default_estimators, train_and_test

__all__ = ["default_estimators", "train_and_test"]
