"""The real rows of a fit as tensors, with what networks are to learn from them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from skcondense.exceptions import TargetError
from skcondense.neural.compute import Compute
from skcondense.neural.inputs import InputSpace
from skcondense.neural.randomness import choose_rows
from skcondense.private_table import PrivateTable
from skcondense.tasks import ClassificationTask, RegressionTask, Task

__all__ = ["MatchingProblem", "Objective", "check_learnable", "is_learnable"]


@dataclass(frozen=True)
class Objective:
    """What a network learns: outputs, targets and the loss between them.

    Parameters
    ----------
    task : Task
        Classification or regression.
    compute : Compute
        Where targets are stored.
    """

    task: Task
    compute: Compute

    @property
    def n_outputs(self) -> int:
        """Logits per class, or one number."""
        return len(self.task.classes) if isinstance(self.task, ClassificationTask) else 1

    def targets(self, y: NDArray[Any]) -> Any:
        """Class numbers, or outcomes that run from -1 to 1, as a tensor of shape (n,)."""
        if isinstance(self.task, RegressionTask):
            low, high = self.task.bounds
            return self.compute.tensor((y - (low + high) / 2) * (2 / (high - low)))
        return self.compute.tensor(self.task.strata(y))

    def losses(self, outputs: Any, targets: Any) -> Any:
        """Cross-entropy or squared error of each row, of shape (n,)."""
        if isinstance(self.task, RegressionTask):
            return (outputs[:, 0] - targets) ** 2
        return functional.cross_entropy(outputs, targets, reduction="none")


def is_learnable(task: Task) -> bool:
    """Whether there is a loss of a network for the outcome."""
    return isinstance(task, ClassificationTask | RegressionTask)


def check_learnable(task: Task) -> None:
    """Refuse tasks for which no network loss is written.

    Raises
    ------
    TargetError
        For survival.
    """
    if not is_learnable(task):
        raise TargetError(
            f"This method needs a loss of a network, which exists for classification and "
            f"regression. Got task {task.name!r}. Use DistributionMatchingCondenser, which matches "
            "features only, or ZeroOrderCondenser."
        )


@dataclass(frozen=True)
class MatchingProblem:
    """Real rows as tensors.

    Attributes
    ----------
    space : InputSpace
        How rows are inputs.
    x : Tensor of shape (n, *input_shape)
        Real inputs.
    y : ndarray of shape (n,)
        Outcomes in the task's working form.
    weight : Tensor of shape (n,)
        Weights.
    strata : ndarray of shape (n,)
        Stratum of each row.
    task : Task
        What `y` is.
    compute : Compute
        Device and precision.
    """

    space: InputSpace
    x: Any
    y: NDArray[Any]
    weight: Any
    strata: NDArray[np.intp]
    task: Task
    compute: Compute

    @classmethod
    def of(cls, table: PrivateTable, space: InputSpace, compute: Compute) -> "MatchingProblem":
        """Read a table."""
        weight = torch.from_numpy(table.weight)
        x = space.inputs(table.Z)
        return cls(space, x, table.y, weight, table.strata, table.task, compute)

    @cached_property
    def objective(self) -> Objective:
        """What networks learn from these rows."""
        check_learnable(self.task)
        return Objective(self.task, self.compute)

    @cached_property
    def targets(self) -> Any:
        """Targets of the real rows, of shape (n,)."""
        return self.objective.targets(self.y)

    @cached_property
    def members(self) -> dict[int, Any]:
        """Positions of the rows of each stratum."""
        return {
            int(stratum): torch.from_numpy(np.flatnonzero(self.strata == stratum))
            for stratum in np.unique(self.strata)
        }

    def draw(self, stratum: int, n_rows: int, generator: torch.Generator) -> Any:
        """Random positions of rows of a stratum, by weight."""
        members = self.members[stratum]
        return members[choose_rows(self.weight[members], n_rows, generator)]
