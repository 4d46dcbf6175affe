"""What the audit says about survival: as scikit-survival computes it, and true in simple cases."""

import builtins
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sksurv.datasets import load_gbsg2, load_whas500
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.metrics import (
    concordance_index_censored,
    concordance_index_ipcw,
    cumulative_dynamic_auc,
    integrated_brier_score,
)
from sksurv.nonparametric import kaplan_meier_estimator

from skcondense import ClusterCondenser, ColumnSchema, TableSchema, WeightedCoxPH
from skcondense.audit import (
    calibration_by_risk,
    compare_kaplan_meier,
    curve_distance,
    default_estimators,
    hazard_ratios,
    kaplan_meier_distance,
    sign_agreement,
    survival_metrics,
    survival_table,
)
from skcondense.exceptions import PrivacyLeakWarning, SchemaError, TargetError
from skcondense.tasks import Rows
from skcondense.tasks.survival_curves import kaplan_meier

METRICS = [
    "harrell_c",
    "uno_c",
    "integrated_brier",
    "mean_auc",
    "expected",
    "observed",
    "calibration_ratio",
    "calibration_slope",
]
OVER_TIMES = ["uno_c", "integrated_brier", "mean_auc"]


def schema_of(X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PrivacyLeakWarning)
        return TableSchema.from_frame(X)


def rows(X, y, weight=None):
    return Rows(X, y, np.ones(len(y)) if weight is None else weight)


def outcome(event, time, names=("died", "days")):
    y = np.empty(len(time), dtype=[(names[0], bool), (names[1], float)])
    y[names[0]], y[names[1]] = event, time
    return y


class Scores:
    """Predicts its only column."""

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.asarray(X)[:, 0].astype(float)


class Constant(Scores):
    def predict(self, X):
        return np.zeros(len(X))


class Certain(Constant):
    """Promises that nobody has the event."""

    unique_times_ = np.array([1.0])

    def predict_survival_function(self, X, return_array):
        return np.ones((len(X), 1))


WHAS, WHAS_Y = load_whas500()
NUMBERS = WHAS.astype(float).to_numpy()
GBSG, GBSG_Y = load_gbsg2()
TRAIN, TEST = np.arange(500) < 300, np.arange(500) >= 300
WHAS_COX = make_pipeline(StandardScaler(), WeightedCoxPH(alpha=1.0)).fit(
    NUMBERS[TRAIN], WHAS_Y[TRAIN]
)
TRAIN_ROWS, TEST_ROWS = rows(NUMBERS[TRAIN], WHAS_Y[TRAIN]), rows(NUMBERS[TEST], WHAS_Y[TEST])


@pytest.mark.parametrize("others", [None, WHAS_Y], ids=["own censoring", "from others"])
def test_metrics_are_those_of_scikit_survival(others):
    times, horizon = np.array([100.0, 400.0, 800.0, 1100.0]), 600.0
    found = survival_metrics(
        WHAS_COX, TEST_ROWS, TRAIN_ROWS, censoring_from=others, times=times, horizon=horizon
    )
    assert list(found) == METRICS
    assert all(type(value) is float for value in found.values())
    y, score = TEST_ROWS.y, WHAS_COX.predict(TEST_ROWS.X)
    curves = WHAS_COX.predict_survival_function(TEST_ROWS.X)
    alive = np.array([[curve(t) for t in times] for curve in curves])
    censoring = y if others is None else others
    expected = {
        "harrell_c": concordance_index_censored(y["fstat"], y["lenfol"], score)[0],
        "uno_c": concordance_index_ipcw(censoring, y, score, tau=1100.0)[0],
        "integrated_brier": integrated_brier_score(censoring, y, alive, times),
        "mean_auc": cumulative_dynamic_auc(censoring, y, score, times)[1],
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    risk = np.array([1 - curve(horizon) for curve in curves])
    assert found["expected"] == pytest.approx(risk.mean())
    at, survival = kaplan_meier_estimator(y["fstat"], y["lenfol"])
    assert found["observed"] == pytest.approx(1 - survival[at <= horizon][-1])
    assert found["calibration_ratio"] == pytest.approx(found["observed"] / risk.mean())


def test_calibration_slope_is_a_cox_regression_on_log_hazards():
    horizon = 600.0
    y = TEST_ROWS.y
    found = survival_metrics(WHAS_COX, TEST_ROWS, TRAIN_ROWS, horizon=horizon)
    # Under proportional hazards the complementary log-log of risk is the score, but for a constant.
    score = WHAS_COX.predict(TEST_ROWS.X)
    until = outcome(y["fstat"] & (y["lenfol"] <= horizon), np.minimum(y["lenfol"], horizon))
    slope = CoxPHSurvivalAnalysis().fit(score[:, np.newaxis], until).coef_[0]
    assert found["calibration_slope"] == pytest.approx(slope, rel=1e-4)
    own = survival_metrics(
        WeightedCoxPH().fit(NUMBERS, WHAS_Y),
        rows(NUMBERS, WHAS_Y),
        rows(NUMBERS, WHAS_Y),
        horizon=1000,
    )
    assert own["calibration_slope"] == pytest.approx(1, abs=0.05)
    assert own["calibration_ratio"] == pytest.approx(1, abs=0.05)


def test_default_times_and_horizon():
    at_event = WHAS_Y["lenfol"][TEST & WHAS_Y["fstat"]]
    times = np.linspace(*np.quantile(at_event, [0.1, 0.8]), 10)
    horizon = np.quantile(at_event, 0.5, method="inverted_cdf")
    given = survival_metrics(WHAS_COX, TEST_ROWS, TRAIN_ROWS, times=times, horizon=horizon)
    assert survival_metrics(WHAS_COX, TEST_ROWS, TRAIN_ROWS) == given


def test_perfect_and_constant_models():
    time = np.arange(1.0, 41.0)
    perfect = rows(-time[:, np.newaxis], outcome(np.ones(40, bool), time))
    found = survival_metrics(Scores(), perfect, perfect)
    assert [found[name] for name in ("harrell_c", "uno_c", "mean_auc")] == [1, 1, 1]
    assert np.isfinite(found["calibration_slope"])
    constant = survival_metrics(Constant(), perfect, perfect)
    assert [constant[name] for name in ("harrell_c", "uno_c", "mean_auc")] == [0.5, 0.5, 0.5]
    assert np.isnan(constant["calibration_slope"])
    assert constant["calibration_ratio"] == pytest.approx(1, abs=0.05)


def test_no_predicted_risk_has_no_ratio():
    found = survival_metrics(Certain(), TEST_ROWS, TRAIN_ROWS)
    assert found["expected"] == 0
    assert np.isnan([found["calibration_ratio"], found["calibration_slope"]]).all()


def test_legal_rows_never_raise():
    draw = np.random.default_rng(0)
    for n in (1, 2, 3, 5, 20, 100):
        for censored in (0, 0.5, 0.95):
            for ties in (False, True):
                time = draw.exponential(10, n) + 0.1
                time = np.ceil(time / 5) if ties else time
                event = draw.random(n) >= censored
                event[draw.integers(n)] = True
                test = rows(draw.normal(size=(n, 1)), outcome(event, time))
                others = outcome(draw.random(9) < 0.7, draw.exponential(10, 9))
                others["died"][0] = True
                for censoring in (None, others):
                    found = survival_metrics(Scores(), test, test, censoring_from=censoring)
                    assert list(found) == METRICS
                    assert found["observed"] > 0
                calibration_by_risk(Scores(), test, test, horizon=time[event].min())


def test_what_no_rows_can_answer_is_nan():
    lone = rows(np.zeros((2, 1)), outcome([True, True], [3.0, 3.0]))
    found = survival_metrics(Scores(), lone, lone)
    assert np.isnan([found[name] for name in ["harrell_c", *OVER_TIMES]]).all()
    # One time only: the Brier score itself, and no event before it.
    once = rows(np.zeros((3, 1)), outcome([True, False, False], [3.0, 4.0, 5.0]))
    found = survival_metrics(Scores(), once, once)
    assert found["harrell_c"] == 0.5
    assert np.isnan(found["uno_c"])
    assert found["integrated_brier"] == pytest.approx(1 / 3 * 2 / 3, abs=0.03)


def test_all_events_before_the_horizon():
    late = survival_metrics(WHAS_COX, TEST_ROWS, TRAIN_ROWS, horizon=TEST_ROWS.y["lenfol"].max())
    assert late["observed"] > 0.3
    early = survival_metrics(WHAS_COX, TEST_ROWS, TRAIN_ROWS, horizon=0.5)
    assert early["observed"] == 0
    assert np.isnan(early["calibration_slope"])


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame], ids=["numpy", "pandas"])
def test_containers_and_names_do_not_matter(container):
    X = container(NUMBERS)
    renamed = outcome(WHAS_Y["fstat"], WHAS_Y["lenfol"], ("a", "b"))
    cox = WeightedCoxPH(alpha=1.0).fit(X, renamed)
    plain = WeightedCoxPH(alpha=1.0).fit(NUMBERS, WHAS_Y)
    expected = survival_metrics(plain, rows(NUMBERS, WHAS_Y), rows(NUMBERS, WHAS_Y))
    assert survival_metrics(cox, rows(X, renamed), rows(X, renamed)) == expected
    # A frame names its columns, so their order is free.
    frame = pd.DataFrame({"time": WHAS_Y["lenfol"], "event": WHAS_Y["fstat"].astype(int)})
    assert survival_metrics(cox, rows(X, frame), rows(X, renamed)) == expected
    by_name = survival_metrics(cox, rows(X, frame), rows(X, renamed), censoring_from=frame)
    assert by_name == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"times": [0.1, 500]}, "first event"),
        ({"times": [100, 1e6]}, "follow-up"),
        ({"times": []}, "finite numbers"),
        ({"times": [100, np.nan]}, "finite numbers"),
        ({"times": [[100, 200]]}, "finite numbers"),
        ({"horizon": 0}, "horizon=0"),
        ({"horizon": -1.0}, "horizon"),
        ({"horizon": 1e6}, "within the follow-up"),
        ({"censoring_from": outcome([False], [1.0])}, "censored"),
        ({"censoring_from": NUMBERS[:, 0]}, "structured"),
    ],
)
def test_bad_questions(given, message):
    with pytest.raises(ValueError, match=message):
        survival_metrics(WHAS_COX, TEST_ROWS, TRAIN_ROWS, **given)


def test_bad_test_rows():
    X, y = TEST_ROWS.X, TEST_ROWS.y
    none = outcome(np.zeros(len(y), bool), y["lenfol"])
    for function in (survival_metrics, lambda *a: calibration_by_risk(*a, horizon=600.0)):
        with pytest.raises(TargetError, match="no event"):
            function(WHAS_COX, rows(X, none), TRAIN_ROWS)
        with pytest.raises(ValueError, match="weights of one"):
            function(WHAS_COX, rows(X, y, np.arange(len(y)) + 1.0), TRAIN_ROWS)
        with pytest.raises(ValueError, match="needs a weight"):
            function(WHAS_COX, rows(X, y, np.ones(3)), TRAIN_ROWS)
    with pytest.raises(ValueError, match="n_groups"):
        calibration_by_risk(WHAS_COX, TEST_ROWS, TRAIN_ROWS, horizon=600.0, n_groups=0)


def test_missing_package_is_named(monkeypatch):
    original = builtins.__import__

    def refuse(name, globals=None, locals=None, fromlist=(), level=0):
        if name.startswith("sksurv") and "metrics" in fromlist:
            raise ImportError(name)
        return original(name, globals, locals, fromlist, level)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"skcondense\[survival\]"):
        survival_metrics(WHAS_COX, TEST_ROWS, TRAIN_ROWS)


def test_table_has_a_row_per_set_and_model():
    schema = schema_of(GBSG)
    train, test = GBSG.iloc[:400], GBSG.iloc[400:]
    condensed = ClusterCondenser(20, random_state=0).condense(train, GBSG_Y[:400])
    models = default_estimators("survival", schema)
    models = {name: models[name] for name in ("cox", "tree")}
    table = survival_table(
        models,
        {
            "real": rows(train, GBSG_Y[:400]),
            "condensed": Rows(condensed.X, condensed.y, condensed.sample_weight),
        },
        rows(test, GBSG_Y[400:]),
        horizon=1000,
    )
    assert table.index.names == ["trained_on", "model"]
    assert list(table.index) == [
        (name, model) for name in ("real", "condensed") for model in ("cox", "tree")
    ]
    assert list(table.columns) == METRICS
    assert np.ptp(table["observed"]) == 0
    assert table.notna().all(axis=None)
    cox = models["cox"].fit(train, GBSG_Y[:400])
    alone = survival_metrics(cox, rows(test, GBSG_Y[400:]), rows(train, GBSG_Y[:400]), horizon=1000)
    assert table.loc[("real", "cox")].to_dict() == pytest.approx(alone)


def test_groups_of_risk():
    horizon = 600.0
    table = calibration_by_risk(WHAS_COX, TEST_ROWS, TRAIN_ROWS, horizon=horizon, n_groups=4)
    assert list(table.columns) == ["n", "predicted", "observed", "lower", "upper"]
    assert table["n"].sum() == TEST.sum()
    assert np.ptp(table["n"]) <= 1
    assert table["predicted"].is_monotonic_increasing
    score, y = WHAS_COX.predict(TEST_ROWS.X), TEST_ROWS.y
    top = np.argsort(score)[-table["n"].iloc[-1] :]
    at, alive, limits = kaplan_meier_estimator(
        y["fstat"][top], y["lenfol"][top], conf_type="log-log"
    )
    last = np.flatnonzero(at <= horizon)[-1]
    expected = [1 - alive[last], 1 - limits[1, last], 1 - limits[0, last]]
    assert table.loc[4, ["observed", "lower", "upper"]].tolist() == pytest.approx(expected)
    constant = calibration_by_risk(Constant(), TEST_ROWS, TRAIN_ROWS, horizon=horizon)
    assert constant["n"].tolist() == [TEST.sum()]


def test_groups_without_an_answer():
    test = rows(
        np.array([[0.0], [0], [1], [1], [2], [2]]),
        outcome([False, False, True, True, True, False], [9.0, 9, 2, 3, 1, 4]),
    )
    table = calibration_by_risk(Scores(), test, test, horizon=5.0, n_groups=3)
    np.testing.assert_array_equal(table["observed"], [0, 1, np.nan])
    assert table[["lower", "upper"]].isna().all(axis=None)


def test_curves_of_a_set_and_itself():
    weight = np.ones(500)
    table = compare_kaplan_meier(WHAS_Y, weight, WHAS_Y)
    at, alive, limits = kaplan_meier_estimator(
        WHAS_Y["fstat"], WHAS_Y["lenfol"], conf_type="log-log"
    )
    where = np.searchsorted(at, table["time"])
    assert list(table.columns) == ["time", "real", "condensed", "difference", "lower", "upper"]
    assert set(table["time"]) == set(WHAS_Y["lenfol"][WHAS_Y["fstat"]])
    assert (table["difference"] == 0).all()
    np.testing.assert_allclose(table["real"], alive[where])
    inner = table["real"] > 1e-9
    np.testing.assert_allclose(table["lower"][inner], limits[0, where][inner])
    np.testing.assert_allclose(table["upper"][inner], limits[1, where][inner])
    assert table.loc[~inner, ["lower", "upper"]].isna().all(axis=None)
    distance = kaplan_meier_distance(WHAS_Y, 2 * weight, WHAS_Y)
    assert distance == pytest.approx({"largest": 0, "mean": 0})


def test_weights_of_curves():
    weight = np.random.default_rng(0).integers(0, 4, 500).astype(float)
    repeated = np.repeat(WHAS_Y, weight.astype(int))
    once = compare_kaplan_meier(WHAS_Y, np.ones(500), repeated, times=[100, 900, 1500])
    twice = compare_kaplan_meier(WHAS_Y, np.full(500, 2.0), WHAS_Y, weight, times=[100, 900, 1500])
    pd.testing.assert_frame_equal(once, twice)
    doubled = compare_kaplan_meier(WHAS_Y, 2 * weight, WHAS_Y)["condensed"]
    single = compare_kaplan_meier(WHAS_Y, weight, WHAS_Y)["condensed"]
    np.testing.assert_allclose(doubled, single)


def test_distance_of_curves_is_the_area_between_them():
    real, condensed = outcome([True, False], [2.0, 8.0]), outcome([True, False], [4.0, 8.0])
    # One half from 2 to 4, nothing else.
    expected = {"largest": 0.5, "mean": 0.5 * 2 / 8}
    assert kaplan_meier_distance(condensed, [1, 1], real) == pytest.approx(expected)
    expected = {"largest": 0.5, "mean": 0.5 * 1 / 3}
    assert kaplan_meier_distance(condensed, [1, 1], real, until=3) == pytest.approx(expected)
    assert kaplan_meier_distance(condensed, [1, 1], real, until=1) == {"largest": 0, "mean": 0}
    y, weight = WHAS_Y[:200], np.linspace(1, 2, 200)
    found = kaplan_meier_distance(y, weight, WHAS_Y)
    until = y["lenfol"].max()
    fine = np.linspace(0, until, 200_001)
    gap = np.abs(kaplan_meier(y, weight, fine) - kaplan_meier(WHAS_Y, np.ones(len(WHAS_Y)), fine))
    assert found == pytest.approx({"largest": gap.max(), "mean": gap.mean()}, abs=1e-4)


def test_distance_of_any_curves():
    found = curve_distance([1.0, 3.0], [0.8, 0.5], [0.9, 0.5], until=5.0)
    assert found == pytest.approx({"largest": 0.1, "mean": 0.1 * 2 / 5})
    with pytest.raises(ValueError, match="one value for each time"):
        curve_distance([1.0], [0.8, 0.5], [0.9, 0.5], until=5.0)
    with pytest.raises(ValueError, match="increasing"):
        curve_distance([3.0, 1.0], [0.8, 0.5], [0.9, 0.5], until=5.0)
    with pytest.raises(ValueError, match="until"):
        curve_distance([1.0, 3.0], [0.8, 0.5], [0.9, 0.5], until=0.0)


def test_bad_curves():
    weight = np.ones(500)
    with pytest.raises(ValueError, match="beyond the follow-up"):
        compare_kaplan_meier(outcome([True, False], [2.0, 8.0]), [1, 1], WHAS_Y, times=[5, 9])
    with pytest.raises(ValueError, match="needs a weight"):
        compare_kaplan_meier(WHAS_Y, weight[:3], WHAS_Y)
    with pytest.raises(ValueError, match="needs a weight"):
        compare_kaplan_meier(WHAS_Y, -weight, WHAS_Y)
    with pytest.raises(TargetError, match="positive weight"):
        compare_kaplan_meier(WHAS_Y, np.where(WHAS_Y["fstat"], 0.0, 1.0), WHAS_Y)
    for until in (0, 1e6):
        with pytest.raises(ValueError, match="until="):
            kaplan_meier_distance(outcome([True, False], [2.0, 8.0]), [1, 1], WHAS_Y, until=until)


def test_hazard_ratios_are_those_of_scikit_survival():
    schema = schema_of(GBSG)
    real = rows(GBSG, GBSG_Y)
    table = hazard_ratios(real, real, schema, alpha=0.0)
    X = pd.DataFrame(index=GBSG.index)
    for column in ("age", "estrec", "pnodes", "progrec", "tsize"):
        X[column] = GBSG[column] / GBSG[column].std(ddof=0)
    X["horTh=yes"] = (GBSG["horTh"] == "yes").astype(float)
    X["menostat=Pre"] = (GBSG["menostat"] == "Pre").astype(float)
    for grade in ("I", "III"):
        X[f"tgrade={grade}"] = (GBSG["tgrade"] == grade).astype(float)
    cox = CoxPHSurvivalAnalysis().fit(X, GBSG_Y)
    expected = pd.Series(cox.coef_, X.columns)
    ratios = np.log(table["real"])
    ratios = ratios.rename({"menostat=Post": "menostat=Pre"})
    if "menostat=Post" in table.index:
        ratios["menostat=Pre"] *= -1
    pd.testing.assert_series_equal(
        ratios.sort_index(), expected.sort_index(), check_names=False, rtol=1e-4
    )
    assert table.loc["age", "contrast"] == f"per {GBSG['age'].std(ddof=0):.3g}"
    assert table.loc["tgrade=I", "contrast"] == "against II"
    # The same rows on both sides.
    for part in ("", "_lower", "_upper"):
        np.testing.assert_array_equal(table[f"real{part}"], table[f"condensed{part}"])
    assert table["significant_on_real"].sum() >= 3
    assert table[["same_sign", "inside_interval"]].all(axis=None)
    assert sign_agreement(table) == 1


def test_intervals_of_hazard_ratios():
    schema = schema_of(WHAS.astype(float))
    real = rows(WHAS.astype(float), WHAS_Y)
    table = hazard_ratios(real, real, schema, alpha=0.0)
    scaled = WHAS.astype(float).to_numpy()
    for j, column in enumerate(schema):
        scaled[:, j] /= scaled[:, j].std() if column.is_number else 1
    cox = WeightedCoxPH().fit(scaled, WHAS_Y)
    reach = 1.959964 * np.sqrt(np.diag(cox.covariance_))
    np.testing.assert_allclose(table["real_lower"], np.exp(cox.coef_ - reach), rtol=1e-5)
    np.testing.assert_allclose(table["real_upper"], np.exp(cox.coef_ + reach), rtol=1e-5)
    narrow = hazard_ratios(real, real, schema, alpha=0.0, level=0.5)
    assert (narrow["real_lower"] > table["real_lower"]).all()


def test_weights_of_hazard_ratios():
    schema = schema_of(GBSG)
    weight = np.random.default_rng(0).integers(1, 4, len(GBSG))
    real = rows(GBSG, GBSG_Y)
    once = hazard_ratios(rows(GBSG, GBSG_Y, 1.0 * weight), real, schema, alpha=0.0)
    twice = hazard_ratios(rows(GBSG, GBSG_Y, 2.0 * weight), real, schema, alpha=0.0)
    np.testing.assert_allclose(once["condensed"], twice["condensed"], rtol=1e-6)
    width = [np.log(t["condensed_upper"] / t["condensed_lower"]) for t in (once, twice)]
    np.testing.assert_allclose(width[0], np.sqrt(2) * width[1], rtol=1e-5)
    index = np.repeat(np.arange(len(GBSG)), weight)
    repeated = hazard_ratios(
        rows(GBSG.iloc[index].reset_index(drop=True), GBSG_Y[index]), real, schema, alpha=0.0
    )
    np.testing.assert_allclose(once["condensed"], repeated["condensed"], rtol=1e-6)
    np.testing.assert_allclose(once["condensed_lower"], repeated["condensed_lower"], rtol=1e-6)


def test_hazard_ratios_of_a_condensed_set():
    schema = schema_of(GBSG)
    found = ClusterCondenser(60, labels="teacher", random_state=0).condense(GBSG, GBSG_Y)
    condensed = Rows(found.X, found.y, found.sample_weight)
    table = hazard_ratios(condensed, rows(GBSG, GBSG_Y), schema)
    assert sign_agreement(table) >= 0.75
    alone = hazard_ratios(condensed, None, schema)
    assert list(alone.columns) == ["contrast", "condensed", "condensed_lower", "condensed_upper"]
    # Their direction does not depend on whose unit is used.
    both = table.index.intersection(alone.index)
    numeric = [name for name in both if "=" not in name]
    np.testing.assert_array_equal(
        np.sign(np.log(table.loc[numeric, "condensed"])),
        np.sign(np.log(alone.loc[numeric, "condensed"])),
    )
    with pytest.raises(ValueError, match="Pass real rows"):
        sign_agreement(alone)


def test_hazard_ratios_of_numpy_and_pandas_are_equal():
    frame = WHAS.astype(float)
    schema = schema_of(frame)
    expected = hazard_ratios(rows(frame, WHAS_Y), rows(frame, WHAS_Y), schema)
    for X in (NUMBERS, frame[list(frame.columns[::-1])]):
        named = outcome(WHAS_Y["fstat"], WHAS_Y["lenfol"], ("x", "y"))
        found = hazard_ratios(rows(X, named), rows(frame, WHAS_Y), schema)
        pd.testing.assert_frame_equal(found, expected)


def odd_table():
    """Gaps, levels with an order, one level only, and columns that repeat each other."""
    draw = np.random.default_rng(3)
    n = 300
    stage = draw.choice(["I", "II", "III"], n)
    X = pd.DataFrame(
        {
            "lactate": np.where(draw.random(n) < 0.2, np.nan, draw.normal(2, 0.7, n)),
            "grade": pd.Categorical(draw.choice(["low", "mid", "high"], n)),
            "stage": stage,
            "late": np.where(stage == "III", "yes", "no"),
            "site": "here",
        }
    )
    schema = TableSchema(
        (
            ColumnSchema(
                name="lactate", kind="numeric", bounds=(-5, 9), unit="mmol/l", missing=True
            ),
            ColumnSchema(name="grade", kind="ordinal", categories=("low", "mid", "high")),
            ColumnSchema(name="stage", kind="categorical", categories=("I", "II", "III", "IV")),
            ColumnSchema(name="late", kind="binary", categories=("no", "yes")),
            ColumnSchema(name="site", kind="categorical", categories=("here",)),
        )
    )
    log_hazard = 0.8 * X["grade"].map({"low": 0, "mid": 1, "high": 2}).astype(float)
    time = draw.exponential(np.exp(-log_hazard.to_numpy()))
    return X, outcome(draw.random(n) < 0.7, time), schema


@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_covariates_of_odd_columns(alpha):
    X, y, schema = odd_table()
    common = X["stage"].value_counts().idxmax()
    table = hazard_ratios(rows(X, y), rows(X, y), schema, alpha=alpha)
    others = [f"stage={stage}" for stage in ("I", "II", "III") if stage != common]
    # Nobody is in stage IV, "late" follows from the stage, and there is one site.
    assert list(table.index) == ["lactate", "lactate missing", "grade", *others]
    assert table.loc["lactate", "contrast"] == f"per {X['lactate'].std(ddof=0):.3g} mmol/l"
    assert table.loc["grade", "contrast"] == "per level"
    assert table.loc["lactate missing", "contrast"] == "against recorded"
    assert table.loc["grade", "real"] == pytest.approx(np.exp(0.8), rel=0.25)
    assert sign_agreement(table) == 1


def test_what_a_condensed_set_lost_is_a_disagreement():
    X, y, schema = odd_table()
    real = rows(X, y)
    lost = rows(X.assign(grade="low"), y)
    table = hazard_ratios(lost, real, schema)
    assert table.loc["grade", ["condensed", "condensed_lower"]].isna().all()
    assert not table.loc["grade", ["same_sign", "inside_interval"]].any()
    assert table.loc["grade", "significant_on_real"]
    assert sign_agreement(table) < 1
    weak = table.assign(significant_on_real=False)
    assert np.isnan(sign_agreement(weak))


def test_bad_hazard_ratios():
    X, y, schema = odd_table()
    real = rows(X, y)
    with pytest.raises(ValueError, match="level"):
        hazard_ratios(real, real, schema, level=95)
    site = TableSchema(schema.columns[-1:])
    with pytest.raises(ValueError, match="constant"):
        hazard_ratios(rows(X[["site"]], y), None, site)
    with pytest.raises(SchemaError, match="columns"):
        hazard_ratios(rows(X[["site"]], y), real, schema)
    with pytest.raises(SchemaError, match="unknown categories"):
        hazard_ratios(rows(X.assign(site="there"), y), real, schema)
    with pytest.raises(TargetError, match="event"):
        hazard_ratios(rows(X, outcome(np.zeros(len(X), bool), np.ones(len(X)))), real, schema)
    for weight in (np.ones(3), np.zeros(len(X))):
        with pytest.raises(ValueError, match="needs a weight"):
            hazard_ratios(rows(X, y, weight), real, schema)
    # What a condensed set does not tell apart needs the penalty.
    merged = rows(X.assign(grade=np.where(X["stage"] == "I", "low", "high")), y)
    merged.X["stage"] = np.where(X["stage"] == "I", "I", "II")
    with pytest.raises(ValueError, match="singular"):
        hazard_ratios(merged, real, schema, alpha=0.0)
    assert np.isfinite(hazard_ratios(merged, real, schema).loc["grade", "condensed"])
