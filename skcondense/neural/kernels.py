"""Kernels in closed form, with gradients, for kernel ridge regression on learned rows."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["KERNELS", "NTK", "GaussianKernel", "Kernel", "LaplaceKernel"]

# The arc cosine has an infinite slope at one, so angles between different rows stay off it.
LARGEST_COSINE = 1 - 1e-7
# The root has an infinite slope at zero.
SMALLEST_SQUARE = 1e-12


class Kernel(ABC):
    """A positive definite function of two rows."""

    def drawn(self, settings: Any, generator: torch.Generator) -> "Kernel":
        """The kernel itself: nothing about it is random."""
        return self

    def rows(self, x: Any) -> Any:
        """What the kernel compares of inputs of shape ``(n, *input_shape)``: all, as rows."""
        return x.flatten(1)

    @abstractmethod
    def between(self, a: Any, b: Any) -> Any:
        """Kernel matrix of different rows.

        Parameters
        ----------
        a : Tensor of shape (n_a, n_columns)
            Rows.
        b : Tensor of shape (n_b, n_columns)
            Rows.

        Returns
        -------
        Tensor of shape (n_a, n_b)
        """

    @abstractmethod
    def diagonal(self, a: Any) -> Any:
        """Kernel of each row with itself, of shape (n_a,); exact, with finite gradients."""

    def within(self, a: Any) -> Any:
        """Kernel matrix of rows with themselves, of shape (n_a, n_a)."""
        matrix = self.between(a, a)
        others = 1 - torch.eye(len(a), dtype=a.dtype, device=a.device)
        return matrix * others + torch.diag(self.diagonal(a))


@dataclass(frozen=True)
class NTK(Kernel):
    """Neural tangent kernel of an infinitely wide fully connected ReLU network.

    Parameters
    ----------
    depth : int, default=1
        Hidden layers.
    weight_variance : float, default=2.0
        Variance of a weight, times the number of inputs of its layer.
    bias_variance : float, default=0.01
        Variance of a bias.

    References
    ----------
    Jacot, Gabriel and Hongler (2018), Neural tangent kernel, NeurIPS, arXiv:1806.07572; Cho and
    Saul (2009), Kernel methods for deep learning, NIPS 22 (the arc-cosine formulae).
    """

    depth: int = 1
    weight_variance: float = 2.0
    bias_variance: float = 0.01

    def between(self, a: Any, b: Any) -> Any:
        """Recursion over layers of the kernel of outputs and of the tangent kernel."""
        norms = torch.outer(self._variances(a), self._variances(b)).sqrt()
        sigma = self.weight_variance * (a @ b.T) / a.shape[1] + self.bias_variance
        theta = sigma
        half = self.weight_variance / (2 * math.pi)
        for layer in range(self.depth):
            cosine = (sigma / norms).clamp(-LARGEST_COSINE, LARGEST_COSINE)
            angle = math.pi - torch.arccos(cosine)
            sigma = half * norms * ((1 - cosine**2).sqrt() + cosine * angle) + self.bias_variance
            theta = sigma + theta * (half * angle)
            norms = torch.outer(self._variances(a, layer + 1), self._variances(b, layer + 1)).sqrt()
        return theta

    def diagonal(self, a: Any) -> Any:
        """The recursion where the cosine is one."""
        sigma = self._variances(a)
        theta = sigma
        for layer in range(self.depth):
            sigma = self._variances(a, layer + 1)
            theta = sigma + theta * (self.weight_variance / 2)
        return theta

    def _variances(self, a: Any, layer: int = 0) -> Any:
        """Variance of each row's output after some hidden layers."""
        variance = self.weight_variance * (a**2).mean(dim=1) + self.bias_variance
        for _ in range(layer):
            variance = variance * (self.weight_variance / 2) + self.bias_variance
        return variance


@dataclass(frozen=True)
class GaussianKernel(Kernel):
    """``exp(-d**2 / (2 * width**2))``, with d the root mean square difference of two rows.

    Parameters
    ----------
    width : float, default=1.0
        In units of normalised inputs.
    """

    width: float = 1.0

    def between(self, a: Any, b: Any) -> Any:
        """From squared differences."""
        return torch.exp(-_mean_squares(a, b) / (2 * self.width**2))

    def diagonal(self, a: Any) -> Any:
        """One."""
        return torch.ones_like(a[:, 0])


@dataclass(frozen=True)
class LaplaceKernel(Kernel):
    """``exp(-d / width)``, with d the root mean square difference of two rows.

    Parameters
    ----------
    width : float, default=1.0
        In units of normalised inputs.
    """

    width: float = 1.0

    def between(self, a: Any, b: Any) -> Any:
        """From differences."""
        return torch.exp(-_mean_squares(a, b).clamp(min=SMALLEST_SQUARE).sqrt() / self.width)

    def diagonal(self, a: Any) -> Any:
        """One."""
        return torch.ones_like(a[:, 0])


def _mean_squares(a: Any, b: Any) -> Any:
    squares = (a**2).mean(1)[:, None] + (b**2).mean(1)[None] - 2 * (a @ b.T) / a.shape[1]
    return squares.clamp(min=0)


KERNELS: dict[str, Kernel] = {
    "ntk": NTK(),
    "rbf": GaussianKernel(),
    "laplace": LaplaceKernel(),
}
