"""Cox regression with weights: small, exact, and fast on condensed rows.

scikit-survival's Cox regression takes no weights, and lifelines' wants a frame and a formula. A
condensed set is a few hundred weighted rows with few distinct times, for which Newton's method in
closed matrix form takes a millisecond or two.
"""

import warnings
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from skcondense._sklearn import StrOptions, at_least, between
from skcondense.exceptions import TargetError, missing_extra

__all__ = ["WeightedCoxPH"]

Floats = NDArray[np.float64]

# A Newton step that lowers the likelihood is halved this often at most.
N_HALVINGS = 30
# Risk scores beyond this are not told apart: their exponentials would overflow.
LARGEST_SCORE = 200.0


class WeightedCoxPH(BaseEstimator):
    r"""Cox's proportional hazards model with row weights and a ridge penalty.

    Maximises the weighted log partial likelihood minus ``alpha / 2`` times the squared length of
    the coefficients, by Newton's method.

    Parameters
    ----------
    alpha : float, default=0.0
        Ridge penalty, on the scale of scikit-survival's.
    ties : {"breslow", "efron"}, default="breslow"
        How tied event times are treated. With "breslow" a row of weight two is the same as two
        rows.
    tol : float, default=1e-9
        The iteration stops when the likelihood gains less than this, relatively.
    max_iter : int, default=100
        Largest number of Newton steps.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Log hazard ratios.
    covariance_ : ndarray of shape (n_features, n_features)
        Inverse of the penalised information. With weights that are no frequencies it is no
        measure of uncertainty.
    unique_times_ : ndarray of shape (n_event_times,)
        Distinct event times.
    cumulative_baseline_hazard_ : ndarray of shape (n_event_times,)
        Breslow's estimate for a row of zeros.
    n_iter_ : int
        Newton steps taken.

    Notes
    -----
    With weights w, scores s = X b, events d, and S(t) the sum of w exp(s) over rows with a time of
    at least t, the log partial likelihood is

    .. math:: \sum_i w_i d_i s_i - \sum_t D(t) \log S(t)

    for "breslow", with D(t) the weight of the events at t. For "efron" the k events at t are taken
    to leave the risk set one by one: D(t) log S(t) becomes the mean over l = 0 .. k-1 of
    D(t) log(S(t) - l/k E(t)), with E(t) the sum of w exp(s) over the events at t.

    References
    ----------
    Cox (1972), Regression models and life-tables, JRSS B 34(2),
    doi:10.1111/j.2517-6161.1972.tb00899.x.
    Efron (1977), The efficiency of Cox's likelihood function for censored data, JASA 72(359),
    doi:10.1080/01621459.1977.10480613.
    Breslow (1974), Covariance analysis of censored survival data, Biometrics 30(1),
    doi:10.2307/2529620.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "alpha": [between(0, None, "left")],
        "ties": [StrOptions({"breslow", "efron"})],
        "tol": [between(0, None)],
        "max_iter": [at_least(1)],
    }

    def __init__(
        self, alpha: float = 0.0, *, ties: str = "breslow", tol: float = 1e-9, max_iter: int = 100
    ) -> None:
        self.alpha = alpha
        self.ties = ties
        self.tol = tol
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows.
        y : structured array of shape (n_rows,)
            Event indicator (bool), then time.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights; ones when None.

        Returns
        -------
        self

        Raises
        ------
        TargetError
            If no row with a positive weight has an event.
        ValueError
            If the information matrix is singular: two columns say the same, or one separates the
            events. A penalty mends both.
        """
        self._validate_params()
        X = validate_data(self, X, dtype=np.float64)
        event, time = _parts(y, len(X))
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        kept = weight > 0
        if not event[kept].any():
            raise TargetError(
                "Cox regression needs an event. Got none among the rows with a positive weight."
            )
        centre = np.average(X, axis=0, weights=weight)
        likelihood = _PartialLikelihood(
            X[kept] - centre, event[kept], time[kept], weight[kept], self.ties, self.alpha
        )
        self.coef_, self.covariance_, self.n_iter_ = _newton(likelihood, self.tol, self.max_iter)
        self.unique_times_ = likelihood.event_times
        hazard = likelihood.baseline_hazard(self.coef_)
        self.cumulative_baseline_hazard_ = np.cumsum(hazard) * np.exp(-centre @ self.coef_)
        return self

    def predict(self, X: Any) -> Floats:
        """Risk scores: log hazard ratios against a row of zeros.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        check_is_fitted(self)
        return np.asarray(validate_data(self, X, dtype=np.float64, reset=False) @ self.coef_)

    def predict_cumulative_hazard_function(
        self, X: Any, return_array: bool = False
    ) -> NDArray[Any]:
        """Cumulative hazard of each row.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows.
        return_array : bool, default=False
            Whether to return values at `unique_times_` in place of functions.

        Returns
        -------
        ndarray of StepFunction of shape (n_rows,), or of float of shape (n_rows, n_event_times)
            Step functions are scikit-survival's.
        """
        hazard = np.exp(self.predict(X))[:, np.newaxis] * self.cumulative_baseline_hazard_
        return hazard if return_array else self._steps(hazard)

    def predict_survival_function(self, X: Any, return_array: bool = False) -> NDArray[Any]:
        """Survival function of each row.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows.
        return_array : bool, default=False
            Whether to return values at `unique_times_` in place of functions.

        Returns
        -------
        ndarray of StepFunction of shape (n_rows,), or of float of shape (n_rows, n_event_times)
            Step functions are scikit-survival's.
        """
        survival = np.exp(-self.predict_cumulative_hazard_function(X, return_array=True))
        return survival if return_array else self._steps(survival)

    def _steps(self, curves: Floats) -> NDArray[Any]:
        try:
            from sksurv.functions import StepFunction
        except ImportError as error:
            raise missing_extra("Survival functions", "scikit-survival", "survival") from error
        out = np.empty(len(curves), dtype=object)
        out[:] = [StepFunction(self.unique_times_, curve) for curve in curves]
        return out

    def score(self, X: Any, y: Any) -> float:
        """Harrell's concordance index.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows.
        y : structured array of shape (n_rows,)
            Event indicator, then time.

        Returns
        -------
        float
        """
        try:
            from sksurv.metrics import concordance_index_censored
        except ImportError as error:
            raise missing_extra("The C-index", "scikit-survival", "survival") from error
        return float(concordance_index_censored(*_parts(y, len(y)), self.predict(X))[0])


class _PartialLikelihood:
    """Weighted partial likelihood with its derivatives, for rows sorted by falling time."""

    def __init__(
        self,
        X: Floats,
        event: NDArray[np.bool_],
        time: Floats,
        weight: Floats,
        ties: str,
        alpha: float,
    ) -> None:
        order = np.argsort(-time, kind="stable")
        self._X, self._weight, self._event = X[order], weight[order], event[order]
        time = time[order]
        self._alpha = alpha
        self.event_times = np.unique(time[self._event])
        n_times = len(self.event_times)
        # Rows before `end` are at risk at an event time; row j is at risk at `at_risk` of them.
        self._end = np.searchsorted(-time, -self.event_times, side="right")
        self._at_risk = np.searchsorted(self.event_times, time, side="right")
        self._moment = np.where(self._event, self._at_risk - 1, -1)
        at = self._moment[self._event]
        died = np.bincount(at, self._weight[self._event], n_times)
        # An event time is one term, or with Efron's method one for each event that leaves.
        times = np.bincount(at, minlength=n_times) if ties == "efron" else np.ones(n_times, int)
        self._term = np.repeat(np.arange(n_times), times)
        first = np.cumsum(times) - times
        self._gone = (np.arange(len(self._term)) - first[self._term]) / times[self._term]
        self._died = (died / times)[self._term]
        self._sum = (self._weight * self._event) @ self._X

    def _terms(self, coef: Floats) -> tuple[Floats, Floats, Floats, float]:
        score = self._X @ coef
        top = score.max()
        risk = self._weight * np.exp(np.maximum(score - top, -LARGEST_SCORE))
        at_risk = np.cumsum(risk)[self._end - 1]
        leaving = np.bincount(self._moment[self._event], risk[self._event], len(self.event_times))
        total = at_risk[self._term] - self._gone * leaving[self._term]
        return score, risk, np.asarray(total), float(top)

    def value(self, coef: Floats) -> float:
        """Log partial likelihood, less the penalty."""
        score, _, total, top = self._terms(coef)
        events = float((self._weight * self._event) @ score)
        risks = float(self._died @ (np.log(total) + top))
        return events - risks - self._alpha / 2 * float(coef @ coef)

    def derivatives(self, coef: Floats) -> tuple[Floats, Floats]:
        """Gradient, and information matrix."""
        _, risk, total, _ = self._terms(coef)
        weighted = risk[:, np.newaxis] * self._X
        at_risk = np.cumsum(weighted, axis=0)[self._end - 1]
        leaving = np.zeros_like(at_risk)
        np.add.at(leaving, self._moment[self._event], weighted[self._event])
        mean = at_risk[self._term] - self._gone[:, np.newaxis] * leaving[self._term]
        mean /= total[:, np.newaxis]
        gradient = self._sum - self._died @ mean - self._alpha * coef
        # How much of each row's square the terms hold together.
        hazard = np.bincount(self._term, self._died / total, len(self.event_times))
        held = np.concatenate([[0.0], np.cumsum(hazard)])[self._at_risk]
        less = np.bincount(self._term, self._gone * self._died / total, len(self.event_times))
        held = held - np.where(self._event, less[self._moment], 0.0)
        information = (weighted * held[:, np.newaxis]).T @ self._X
        information -= (mean * self._died[:, np.newaxis]).T @ mean
        return gradient, information + self._alpha * np.eye(len(coef))

    def baseline_hazard(self, coef: Floats) -> Floats:
        """Breslow's jumps at the event times, for a row of zeros."""
        _, _, total, top = self._terms(coef)
        jumps = np.bincount(self._term, self._died / total, len(self.event_times))
        return np.asarray(jumps * np.exp(-top))


def _newton(
    likelihood: _PartialLikelihood, tol: float, max_iter: int
) -> tuple[Floats, Floats, int]:
    coef = np.zeros(likelihood._X.shape[1])
    value = likelihood.value(coef)
    for n_iter in range(1, max_iter + 1):  # noqa: B007 (returned below)
        gradient, information = likelihood.derivatives(coef)
        factor = _factor(information)
        step = cho_solve(factor, gradient)
        for _ in range(N_HALVINGS):
            if (found := likelihood.value(coef + step)) >= value:
                break
            step /= 2
        gain, coef, value = found - value, coef + step, found
        if gain <= tol * (abs(value) + tol):
            break
    else:
        warnings.warn(
            f"Cox regression did not converge in {max_iter} steps. Raise max_iter, or alpha.",
            ConvergenceWarning,
            stacklevel=3,
        )
    _, information = likelihood.derivatives(coef)
    return coef, cho_solve(_factor(information), np.eye(len(coef))), n_iter


def _factor(information: Floats) -> Any:
    try:
        return cho_factor(information)
    except np.linalg.LinAlgError as error:
        raise ValueError(
            "The information matrix is singular: columns repeat each other, or one separates the "
            "events. Drop columns, or set alpha to a small positive number such as 0.1."
        ) from error


def _parts(y: Any, n_rows: int) -> tuple[NDArray[np.bool_], Floats]:
    y = np.asarray(y)
    if y.dtype.names is None or len(y.dtype.names) != 2 or len(y) != n_rows:
        raise TargetError(
            "y must be a structured array of an event indicator and a time for each row. Build it "
            f"with sksurv.util.Surv.from_arrays(event, time). Got dtype {y.dtype}."
        )
    event, time = (y[name] for name in y.dtype.names)
    return event.astype(bool), time.astype(np.float64)
