"""Weighted Cox regression against scikit-survival and lifelines."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sksurv.datasets import load_gbsg2
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from skcondense import ClusterCondenser, CondensedEstimator, WeightedCoxPH
from skcondense.exceptions import TargetError
from skcondense.tasks import takes_weights


@pytest.fixture(scope="module")
def patients():
    """GBSG2 with times in quarters, so that there are many ties."""
    X, y = load_gbsg2()
    X = X[["age", "pnodes", "progrec", "tsize"]].to_numpy(dtype=float)
    return X, Surv.from_arrays(y["cens"], (y["time"] / 90).round() + 1)


def weights_of(X):
    return 1.0 + np.arange(len(X)) % 4


@pytest.mark.parametrize("ties", ["breslow", "efron"])
@pytest.mark.parametrize("alpha", [0.0, 5.0])
def test_without_weights_it_is_scikit_survivals(patients, ties, alpha):
    X, y = patients
    ours = WeightedCoxPH(alpha, ties=ties).fit(X, y)
    theirs = CoxPHSurvivalAnalysis(alpha=alpha, ties=ties, tol=1e-12).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-6)
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y))


# CoxPHFitter().fit(frame, "t", "e", weights_col=w, robust=False) of lifelines 0.30.3.
LIFELINES = [
    (
        None,
        [-0.00278957, 0.04969612, -0.00261302, 0.00764421],
        [0.00591096, 0.00745662, 0.00056458, 0.00385902],
    ),
    (
        weights_of,
        [-0.00127192, 0.0436774, -0.00268209, 0.00946393],
        [0.00376025, 0.00471655, 0.00035447, 0.00245397],
    ),
]


@pytest.mark.parametrize(("weigh", "coef", "error"), LIFELINES)
def test_with_efrons_ties_it_is_lifelines(patients, weigh, coef, error):
    X, y = patients
    model = WeightedCoxPH(ties="efron").fit(X, y, None if weigh is None else weigh(X))
    np.testing.assert_allclose(model.coef_, coef, atol=1e-6)
    np.testing.assert_allclose(np.sqrt(np.diag(model.covariance_)), error, atol=1e-6)


def test_a_row_of_weight_two_is_two_rows(patients):
    X, y = patients
    weight = weights_of(X)
    rows = np.repeat(np.arange(len(X)), weight.astype(int))
    weighted = WeightedCoxPH(1.0).fit(X, y, weight)
    repeated = WeightedCoxPH(1.0).fit(X[rows], y[rows])
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-9)
    np.testing.assert_allclose(
        weighted.cumulative_baseline_hazard_, repeated.cumulative_baseline_hazard_, rtol=1e-9
    )


def test_rows_without_weight_do_not_count(patients):
    X, y = patients
    weight = np.ones(len(X))
    weight[:50] = 0
    some = WeightedCoxPH().fit(X, y, weight)
    np.testing.assert_allclose(some.coef_, WeightedCoxPH().fit(X[50:], y[50:]).coef_, rtol=1e-9)


def test_curves_are_scikit_survivals(patients):
    X, y = patients
    ours = WeightedCoxPH().fit(X, y)
    theirs = CoxPHSurvivalAnalysis(tol=1e-12).fit(X, y)
    times = np.linspace(5, 20, 7)
    for method in ("predict_survival_function", "predict_cumulative_hazard_function"):
        for a, b in zip(getattr(ours, method)(X[:5]), getattr(theirs, method)(X[:5]), strict=True):
            np.testing.assert_allclose(a(times), b(times), rtol=1e-6)


def test_scale_and_shift_of_columns_do_not_matter(patients):
    X, y = patients
    model, moved = WeightedCoxPH().fit(X, y), WeightedCoxPH().fit(1e3 * X + 1e6, y)
    np.testing.assert_allclose(moved.coef_ * 1e3, model.coef_, rtol=1e-5)


def test_separated_events_need_a_penalty():
    X = np.arange(20.0)[:, np.newaxis]
    y = Surv.from_arrays(np.arange(20) >= 10, np.r_[np.full(10, 5.0), np.full(10, 1.0)])
    model = WeightedCoxPH(alpha=0.1).fit(X, y)
    assert np.isfinite(model.coef_).all()
    twice = np.hstack([X, X])
    with pytest.raises(ValueError, match="set alpha"):
        WeightedCoxPH().fit(twice, y)


def test_bad_input_is_refused(patients):
    X, y = patients
    with pytest.raises(TargetError, match="needs an event"):
        WeightedCoxPH().fit(X, Surv.from_arrays(np.zeros(len(X), bool), y["time"]))
    with pytest.raises(TargetError, match="needs an event"):
        WeightedCoxPH().fit(X, y, (~y["event"]).astype(float))
    with pytest.raises(TargetError, match="structured array"):
        WeightedCoxPH().fit(X, y["time"])
    with pytest.raises(ValueError, match="NaN"):
        WeightedCoxPH().fit(np.where(X > 1e9, X, np.nan), y)
    with pytest.raises(ValueError, match="alpha"):
        WeightedCoxPH(-1.0).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        WeightedCoxPH(max_iter=1).fit(X, y)


def test_it_learns_from_condensed_rows(patients):
    X, y = patients
    assert takes_weights(WeightedCoxPH())
    model = CondensedEstimator(WeightedCoxPH(1.0), ClusterCondenser(60, random_state=0)).fit(X, y)
    full = clone(model.estimator).fit(X, y)
    assert model.score(X, y) > full.score(X, y) - 0.03
