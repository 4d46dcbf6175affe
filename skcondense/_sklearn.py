"""scikit-learn's parameter validation. Private by name there, so it is imported in one place."""

from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

__all__ = ["HasMethods", "Interval", "StrOptions", "at_least", "between"]


def at_least(low: int) -> Any:
    """Constraint: a whole number from `low` on."""
    return Interval(Integral, low, None, closed="left")


def between(low: float, high: float | None, closed: str = "neither") -> Any:
    """Constraint: a real number in an interval."""
    return Interval(Real, low, high, closed=closed)
