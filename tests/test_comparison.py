"""The comparison of utility that a report shows."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sksurv.datasets import load_gbsg2

from skcondense import ClusterCondenser, RandomCondenser
from skcondense.audit import (
    compare_utility,
    default_estimators,
    subgroup_audit,
    survival_metrics,
)
from skcondense.exceptions import BlackBoxError, TargetError
from skcondense.tasks import Rows, fit_weighted, resolve_task

LINEAR = {"logistic": make_pipeline(StandardScaler(), LogisticRegression())}
BOTH = {**LINEAR, "tree": DecisionTreeClassifier(max_depth=3, random_state=0)}

# Too few patients for cluster means, whose teacher takes most of the time.
SIXES = np.arange(300) // 6


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X = X.iloc[:, :8]
    return (X[:300], y[:300]), (X[300:].reset_index(drop=True), y[300:].to_numpy())


@pytest.fixture(scope="module")
def soft(cancer):
    """A set with soft labels: a prototype takes a row per class."""
    condensed = ClusterCondenser(20, labels="mean", random_state=0).condense(*cancer[0])
    assert len(condensed) > condensed.n_prototypes
    return condensed


@pytest.fixture(scope="module")
def compared(cancer, soft):
    train, test = cancer
    return compare_utility(soft, test, train=train, estimators=BOTH, random_state=0)


def test_scores_are_those_of_the_models(cancer, soft, compared):
    (X, y), (X_test, y_test) = cancer
    assert compared.metric == "AUROC"
    assert list(compared.scores) == [
        "all 300 real rows", "20 random real rows", "20 cluster means", "20 prototypes",
    ]  # fmt: skip
    own = fit_weighted(
        make_pipeline(StandardScaler(), LogisticRegression()),
        soft.X, soft.y.to_numpy(), soft.sample_weight,
    )  # fmt: skip
    for source, model in {
        "20 prototypes": own,
        "all 300 real rows": LINEAR["logistic"].fit(X, y),
    }.items():
        expected = roc_auc_score(y_test, model.predict_proba(X_test)[:, 1])
        assert compared.scores[source]["logistic"] == pytest.approx(expected)
    assert compared.means["20 prototypes"] == pytest.approx(compared.mean.value)
    gap = compared.means["20 prototypes"] - compared.means["all 300 real rows"]
    assert compared.difference.value == pytest.approx(gap)
    assert compared.of_set == "20 prototypes"
    assert len(compared.table) == 4 * 2


def test_intervals_are_those_of_the_subgroup_audit(cancer, soft, compared):
    # The whole table is a subgroup too: the same numbers by another way.
    train, test = cancer
    audit = subgroup_audit(
        soft, test, np.full(len(test[1]), "all"), train=train, estimators=BOTH, random_state=0
    )
    whole = audit.table.iloc[0]
    assert compared.mean.value == pytest.approx(whole["condensed"])
    assert compared.mean.low == pytest.approx(whole["condensed_low"])
    assert compared.difference.high == pytest.approx(whole["minus_full_high"])


def test_calibration_of_classes(cancer, compared):
    (X, y), (X_test, y_test) = cancer
    table = compared.calibration["all 300 real rows"]
    risk = LINEAR["logistic"].fit(X, y).predict_proba(X_test)[:, 1]
    assert compared.calibration_model == "logistic"
    assert compared.calibration_of == "class 1"
    assert table["n"].sum() == len(y_test)
    assert table["n"] @ table["predicted"] == pytest.approx(risk.sum())
    assert table["n"] @ table["observed"] == pytest.approx(y_test.sum())
    assert table["predicted"].is_monotonic_increasing
    first = np.argsort(risk)[: table["n"].iloc[0]]
    assert table["observed"].iloc[0] == pytest.approx(y_test[first].mean())
    assert (table["lower"] <= table["observed"]).all()
    assert (table["observed"] <= table["upper"]).all()


def test_words_and_json(compared):
    text = str(compared)
    assert "greater is better (1 is perfect, 0.5 is guessing)" in text
    assert "below 0 the set is worse" in text
    assert f"{compared.scores['20 cluster means']['tree']:.3f}" in text
    facts = json.loads(compared.to_json())
    assert facts["scores"] == compared.scores
    assert facts["sentences"] == compared.sentences
    assert facts["difference"]["low"] == compared.difference.low
    assert len(facts["calibration"]["tables"]["20 prototypes"]) == len(
        compared.calibration["20 prototypes"]
    )
    assert facts["subgroups"] is None


def test_a_useless_set_is_called_worse(cancer):
    train, test = cancer
    turned = (train[0], 1 - train[1])
    condensed = ClusterCondenser(20, labels="mean", random_state=0).condense(*turned)
    found = compare_utility(
        condensed, test, train=train, train_groups=SIXES, estimators=LINEAR, random_state=0
    )
    assert found.difference.high < -0.5
    assert "The set is worse than all real rows." in str(found)


def test_without_the_condensed_rows_there_is_nothing_to_compare_with(cancer, soft):
    found = compare_utility(soft, cancer[1], estimators=LINEAR, random_state=0)
    assert list(found.scores) == ["20 prototypes"]
    assert found.difference is None
    assert "Difference" not in str(found)


def test_rows_of_one_patient_widen_intervals(cancer, soft, compared):
    (X, y) = cancer[1]
    fourfold = pd.concat([X] * 4, ignore_index=True), np.tile(y, 4)
    patient = np.tile(np.arange(len(y)), 4)
    settings = {"estimators": BOTH, "random_state": 0}
    grouped = compare_utility(soft, fourfold, test_groups=patient, **settings)
    alone = compare_utility(soft, fourfold, **settings)
    assert (grouped.n_rows, grouped.n_patients) == (4 * len(y), len(y))
    of_groups, of_rows, of_once = (
        found.mean.high - found.mean.low for found in (grouped, alone, compared)
    )
    # Four copies of everybody say no more; taken for patients, they would halve the interval.
    assert 0.7 < of_groups / of_once < 1.4
    assert of_rows < 0.7 * of_groups


def test_repeated_rows_do_not_narrow_limits_of_calibration(cancer, soft, compared):
    X, y = cancer[1]
    often = np.tile(np.arange(len(y)), 5)
    found = compare_utility(
        soft, (X.iloc[often].reset_index(drop=True), y[often]), test_groups=often,
        estimators=LINEAR, n_bootstrap=20, random_state=0,
    )  # fmt: skip
    pd.testing.assert_frame_equal(
        found.calibration["20 prototypes"], compared.calibration["20 prototypes"]
    )


def test_controls_that_cannot_be_made_are_named(cancer, soft):
    found = compare_utility(
        soft, cancer[1], train=cancer[0], train_groups=SIXES, estimators=LINEAR, random_state=0
    )
    assert list(found.left_out) == ["20 cluster means"]
    assert "50 patients are too few" in str(found)
    assert list(found.scores)[1] == "20 random real rows"


def test_subgroups_of_several_columns(cancer, soft):
    found = compare_utility(
        soft, cancer[1], by=(("mean radius", [13]), ("mean texture", [19])), estimators=LINEAR,
        n_bootstrap=20, random_state=0,
    )  # fmt: skip
    levels = found.subgroups.table["level"].tolist()
    assert levels == [
        "(all)", "mean radius below 13", "mean radius 13 or more",
        "mean texture below 19", "mean texture 19 or more",
    ]  # fmt: skip
    assert found.subgroups.table["condensed"].iloc[0] == pytest.approx(found.mean.value)
    assert json.loads(found.to_json())["subgroups"]["table"][1]["level"] == levels[1]
    assert "By subgroup" in str(found)
    with pytest.raises(ValueError, match=r"by=\(\('age', \[50, 70\]\),\)"):
        compare_utility(soft, cancer[1], by=("mean radius", [13]), estimators=LINEAR)


def test_regression():
    X, y = load_diabetes(return_X_y=True)
    train, test = (X[:300], y[:300]), (X[300:], y[300:])
    condensed = ClusterCondenser(20, labels="mean", random_state=0).condense(*train)
    found = compare_utility(
        condensed,
        test,
        train=train,
        train_groups=SIXES,
        estimators={"ridge": Ridge(0.1)},
        random_state=0,
    )
    assert found.metric == "R2"
    assert found.calibration is None
    expected = r2_score(test[1], Ridge(0.1).fit(*train).predict(test[0]))
    assert found.scores["all 300 real rows"]["ridge"] == pytest.approx(expected)
    assert "predicting the mean" in str(found)


def test_survival():
    X, y = load_gbsg2()
    train, test = (X[:300], y[:300]), (X[300:].reset_index(drop=True), y[300:])
    condensed = ClusterCondenser(20, labels="mean", random_state=0).condense(*train)
    cox = {"cox": default_estimators("survival", condensed.schema)["cox"]}
    found = compare_utility(condensed, test, train=train, estimators=cox, random_state=0)
    assert found.metric == "C-index"
    real = Rows(*train, np.ones(300))
    fitted = fit_weighted(cox["cox"], *real)
    rows = Rows(*test, np.ones(len(test[1])))
    metrics = survival_metrics(fitted, rows, real)
    assert found.scores["all 300 real rows"]["cox"] == pytest.approx(metrics["harrell_c"])
    table = found.calibration["all 300 real rows"]
    assert table["n"] @ table["predicted"] / len(rows.y) == pytest.approx(metrics["expected"])
    event, time = (resolve_task("survival", test[1])[1][name] for name in y.dtype.names)
    middle = np.sort(time[event])[(event.sum() - 1) // 2]
    assert found.calibration_of == f"an event by time {middle:g}"


def test_a_test_file_that_lacks_a_class(cancer, soft):
    X, y = load_iris(return_X_y=True)
    train = (X[::2], y[::2])
    condensed = RandomCondenser(15, random_state=0).condense(*train)
    X_test, y_test = X[1::2], y[1::2]
    kept = y_test > 0
    settings = {"train": train, "train_groups": y[::2] + 3 * (np.arange(75) % 5)}
    settings |= {"estimators": LINEAR, "random_state": 0}
    found = compare_utility(condensed, (X_test[kept], y_test[kept]), **settings)
    risks = LINEAR["logistic"].fit(*train).predict_proba(X_test[kept])
    expected = np.mean([roc_auc_score(y_test[kept] == k, risks[:, k]) for k in (1, 2)])
    assert found.scores["all 75 real rows"]["logistic"] == pytest.approx(expected)
    # More than two classes have no one risk.
    assert found.calibration is None
    with pytest.raises(TargetError, match="classes that the model was not made for"):
        compare_utility(condensed, (X_test, y_test + 1), **settings)
    (X, y) = cancer[1]
    with pytest.raises(TargetError, match="at least two classes"):
        compare_utility(soft, (X[y == 1], y[y == 1]), estimators=LINEAR)


def test_a_set_that_lacks_a_class():
    X, y = load_iris(return_X_y=True)
    train, test = (X[::2], y[::2]), (X[1::2], y[1::2])
    kept = train[1] > 0
    condensed = RandomCondenser(10, random_state=0).condense(X[::2][kept], y[::2][kept])
    found = compare_utility(
        condensed, test, train=train, train_groups=SIXES[:75], estimators=LINEAR, random_state=0
    )
    assert found.mean.value < found.means["all 75 real rows"] - 0.1


class Fussy(DummyClassifier):
    def fit(self, X, y, sample_weight=None):
        if len(X) < 50:
            raise ValueError("secret cell 42")
        return super().fit(X, y, sample_weight)


def test_a_model_that_fails_is_named(cancer, soft):
    with pytest.raises(BlackBoxError, match="'fussy' could not be trained on 20 random") as error:
        compare_utility(
            soft, cancer[1], train=cancer[0], train_groups=SIXES, estimators={"fussy": Fussy()}
        )
    assert "secret" not in str(error.value)
    assert "secret" in str(error.value.__cause__)


def test_bad_requests(cancer, soft):
    with pytest.raises(ValueError, match="n_bootstrap must be 20"):
        compare_utility(soft, cancer[1], n_bootstrap=5)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        compare_utility(soft, cancer[1], test_groups=[1, 2])


def test_repeatable(cancer, soft):
    first, again, other = (
        compare_utility(
            soft, cancer[1], train=cancer[0], train_groups=SIXES, estimators=LINEAR,
            n_bootstrap=20, random_state=seed,
        )
        for seed in (0, 0, 1)
    )  # fmt: skip
    assert again.to_json() == first.to_json()
    # Other random rows, and other resamples of the same held-out patients.
    assert other.scores["20 random real rows"] != first.scores["20 random real rows"]
    assert other.mean.low != first.mean.low
