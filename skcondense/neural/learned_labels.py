"""Labels of learned rows: fixed, or learned beside them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcondense.tasks import RegressionTask, Task

__all__ = ["FixedLabels", "Labels", "LearnedLabels"]


class Labels(ABC):
    """What a network is to learn of each row."""

    @abstractmethod
    def targets(self, rows: Any) -> Any:
        """Targets of some rows, for the loss."""

    def learned(self) -> list[Any]:
        """Tensors that are learned."""
        return []

    def delivered(self) -> NDArray[np.float64] | None:
        """Labels in the task's form; None where they are those of the outcomes."""
        return None


@dataclass(frozen=True)
class FixedLabels(Labels):
    """Those of the outcomes.

    Attributes
    ----------
    values : Tensor of shape (n,)
        Class numbers or scaled amounts.
    """

    values: Any

    def targets(self, rows: Any) -> Any:
        """As they are."""
        return self.values[rows]


@dataclass(frozen=True)
class LearnedLabels(Labels):
    """Probabilities, as the softmax of learned numbers; or learned amounts.

    Attributes
    ----------
    task : Task
        Classification or regression.
    values : Tensor of shape (n, n_classes) or (n,)
        What is learned.
    """

    task: Task
    values: Any

    @classmethod
    def of(cls, task: Task, outputs: Any, targets: Any) -> "LearnedLabels":
        """Start at the mean opinion of the experts that are right.

        Parameters
        ----------
        task : Task
            Whose outcomes they are.
        outputs : Tensor of shape (n_experts, n, n_outputs)
            What experts say of the rows.
        targets : Tensor of shape (n,)
            Outcomes of the rows.

        Notes
        -----
        Where no expert is right, it is the mean of all: the published code waits for ever for such
        a class, or divides by zero. Amounts start at the outcomes.
        """
        if isinstance(task, RegressionTask):
            return cls(task, targets.clone().requires_grad_())
        right = (outputs.argmax(dim=2) == targets).to(outputs)
        trusted = right + (right.sum(dim=0) == 0).to(outputs)
        mean = (outputs * trusted[:, :, None]).sum(dim=0) / trusted.sum(dim=0)[:, None]
        return cls(task, mean.requires_grad_())

    def targets(self, rows: Any) -> Any:
        """Probabilities or amounts."""
        chosen = self.values[rows]
        return chosen if isinstance(self.task, RegressionTask) else chosen.softmax(dim=1)

    def learned(self) -> list[Any]:
        """What is behind them."""
        return [self.values]

    def delivered(self) -> NDArray[np.float64]:
        """Probabilities, or amounts in the outcome's unit."""
        values = self.values.detach()
        if isinstance(self.task, RegressionTask):
            low, high = self.task.bounds
            return (low + high) / 2 + np.asarray(values[:, None].cpu(), float) * (high - low) / 2
        return np.asarray(values.softmax(dim=1).cpu(), float)
