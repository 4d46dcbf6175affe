"""Where and in which precision torch computes."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["Compute"]

# Input numbers of a piece on the CPU. Measured on 28 x 28 images: pieces of 16 to 64 images take
# half as long as all images at once.
PIECE = 2**15


@dataclass(frozen=True)
class Compute:
    """Device and precision.

    Parameters
    ----------
    device : str, default="auto"
        A torch device; "auto" takes a GPU where there is one.
    dtype : {"float32", "float64", "bfloat16"}, default="float32"
        Precision of networks. With "bfloat16" networks compute in it, and synthetic rows,
        weights and sums stay in single precision.

    Raises
    ------
    ValueError
        If torch does not know the device, or cannot use it.
    """

    device: str = "auto"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        try:
            torch.empty(0, device=self.torch_device)
        except (RuntimeError, AssertionError) as error:
            raise ValueError(
                f"torch cannot use the device {self.device!r}: {str(error).splitlines()[0]} "
                'Pass device="cpu", or "auto".'
            ) from error

    @property
    def torch_device(self) -> Any:
        """The device."""
        if self.device != "auto":
            return torch.device(self.device)
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")

    @property
    def storage(self) -> Any:
        """Type of what is stored and optimised."""
        return torch.float64 if self.dtype == "float64" else torch.float32

    def precision(self) -> AbstractContextManager[Any]:
        """Context in which networks run."""
        if self.dtype == "bfloat16":
            return torch.autocast(self.torch_device.type, dtype=torch.bfloat16)
        return nullcontext()

    def pieces(self, x: Any) -> Any:
        """Split inputs so that what a network makes of a piece stays in the processor's cache."""
        n_rows = max(1, PIECE // x[0].numel()) * (1 if self.torch_device.type == "cpu" else 64)
        return x.split(n_rows)

    def tensor(self, values: Any) -> Any:
        """Values on the device, floats in the storage type."""
        values = torch.as_tensor(values)
        dtype = self.storage if values.is_floating_point() else None
        return values.to(self.torch_device, dtype)
