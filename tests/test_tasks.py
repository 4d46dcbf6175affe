"""The task room: what y is, labels as weighted rows, bounded losses, weights that arrive."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.dummy import DummyRegressor
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.metrics import concordance_index_censored
from xgboost import XGBRegressor

from skcondense import fit_weighted, to_bounds, to_signed_time
from skcondense.exceptions import TargetError, WeightsNotSupportedError
from skcondense.tasks import Rows, TargetContainer, loss_type, replicate, resolve_task

N = 120
draw = np.random.default_rng(0)
X = draw.normal(size=(N, 3))
CLASSES = np.where(X[:, 0] + draw.normal(size=N) > 0, 1, 0)
NUMBERS = X[:, 0] + draw.normal(size=N)
TIMES = np.empty(N, dtype=[("died", bool), ("days", float)])
TIMES["days"] = np.round(10 * draw.exponential(np.exp(-X[:, 0])), 2) + 0.01
TIMES["died"] = draw.random(N) < 0.6
FRAME = pd.DataFrame({"event": TIMES["died"].astype(int), "time": TIMES["days"]})

OUTCOMES = {
    "int": (CLASSES, "classification"),
    "str": (np.array(["no", "yes"])[CLASSES], "classification"),
    "bool": (CLASSES == 1, "classification"),
    "three": (draw.integers(0, 3, N), "classification"),
    "pandas": (pd.Series(CLASSES, name="ill"), "classification"),
    "categorical": (pd.Series(CLASSES).map({0: "a", 1: "b"}).astype("category"), "classification"),
    "polars": (pl.Series("ill", CLASSES == 1), "classification"),
    "enum": (
        pl.Series(np.array(["a", "b"])[CLASSES].tolist(), dtype=pl.Enum(["b", "a"])),
        "classification",
    ),
    "nullable": (pd.Series(CLASSES, dtype="Int64"), "classification"),
    "float labels": (CLASSES.astype(float), "classification"),
    "twenty numbers": (np.arange(N) % 20, "classification"),
    "twenty-one numbers": (np.arange(N) % 21, "regression"),
    "list": (CLASSES.tolist(), "classification"),
    "float": (NUMBERS, "regression"),
    "many integers": (np.arange(N), "regression"),
    "structured": (TIMES, "survival"),
    "frame": (FRAME, "survival"),
    "frame reversed": (FRAME[["time", "event"]], "survival"),
    "polars frame": (pl.from_pandas(FRAME), "survival"),
}
CASES = pytest.mark.parametrize(("y", "name"), OUTCOMES.values(), ids=OUTCOMES)


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@CASES
def test_task_is_found(y, name):
    task, values = resolve_task("auto", y)
    assert task.name == name
    assert len(values) == N


@CASES
def test_labels_become_weighted_rows(y, name, rng):
    task, values = resolve_task("auto", y)
    cell = np.arange(N) % 10
    labels = task.cell_labels(values, np.ones(N), cell, 10)
    np.testing.assert_allclose(task.from_free(task.to_free(labels)), labels, atol=0.01)
    weight = rng.uniform(1, 2, 10)
    prototype, delivered, row_weight = task.deliver(labels, weight)
    np.testing.assert_allclose(np.bincount(prototype, row_weight), weight)
    if name == "survival":
        event, time = (delivered[field] for field in delivered.dtype.names)
        # Every band has its event, the last one several, and the horizon its censored row.
        assert set(time[event]) == {*task.times[:-2], *task.late}
        assert set(time[~event]) == {task.times[-1]}
    back = TargetContainer.of(y).build(delivered)
    if not isinstance(y, list):
        assert type(back) is type(y)
    if name == "classification":
        assert set(np.unique(np.asarray(back))) == set(np.unique(np.asarray(y)))
    if hasattr(y, "dtype") and not isinstance(y, np.ndarray):
        assert back.dtype == y.dtype
    if isinstance(y, pd.DataFrame):
        assert (back.dtypes == y.dtypes).all()
        assert set(back["time"]) <= set(y["time"])


@CASES
def test_free_numbers_become_valid_labels(y, name, rng):
    task, values = resolve_task("auto", y)
    width = task.to_free(task.cell_labels(values, np.ones(N), np.zeros(N, int), 1)).shape[1]
    labels = task.from_free(100 * rng.normal(size=(30, width)))
    assert np.isfinite(labels).all()
    if name != "regression":
        np.testing.assert_allclose(labels.sum(axis=1), 1)


def test_classification_loss_is_bounded_and_per_row():
    task, y = resolve_task("auto", CLASSES)
    model = LogisticRegression().fit(X, y)
    proba = task.predict(model, X)
    rows = Rows(X, y, np.ones(N))
    loss = loss_type(task, "auto").of(task, rows, None)
    found = loss(model, X, y, rows)
    assert found.shape == (N,)
    assert found[:5] == pytest.approx(loss(model, X[:5], y[:5], rows))
    sure = LogisticRegression(C=1e9).fit(X, y)
    sure.coef_ *= 1e6
    assert loss(sure, X, 1 - y, rows).max() == pytest.approx(-np.log(0.02))
    assert task.metric(model, X, y) == pytest.approx(roc_auc_score(y, proba[:, 1]))


@CASES
def test_loss_is_bounded_and_per_row(y, name, rng):
    task, values = resolve_task("auto", y)
    size = (N, len(task.classes)) if name == "classification" else N
    wild = 1e3 * rng.normal(size=size)

    class Echo:
        classes_ = getattr(task, "classes", None)

        def predict(self, X):
            return X

    if name == "classification":
        Echo.predict_proba = Echo.predict
    trained_on = Rows(wild[:20].copy(), values[:20], np.ones(20))
    background = Rows(wild.copy(), values, np.ones(N))
    for kind in task.loss_types.values():
        loss = kind.of(task, background, rng)
        if loss.not_private_because is not None:
            continue
        before = loss(Echo(), wild, values, trained_on)
        assert before.shape == (N,)
        assert before.min() >= 0
        assert before.max() <= loss.largest + 1e-12
        # A change of the last row's prediction and outcome changes the loss of no other row.
        other_wild, other_values = wild.copy(), values.copy()
        other_wild[-1] += 1e3
        other_values[-1] = values[0]
        after = loss(Echo(), other_wild, other_values, trained_on)
        assert np.array_equal(after[:-1], before[:-1])


@pytest.mark.parametrize("name", ["classification", "regression"])
def test_cell_labels_are_weighted_means(name, rng):
    y = CLASSES if name == "classification" else NUMBERS
    task, values = resolve_task("auto", y)
    weight, cell = rng.uniform(1, 5, N), np.arange(N) % 4
    labels = task.cell_labels(values, weight, cell, 4)
    expected = [np.average(y[cell == k], weights=weight[cell == k]) for k in range(4)]
    np.testing.assert_allclose(labels[:, -1], expected)


def test_survival_labels_follow_the_weights():
    task, y = resolve_task("auto", TIMES)
    events_first, censored_first = (
        task.cell_labels(y, np.where(y["died"] == heavy, 9.0, 1.0), np.zeros(N, int), 1)[0]
        for heavy in (True, False)
    )
    assert events_first.sum() == pytest.approx(1)
    assert events_first[-1] < censored_first[-1] - 0.2


@pytest.mark.parametrize("name", ["int", "three", "structured"])
def test_rare_outcomes_do_not_vanish(name):
    task, _ = resolve_task("auto", OUTCOMES[name][0])
    n_outcomes = task.n_bands + 1 if name == "structured" else len(task.classes)
    labels = np.full((8, n_outcomes), 1e-4)
    labels[:, 0] = 1 - 1e-4 * (n_outcomes - 1)
    _, y, weight = task.deliver(labels, np.ones(8))
    delivered = task.n_bands + len(task.late) if name == "structured" else n_outcomes
    assert len(np.unique(y)) == delivered
    assert weight.sum() == pytest.approx(8)
    assert (weight > 0).all()


def test_auroc_of_several_classes(rng):
    y = np.digitize(X[:, 0] + 0.5 * rng.normal(size=N), [-0.5, 0.5])
    task, y = resolve_task("auto", np.array(["high", "low", "mid"])[y])
    model = LogisticRegression().fit(X, y)
    expected = roc_auc_score(y, model.predict_proba(X), multi_class="ovr")
    assert task.metric(model, X, y) == pytest.approx(expected)


def test_class_the_model_never_met_gets_no_probability():
    task, y = resolve_task("auto", np.arange(N) % 3)
    model = LogisticRegression().fit(X[y != 1], y[y != 1])
    proba = task.predict(model, X)
    assert proba.shape == (N, 3)
    assert (proba[:, 1] == 0).all()


def test_regression_loss_is_bounded():
    task, y = resolve_task("auto", NUMBERS)
    loss = loss_type(task, "squared_error").of(task, Rows(X, y, np.ones(N)), None)
    perfect = DummyRegressor(strategy="constant", constant=0.0).fit(X, y)
    assert loss(perfect, X, np.zeros(N), None).max() == 0
    assert loss(perfect, X, np.full(N, 1e9), None).max() == 1


def test_survival_loss_counts_wrong_rankings():
    task, y = resolve_task("auto", TIMES)
    events = y[y["died"]]
    rows = Rows(events["days"], events, np.ones(len(events)))
    loss = loss_type(task, "concordance").of(task, rows, np.random.default_rng(0))

    class Ranker:
        def __init__(self, slope):
            self.slope = slope

        def predict(self, X):
            return self.slope * X

    assert loss(Ranker(-1), *rows[:2], rows).max() == 0
    worst = loss(Ranker(1), *rows[:2], rows)
    assert np.median(worst) == 1
    assert loss(Ranker(0), y["days"], y, rows).max() == pytest.approx(0.5)


def test_c_index():
    task, y = resolve_task("auto", TIMES)
    model = CoxPHSurvivalAnalysis().fit(X, y)
    expected = concordance_index_censored(y["died"], y["days"], model.predict(X))[0]
    assert task.metric(model, X, y) == pytest.approx(expected)


def test_life_table_without_censoring_is_the_share_of_events():
    y = TIMES.copy()
    y["died"] = True
    task, y = resolve_task("auto", y)
    label = task.cell_labels(y, np.ones(N), np.zeros(N, int), 1)[0]
    band = np.searchsorted(task.edges, y["days"], side="left")
    np.testing.assert_allclose(label[:-1], np.bincount(band) / N, atol=1e-9)
    assert label[-1] == pytest.approx(0, abs=1e-9)


def test_few_events_make_few_bands():
    y = TIMES.copy()
    y["died"] = False
    y["died"][:3] = True
    task, y = resolve_task("auto", y)
    assert task.n_bands == 1
    assert task.deliver(task.cell_labels(y, np.ones(N), np.zeros(N, int), 1), np.ones(1))[1][
        "died"
    ].any()


def test_xgboost_targets():
    signed = to_signed_time(TIMES)
    assert ((signed > 0) == TIMES["died"]).all()
    assert np.array_equal(np.abs(signed), TIMES["days"])
    lower, upper = to_bounds(TIMES)
    assert (lower == TIMES["days"]).all()
    assert (np.isinf(upper) == ~TIMES["died"]).all()


WRAPS = {
    "bare": lambda e: e,
    "pipeline": lambda e: make_pipeline(StandardScaler(), e),
    "one step": lambda e: make_pipeline(e),
    "supervised step": lambda e: make_pipeline(SelectKBest(f_regression, k=2), e),
    "nested": lambda e: make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), e)),
}


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
@pytest.mark.parametrize("objective", ["survival:cox", "survival:aft"])
def test_xgboost_ranks_patients(wrap, objective):
    task, y = resolve_task("auto", TIMES)

    def fitted(weight):
        model = wrap(XGBRegressor(objective=objective, n_estimators=20, n_jobs=1))
        return fit_weighted(model, X, TIMES, weight)

    assert task.metric(fitted(np.ones(N)), X, y) > 0.7
    # Weights arrive: a model of half of the rows is another model.
    half = np.where(np.arange(N) < N // 2, 1.0, 1e-6)
    assert not np.allclose(task.predict(fitted(half), X), task.predict(fitted(np.ones(N)), X))


class Spy(LogisticRegression):
    def fit(self, X, y, sample_weight=None):
        self.seen_ = sample_weight
        return super().fit(X, y, sample_weight)


WEIGHT = draw.uniform(1, 3, N)


@pytest.mark.parametrize("routing", [True, False])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_weights_reach_the_last_step(routing, depth):
    with sklearn.config_context(enable_metadata_routing=routing):
        spy = Spy()
        if routing:
            spy.set_fit_request(sample_weight=True)
        model = spy
        for _ in range(depth):
            scaler = StandardScaler()
            if routing:
                scaler.set_fit_request(sample_weight=False)
            model = make_pipeline(scaler, model)
        fit_weighted(model, X, CLASSES, WEIGHT)
        assert np.array_equal(spy.seen_, WEIGHT)


def test_no_weights_is_an_error_with_a_remedy():
    with pytest.raises(WeightsNotSupportedError, match='weights="replicate"'):
        fit_weighted(KNeighborsClassifier(), X, CLASSES, WEIGHT)
    assert fit_weighted(KNeighborsClassifier(), X, CLASSES, np.ones(N)).n_samples_fit_ == N
    assert fit_weighted(KNeighborsClassifier(), X, CLASSES, WEIGHT, "uniform").n_samples_fit_ == N
    more = fit_weighted(KNeighborsClassifier(), X, CLASSES, WEIGHT, "replicate")
    assert more.n_samples_fit_ == 5 * N


def test_replication_keeps_proportions():
    rows = replicate(np.array([1.0, 2.0, 5.0]))
    assert len(rows) == 15
    np.testing.assert_array_equal(np.bincount(rows), [2, 4, 9])


def test_one_test_class_has_no_auroc():
    task, y = resolve_task("auto", CLASSES)
    with pytest.raises(TargetError, match="two classes"):
        task.metric(LogisticRegression().fit(X, y), X[:3], np.ones(3))
