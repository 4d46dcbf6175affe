"""Optimisers that evaluate batches of points and nothing else."""

from skcondense.optimizers.base import BatchOptimizer
from skcondense.optimizers.exchange import ExchangeSearch
from skcondense.optimizers.nevergrad import NevergradOptimizer
from skcondense.optimizers.random_search import RandomSearch
from skcondense.optimizers.two_point import TwoPointOptimizer

__all__ = [
    "BatchOptimizer",
    "ExchangeSearch",
    "NevergradOptimizer",
    "RandomSearch",
    "TwoPointOptimizer",
]
