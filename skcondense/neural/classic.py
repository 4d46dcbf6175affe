"""Small-image variants of classic networks, to see how condensed images transfer to them."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch import nn

from skcondense.neural.convnet import check_image_shape, padding_to
from skcondense.neural.network import Architecture, Shape, normalisation

__all__ = ["VGG11", "AlexNet", "ResNet18"]

# Maps are not made smaller than this: normalising a map of one pixel leaves nothing of it.
SMALLEST_MAP = 2


@dataclass(frozen=True)
class VGG11(Architecture):
    """VGG-11 with one linear layer.

    Parameters
    ----------
    width : int, default=64
        Channels of the first layer; later ones have up to eight times as many.
    norm : {"instance", "group", "none"}, default="instance"
        Normalisation after each convolution.

    References
    ----------
    Simonyan and Zisserman (2015), Very deep convolutional networks for large-scale image
    recognition, ICLR, arXiv:1409.1556.
    """

    width: int = 64
    norm: str = "instance"

    def body(self, input_shape: Shape) -> nn.Module:
        """Eight convolutions; pooling wherever maps are large enough."""
        maps = _Maps(input_shape, padded_to=8)
        for factor, pools in [(1, 1), (2, 1), (4, 0), (4, 1), (8, 0), (8, 1), (8, 0), (8, 1)]:
            maps.convolve(self, factor * self.width, 3, self.norm)
            if pools:
                maps.pool()
        return nn.Sequential(*maps.layers)


@dataclass(frozen=True)
class AlexNet(Architecture):
    """AlexNet for small images, with one linear layer and no normalisation.

    Parameters
    ----------
    width : int, default=64
        Channels of the first layer are twice, of the second three times as many.

    References
    ----------
    Krizhevsky, Sutskever and Hinton (2012), ImageNet classification with deep convolutional
    neural networks, NIPS 25.
    """

    width: int = 64

    def body(self, input_shape: Shape) -> nn.Module:
        """Five convolutions."""
        maps = _Maps(input_shape, padded_to=8)
        for factor, size, pools in [(2, 5, 1), (3, 5, 1), (4, 3, 0), (3, 3, 0), (3, 3, 1)]:
            maps.convolve(self, factor * self.width, size, "none")
            if pools:
                maps.pool()
        return nn.Sequential(*maps.layers)


@dataclass(frozen=True)
class ResNet18(Architecture):
    """ResNet-18 whose first layer is a 3x3 convolution without stride.

    Parameters
    ----------
    width : int, default=64
        Channels of the first stage; each later stage has twice as many.
    norm : {"instance", "group", "none"}, default="instance"
        Normalisation after each convolution.

    References
    ----------
    He, Zhang, Ren and Sun (2016), Deep residual learning for image recognition, CVPR,
    arXiv:1512.03385.
    """

    width: int = 64
    norm: str = "instance"

    def body(self, input_shape: Shape) -> nn.Module:
        """Four stages of two blocks, then the mean over each map."""
        maps = _Maps(input_shape, padded_to=8)
        maps.convolve(self, self.width, 3, self.norm)
        blocks: list[nn.Module] = []
        widths = [self.width * factor for factor in (1, 1, 1, 2, 2, 4, 4, 8, 8)]
        for before, after in pairwise(widths):
            stride = maps.stride() if before != after else 1
            blocks.append(_ResidualBlock(before, after, stride, self.norm))
        return nn.Sequential(*maps.layers, *blocks, nn.AdaptiveAvgPool2d(1))


class _Maps:
    """Layers so far, and the size of the maps that they make."""

    def __init__(self, input_shape: Shape, padded_to: int) -> None:
        self._input_shape = input_shape
        self._padded_to = padded_to
        self.layers: list[nn.Module] = []

    def convolve(self, architecture: Architecture, channels: int, size: int, norm: str) -> None:
        if not self.layers:
            self.channels, height, width = check_image_shape(architecture, self._input_shape)
            self.layers.append(padding_to(self._padded_to, height, width))
            self.side = min(side + -side % self._padded_to for side in (height, width))
        self.layers += [
            nn.Conv2d(self.channels, channels, size, padding=size // 2),
            normalisation(norm, channels),
            nn.ReLU(),
        ]
        self.channels = channels

    def stride(self) -> int:
        """Two, if the maps are large enough for it."""
        if self.side < 2 * SMALLEST_MAP:
            return 1
        self.side = (self.side + 1) // 2
        return 2

    def pool(self) -> None:
        if self.stride() == 2:
            self.layers.append(nn.MaxPool2d(2))


class _ResidualBlock(nn.Module):
    def __init__(self, before: int, after: int, stride: int, norm: str) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
            normalisation(norm, after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            normalisation(norm, after),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), normalisation(norm, after)
            )
        self.last = nn.ReLU()

    def forward(self, x: Any) -> Any:
        return self.last(self.change(x) + self.shortcut(x))
