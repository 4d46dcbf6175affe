"""Models that the package needs and that no library offers in this form."""

from skcondense.models.cox import WeightedCoxPH

__all__ = ["WeightedCoxPH"]
