"""Survival from end to end: losses, curves, labels, strata, life tables, splits."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline as sklearn_pipeline
from sklearn.preprocessing import StandardScaler
from sksurv.datasets import load_gbsg2
from sksurv.ensemble import GradientBoostingSurvivalAnalysis, RandomSurvivalForest
from sksurv.linear_model import CoxnetSurvivalAnalysis, CoxPHSurvivalAnalysis, IPCRidge
from sksurv.metrics import (
    as_concordance_index_ipcw_scorer,
    as_cumulative_dynamic_auc_scorer,
    as_integrated_brier_score_scorer,
    concordance_index_censored,
)
from sksurv.nonparametric import kaplan_meier_estimator
from sksurv.util import Surv
from xgboost import XGBRegressor

from skcondense import (
    ClusterCondenser,
    CondensedEstimator,
    EventStratifiedKFold,
    HerdingCondenser,
    LifeTable,
    PrivacyLedger,
    RandomCondenser,
    SchemaVectorizer,
    SurvivalSchema,
    TableSchema,
    WeightedCoxPH,
    ZeroOrderCondenser,
    event_stratified_split,
    fit_weighted,
    private_life_table,
)
from skcondense.audit import kaplan_meier_distance
from skcondense.condensers import private_teacher
from skcondense.exceptions import LedgerError, PrivacyLeakWarning, TargetError
from skcondense.privacy import seeded_noise
from skcondense.tasks import Rows, SurvivalTask, loss_type, resolve_task
from skcondense.tasks.survival_curves import kaplan_meier, survival_curves
from skcondense.tasks.survival_losses import CensoredBrier, pseudo_observations

FRAME, Y = load_gbsg2()
FRAME = FRAME.astype({"horTh": str, "menostat": str, "tgrade": str})
NUMBERS = FRAME[["age", "estrec", "pnodes", "progrec", "tsize"]].to_numpy(float)
NUMBERS = (NUMBERS - NUMBERS.mean(axis=0)) / NUMBERS.std(axis=0)
N = len(Y)
TRAIN = Rows(NUMBERS[:400], Y[:400], np.ones(400))
GRID = SurvivalSchema(grid=(365, 730, 1095, 1460, 1825, 2190), unit="days")
LOSSES = list(SurvivalTask.loss_types)
PRIVATE = [name for name in LOSSES if SurvivalTask.loss_types[name].not_private_because is None]


def schema_of(X, outcome=GRID):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PrivacyLeakWarning)
        return replace(TableSchema.from_frame(X), outcome=outcome)


SCHEMA = schema_of(FRAME)
# Like the built-in one, with a tenth of the rounds.
TEACHER = [HistGradientBoostingClassifier(max_iter=15), LogisticRegression()]


@pytest.fixture(autouse=True)
def _small_private_teacher(monkeypatch):
    monkeypatch.setattr(private_teacher, "N_ROWS", 3000)
    monkeypatch.setattr(private_teacher, "N_TREES", 10)


def loss_of(name, rows=TRAIN, task=None):
    task = task or resolve_task("survival", rows.y)[0]
    return loss_type(task, name).of(task, rows, np.random.default_rng(0))


def short_search(columns, **settings):
    """A short search with Cox regression as black box."""
    cox = sklearn_pipeline(SchemaVectorizer(columns), StandardScaler(), WeightedCoxPH(alpha=1.0))
    short = {"n_prototypes": 15, "n_candidates": 3, "n_exchanges": 2, "n_directions": 2}
    return ZeroOrderCondenser(cox, random_state=0, **short, **settings)


class Curve:
    """A model that predicts the same survival curve for everybody."""

    def __init__(self, times, alive):
        self.unique_times_, self.alive = times, alive

    def predict_survival_function(self, X, return_array=False):
        return np.tile(self.alive, (len(X), 1))


def outcomes(*pairs):
    return np.array(list(pairs), dtype=[("event", bool), ("time", float)])


# Curves


@pytest.mark.parametrize(
    "model",
    [
        CoxPHSurvivalAnalysis(alpha=1.0),
        WeightedCoxPH(alpha=1.0),
        CoxnetSurvivalAnalysis(),
        CoxnetSurvivalAnalysis(fit_baseline_model=True),
        RandomSurvivalForest(10, random_state=0),
        GradientBoostingSurvivalAnalysis(n_estimators=20, random_state=0),
        GradientBoostingSurvivalAnalysis(n_estimators=20, loss="ipcwls", random_state=0),
        IPCRidge(),
        XGBRegressor(objective="survival:cox", n_estimators=20, learning_rate=0.1),
        XGBRegressor(objective="survival:aft", n_estimators=50, learning_rate=0.1),
    ],
    ids=str,
)
def test_curves_of_any_model_are_curves_and_know_who_is_at_risk(model):
    fitted = fit_weighted(sklearn_pipeline(StandardScaler(), model), *TRAIN)
    times = np.array([200.0, 700.0, 1200.0, 1800.0])
    alive = survival_curves(fitted, NUMBERS[400:], times, TRAIN)
    assert alive.shape == (N - 400, 4)
    assert ((alive >= 0) & (alive <= 1)).all()
    assert (np.diff(alive, axis=1) <= 1e-12).all()
    observed = kaplan_meier(Y[400:], np.ones(N - 400), times)
    assert alive.mean(axis=0) == pytest.approx(observed, abs=0.15)
    assert concordance_index_censored(Y["cens"][400:], Y["time"][400:], -alive[:, 2])[0] > 0.6


def test_breslow_curves_are_those_of_scikit_survival():
    cox = CoxPHSurvivalAnalysis(alpha=1.0).fit(*TRAIN[:2])
    times = np.array([100.0, 600.0, 1500.0])

    class ScoreOnly:
        predict = cox.predict

    expected = np.stack([f(times) for f in cox.predict_survival_function(NUMBERS[400:])])
    found = survival_curves(ScoreOnly(), NUMBERS[400:], times, TRAIN)
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_baselines_follow_the_weights():
    """scikit-survival's boosting estimates its baseline without them."""
    heavy = TRAIN._replace(weight=np.where(TRAIN.y["cens"], 1.0, 20.0))
    boosted = GradientBoostingSurvivalAnalysis(n_estimators=20, random_state=0)
    fitted = fit_weighted(boosted, *heavy)
    times = np.array([1000.0])
    alive = survival_curves(fitted, TRAIN.X, times, heavy)
    expected = kaplan_meier(heavy.y, heavy.weight, times)
    assert np.average(alive[:, 0], weights=heavy.weight) == pytest.approx(expected[0], abs=0.03)


def test_kaplan_meier_is_that_of_scikit_survival():
    at, alive = kaplan_meier_estimator(Y["cens"], Y["time"])
    times = np.array([0.0, at[5], 500.5, 3000.0])
    expected = np.append(1.0, alive)[np.searchsorted(at, times, side="right")]
    np.testing.assert_allclose(kaplan_meier(Y, np.ones(N), times), expected, atol=1e-12)
    # A row of weight three is three rows.
    weight = 1.0 + (np.arange(N) % 3)
    repeated = np.repeat(Y, weight.astype(int))
    np.testing.assert_allclose(
        kaplan_meier(Y, weight, times), kaplan_meier(repeated, np.ones(len(repeated)), times)
    )


# Losses, by hand


def task_with_bands():
    y = outcomes((True, 5), (False, 15), (True, 15), (False, 30), (True, 25))
    return SurvivalTask.declared(SurvivalSchema(grid=(10, 20, 30)), y)


def test_discrete_hazard_by_hand():
    task, y = task_with_bands()
    model = Curve(np.array([10.0, 20.0, 30.0]), np.array([0.9, 0.6, 0.3]))
    loss = loss_of("discrete_hazard", Rows(np.zeros((5, 1)), y, np.ones(5)), task)
    expected = [
        -np.log(0.1),
        -np.log(0.9) - np.log(0.6 / 0.9) / 2,
        -np.log(0.3),
        -np.log(0.3),
        -np.log(0.3),
    ]
    np.testing.assert_allclose(loss(model, np.zeros((5, 1)), y, None), expected)


def test_full_likelihood_by_hand():
    task, y = task_with_bands()
    model = Curve(np.array([10.0, 20.0, 30.0]), np.array([0.9, 0.6, 0.3]))
    loss = loss_of("full_likelihood", Rows(np.zeros((5, 1)), y, np.ones(5)), task)
    hazard = -np.log([0.9, 0.6 / 0.9, 0.5])
    expected = [
        hazard[0] / 2 - np.log(hazard[0]),
        hazard[0] + hazard[1] / 2,
        hazard[0] + hazard[1] / 2 - np.log(hazard[1]),
        hazard.sum(),
        hazard[0] + hazard[1] + hazard[2] / 2 - np.log(hazard[2]),
    ]
    found = loss(model, np.zeros((5, 1)), y, None)
    np.testing.assert_allclose(found - found[3] + expected[3], expected)


def test_brier_by_hand():
    task, y = task_with_bands()
    model = Curve(np.array([10.0, 20.0, 30.0]), np.array([0.9, 0.6, 0.3]))
    # Nobody is censored before 15, where one of four who are left is.
    loss = loss_of("brier", Rows(np.zeros((5, 1)), y, np.ones(5)), task)
    found = loss(model, np.zeros((5, 1)), y, None)
    late = 1 / (1 - 1 / 4)
    assert found[0] == pytest.approx((0.9**2 + 0.6**2 + 0.3**2) / 3)
    assert found[1] == pytest.approx(0.1**2 / 3)
    assert found[3] == pytest.approx((0.1**2 + late * 0.4**2 + late * 0.7**2) / 3)


def test_pseudo_observations_are_those_of_the_jackknife():
    y, times = Y[:60], np.array([300.0, 900.0, 1500.0])

    def curve(rows):
        return kaplan_meier(y[rows], np.ones(len(rows)), times)

    everybody = np.arange(60)
    expected = [60 * curve(everybody) - 59 * curve(np.delete(everybody, i)) for i in range(60)]
    np.testing.assert_allclose(pseudo_observations(y, times), expected, atol=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_prefers_a_model_that_knows_something(name):
    cox = WeightedCoxPH(alpha=1.0).fit(*TRAIN)
    nothing = WeightedCoxPH(alpha=1e9).fit(*TRAIN)
    loss = loss_of(name)
    means = [loss(model, NUMBERS[400:], Y[400:], TRAIN).mean() for model in (cox, nothing)]
    assert means[0] < means[1]


@pytest.mark.parametrize("name", LOSSES)
def test_private_losses_look_at_one_patient_and_the_others_do_not(name):
    """The negative control: what is refused with epsilon does fail here."""
    cox = WeightedCoxPH(alpha=1.0).fit(*TRAIN)
    loss = loss_of(name)
    among = loss(cox, NUMBERS, Y, TRAIN)
    few = np.arange(0, N, 11)
    alone = loss(cox, NUMBERS[few], Y[few], TRAIN)
    assert np.allclose(among[few], alone) == (name in PRIVATE)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - set(PRIVATE)))
def test_unsound_losses_are_refused_before_anything_is_spent(name):
    ledger = PrivacyLedger()
    condenser = short_search(SCHEMA, loss=name, schema=SCHEMA, epsilon=1, ledger=ledger)
    with pytest.raises(ValueError, match=r"cannot be used with epsilon: .*patient"):
        condenser.fit(FRAME, Y)
    assert not ledger.spends


def test_a_loss_of_another_task_is_refused():
    with pytest.raises(ValueError, match=r"survival knows the losses .* Got loss='log_loss'"):
        ZeroOrderCondenser(WeightedCoxPH(alpha=1.0), loss="log_loss").fit(NUMBERS, Y)


# Labels and rows


@pytest.mark.parametrize("labels", ["mean", "teacher"])
@pytest.mark.parametrize("grid", [None, GRID])
def test_condensed_kaplan_meier_meets_the_real_one_at_every_band(labels, grid):
    condenser = ClusterCondenser(
        40, labels=labels, teacher=TEACHER, schema=replace(SCHEMA, outcome=grid), random_state=0
    )
    found = condenser.condense(FRAME, Y)
    ends = condenser.task_.ends[:-1]
    condensed = kaplan_meier(found.y, found.sample_weight, ends)
    # The actuarial estimate differs a little from Kaplan and Meier's.
    np.testing.assert_allclose(condensed, kaplan_meier(Y, np.ones(N), ends), atol=0.02)


def test_a_declared_grid_counts_without_epsilon():
    condenser = ClusterCondenser(20, teacher=TEACHER, schema=SCHEMA, random_state=0).fit(FRAME, Y)
    np.testing.assert_array_equal(condenser.task_.ends, GRID.grid)
    event, time = condenser.y_condensed_["cens"], condenser.y_condensed_["time"]
    assert time[~event].max() == GRID.grid[-1]
    too_early = replace(SCHEMA, outcome=SurvivalSchema(grid=(1, 2)))
    with pytest.raises(TargetError, match="no event"):
        ClusterCondenser(20, schema=too_early).fit(FRAME, Y)


@pytest.mark.parametrize("share", [0.05, 0.95])
@pytest.mark.parametrize("ties", [False, True])
def test_few_events_heavy_censoring_and_ties(share, ties):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3))
    time = rng.exponential(10 * np.exp(-X[:, 0])) + 0.1
    y = outcomes(*zip(rng.random(600) < share, np.ceil(time) if ties else time, strict=True))
    for condenser in (
        ClusterCondenser(10, labels="mean", random_state=0),
        ClusterCondenser(10, teacher=LogisticRegression(), random_state=0),
        RandomCondenser(10, random_state=0),
        HerdingCondenser(10, random_state=0),
    ):
        found = condenser.condense(X, y)
        assert found.y["event"].any()
        assert np.isin(found.y["time"], y["time"]).all() or not ties
        assert found.sample_weight.sum() == pytest.approx(600)


def test_rare_levels_keep_a_prototype():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "age": rng.normal(60, 9, 1500),
            "size": rng.normal(20, 5, 1500),
            "grade": rng.choice(["well", "poor"], 1500),
        }
    )
    X.loc[:9, "grade"] = "anaplastic"
    time = rng.exponential(np.where(X["grade"] == "anaplastic", 1.0, 9.0)) + 0.01
    y = outcomes(*zip(np.ones(1500, bool), time, strict=True))
    for condenser in (
        ClusterCondenser(15, labels="mean", random_state=0),
        ClusterCondenser(15, teacher=LogisticRegression(), random_state=0),
        short_search(schema_of(X, None), teacher=TEACHER, max_iter=2),
    ):
        found = condenser.condense(X, y)
        rare = np.asarray(found.X["grade"] == "anaplastic")
        # A level that a candidate set holds by itself has the weight of its cell, not of its rows.
        assert found.sample_weight[rare].sum() == pytest.approx(10, abs=4)
        assert found.real_row_matches.exact == 0
        early = np.asarray(found.y["event"] & (found.y["time"] < 5))
        ill, others = (
            np.average(early[part], weights=found.sample_weight[part]) for part in (rare, ~rare)
        )
        # A candidate set may hold the level in a cell where half of the rows have another.
        assert ill > others + 0.1


def test_strata_hold_outcomes_that_say_the_same_about_the_risk():
    task, values = SurvivalTask.declared(GRID, Y)
    informed = task.informed(np.maximum(np.bincount(task.cells(values), minlength=13), 0.5))
    residual = informed.tilts(np.bincount(task.cells(values), minlength=13) + 0.5)[:, 0]
    strata = informed.stratum
    assert set(strata) == {0, 1, 2}
    assert [residual[strata == k].mean() for k in range(3)] == sorted(
        residual[strata == k].mean() for k in range(3)
    )
    # Early deaths stand out at one end, those who reach the horizon at the other.
    assert strata[0] == 2
    assert strata[-1] == 0


# Life table


def test_life_table_without_noise_is_the_actuarial_estimate():
    with seeded_noise(0):
        table = private_life_table(Y, GRID, epsilon=900.0)
    assert table.survival == pytest.approx(kaplan_meier(Y, np.ones(N), table.ends), abs=0.01)
    frame = table.to_frame()
    assert frame["events"].sum() == pytest.approx(Y["cens"][Y["time"] <= 2190].sum(), abs=0.1)
    assert frame["at_risk"][0] == pytest.approx(N - frame["left"][0] / 2, abs=0.1)


def test_life_table_spends_what_it_says():
    ledger = PrivacyLedger(epsilon=1.5)
    table = private_life_table(Y, GRID, epsilon=1.0, ledger=ledger)
    assert table.privacy.epsilon == pytest.approx(1.0, rel=1e-6)
    assert [spend.query for spend in ledger.spends] == ["outcomes"]
    assert ledger.spends[0].sensitivity == 1.0
    assert table.noise > 0


def test_life_table_counts_patients():
    """Eight visits of one patient weigh no more than one."""
    y = outcomes(*[(True, 100.0)] * 8)
    with seeded_noise(0):
        table = private_life_table(y, GRID, epsilon=900.0, groups=np.zeros(8))
    assert table.events[0] == pytest.approx(1, abs=0.05)
    assert table.privacy.unit == "patient"


def test_life_table_of_a_private_fit_costs_nothing_more():
    condenser = ClusterCondenser(12, schema=SCHEMA, epsilon=50.0, random_state=0).fit(FRAME, Y)
    table = LifeTable.of(condenser)
    condensed = kaplan_meier(condenser.y_condensed_, condenser.sample_weight_, table.ends[:-1])
    np.testing.assert_allclose(table.survival[:-1], condensed, atol=0.03)
    assert condenser.sample_weight_.sum() == pytest.approx(N, abs=30)
    with pytest.raises(ValueError, match="with epsilon"):
        LifeTable.of(ClusterCondenser(12, labels="mean").fit(NUMBERS, Y))


def test_life_table_says_nothing_in_its_errors():
    none = outcomes((False, 3.0), (False, 4.0))
    assert private_life_table(none, SurvivalSchema(grid=(5, 10)), epsilon=1.0).events.shape == (2,)
    with pytest.raises(LedgerError, match="neighbors"):
        private_life_table(
            Y, GRID, epsilon=1.0, neighbors="replace", ledger=PrivacyLedger(neighbors="add_remove")
        )
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        private_life_table(Y, GRID, epsilon=1.0, groups=np.zeros(5))
    with pytest.raises(ValueError, match="missing"):
        private_life_table(none, GRID, epsilon=1.0, groups=[1.0, np.nan])


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.float32])
@pytest.mark.parametrize("container", ["structured", "pandas", "polars"])
def test_times_of_any_dtype_keep_their_bands(dtype, container):
    rng = np.random.default_rng(0)
    time = np.minimum(np.ceil(rng.exponential(4, 2000)), 6).astype(dtype)
    event = time < 6
    grid = SurvivalSchema(grid=(1, 2, 3, 4, 5, 6))
    y = np.empty(2000, dtype=[("event", bool), ("time", dtype)])
    y["event"], y["time"] = event, time
    if container != "structured":
        y = {"pandas": pd.DataFrame, "polars": pl.DataFrame}[container](
            {"event": event, "time": time}
        )
    X = rng.normal(size=(2000, 3))
    condenser = ClusterCondenser(
        10, schema=schema_of(X, grid), teacher=LogisticRegression(), random_state=0
    ).fit(X, y)
    found = condenser.y_condensed_
    if container == "structured":
        assert found.dtype == y.dtype
    else:
        assert list(found.dtypes) == list(y.dtypes)
    pairs = zip(np.asarray(found["event"]), np.asarray(found["time"]), strict=True)
    ends = np.arange(1.0, 6.0)
    condensed = kaplan_meier(outcomes(*pairs), condenser.sample_weight_, ends)
    real = kaplan_meier(outcomes(*zip(event, time, strict=True)), np.ones(2000), ends)
    np.testing.assert_allclose(condensed, real, atol=0.01)
    with seeded_noise(0):
        table = private_life_table(y, grid, epsilon=900.0)
    assert table.survived == pytest.approx((~event).sum(), abs=1)


@pytest.mark.parametrize("labels", ["mean", "teacher"])
@pytest.mark.parametrize("share", [0.01, 0.003])
def test_rare_events_are_neither_lost_nor_made_up(labels, share):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6000, 3))
    event = rng.random(6000) < share * np.exp(X[:, 0])
    y = outcomes(*zip(event, np.where(event, rng.uniform(0, 1, 6000), 1.0), strict=True))
    found = ClusterCondenser(60, labels=labels, teacher=TEACHER, random_state=0).condense(X, y)
    died = found.sample_weight[found.y["event"]].sum()
    assert died == pytest.approx(event.sum(), rel=0.05)


def test_many_rare_levels_leave_positive_weights():
    rng = np.random.default_rng(0)
    columns = {f"c{k}": rng.choice(["a", "b", "c"], 1500, p=[0.4, 0.3, 0.3]) for k in range(30)}
    rare = {f"r{k}": np.where(rng.random(1500) < 0.02, "yes", "no") for k in range(10)}
    X = pd.DataFrame({**columns, **rare, "x": rng.normal(size=1500)})
    found = ClusterCondenser(20, teacher=TEACHER, random_state=0).condense(
        X, (X["x"] > 0).astype(int)
    )
    assert (found.sample_weight > 0).all()
    assert found.sample_weight.sum() == pytest.approx(1500)


def test_private_brier_knows_early_exits(monkeypatch):
    seen = []
    original = CensoredBrier.of.__func__

    def of(cls, *args):
        seen.append(original(cls, *args))
        return seen[-1]

    monkeypatch.setattr(CensoredBrier, "of", classmethod(of))
    short_search(SCHEMA, loss="brier", schema=SCHEMA, epsilon=20.0, max_iter=0).fit(FRAME, Y)
    weights = seen[-1]._weights(np.array([730.0, 1460.0, 2190.0]))
    assert weights[-1] > 1.3
    assert (np.diff(weights) > 0).all()


def test_curves_of_wrapped_models_are_those_of_the_models():
    times = np.array([300.0, 900.0, 1500.0])
    condenser = ClusterCondenser(60, teacher=TEACHER, random_state=0)
    for objective in ("survival:cox", "survival:aft"):
        boosted = XGBRegressor(objective=objective, n_estimators=20, learning_rate=0.1)
        wrapped = CondensedEstimator(boosted, condenser).fit(*TRAIN[:2])
        rows = wrapped.condenser_.condensed_set_
        trained_on = Rows(rows.X, rows.y, rows.sample_weight)
        np.testing.assert_allclose(
            survival_curves(wrapped, NUMBERS[400:], times, trained_on),
            survival_curves(wrapped.estimator_, NUMBERS[400:], times, trained_on),
        )
    forest = RandomSurvivalForest(10, random_state=0)
    search = GridSearchCV(forest, {"max_depth": [3]}, cv=EventStratifiedKFold(3)).fit(*TRAIN[:2])
    np.testing.assert_allclose(
        survival_curves(search, NUMBERS[400:], times, TRAIN),
        survival_curves(search.best_estimator_, NUMBERS[400:], times, TRAIN),
    )
    # Scores may lie anywhere.
    shifted = np.hstack([NUMBERS, np.full((N, 1), 2010.0) + NUMBERS[:, :1]])
    cox = CoxnetSurvivalAnalysis(alphas=[0.01]).fit(shifted[:400], Y[:400])
    cox.predict = lambda X, scores=cox.predict: scores(X) + 300.0
    alive = survival_curves(cox, shifted[400:], times, TRAIN._replace(X=shifted[:400]))
    assert alive[:, 1].std() > 0.05
    little = RandomSurvivalForest(10, low_memory=True, random_state=0).fit(*TRAIN[:2])
    assert survival_curves(little, NUMBERS[400:], times, TRAIN)[:, 1].std() > 0.05


# Flow


def test_event_stratified_split_keeps_containers_and_events():
    y = pd.DataFrame({"event": Y["cens"], "time": Y["time"]})
    train, test, y_train, y_test, weight, _ = event_stratified_split(
        FRAME, y, np.arange(N), test_size=0.3, random_state=0
    )
    assert isinstance(train, pd.DataFrame)
    assert list(y_train.columns) == ["event", "time"]
    assert len(test) == len(y_test) == N - len(weight)
    assert abs(y_train["event"].mean() - y_test["event"].mean()) < 0.01


@pytest.mark.parametrize("container", ["numpy", "pandas"])
def test_structured_outcomes_flow_through_scikit_learn(container):
    X = NUMBERS if container == "numpy" else pd.DataFrame(NUMBERS, columns=list("abcde"))
    y = Surv.from_arrays(Y["cens"], Y["time"])
    cox = CoxPHSurvivalAnalysis(alpha=1.0)
    condenser = ClusterCondenser(15, labels="mean", teacher=LogisticRegression(), random_state=0)
    model = CondensedEstimator(cox, condenser, weights="replicate")
    cv = EventStratifiedKFold(3, shuffle=True, random_state=0)
    times = np.array([300.0, 800.0, 1300.0])
    for scorer in (
        as_concordance_index_ipcw_scorer(model, tau=1300.0),
        as_integrated_brier_score_scorer(model, times=times),
        as_cumulative_dynamic_auc_scorer(model, times=times),
    ):
        scores = cross_validate(scorer, X, y, cv=cv, error_score="raise")["test_score"]
        assert np.isfinite(scores).all()
    grid = {"condenser__n_prototypes": [8, 15]}
    search = GridSearchCV(model, grid, cv=cv, error_score="raise").fit(X, y)
    assert search.best_score_ > 0.6


@pytest.mark.parametrize("name", PRIVATE)
def test_a_private_search_with_any_sound_loss_learns(name):
    condenser = short_search(SCHEMA, loss=name, schema=SCHEMA, epsilon=20.0, max_iter=3)
    found = condenser.condense(FRAME, Y)
    fitted = fit_weighted(clone(condenser.estimator), found.X, found.y, found.sample_weight)
    score = concordance_index_censored(Y["cens"], Y["time"], fitted.predict(FRAME))[0]
    assert score > 0.6
    distance = kaplan_meier_distance(found.y, found.sample_weight, Y, until=2190.0)
    assert distance["mean"] < 0.06
