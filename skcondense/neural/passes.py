"""Passes of rows that are not learned through networks: in pieces, and compiled where asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from skcondense.neural.compute import Compute
from skcondense.neural.network import Network

__all__ = ["Passes"]


@dataclass(frozen=True)
class Passes:
    """Passes without second derivatives, which are all that torch can compile.

    Parameters
    ----------
    compute : Compute
        Precision, and whether to compile.
    length : int
        Rows of a piece. Compiled code is for this number only.
    """

    compute: Compute
    length: int

    def split(self, values: Any) -> Any:
        """Values of rows as pieces."""
        return values.split(self.length)

    def features(self, network: Network, x: Any) -> Any:
        """Features of any number of rows, without gradients, in the storage type."""
        with torch.no_grad(), self.compute.precision():
            found = torch.cat([self._run(_features, network, piece) for piece in self.split(x)])
        return found.to(self.compute.storage)

    def outputs(self, network: Network, piece: Any) -> Any:
        """Outputs of one piece, with gradients by the weights, in the storage type."""
        with self.compute.precision():
            return self._run(_outputs, network, piece).to(self.compute.storage)

    def _run(self, function: Callable[[Network, Any], Any], network: Network, piece: Any) -> Any:
        if not self.compute.compile:
            return function(network, piece)
        missing = self.length - len(piece)
        if missing:
            piece = torch.cat([piece, piece[-1:].expand(missing, *piece.shape[1:])])
        # Augmentations lay images out differently, and code is compiled for one layout.
        piece = piece.flatten(1).contiguous().view(piece.shape)
        try:
            return _compiled(function)(network, piece)[: self.length - missing]
        except RuntimeError as error:
            if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                raise
            raise RuntimeError(
                f"torch.compile failed: {str(error).splitlines()[0]}. Set compile=False, or "
                "install what it lacks; on a CPU it needs a C++ compiler."
            ) from error


def _features(network: Network, x: Any) -> Any:
    return network.features(x)


def _outputs(network: Network, x: Any) -> Any:
    return network(x)


@lru_cache
def _compiled(function: Callable[[Network, Any], Any]) -> Callable[[Network, Any], Any]:
    """The function, which torch compiles for every architecture and shape that it meets.

    Networks are an argument, so that those of one architecture share what is compiled, and weights
    may be drawn anew.
    """
    return torch.compile(function, dynamic=False)
