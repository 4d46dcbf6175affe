"""Training a network on rows: the recipe of the dataset-condensation literature."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from skcondense.neural.augmentation import Augmentation
from skcondense.neural.compute import Compute
from skcondense.neural.network import Network
from skcondense.neural.passes import Passes
from skcondense.neural.problem import Objective

__all__ = ["TrainingRecipe", "batches", "predict", "train"]


@dataclass(frozen=True)
class TrainingRecipe:
    """How a network is trained by stochastic gradient descent.

    Parameters
    ----------
    n_steps : int
        Gradient steps.
    batch_size : int, default=256
        Rows per step; all of them where there are fewer.
    learning_rate : float, default=0.01
        Step length; a tenth of it in the second half if `decay` is set.
    momentum : float, default=0.9
        Momentum.
    weight_decay : float, default=5e-4
        Weight decay.
    decay : bool, default=True
        Whether the learning rate falls to a tenth after half of the steps.
    """

    n_steps: int
    batch_size: int = 256
    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5e-4
    decay: bool = True


def batches(n_rows: int, size: int, generator: torch.Generator) -> Iterator[Any]:
    """Positions of rows, epoch after epoch, each in a new order, without end."""
    while True:
        yield from torch.randperm(n_rows, generator=generator).split(size)


def train(
    network: Network,
    rows: tuple[Any, Any, Any],
    objective: Objective,
    recipe: TrainingRecipe,
    augmentation: Augmentation,
    generator: torch.Generator,
    compute: Compute,
) -> float:
    """Train a network in place.

    Parameters
    ----------
    network : Network
        What to train.
    rows : tuple of (Tensor, Tensor, Tensor)
        Inputs, targets and weights; weights are relative.
    objective : Objective
        Loss.
    recipe : TrainingRecipe
        Steps.
    augmentation : Augmentation
        Each image of a batch is changed with parameters of its own.
    generator : torch.Generator
        Draws batches and augmentations.
    compute : Compute
        Precision, and whether to compile.

    Returns
    -------
    float
        Share of the rows of the last batches that were classified rightly while training; for
        regression the mean loss.
    """
    x, targets, weight = rows
    weight = weight / weight.mean()
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
    )
    passes = Passes(compute, min(recipe.batch_size, len(x)))
    # Added up where it is computed: to ask a GPU for a number is to wait for it.
    right, seen = torch.zeros((), device=x.device, dtype=compute.storage), 0
    for step, batch in zip(
        range(recipe.n_steps), batches(len(x), recipe.batch_size, generator), strict=False
    ):
        if recipe.decay and step == recipe.n_steps // 2:
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate / 10
        draw = augmentation.draw(generator, len(batch))
        outputs = passes.outputs(network, draw(x[batch]))
        losses = objective.losses(outputs, targets[batch])
        optimizer.zero_grad()
        (losses * weight[batch]).mean().backward()
        optimizer.step()
        is_class = outputs.shape[1] > 1
        hits = outputs.argmax(1) == targets[batch] if is_class else losses.detach()
        right += hits.sum()
        seen += len(batch)
    return float(right) / max(seen, 1)


def predict(network: Network, x: Any, compute: Compute, batch_size: int = 1000) -> Any:
    """Outputs of a network for many inputs, a batch at a time."""
    with torch.no_grad(), compute.precision():
        parts = [network(part) for part in x.split(batch_size)]
    return torch.cat(parts).to(compute.storage)
