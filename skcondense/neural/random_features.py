"""A kernel for images: inner products of what random networks make of them."""

from dataclasses import dataclass
from typing import Any

import torch

from skcondense.neural.compute import Compute
from skcondense.neural.kernels import Kernel
from skcondense.neural.network import Architecture, Network, make_network
from skcondense.neural.settings import NetworkSettings

__all__ = ["RandomFeatureKernel"]


@dataclass(frozen=True)
class RandomFeatureKernel:
    """Inner products of the features of random networks, drawn anew whenever the kernel is needed.

    On average over networks this is the kernel of an infinitely wide network with a trained last
    layer, at a cost that grows with the number of rows and not with its square. With convolutions
    neighbouring pixels belong together, which kernels in closed form do not know.

    Parameters
    ----------
    network : Architecture, default=None
        What is drawn; by default ``ConvNet()`` for images, ``MLP()`` for tables.
    n_networks : int, default=2
        Networks whose features are joined.

    References
    ----------
    Loo, Hasani, Amini and Rus (2022), Efficient dataset distillation using random feature
    approximation, NeurIPS, arXiv:2210.12067, section 3.
    """

    network: Architecture | None = None
    n_networks: int = 2

    def drawn(self, settings: NetworkSettings, generator: torch.Generator) -> Kernel:
        """The kernel of fresh networks."""
        networks = tuple(
            make_network(
                self.network or settings.architecture,
                settings.space.shape,
                1,
                generator,
                settings.compute.torch_device,
            ).requires_grad_(False)
            for _ in range(self.n_networks)
        )
        return _FeatureKernel(networks, settings.compute)


@dataclass(frozen=True)
class _FeatureKernel(Kernel):
    """Inner products of the features of given networks, per feature."""

    networks: tuple[Network, ...]
    compute: Compute

    def rows(self, x: Any) -> Any:
        """Features, in the precision of the inputs; networks themselves are in single precision."""
        pieces = x.float().split(self.compute.piece_length(tuple(x.shape[1:]), len(x)))
        parts = [torch.cat([net.features(piece) for piece in pieces]) for net in self.networks]
        return torch.cat(parts, dim=1).to(x)

    def between(self, a: Any, b: Any) -> Any:
        """Of features."""
        return a @ b.T / a.shape[1]

    def diagonal(self, a: Any) -> Any:
        """Of features."""
        return (a**2).mean(dim=1)
