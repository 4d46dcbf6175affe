"""LPIPS: distances of images in the eyes of a trained AlexNet, whose weights the user has."""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from skcondense.neural.compute import Compute

__all__ = ["PerceptualNetwork"]

Weights = dict[str, Any]

# Layers of torchvision's AlexNet: number in its list, maps before and after, size, step, padding.
LAYERS = [(0, 3, 64, 11, 4, 2), (3, 64, 192, 5, 1, 2), (6, 192, 384, 3, 1, 1),
          (8, 384, 256, 3, 1, 1), (10, 256, 256, 3, 1, 1)]  # fmt: skip
# Layers whose inputs are halved.
POOLED = (3, 6)
BACKBONE = {
    f"features.{number}.{part}": shape
    for number, before, after, size, *_ in LAYERS
    for part, shape in {"weight": (after, before, size, size), "bias": (after,)}.items()
}
HEADS = {f"lin{k}.model.1.weight": (1, layer[2], 1, 1) for k, layer in enumerate(LAYERS)}
# Mean and spread of the colours of ImageNet, for pixels from -1 to 1.
MEAN, SPREAD = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
# Of smaller images AlexNet's poolings leave nothing.
SMALLEST_SIDE = 64
TINY = 1e-10
# Images that pass at the same time.
BATCH = 64
# Types of numbers in a .safetensors file.
SAFE_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
# What reading a file of another kind ends in.
_UNREADABLE = (KeyError, TypeError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError)


class PerceptualNetwork:
    """AlexNet's five convolutions, and how much the difference of each of their maps counts.

    Parameters
    ----------
    backbone : str or Path
        State dict of torchvision's `alexnet`, as ``.safetensors`` or as ``.pth``.
    heads : str or Path
        Weights of the maps, as the package `lpips` ships them (``weights/v0.1/alex.pth``).
    compute : Compute
        Device and precision.

    Raises
    ------
    FileNotFoundError
        If a file is missing. Nothing is downloaded.
    ValueError
        If a file holds something else.

    References
    ----------
    Zhang, Isola, Efros, Shechtman and Wang (2018), The unreasonable effectiveness of deep
    features as a perceptual metric, CVPR, arXiv:1801.03924, equation 1; version 0.1.
    """

    def __init__(self, backbone: str | Path, heads: str | Path, compute: Compute) -> None:
        self._compute = compute
        weights = _read(Path(backbone), BACKBONE, "backbone", "the state dict of AlexNet")
        counts = _read(Path(heads), HEADS, "heads", "lpips' weights for AlexNet, version 0.1")
        self._weights = {name: compute.tensor(values) for name, values in weights.items()}
        self._counts = [compute.tensor(counts[name]) for name in HEADS]
        self._mean, self._spread = (
            compute.tensor(values).to(compute.storage).view(1, 3, 1, 1)
            for values in (torch.tensor(MEAN), torch.tensor(SPREAD))
        )

    def distances(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance of each pair, of shape (n_images,).

        Parameters
        ----------
        a, b : ndarray of shape (n_images, height, width, channels)
            Pixels from 0 to 1, of one channel or three.

        Raises
        ------
        ValueError
            If there is another number of channels.
        """
        if a.shape[-1] not in (1, 3):
            raise ValueError(
                "LPIPS needs images of one channel or three (red, green, blue). Got "
                f"{a.shape[-1]} channels. Choose channels, or use another measure."
            )
        pairs = zip(*(torch.from_numpy(side).split(BATCH) for side in (a, b)), strict=True)
        with torch.no_grad():
            found = [self._distances(*pair) for pair in pairs]
        return torch.cat(found).to("cpu", torch.float64).numpy()

    def _distances(self, a: Any, b: Any) -> Any:
        maps = [self._maps(self._inputs(side)) for side in (a, b)]
        return sum(
            functional.conv2d((_unit(x) - _unit(y)).square(), count).mean(dim=(1, 2, 3))
            for x, y, count in zip(*maps, self._counts, strict=True)
        )

    def _inputs(self, images: Any) -> Any:
        x = self._compute.tensor(images).permute(0, 3, 1, 2)
        x = x.expand(-1, 3, -1, -1)
        shorter = min(x.shape[2:])
        if shorter < SMALLEST_SIDE:
            size = [round(side * SMALLEST_SIDE / shorter) for side in x.shape[2:]]
            x = functional.interpolate(x, size, mode="bilinear", align_corners=False)
        return (2 * x - 1 - self._mean) / self._spread

    def _maps(self, x: Any) -> list[Any]:
        maps = []
        for number, _, _, _, step, padding in LAYERS:
            if number in POOLED:
                x = functional.max_pool2d(x, 3, 2)
            weight, bias = (self._weights[f"features.{number}.{p}"] for p in ("weight", "bias"))
            x = functional.relu(functional.conv2d(x, weight, bias, step, padding))
            maps.append(x)
        return maps


def _unit(maps: Any) -> Any:
    """Maps whose channels have length one at every place."""
    return maps / (maps.square().sum(dim=1, keepdim=True).sqrt() + TINY)


def _read(path: Path, shapes: Mapping[str, tuple[int, ...]], name: str, what: str) -> Weights:
    """The weights that are needed, of the shapes that they must have."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{name} must be a file that holds {what}. {path} is none. Nothing is downloaded: "
            "fetch it once, and pass its path."
        )
    try:
        is_safe = path.suffix == ".safetensors"
        found = _read_safetensors(path) if is_safe else _read_torch(path)
    except _UNREADABLE as error:
        raise ValueError(
            f"{path} cannot be read as weights ({type(error).__name__}). {name} must hold {what}, "
            "as .safetensors or as torch.save writes a state dict."
        ) from error
    wrong = [key for key, shape in shapes.items() if _shape(found.get(key)) != shape]
    if wrong:
        key = wrong[0]
        raise ValueError(
            f"{name} must hold {what}: {key} of shape {shapes[key]}. {path} has "
            f"{_shape(found.get(key)) or 'none'}, and {len(wrong)} of {len(shapes)} weights are "
            "missing or of another shape."
        )
    return {key: found[key] for key in shapes}


def _shape(values: Any) -> tuple[int, ...] | None:
    return tuple(values.shape) if isinstance(values, torch.Tensor) else None


def _read_torch(path: Path) -> Weights:
    found = torch.load(path, map_location="cpu", weights_only=True)
    return dict(found)


def _read_safetensors(path: Path) -> Weights:
    """Tensors of a file: a length, a table of contents in JSON, and numbers."""
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    table = json.loads(content[8:start])
    table.pop("__metadata__", None)
    return {name: _tensor(content[start:], entry) for name, entry in table.items()}


def _tensor(content: bytes, entry: dict[str, Any]) -> Any:
    begin, end = entry["data_offsets"]
    values = np.frombuffer(content[begin:end], dtype=SAFE_TYPES[entry["dtype"]])
    return torch.from_numpy(values.astype(np.float32)).reshape(entry["shape"])
