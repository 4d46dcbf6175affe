"""What every network of the neural room is: a body, and one linear layer on its features."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

__all__ = ["Architecture", "Network", "initialise", "make_network", "n_parameters", "normalisation"]

Shape = tuple[int, ...]


class Network(nn.Module):
    """A body and a linear head.

    Parameters
    ----------
    body : Module
        Takes inputs, gives maps or features.
    n_features : int
        Numbers that the body makes of an input.
    n_outputs : int
        Logits, or one number for regression.
    """

    def __init__(self, body: nn.Module, n_features: int, n_outputs: int) -> None:
        super().__init__()
        self.body = body
        self.n_features = n_features
        self.head = nn.Linear(n_features, n_outputs)

    def features(self, x: Any) -> Any:
        """Features before the head, of shape (n, n_features)."""
        return self.body(x).flatten(1)

    def forward(self, x: Any) -> Any:
        """Outputs of shape (n, n_outputs)."""
        return self.head(self.features(x))


class Architecture(ABC):
    """A recipe for networks of any input size."""

    @abstractmethod
    def body(self, input_shape: Shape) -> nn.Module:
        """The part before the head, not yet initialised.

        Raises
        ------
        ValueError
            If inputs of this shape do not suit the architecture.
        """


def make_network(
    architecture: Architecture,
    input_shape: Shape,
    n_outputs: int,
    generator: torch.Generator,
    device: Any = "cpu",
    dtype: Any = torch.float32,
) -> Network:
    """Build a network and initialise it from a generator.

    Parameters
    ----------
    architecture : Architecture
        What to build.
    input_shape : tuple of int
        (channels, height, width), or (n_codes,).
    n_outputs : int
        Outputs of the head.
    generator : torch.Generator
        Draws the weights.
    device, dtype
        Of the weights.

    Returns
    -------
    Network
    """
    # On the meta device layers draw nothing, so torch's global generator is left alone.
    with torch.device("meta"):
        body = architecture.body(input_shape)
    body = body.to_empty(device=device).to(dtype)
    # A dry run instead of arithmetic: every input size that the body can take is right. Not on
    # the meta device, whose first use imports seconds' worth of modules.
    with torch.no_grad():
        example = torch.zeros(1, *input_shape, device=device, dtype=dtype)
        n_features = int(body(example).flatten(1).shape[1])
    with torch.device("meta"):
        network = Network(body, n_features, n_outputs)
    network.head = network.head.to_empty(device=device).to(dtype)
    initialise(network, generator)
    return network


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights anew, in place, by torch's default rules (Kaiming-uniform, a = sqrt(5)).

    Raises
    ------
    TypeError
        If a layer with weights is none of those that the rules cover.
    """
    for module in network.modules():
        own = dict(module.named_parameters(recurse=False))
        if not own:
            continue
        rule = _RULES.get(type(module))
        if rule is None:
            raise TypeError(
                f"No rule to initialise a layer of type {type(module).__name__}. Use Conv2d, "
                "Linear, GroupNorm and LayerNorm."
            )
        with torch.no_grad():
            rule(module, generator)


def _uniform(module: Any, generator: torch.Generator) -> None:
    fan_in = module.weight[0].numel()
    for parameter in (module.weight, module.bias):
        if parameter is not None:
            bound = 1 / math.sqrt(fan_in)
            drawn = torch.empty(parameter.shape).uniform_(-bound, bound, generator=generator)
            parameter.copy_(drawn)


def _identity(module: Any, generator: torch.Generator) -> None:
    module.weight.fill_(1.0)
    module.bias.fill_(0.0)


_RULES: dict[type, Callable[[Any, torch.Generator], None]] = {
    nn.Conv2d: _uniform,
    nn.Linear: _uniform,
    nn.GroupNorm: _identity,
    nn.LayerNorm: _identity,
}


def normalisation(kind: str, channels: int) -> nn.Module:
    """A layer that normalises maps without statistics that change during training.

    Parameters
    ----------
    kind : {"instance", "group", "none"}
        "instance" is a group per channel, "group" is up to 8 groups.
    channels : int
        Number of maps.
    """
    if kind == "none":
        return nn.Identity()
    return nn.GroupNorm(channels if kind == "instance" else math.gcd(channels, 8), channels)


def n_parameters(network: nn.Module) -> int:
    """Number of weights."""
    return sum(parameter.numel() for parameter in network.parameters())
