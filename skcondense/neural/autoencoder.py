"""An autoencoder for images: trained on a set, it says how much of other images the set knows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from skcondense.neural.compute import Compute
from skcondense.neural.convnet import default_depth, padding_to
from skcondense.neural.inputs import InputSpace, Normaliser, input_shape
from skcondense.neural.network import Shape, initialise
from skcondense.neural.randomness import choose_rows, torch_generator
from skcondense.table import Container, SchemaVectorizer, TableEncoder, TableSchema

__all__ = ["Autoencoder", "AutoencoderPlan", "TrainedAutoencoder", "train_autoencoder"]

Images = NDArray[Any]

# Of smaller images nothing is left after one halving.
SMALLEST_SIDE = 8


class Autoencoder(nn.Module):
    """Convolutions down to maps of about four pixels, a code without positions, and the way back.

    The code is what keeps it from copying its input: an image can only be drawn with what was
    learned from training images.

    Parameters
    ----------
    input_shape : tuple of int
        (channels, height, width).
    width : int
        Maps of every level.
    code_size : int
        Numbers of the code.

    References
    ----------
    Masci, Meier, Ciresan and Schmidhuber (2011), Stacked convolutional auto-encoders for
    hierarchical feature extraction, ICANN, doi:10.1007/978-3-642-21735-7_7.
    """

    def __init__(self, input_shape: Shape, width: int, code_size: int) -> None:
        super().__init__()
        channels, *self._size = input_shape
        depth = default_depth(*self._size)
        self.padding = padding_to(2**depth, *self._size)
        left, right, top, bottom = self.padding.padding
        height, width_of_image = self._size
        rows, columns = (
            side // 2**depth for side in (height + top + bottom, width_of_image + left + right)
        )
        before = [channels, *[width] * (depth - 1)]
        down = [
            nn.Sequential(nn.Conv2d(maps, width, 3, stride=2, padding=1), nn.ReLU())
            for maps in before
        ]
        # Four maps become one of twice the sides: most of the time goes into large maps.
        up = [
            nn.Sequential(nn.ReLU(), nn.Conv2d(width, 4 * maps, 3, padding=1), nn.PixelShuffle(2))
            for maps in reversed(before)
        ]
        n_features = width * rows * columns
        self.encode = nn.Sequential(
            self.padding, *down, nn.Flatten(), nn.Linear(n_features, code_size)
        )
        self.decode = nn.Sequential(
            nn.Linear(code_size, n_features), nn.Unflatten(1, (width, rows, columns)), *up
        )

    def forward(self, x: Any) -> Any:
        """Reconstructions of shape (n, channels, height, width)."""
        drawn = self.decode(self.encode(x))
        left, _, top, _ = self.padding.padding
        height, width = self._size
        return drawn[:, :, top : top + height, left : left + width]


@dataclass(frozen=True)
class AutoencoderPlan:
    """How an autoencoder is built and trained.

    Attributes
    ----------
    n_steps : int
        Gradient steps, whatever the number of images: so that sets of different sizes get the
        same training.
    batch_size : int
        Images per step; all of them where there are fewer.
    learning_rate : float
        Of Adam.
    width : int
        Maps of every level.
    code_size : int
        Numbers of the code.
    """

    n_steps: int
    batch_size: int = 32
    learning_rate: float = 2e-3
    width: int = 16
    code_size: int = 64


class TrainedAutoencoder:
    """An autoencoder with the space that its images live in.

    Parameters
    ----------
    network : Autoencoder
        The network.
    schema : TableSchema
        Of one column of images.
    space : InputSpace
        Images as inputs of the network.
    compute : Compute
        Device and precision.
    """

    def __init__(
        self, network: Autoencoder, schema: TableSchema, space: InputSpace, compute: Compute
    ) -> None:
        self._network = network
        self._schema = schema
        self._space = space
        self._compute = compute

    def reconstruct(self, images: Images) -> Images:
        """Images as the network draws them.

        Parameters
        ----------
        images : ndarray of shape (n_images, height, width) or (n_images, height, width, channels)
            Images as the schema has them.

        Returns
        -------
        ndarray of the same shape and dtype
            Pixels are within the bounds of the schema.
        """
        x = self._space.inputs(SchemaVectorizer(self._schema).transform(images))
        length = self._compute.piece_length(self._space.shape, len(x))
        with torch.no_grad(), self._compute.precision():
            found = torch.cat([self._network(part) for part in x.split(length)])
        codes = self._space.codes(found.to(self._compute.storage))
        columns = TableEncoder(self._schema).decode(codes)
        built: Images = Container.of(images).build(columns)
        return built


def train_autoencoder(
    images: Images,
    weight: NDArray[np.float64],
    schema: TableSchema,
    plan: AutoencoderPlan,
    rng: np.random.Generator,
    compute: Compute,
) -> TrainedAutoencoder:
    """Train a fresh autoencoder on squared error, for a fixed number of steps.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width) or (n_images, height, width, channels)
        Images of at least 8 pixels a side.
    weight : ndarray of shape (n_images,)
        Weights: where they differ, images are drawn in proportion to them.
    schema : TableSchema
        Of one column of images: their shape, and the bounds of a pixel.
    plan : AutoencoderPlan
        Network and steps.
    rng : Generator
        Draws weights of the network and batches. Networks of the same shape that are drawn from
        the same state begin alike, whatever they are trained on.
    compute : Compute
        Device and precision.

    Returns
    -------
    TrainedAutoencoder

    Raises
    ------
    ValueError
        If the images are smaller than 8 pixels, or the loss is no finite number.
    """
    encoder = TableEncoder(schema)
    channels, height, width = shape = input_shape(encoder)
    if min(height, width) < SMALLEST_SIDE:
        raise ValueError(
            f"An autoencoder needs images of at least {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels. "
            f"Got {height} x {width}. Enlarge them."
        )
    # Knows nothing of the images, so that all sets are seen in the same way.
    space = InputSpace(encoder, Normaliser.declared(channels), compute)
    x = space.inputs(SchemaVectorizer(schema).transform(images))
    generator = torch_generator(rng)
    with torch.device("meta"):
        network = Autoencoder(shape, plan.width, plan.code_size)
    network = network.to_empty(device=compute.torch_device).to(compute.storage)
    initialise(network, generator)
    _descend(network, x, torch.from_numpy(weight), plan, generator, compute)
    return TrainedAutoencoder(network, schema, space, compute)


def _descend(
    network: Autoencoder,
    x: Any,
    weight: Any,
    plan: AutoencoderPlan,
    generator: torch.Generator,
    compute: Compute,
) -> None:
    optimizer = torch.optim.Adam(network.parameters(), lr=plan.learning_rate)
    loss = torch.zeros(())
    for _ in range(plan.n_steps):
        batch = x[choose_rows(weight, plan.batch_size, generator)]
        with compute.precision():
            found = network(batch)
        loss = functional.mse_loss(found.to(batch), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if not bool(torch.isfinite(loss)):
        raise ValueError(
            "The autoencoder's loss is no finite number. Lower its learning_rate, got "
            f"{plan.learning_rate}."
        )
