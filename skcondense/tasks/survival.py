"""Survival: a label is a probability for an event in each band of time, and for none at all.

The bands hold equally many observed events. A prototype is delivered as one weighted row per
band, with an event at that band's median event time, and one row censored at the horizon. So a
survival curve becomes rows that any survival estimator with weights can learn from.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.tree import DecisionTreeRegressor

from skcondense.exceptions import TargetError, missing_extra
from skcondense.table import SurvivalSchema
from skcondense.tasks.base import Floats, Integers, Task, weighted_rows
from skcondense.tasks.classification import boosted_and_linear_classifiers
from skcondense.tasks.losses import Loss
from skcondense.tasks.survival_curves import kaplan_meier, parts_of
from skcondense.tasks.survival_losses import (
    CensoredBrier,
    Concordance,
    DiscreteHazard,
    FullLikelihood,
    PartialLikelihood,
    PseudoObservations,
)
from skcondense.tasks.xgboost_survival import risk_score

__all__ = ["SurvivalTask"]

# Bands hold equally many events: few events, few bands.
N_BANDS, MIN_EVENTS = 6, 5
# Strata of a declared task: every one more makes counts within it noisier.
N_STRATA = 3
# A cell's hazards are drawn towards those of the whole table by this many imaginary patients.
SHRINKAGE = 2.0
# Hazards of labels stay off 0 and 1, so that every outcome keeps a little weight.
FLOOR = 1e-3
# Delivered rows with a smaller share of their prototype are left out.
NEGLIGIBLE = 1e-6
# Parts of the last band, by their middles.
N_LATE = 4
_MIDDLES = (np.arange(N_LATE) + 0.5) / N_LATE
# Logits of hazards are shifted by this at most.
SHIFT = 10.0


@dataclass(frozen=True)
class SurvivalTask(Task):
    """Right-censored times as a structured array of event indicator and time.

    Parameters
    ----------
    dtype : numpy dtype
        Two fields, event (bool) then time (float), named as they came in.
    edges : ndarray of shape (n_bands - 1,)
        Inner edges of the time bands, in the unit of time that came in.
    times : ndarray of shape (n_bands + 1,)
        Time that stands for each band, and the horizon.
    late : ndarray of shape (n_late,)
        Times that stand for the last band when rows are delivered.
    stratum : ndarray of shape (n_cells,)
        Stratum of each outcome cell.
    """

    dtype: np.dtype[Any]
    edges: Floats
    times: Floats
    late: Floats
    stratum: Integers
    name: ClassVar[str] = "survival"
    metric_name: ClassVar[str] = "C-index"
    loss_types: ClassVar[dict[str, type[Loss]]] = {
        "concordance": Concordance,
        "discrete_hazard": DiscreteHazard,
        "full_likelihood": FullLikelihood,
        "brier": CensoredBrier,
        "partial_likelihood": PartialLikelihood,
        "pseudo_observations": PseudoObservations,
    }

    @classmethod
    def of(cls, y: NDArray[Any]) -> "SurvivalTask":
        """Read bands and horizon from `y`."""
        event, time = parts_of(y)
        _check_times(event, time)
        at_event = time[event]
        n_bands = int(np.clip(len(np.unique(at_event)) // MIN_EVENTS, 1, N_BANDS))
        edges = np.unique(np.quantile(at_event, np.linspace(0, 1, n_bands + 1)[1:-1]))
        edges = edges[edges < at_event.max()]
        middles = _times_within_bands(y, edges, np.array([0.5]))
        late = _times_within_bands(y, edges, _MIDDLES)[-1]
        times = np.append(middles, time.max())
        return cls(y.dtype, edges, times, np.unique(late), _thirds(len(edges) + 1))

    @classmethod
    def declared(cls, outcome: Any, y: NDArray[Any]) -> "tuple[SurvivalTask, NDArray[Any]]":
        """Take bands and horizon from a declared grid; what happens later is censored there."""
        if not isinstance(outcome, SurvivalSchema):
            raise TargetError(
                "Survival needs an outcome that is declared with a time grid, such as "
                "SurvivalSchema(grid=(30, 90, 180, 365), unit='days')."
            )
        event, time = parts_of(y)
        _check_finite(time)
        ends = np.array((0.0, *outcome.grid))
        values = y.copy()
        names = y.dtype.names or ()
        values[names[0]] = event & (time <= ends[-1])
        values[names[1]] = np.minimum(time, ends[-1])
        middle = (ends[:-1] + ends[1:]) / 2
        late = ends[-2] + _MIDDLES * (ends[-1] - ends[-2])
        task = cls(y.dtype, ends[1:-1], np.append(middle, ends[-1]), late, _thirds(len(middle)))
        return task.informed(np.ones(task.n_cells)), values

    def seeing(self, y: NDArray[Any]) -> "SurvivalTask":
        """A declared task with strata that suit the outcomes themselves, which must have events."""
        _check_times(*parts_of(y))
        counts = np.bincount(self.cells(y), minlength=self.n_cells)
        return self.informed(np.maximum(counts, 0.5))

    @property
    def n_cells(self) -> int:
        return 2 * self.n_bands + 1

    def cells(self, y: NDArray[Any]) -> Integers:
        """Band of the event; beyond those, band of the censoring; last, alive at the horizon."""
        event, time = parts_of(y)
        band = self.band(y)
        censored = np.where(time >= self.times[-1], 2 * self.n_bands, self.n_bands + band)
        return np.where(event, band, censored)

    def from_cells(self, cells: Integers) -> NDArray[Any]:
        y = np.empty(len(cells), dtype=self.dtype)
        event, time = self.dtype.names or ()
        y[event] = cells < self.n_bands
        y[time] = np.append(self.times[:-1], self.times)[cells]
        return y

    @property
    def n_bands(self) -> int:
        """Number of time bands."""
        return len(self.edges) + 1

    @property
    def ends(self) -> Floats:
        """End of each band; the last one is the horizon."""
        return np.append(self.edges, self.times[-1])

    def band(self, y: NDArray[Any]) -> Integers:
        """Band of each time."""
        return np.searchsorted(self.edges, parts_of(y)[1], side="left")

    def left_early(self, y: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether a row is censored before the horizon."""
        event, time = parts_of(y)
        return ~event & (time < self.times[-1])

    def strata(self, y: NDArray[Any]) -> Integers:
        """Stratum of each row's cell.

        Without a declared grid censored rows form one stratum and events one per third of their
        times.
        With one, cells of similar martingale residuals form three: see
        `informed`.
        """
        return self.stratum[self.cells(y)]

    def informed(self, counts: Floats) -> "SurvivalTask":
        """The task with three strata of cells, as alike as can be in their martingale residuals.

        Under the proportional hazards model the mean martingale residual of similar patients
        follows their log hazard, so outcomes that say the same about the risk are counted
        together: dying late, for one, is like leaving early.

        References
        ----------
        Therneau, Grambsch and Fleming (1990), Martingale-based residuals for survival models,
        Biometrika 77(1), doi:10.1093/biomet/77.1.147.
        """
        residual = self.tilts(counts)
        tree = DecisionTreeRegressor(max_leaf_nodes=N_STRATA, random_state=0)
        means = tree.fit(residual, residual[:, 0], sample_weight=counts).predict(residual)
        return replace(self, stratum=np.unique(means, return_inverse=True)[1])

    def tilts(self, counts: Floats) -> Floats:
        """Martingale residual of each cell, given the hazards of the whole table."""
        y = self.from_cells(np.arange(self.n_cells))
        free = self.to_free(self.cell_labels(y, counts, np.zeros(len(y), dtype=np.intp), 1))
        hazard = np.logaddexp(0.0, free[0])
        end = np.cumsum(hazard)
        middle = end - hazard / 2
        return np.concatenate([1 - middle, -middle, [-end[-1]]])[:, np.newaxis]

    def cell_labels(self, y: NDArray[Any], weight: Floats, cell: Integers, n_cells: int) -> Floats:
        """Actuarial life table of each cell, its hazards shrunk towards the whole table's."""
        events, exposed = self._life_table(y, weight, cell, n_cells)
        overall = events.sum(axis=0) / np.maximum(exposed.sum(axis=0), 1e-12)
        pull = SHRINKAGE * weight.mean()
        return _outcomes((events + pull * overall) / (exposed + pull))

    def outcome_labels(self, outcomes: Floats) -> Floats:
        """Actuarial life table of each row, without a look at the others."""
        y = self.from_cells(np.arange(self.n_cells))
        events, exposed = self._life_table(
            y, np.ones(self.n_cells), np.arange(self.n_cells), self.n_cells
        )
        at_risk = outcomes @ exposed
        tiny = 1e-9 * outcomes.sum(axis=1, keepdims=True)
        return _outcomes(outcomes @ events / np.maximum(at_risk, tiny))

    def _life_table(
        self, y: NDArray[Any], weight: Floats, cell: Integers, n_cells: int
    ) -> tuple[Floats, Floats]:
        """Weighted events and patients at risk, per cell and band."""
        person, band, died, share = self._person_periods(y)
        shape = (n_cells, self.n_bands)
        events, exposed = np.zeros(shape), np.zeros(shape)
        index = (cell[person], band)
        np.add.at(exposed, index, weight[person] * share)
        np.add.at(events, index, weight[person] * died)
        return events, exposed

    def _person_periods(
        self, y: NDArray[Any]
    ) -> tuple[Integers, Integers, NDArray[np.bool_], Floats]:
        """One entry per patient and band entered.

        A patient censored inside a band counts as half exposed to it (actuarial assumption).
        """
        event, _ = parts_of(y)
        last = self.band(y)
        person = np.repeat(np.arange(len(y)), last + 1)
        band = np.arange(len(person)) - np.repeat(np.cumsum(last + 1) - last - 1, last + 1)
        is_last = band == last[person]
        share = np.where(is_last & self.left_early(y)[person], 0.5, 1.0)
        return person, band, is_last & event[person], share

    def typical(self, y: NDArray[Any]) -> NDArray[Any]:
        event, time = self.dtype.names or ()
        out = np.empty(1, dtype=self.dtype)
        out[event] = y[event].mean() >= 0.5
        out[time] = np.quantile(y[time], 0.5, method="inverted_cdf")
        return out

    def calibrated(self, labels: Floats, weight: Floats, overall: Floats) -> Floats:
        """Shift the hazards of each band, so that the Kaplan-Meier curve at its end is kept.

        One number is added to a band's logits: the order of the prototypes stays.
        """
        alive = weight.astype(np.float64)
        free = self.to_free(labels)
        for k, goal in enumerate(_hazards(overall[np.newaxis])[0]):
            shift = np.linspace(-SHIFT, SHIFT, 1001)
            hazard = alive @ expit(np.add.outer(free[:, k], shift)) / alive.sum()
            free[:, k] += np.interp(goal, hazard, shift)
            alive *= 1 - expit(free[:, k])
        return self.from_free(free)

    def deliver(self, labels: Floats, weight: Floats) -> tuple[Integers, NDArray[Any], Floats]:
        # Few die in any one band: what is negligible of a class is not so here.
        prototype, outcome, row_weight = weighted_rows(labels, weight, NEGLIGIBLE)
        # Who dies in the last band, often a long one, does so at several times.
        parts = np.where(outcome == self.n_bands - 1, len(self.late), 1)
        row = np.repeat(np.arange(len(outcome)), parts)
        nth = np.arange(len(row)) - np.repeat(np.cumsum(parts) - parts, parts)
        y = np.empty(len(row), dtype=self.dtype)
        event, time = self.dtype.names or ()
        y[event] = outcome[row] < self.n_bands
        y[time] = np.where(parts[row] > 1, self.late[nth], self.times[outcome[row]])
        return prototype[row], y, (row_weight / parts)[row]

    def to_free(self, labels: Floats) -> Floats:
        """Logits of the discrete hazards."""
        hazard = np.clip(_hazards(labels), FLOOR, 1 - FLOOR)
        return np.log(hazard / (1 - hazard))

    def from_free(self, free: Floats) -> Floats:
        return _outcomes(1 / (1 + np.exp(-np.clip(free, -30, 30))))

    def default_teachers(self, random_state: int) -> list[Any]:
        return boosted_and_linear_classifiers(random_state)

    def fit_teacher(self, teacher: Any, Z: Floats, y: NDArray[Any], weight: Floats) -> Any:
        """Survival stacking: the discrete hazard is a classifier's probability.

        References
        ----------
        Craig, Zhong and Tibshirani (2021), Survival stacking, arXiv:2107.13480.
        """
        person, band, died, share = self._person_periods(y)
        rows = np.hstack([Z[person], np.eye(self.n_bands)[band]])
        return super().fit_teacher(teacher, rows, died, weight[person] * share)

    def teacher_labels(self, fitted: Any, Z: Floats) -> Floats:
        bands = np.eye(self.n_bands)
        hazard = [
            fitted.predict_proba(np.hstack([Z, np.tile(band, (len(Z), 1))]))[:, 1] for band in bands
        ]
        return _outcomes(np.clip(np.stack(hazard, axis=1), FLOOR, 1 - FLOOR))

    def predict(self, fitted: Any, X: Any) -> Floats:
        return risk_score(fitted, X)

    def metric(self, fitted: Any, X: Any, y: NDArray[Any]) -> float:
        """Harrell's concordance index."""
        try:
            from sksurv.metrics import concordance_index_censored
        except ImportError as error:
            raise missing_extra("The C-index", "scikit-survival", "survival") from error
        event, time = parts_of(y)
        return float(concordance_index_censored(event, time, self.predict(fitted, X))[0])


def _thirds(n_bands: int) -> Integers:
    """Stratum of each cell: thirds of the event times, and all censored rows."""
    return np.concatenate([1 + 3 * np.arange(n_bands) // n_bands, np.zeros(n_bands + 1, np.intp)])


def _times_within_bands(y: NDArray[Any], edges: Floats, parts: Floats) -> Floats:
    """Event times at which the Kaplan-Meier curve has fallen by parts of its fall in each band.

    Medians of the events as such would come too early: late ones are censored more often. And an
    observed time is one that the unit of time can express.
    """
    event, time = parts_of(y)
    at = np.unique(time[event])
    fall = -np.diff(kaplan_meier(y, np.ones(len(y)), at), prepend=1.0)
    band = np.searchsorted(edges, at, side="left")
    return np.array(
        [
            np.quantile(at[band == j], parts, weights=fall[band == j], method="inverted_cdf")
            for j in range(len(edges) + 1)
        ]
    )


def _hazards(labels: Floats) -> Floats:
    """Discrete hazard of each band, from probabilities of an event in each and of none."""
    alive = 1 - np.cumsum(labels, axis=1)[:, :-1] + labels[:, :-1]
    return np.asarray(labels[:, :-1] / np.maximum(alive, FLOOR))


def _outcomes(hazard: Floats) -> Floats:
    """Probability of an event in each band, and of none, from discrete hazards."""
    alive = np.cumprod(1 - hazard, axis=1)
    before = np.hstack([np.ones((len(hazard), 1)), alive])
    return np.hstack([before[:, :-1] * hazard, alive[:, -1:]])


def _check_times(event: NDArray[np.bool_], time: Floats) -> None:
    _check_finite(time)
    if not event.any():
        raise TargetError(
            "All rows are censored: there is no event to learn from. "
            "Check that the event column is True (or 1) where the event was observed."
        )


def _check_finite(time: Floats) -> None:
    if not np.isfinite(time).all():
        raise TargetError(
            f"Survival times must be finite. Got {int((~np.isfinite(time)).sum())} missing or "
            "infinite times (NaN or inf)."
        )
    if (time < 0).any():
        raise TargetError(
            f"Survival times must not be negative. Got {int((time < 0).sum())} negative times."
        )
