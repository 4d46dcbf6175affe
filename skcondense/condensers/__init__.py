"""Condensers for classical models, one file per method."""

from skcondense.condensers.cluster import ClusterCondenser
from skcondense.condensers.herding import HerdingCondenser
from skcondense.condensers.random import RandomCondenser
from skcondense.condensers.zero_order import ZeroOrderCondenser

__all__ = ["ClusterCondenser", "HerdingCondenser", "RandomCondenser", "ZeroOrderCondenser"]
