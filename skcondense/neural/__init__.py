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
from skcondense.neural.distribution import DistributionMatchingCondenser
from skcondense.neural.gradient import GradientMatchingCondenser
from skcondense.neural.mlp import MLP, ResidualMLP

__all__ = [
    "AUGMENTATIONS",
    "MLP",
    "VGG11",
    "AlexNet",
    "Augmentation",
    "ConvNet",
    "DistributionMatchingCondenser",
    "GradientMatchingCondenser",
    "ResNet18",
    "ResidualMLP",
]
