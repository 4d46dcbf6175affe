"""Outcomes as the survival measures read them: censored times, weighted, checked."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skcondense.exceptions import TargetError
from skcondense.tasks import Rows, resolve_task
from skcondense.tasks.survival_curves import kaplan_meier, parts_of

__all__ = ["Floats", "Outcomes", "as_times", "working_rows"]

Floats = NDArray[np.float64]


class Outcomes(NamedTuple):
    """Right-censored times of weighted rows.

    Parameters
    ----------
    event : ndarray of bool of shape (n_rows,)
        Whether the event was observed.
    time : ndarray of shape (n_rows,)
        When it was, or when the row was censored.
    weight : ndarray of shape (n_rows,)
        How many patients a row stands for.
    """

    event: NDArray[np.bool_]
    time: Floats
    weight: Floats

    @classmethod
    def of(cls, y: Any, weight: ArrayLike | None = None) -> "Outcomes":
        """Read outcomes of any form; weights are ones when None.

        Raises
        ------
        TargetError
            If an outcome is none, or no row with a positive weight has an event.
        ValueError
            If weights do not fit.
        """
        event, time = parts_of(resolve_task("survival", y)[1])
        checked = _checked_weight(np.ones(len(time)) if weight is None else weight, len(time))
        if not event[checked > 0].any():
            raise TargetError("There is no event among the rows with a positive weight.")
        return cls(event, time, checked)

    @property
    def array(self) -> NDArray[Any]:
        """Event, then time, as scikit-survival wants them."""
        y = np.empty(len(self.time), dtype=[("event", bool), ("time", np.float64)])
        y["event"], y["time"] = self.event, self.time
        return y

    @property
    def event_times(self) -> Floats:
        """Distinct times at which the Kaplan-Meier curve steps."""
        return np.unique(self.time[self.event & (self.weight > 0)])

    @property
    def last_time(self) -> float:
        """Last time at which anything is known."""
        return float(self.time[self.weight > 0].max())

    @property
    def follow_up(self) -> float:
        """How long the Kaplan-Meier curve is known: for ever if nobody is left."""
        is_left = ~self.event & (self.weight > 0) & (self.time == self.last_time)
        return self.last_time if is_left.any() else np.inf

    def kaplan_meier(self, times: Floats) -> Floats:
        """Probability of being without the event after each time."""
        return kaplan_meier(self.array, self.weight, times)

    def take(self, rows: NDArray[np.bool_]) -> "Outcomes":
        """Some of the rows."""
        return Outcomes(self.event[rows], self.time[rows], self.weight[rows])

    def known_by(self, time: float) -> "Outcomes":
        """What was known at a time."""
        seen = self.event & (self.time <= time)
        return Outcomes(seen, np.minimum(self.time, time), self.weight)


def working_rows(rows: Rows) -> Rows:
    """Rows with outcomes in their working form, and weights that fit."""
    y = resolve_task("survival", rows.y)[1]
    return Rows(rows.X, y, _checked_weight(rows.weight, len(y)))


def as_times(times: ArrayLike) -> Floats:
    """Times to evaluate at, increasing."""
    given = np.asarray(times, dtype=np.float64)
    at = np.unique(given)
    if given.ndim > 1 or not at.size or not np.isfinite(at).all() or at[0] < 0:
        raise ValueError(
            "times must be a list of finite numbers, none of them negative. Got an array of shape "
            f"{given.shape}."
        )
    return at


def _checked_weight(weight: ArrayLike, n_rows: int) -> Floats:
    weight = np.asarray(weight, dtype=np.float64)
    is_legal = weight.shape == (n_rows,) and (np.isfinite(weight) & (weight >= 0)).all()
    if not is_legal or not weight.any():
        raise ValueError(
            "Each row needs a weight that is finite and not negative, and some must be positive. "
            f"Got weights of shape {weight.shape} for {n_rows} rows. Pass ones where rows are not "
            "weighted."
        )
    return weight
