"""From names to objects: networks and augmentations that a condenser may be told by name."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from skcondense.neural.augmentation import AUGMENTATIONS, Augmentation
from skcondense.neural.classic import VGG11, AlexNet, ResNet18
from skcondense.neural.compute import Compute
from skcondense.neural.convnet import ConvNet
from skcondense.neural.inputs import InputSpace
from skcondense.neural.mlp import MLP, ResidualMLP
from skcondense.neural.network import Architecture, Network, make_network

__all__ = [
    "NETWORKS",
    "ByInput",
    "NetworkSettings",
    "resolve_architecture",
    "resolve_augmentation",
]

NETWORKS: dict[str, Architecture] = {
    "convnet": ConvNet(),
    "mlp": MLP(),
    "residual_mlp": ResidualMLP(),
    "resnet18": ResNet18(),
    "vgg11": VGG11(),
    "alexnet": AlexNet(),
}


@dataclass(frozen=True)
class ByInput:
    """One architecture for images and another for tables, so that a preset serves both.

    Parameters
    ----------
    image : Architecture, default=ConvNet()
        For images.
    table : Architecture, default=MLP()
        For rows of tables.
    """

    image: Architecture = field(default_factory=ConvNet)
    table: Architecture = field(default_factory=MLP)


def resolve_architecture(network: Any, *, is_image: bool) -> Architecture:
    """The architecture that a name or an object stands for; "auto" is ``ByInput()``."""
    if network == "auto":
        network = ByInput()
    if isinstance(network, ByInput):
        return network.image if is_image else network.table
    return network if isinstance(network, Architecture) else NETWORKS[network]


def resolve_augmentation(augmentation: Any, *, is_image: bool) -> Augmentation:
    """A named augmentation, or the one given; "auto" is "medical" for images, else none.

    Raises
    ------
    ValueError
        If rows of a table are to be augmented.
    """
    if augmentation == "auto":
        augmentation = "medical" if is_image else "none"
    found: Augmentation = (
        augmentation if isinstance(augmentation, Augmentation) else AUGMENTATIONS[augmentation]
    )
    if found.transforms and not is_image:
        raise ValueError(
            f"Only images can be augmented. Got augmentation={augmentation!r} and a table. "
            'Leave augmentation="auto".'
        )
    return found


@dataclass(frozen=True)
class NetworkSettings:
    """Networks for rows of one kind.

    Attributes
    ----------
    architecture : Architecture
        What to build.
    augmentation : Augmentation
        How images are changed.
    space : InputSpace
        What networks take.
    n_outputs : int
        Outputs of the head.
    compute : Compute
        Device and precision.
    """

    architecture: Architecture
    augmentation: Augmentation
    space: InputSpace
    n_outputs: int
    compute: Compute

    def network(self, generator: torch.Generator) -> Network:
        """Make a fresh network."""
        return make_network(
            self.architecture,
            self.space.shape,
            self.n_outputs,
            generator,
            self.compute.torch_device,
            self.compute.storage,
        )

    @cached_property
    def is_augmented(self) -> bool:
        """Whether images are changed at all."""
        return bool(self.augmentation.transforms)
