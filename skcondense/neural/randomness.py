"""Randomness of the neural room: torch generators that hang on one numpy generator.

Everything is drawn on the CPU and moved, so that a seed gives the same numbers on every device,
and nothing ever draws from torch's global generator.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = [
    "choose_rows",
    "generator_state",
    "restore_generator",
    "torch_generator",
]


def torch_generator(rng: np.random.Generator) -> torch.Generator:
    """A torch generator whose seed is drawn from a numpy one."""
    return torch.Generator().manual_seed(int(rng.integers(2**63 - 1)))


def generator_state(generator: torch.Generator) -> NDArray[np.uint8]:
    """The state, as an array that can be written to a file."""
    return generator.get_state().numpy()


def restore_generator(generator: torch.Generator, state: NDArray[np.uint8]) -> None:
    """Put a generator back into a state."""
    generator.set_state(torch.from_numpy(state.copy()))


def choose_rows(weight: Any, n_rows: int, generator: torch.Generator) -> Any:
    """Draw positions of rows.

    Parameters
    ----------
    weight : Tensor of shape (n,)
        Weights. Equal ones are drawn without replacement, others with, in proportion.
    n_rows : int
        Number to draw; without replacement, all are taken where there are fewer.
    generator : torch.Generator
        Draws.

    Returns
    -------
    Tensor of shape (n_drawn,)
    """
    if bool((weight == weight[0]).all()):
        return torch.randperm(len(weight), generator=generator)[:n_rows]
    return torch.multinomial(weight, n_rows, replacement=True, generator=generator)
