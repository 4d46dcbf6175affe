"""Neural matching: condensed sets for networks, by gradients through networks.

The only room that imports torch, an optional dependency.
"""

from skcondense.exceptions import missing_extra

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise missing_extra("skcondense.neural", "torch", "neural") from error

from skcondense.neural.augmentation import AUGMENTATIONS, Augmentation
from skcondense.neural.classic import VGG11, AlexNet, ResNet18
from skcondense.neural.convnet import ConvNet
from skcondense.neural.cost import CostEstimate
from skcondense.neural.distribution import DistributionMatchingCondenser
from skcondense.neural.estimators import NeuralClassifier, NeuralRegressor
from skcondense.neural.evaluation import CondensedEvaluation, evaluate_condensed
from skcondense.neural.gradient import GradientMatchingCondenser
from skcondense.neural.improved_distribution import ImprovedDistributionMatchingCondenser
from skcondense.neural.kernel_points import KernelInducingPointsCondenser, solve_labels
from skcondense.neural.kernels import NTK, GaussianKernel, Kernel, LaplaceKernel
from skcondense.neural.mlp import MLP, ResidualMLP
from skcondense.neural.random_features import RandomFeatureKernel
from skcondense.neural.settings import ByInput

__all__ = [
    "AUGMENTATIONS",
    "MLP",
    "NTK",
    "VGG11",
    "AlexNet",
    "Augmentation",
    "ByInput",
    "CondensedEvaluation",
    "ConvNet",
    "CostEstimate",
    "DistributionMatchingCondenser",
    "GaussianKernel",
    "GradientMatchingCondenser",
    "ImprovedDistributionMatchingCondenser",
    "Kernel",
    "KernelInducingPointsCondenser",
    "LaplaceKernel",
    "NeuralClassifier",
    "NeuralRegressor",
    "RandomFeatureKernel",
    "ResNet18",
    "ResidualMLP",
    "evaluate_condensed",
    "solve_labels",
]
