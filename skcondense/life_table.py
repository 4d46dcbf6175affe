"""Events and exits per time band through the door: a private Kaplan-Meier curve."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_consistent_length

from skcondense.border import check_groups
from skcondense.privacy import PrivacyLedger, PrivacyStatement, PrivateOracle, SumQuery, mu_of
from skcondense.private_fit import ledger_for
from skcondense.table import SurvivalSchema
from skcondense.tasks import SurvivalTask, resolve_task

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LifeTable", "private_life_table"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LifeTable:
    """Noised counts of events and exits in the bands of a declared time grid.

    Attributes
    ----------
    ends : ndarray of shape (n_bands,)
        End of each band, in the unit of time of the outcome.
    events : ndarray of shape (n_bands,)
        Events in each band.
    left : ndarray of shape (n_bands,)
        Patients censored in each band, before the horizon.
    survived : float
        Patients who reached the horizon without the event.
    noise : float
        Standard deviation of the noise on each of these counts; 0 for exact counts.
    privacy : PrivacyStatement or None
        What was promised, if the counts were asked for on their own.
    """

    ends: Floats
    events: Floats
    left: Floats
    survived: float
    noise: float
    privacy: PrivacyStatement | None = None

    @classmethod
    def of(cls, condenser: Any) -> Self:
        """The counts that a private fit has asked for already, at no further cost.

        Parameters
        ----------
        condenser : DatasetCondenser
            Fitted to a survival outcome with epsilon.

        Raises
        ------
        ValueError
            If it was not.
        """
        task, answers = getattr(condenser, "task_", None), getattr(condenser, "answers_", None)
        if not isinstance(task, SurvivalTask) or not answers:
            raise ValueError(
                "Only a condenser that was fitted to a survival outcome with epsilon has counted "
                f"events through the door. Got {condenser!r}. For real rows use "
                "skcondense.audit.compare_kaplan_meier."
            )
        return cls._from_cells(task, answers[0].value, answers[0].noise)

    @classmethod
    def _from_cells(cls, task: SurvivalTask, cells: Floats, noise: float) -> Self:
        k = task.n_bands
        return cls(task.ends, cells[:k], cells[k : 2 * k], float(cells[2 * k]), noise)

    @property
    def at_risk(self) -> Floats:
        """Patients who entered each band, less half of those who leave in it."""
        leaving = self.events + self.left
        entered = self.survived + np.cumsum(leaving[::-1])[::-1]
        return entered - self.left / 2

    @property
    def survival(self) -> Floats:
        """Actuarial estimate of being without the event at the end of each band.

        References
        ----------
        Cutler and Ederer (1958), Maximum utilization of the life table method in analyzing
        survival, J. Chronic Dis. 8(6), doi:10.1016/0021-9681(58)90126-7.
        """
        hazard = np.maximum(self.events, 0) / np.maximum(self.at_risk, 1.0)
        return np.cumprod(1 - np.minimum(hazard, 1.0))

    def to_frame(self) -> "pd.DataFrame":
        """One row per band.

        Returns
        -------
        DataFrame with columns start, end, events, left, at_risk and survival
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "start": np.append(0.0, self.ends[:-1]),
                "end": self.ends,
                "events": self.events,
                "left": self.left,
                "at_risk": self.at_risk,
                "survival": self.survival,
            }
        )


def private_life_table(
    y: Any,
    outcome: SurvivalSchema,
    *,
    epsilon: float,
    delta: float = 1e-5,
    neighbors: str = "add_remove",
    ledger: PrivacyLedger | None = None,
    groups: Any = None,
) -> LifeTable:
    """Count events and exits with differential privacy, and nothing else.

    One query: each patient is in one cell, an event or an exit in one band, so a patient more or
    less moves the vector of counts by 1 in L2 (a replaced one by the square root of 2).

    Parameters
    ----------
    y : structured array, or frame of event and time, of shape (n_rows,)
        Outcomes.
    outcome : SurvivalSchema
        Declares the time grid: what happens after its end counts as survived.
    epsilon : float
        Privacy budget.
    delta : float, default=1e-5
        Probability of failure; well below one in the number of patients.
    neighbors : {"add_remove", "replace"}, default="add_remove"
        Which tables count as neighbours.
    ledger : PrivacyLedger, default=None
        Where the spend is written.
    groups : array-like of shape (n_rows,), default=None
        Patient of each row. A patient's rows are added up, and the sum is cut to length 1.

    Returns
    -------
    LifeTable

    References
    ----------
    Gondara and Wang (2020), Differentially private survival function estimation, MLHC, PMLR 126.

    Examples
    --------
    >>> import numpy as np
    >>> from skcondense import SurvivalSchema, private_life_table
    >>> y = np.array([(i % 3 == 0, i % 100) for i in range(3000)], dtype="bool, float")
    >>> table = private_life_table(y, SurvivalSchema(grid=(25, 50, 75, 100)), epsilon=1.0)
    >>> table.survival.shape
    (4,)
    """
    task, values = resolve_task("survival", y, outcome)
    assert isinstance(task, SurvivalTask)
    check_consistent_length(values, groups)
    groups = None if groups is None else check_groups(groups)
    ledger = ledger_for(ledger, delta, neighbors)
    rows = _Outcomes(values, np.ones(len(values)), groups)
    oracle = PrivateOracle(rows, mu=mu_of(epsilon, delta), ledger=ledger, by="private_life_table")

    def indicators(piece: _Outcomes) -> Floats:
        return np.eye(task.n_cells)[task.cells(piece.y)]

    query = SumQuery("outcomes", 1.0, task.n_cells, 1.0, indicators, nonnegative=True)
    answer = oracle.ask(query)
    statement = PrivacyStatement.of(
        oracle.spends,
        delta=delta,
        neighbors=neighbors,
        unit=oracle.unit,
        seeded_noise=oracle.is_seeded,
    )
    found = LifeTable._from_cells(task, answer.value, answer.noise)
    return replace(found, privacy=statement)


@dataclass(frozen=True)
class _Outcomes:
    """Rows for the door that have outcomes only."""

    y: NDArray[Any]
    weight: Floats
    groups: NDArray[Any] | None

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: NDArray[np.intp]) -> "_Outcomes":
        groups = None if self.groups is None else self.groups[rows]
        return _Outcomes(self.y[rows], self.weight[rows], groups)
