"""What a black box is scored by on private rows: a bounded loss per row."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from skcondense.tasks.base import Task

__all__ = ["Loss", "Rows", "loss_type"]

Floats = NDArray[np.float64]


class Rows(NamedTuple):
    """Weighted rows with outcomes, ready for an estimator.

    Attributes
    ----------
    X : array or frame of shape (n_rows, n_features)
        Rows.
    y : ndarray of shape (n_rows,)
        Outcomes in the task's working form.
    weight : ndarray of shape (n_rows,)
        Weights.
    """

    X: Any
    y: NDArray[Any]
    weight: Floats


@dataclass(frozen=True)
class Loss(ABC):
    """Loss of a fitted black box on each of some rows.

    Parameters
    ----------
    task : Task
        What the outcome is.

    Attributes
    ----------
    not_private_because : str or None
        Why the loss cannot be asked through the door, where it cannot: a private loss of a row
        depends on that row only, and is bounded.
    """

    task: Any
    not_private_because: ClassVar[str | None] = None

    @classmethod
    def of(cls, task: Any, background: Rows, rng: np.random.Generator) -> Self:
        """Prepare the loss.

        Parameters
        ----------
        task : Task
            What the outcome is.
        background : Rows
            Rows like those to be scored, for losses that compare or estimate something. Without
            epsilon they are the real rows; with it, proxy rows.
        rng : Generator
            Source of randomness.
        """
        return cls(task)

    @property
    @abstractmethod
    def largest(self) -> float:
        """What no row's loss exceeds."""

    @abstractmethod
    def __call__(self, fitted: Any, X: Any, y: NDArray[Any], trained_on: Rows) -> Floats:
        """Loss of each row, between 0 and `largest`.

        Parameters
        ----------
        fitted : estimator
            Black box.
        X : array or frame of shape (n_rows, n_features)
            Rows to score.
        y : ndarray of shape (n_rows,)
            Their outcomes.
        trained_on : Rows
            What the black box was fitted to.

        Returns
        -------
        ndarray of shape (n_rows,)
        """


def loss_type(task: "Task", name: str) -> type[Loss]:
    """The class of a loss by its name; "auto" is the task's first.

    Raises
    ------
    ValueError
        If the task has no such loss.
    """
    known = task.loss_types
    if name != "auto" and name not in known:
        raise ValueError(f"{task.name} knows the losses {['auto', *known]}. Got loss={name!r}.")
    return known.get(name, next(iter(known.values())))
