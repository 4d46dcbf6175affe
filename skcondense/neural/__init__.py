"""Neural matching: condensed sets for networks, by gradients through networks.

The only room that imports torch, an optional dependency.
"""

from skcondense.exceptions import missing_extra

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise missing_extra("skcondense.neural", "torch", "neural") from error

from skcondense.neural.augmentation import AUGMENTATIONS, Augmentation
from skcondense.neural.candidates import (
    CandidateSource,
    DiffusionSource,
    GaussianSource,
    SourceByInput,
)
from skcondense.neural.classic import VGG11, AlexNet, ResNet18
from skcondense.neural.convnet import ConvNet
from skcondense.neural.cost import CostEstimate
from skcondense.neural.diffusion_matching import DiffusionMatchingCondenser
from skcondense.neural.distribution import DistributionMatchingCondenser
from skcondense.neural.estimators import NeuralClassifier, NeuralRegressor
from skcondense.neural.evaluation import CondensedEvaluation, evaluate_condensed
from skcondense.neural.experts import ExpertTraining, FlatDescent, SteepestDescent
from skcondense.neural.gradient import GradientMatchingCondenser
from skcondense.neural.improved_distribution import ImprovedDistributionMatchingCondenser
from skcondense.neural.kernel_points import KernelInducingPointsCondenser, solve_labels
from skcondense.neural.kernels import NTK, GaussianKernel, Kernel, LaplaceKernel
from skcondense.neural.mlp import MLP, ResidualMLP
from skcondense.neural.path_loss import (
    AllWeights,
    ClosestStep,
    LastStep,
    MeanOfRatios,
    MiddleAngle,
    NoShape,
    RankMask,
    RatioOfSums,
    ThresholdMask,
    TriangleAngles,
)
from skcondense.neural.random_features import RandomFeatureKernel
from skcondense.neural.segments import BezierPath, SnapshotPath, StartRange
from skcondense.neural.settings import ByInput
from skcondense.neural.trajectory import TrajectoryMatchingCondenser
from skcondense.neural.trajectory_matcher import TrajectoryRecipe
from skcondense.neural.trajectory_methods import (
    ATTCondenser,
    BezierTrajectoryCondenser,
    DATMCondenser,
    FTDCondenser,
    HoPTMCondenser,
    MTTCondenser,
)
from skcondense.neural.unroll import ExactAdjoint, FullGraph, Tesla

__all__ = [
    "AUGMENTATIONS",
    "MLP",
    "NTK",
    "VGG11",
    "ATTCondenser",
    "AlexNet",
    "AllWeights",
    "Augmentation",
    "BezierPath",
    "BezierTrajectoryCondenser",
    "ByInput",
    "CandidateSource",
    "ClosestStep",
    "CondensedEvaluation",
    "ConvNet",
    "CostEstimate",
    "DATMCondenser",
    "DiffusionMatchingCondenser",
    "DiffusionSource",
    "DistributionMatchingCondenser",
    "ExactAdjoint",
    "ExpertTraining",
    "FTDCondenser",
    "FlatDescent",
    "FullGraph",
    "GaussianKernel",
    "GaussianSource",
    "GradientMatchingCondenser",
    "HoPTMCondenser",
    "ImprovedDistributionMatchingCondenser",
    "Kernel",
    "KernelInducingPointsCondenser",
    "LaplaceKernel",
    "LastStep",
    "MTTCondenser",
    "MeanOfRatios",
    "MiddleAngle",
    "NeuralClassifier",
    "NeuralRegressor",
    "NoShape",
    "RandomFeatureKernel",
    "RankMask",
    "RatioOfSums",
    "ResNet18",
    "ResidualMLP",
    "SnapshotPath",
    "SourceByInput",
    "StartRange",
    "SteepestDescent",
    "Tesla",
    "ThresholdMask",
    "TrajectoryMatchingCondenser",
    "TrajectoryRecipe",
    "TriangleAngles",
    "evaluate_condensed",
    "solve_labels",
]
