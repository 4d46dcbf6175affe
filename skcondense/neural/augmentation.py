"""Differentiable Siamese augmentation with draws that are objects.

A draw is made once and may be applied to several batches: real and synthetic images of a class
are then changed in the same way, without seeding any generator twice.

References
----------
Zhao and Bilen (2021), Dataset condensation with differentiable Siamese augmentation, ICML,
arXiv:2102.08259.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

__all__ = ["AUGMENTATIONS", "Augmentation", "Draw"]

# Uniform numbers that any transform needs at most.
N_UNIFORMS = 3


@dataclass(frozen=True)
class Augmentation:
    """A set of transforms, one of which is drawn per batch.

    Strengths are in units of normalised pixels (standard deviations) or of the image's side.

    Parameters
    ----------
    transforms : tuple of str
        Among "color", "crop", "cutout", "flip", "vertical_flip", "quarter_turn", "scale" and
        "rotate". Empty for none.
    brightness : float, default=1.0
        Brightness moves by up to half of this, in standard deviations.
    saturation : float, default=2.0
        Largest factor of colours' distance from grey; nothing for one channel.
    contrast : float, default=0.5
        The factor of contrast is between one less and one more than this.
    crop : float, default=0.125
        Largest shift, as a share of the side.
    cutout : float, default=0.5
        Side of the square that is blanked, as a share of the side.
    scale : float, default=1.2
        Largest factor of either axis.
    rotate : float, default=15.0
        Largest angle, in degrees.

    Raises
    ------
    ValueError
        If a transform is unknown.
    """

    transforms: tuple[str, ...] = ("color", "crop", "cutout", "flip", "scale", "rotate")
    brightness: float = 1.0
    saturation: float = 2.0
    contrast: float = 0.5
    crop: float = 0.125
    cutout: float = 0.5
    scale: float = 1.2
    rotate: float = 15.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "transforms", tuple(self.transforms))
        unknown = set(self.transforms) - set(_TRANSFORMS)
        if unknown:
            raise ValueError(
                f"Unknown transforms {sorted(unknown)}. Choose among {sorted(_TRANSFORMS)}."
            )

    def draw(self, generator: torch.Generator, n_images: int = 1) -> "Draw":
        """Draw a transform and its parameters.

        Parameters
        ----------
        generator : torch.Generator
            Draws.
        n_images : int, default=1
            One for the same parameters for all images of a batch (Siamese); otherwise the number
            of images in the batch, which share the transform only.

        Returns
        -------
        Draw
        """
        # Drawn even where there is nothing to choose, so that the settings of the augmentation do
        # not shift what is drawn afterwards.
        position = int(torch.randint(max(len(self.transforms), 1), (1,), generator=generator))
        uniforms = torch.rand(n_images, N_UNIFORMS, generator=generator)
        return Draw(self, self.transforms[position] if self.transforms else "none", uniforms)


@dataclass(frozen=True)
class Draw:
    """A transform with its parameters, fixed.

    Attributes
    ----------
    augmentation : Augmentation
        Strengths.
    transform : str
        Which transform, or "none".
    uniforms : Tensor of shape (1 or n_images, 3)
        What decides on the parameters, uniform in [0, 1).
    """

    augmentation: Augmentation
    transform: str
    uniforms: Any

    def __call__(self, x: Any) -> Any:
        """Change images of shape (n, channels, height, width); differentiable."""
        if self.transform == "none":
            return x
        uniforms = self.uniforms.to(x.device, x.dtype)
        return _TRANSFORMS[self.transform](x, uniforms, self.augmentation)


def _per_image(uniform: Any) -> Any:
    return uniform.view(-1, 1, 1, 1)


def _color(x: Any, u: Any, strength: Augmentation) -> Any:
    x = x + (_per_image(u[:, 0]) - 0.5) * strength.brightness
    grey = x.mean(dim=1, keepdim=True)
    if x.shape[1] > 1:
        x = grey + (x - grey) * _per_image(u[:, 1]) * strength.saturation
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (x - mean) * (_per_image(u[:, 2]) + strength.contrast)


def _crop(x: Any, u: Any, strength: Augmentation) -> Any:
    height, width = x.shape[-2:]
    reach = [round(side * strength.crop) for side in (height, width)]
    padded = functional.pad(x, (reach[1], reach[1], reach[0], reach[0]))
    top, left = [torch.floor(u[:, k] * (2 * size + 1)).long() for k, size in enumerate(reach)]
    if len(top) == 1:
        first, second = int(top), int(left)
        return padded[:, :, first : first + height, second : second + width]
    image = torch.arange(len(x), device=x.device).view(-1, 1, 1)
    rows = (top.view(-1, 1) + torch.arange(height, device=x.device)).unsqueeze(2)
    columns = (left.view(-1, 1) + torch.arange(width, device=x.device)).unsqueeze(1)
    return padded[image, :, rows, columns].permute(0, 3, 1, 2)


def _cutout(x: Any, u: Any, strength: Augmentation) -> Any:
    inside = torch.ones((), dtype=torch.bool, device=x.device)
    for k, axis in enumerate((2, 3)):
        side = x.shape[axis]
        centre = torch.floor(u[:, k] * side).view(-1, 1)
        distance = torch.arange(side, device=x.device) - centre
        half = round(side * strength.cutout) / 2
        near = (distance >= -half) & (distance < half)
        inside = inside & near.view(-1, 1, *((side, 1) if axis == 2 else (1, side)))
    return x * ~inside


def _flip(x: Any, u: Any, strength: Augmentation) -> Any:
    return torch.where(_per_image(u[:, 0] < 0.5), x.flip(3), x)


def _vertical_flip(x: Any, u: Any, strength: Augmentation) -> Any:
    return torch.where(_per_image(u[:, 0] < 0.5), x.flip(2), x)


def _quarter_turn(x: Any, u: Any, strength: Augmentation) -> Any:
    if x.shape[2] != x.shape[3]:
        # Only half turns keep the shape of an oblong image.
        return torch.where(_per_image(u[:, 0] < 0.5), x.flip((2, 3)), x)
    turns = _per_image(torch.floor(u[:, 0] * 4))
    out = x
    for k in (1, 2, 3):
        out = torch.where(turns == k, torch.rot90(x, k, (2, 3)), out)
    return out


def _scale(x: Any, u: Any, strength: Augmentation) -> Any:
    low, high = 1 / strength.scale, strength.scale
    factors = low + u[:, :2] * (high - low)
    return _resample(x, torch.diag_embed(factors))


def _rotate(x: Any, u: Any, strength: Augmentation) -> Any:
    angle = (2 * u[:, 0] - 1) * math.radians(strength.rotate)
    sine, cosine = torch.sin(angle), torch.cos(angle)
    # Places run from -1 to 1 along either axis, so a turn of an oblong image is none of these.
    aspect = x.shape[2] / x.shape[3]
    turned = torch.stack([cosine, -sine * aspect, sine / aspect, cosine], dim=1)
    return _resample(x, turned.view(-1, 2, 2))


def _resample(x: Any, matrix: Any) -> Any:
    """Look up every pixel at a linear map of its place; zero outside."""
    theta = functional.pad(matrix, (0, 1)).expand(len(x), 2, 3)
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, align_corners=False)


_TRANSFORMS: dict[str, Callable[[Any, Any, Augmentation], Any]] = {
    "color": _color,
    "crop": _crop,
    "cutout": _cutout,
    "flip": _flip,
    "vertical_flip": _vertical_flip,
    "quarter_turn": _quarter_turn,
    "scale": _scale,
    "rotate": _rotate,
}

_UPRIGHT = ("color", "crop", "cutout", "scale", "rotate")

# Named sets. Left is not right in a body, so "medical" does not flip; cells under a microscope
# have no upright position.
AUGMENTATIONS: dict[str, Augmentation] = {
    "none": Augmentation(transforms=()),
    "dsa": Augmentation(),
    "digits": Augmentation(transforms=_UPRIGHT),
    "medical": Augmentation(transforms=_UPRIGHT, brightness=0.5),
    "chest_xray": Augmentation(transforms=_UPRIGHT, brightness=0.5, rotate=10.0),
    "histology": Augmentation(
        transforms=(*_UPRIGHT, "flip", "vertical_flip", "quarter_turn"), brightness=0.5
    ),
}
