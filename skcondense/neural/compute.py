"""Where, in which precision and how torch computes."""

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["Compute"]

# Pixels (of a table: codes) of a piece on the CPU, whatever the number of channels: the maps of a
# network are what must stay in the cache.
PIECE = 2**15


@dataclass(frozen=True)
class Compute:
    """Device, precision, and whether passes are compiled.

    Parameters
    ----------
    device : str, default="auto"
        A torch device; "auto" takes a GPU where there is one that knows the precision.
    dtype : {"float32", "float64", "bfloat16"}, default="float32"
        Precision of networks. With "bfloat16" networks compute in it, and synthetic rows,
        weights and sums stay in single precision.
    compile : bool, default=False
        Whether passes of rows that are not learned are compiled by ``torch.compile``.

    Raises
    ------
    ValueError
        If torch does not know the device, or cannot use it.
    """

    device: str = "auto"
    dtype: str = "float32"
    compile: bool = False

    def __post_init__(self) -> None:
        try:
            torch.empty(0, device=self.torch_device, dtype=self.storage)
        except (RuntimeError, AssertionError, TypeError) as error:
            raise ValueError(
                f"torch cannot use the device {self.device!r} with {self.dtype}: "
                f"{str(error).splitlines()[0]} "
                'Pass device="cpu", or "auto".'
            ) from error

    @property
    def torch_device(self) -> Any:
        """The device."""
        if self.device != "auto":
            return torch.device(self.device)
        if torch.cuda.is_available():
            return torch.device("cuda")
        # Apple's GPUs know no double precision.
        is_apple = torch.backends.mps.is_available() and self.dtype != "float64"
        return torch.device("mps" if is_apple else "cpu")

    @property
    def exact_device(self) -> Any:
        """The device for double precision: Apple's GPUs know none."""
        return torch.device("cpu") if self.torch_device.type == "mps" else self.torch_device

    @property
    def storage(self) -> Any:
        """Type of what is stored and optimised."""
        return torch.float64 if self.dtype == "float64" else torch.float32

    def precision(self) -> AbstractContextManager[Any]:
        """Context in which networks run."""
        if self.dtype == "bfloat16":
            return torch.autocast(self.torch_device.type, dtype=torch.bfloat16)
        return nullcontext()

    def piece_length(self, input_shape: tuple[int, ...], n_rows: int) -> int:
        """Rows of a piece, so that what a network makes of it stays in the processor's cache.

        Parameters
        ----------
        input_shape : tuple of int
            (channels, height, width), or (n_codes,).
        n_rows : int
            Rows that are to be cut into pieces of about equal length.
        """
        most = max(1, PIECE // math.prod(input_shape[-2:]))
        most *= 1 if self.torch_device.type == "cpu" else 64
        # A short piece at the end would take more time per row.
        return math.ceil(n_rows / math.ceil(n_rows / most))

    def tensor(self, values: Any) -> Any:
        """Values on the device, floats in the storage type."""
        values = torch.as_tensor(values)
        dtype = self.storage if values.is_floating_point() else None
        return values.to(self.torch_device, dtype)
