"""Whether a set serves, and exposes, some patients more than others."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from skcondense import ClusterCondenser, ColumnSchema, RandomCondenser, TableSchema
from skcondense.audit import subgroup_audit
from skcondense.table import SchemaVectorizer

NUMBERS = tuple(
    ColumnSchema(name=name, kind="numeric", bounds=(-5, 5)) for name in ("a", "b", "age")
)
SITES = ColumnSchema(name="site", kind="categorical", categories=("N", "S", "W", "X"))
SCHEMA = TableSchema((*NUMBERS, SITES))
LINEAR = {"logistic": make_pipeline(SchemaVectorizer(SCHEMA), LogisticRegression())}


@pytest.fixture(scope="module")
def table():
    """In the south the outcome follows from a turned round; ten rows are of the west."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(1000, 3)), columns=["a", "b", "age"])
    X["site"] = rng.choice(["N", "S"], 1000, p=[0.65, 0.35])
    X.loc[990:, "site"] = "W"
    turned = np.where(X["site"] == "S", -1, 1)
    y = (2 * turned * X["a"] + rng.normal(size=1000) > 0).astype(int).to_numpy()
    return X, y


def split(X, y):
    return (X[:400], y[:400]), (X[400:].reset_index(drop=True), y[400:])


@pytest.fixture(scope="module")
def northern(table):
    """A set in which nobody is of the south."""
    (X, y), _ = split(*table)
    north = X["site"] == "N"
    return ClusterCondenser(20, schema=SCHEMA, random_state=0).condense(X[north], y[north])


def audit(condensed, test, by, **kwargs):
    defaults = {"estimators": LINEAR, "n_bootstrap": 20, "random_state": 0}
    return subgroup_audit(condensed, test, by, **defaults | kwargs)


def test_a_subgroup_that_is_served_badly_is_found(table, northern):
    train, test = split(*table)
    steep = {"knn": make_pipeline(SchemaVectorizer(SCHEMA), LogisticRegression(C=10))}
    found = audit(northern, test, "site", train=train, estimators=steep)
    rows = found.table.set_index("level")
    assert list(rows.index) == ["(all)", "N", "S", "W", "X"]
    assert found.gaps == ("S",)
    assert rows.loc["S", "condensed"] < 0.3
    assert rows.loc["N", "condensed"] > 0.9
    # Levels of few rows, and of none, are shown and not scored.
    assert found.too_few == ("W", "X")
    assert rows.loc[["W", "X"], "n_rows"].tolist() == [10, 0]
    assert rows.loc[["W", "X"], ["condensed", "minus_all", "full"]].isna().all(axis=None)
    text = str(found)
    assert "Worse than in the whole table: S -" in text
    assert "W, X. That is not evidence" in text
    again = audit(northern, test, "site", train=train, estimators=steep)
    pd.testing.assert_frame_equal(found.table, again.table)


def test_numbers_are_those_of_the_models(table, northern):
    train, test = split(*table)
    found = audit(northern, test, "site", train=train).table.set_index("level")
    full = LINEAR["logistic"].fit(*train)
    for level in ("N", "S"):
        part = (test[0]["site"] == level).to_numpy()
        expected = roc_auc_score(test[1][part], full.predict_proba(test[0][part])[:, 1])
        assert found.loc[level, "full"] == pytest.approx(expected)
        assert found.loc[level, "n_events"] == test[1][part].sum()
    apart = found["minus_full"] - (found["condensed"] - found["full"])
    assert apart.dropna().abs().max() < 1e-12
    width = found.loc["S", "condensed_high"] - found.loc["S", "condensed_low"]
    assert 0.02 < width < 0.2


def test_subgroups_that_are_like_all_others_are_not_listed():
    rng = np.random.default_rng(0)
    listed = 0
    for seed in range(4):
        X = rng.normal(size=(800, 3))
        y = (X[:, 0] + rng.normal(size=800) > 0).astype(int)
        condensed = RandomCondenser(100, random_state=0).condense(X[:300], y[:300])
        found = subgroup_audit(
            condensed, (X[300:], y[300:]), rng.integers(0, 4, 500), n_bootstrap=25,
            estimators={"logistic": LogisticRegression()}, random_state=seed,
        )  # fmt: skip
        listed += len(found.gaps)
    # 2.5 % of 16 are 0.4.
    assert listed <= 2


def test_bands_and_gaps(table, northern):
    X, y = split(*table)[1]
    with_gaps = X.assign(age=X["age"].where(X.index % 4 > 0))
    found = audit(northern, (with_gaps, y), ("age", [-1, 0.5, 4.5])).table.set_index("level")
    assert list(found.index) == [
        "(all)", "below -1", "-1 to 0.5", "0.5 to 4.5", "4.5 or more", "(missing)",
    ]  # fmt: skip
    assert found.loc["(missing)", "n_rows"] == 150
    age = with_gaps["age"]
    assert found.loc["-1 to 0.5", "n_rows"] == ((age >= -1) & (age < 0.5)).sum()
    assert found["n_rows"].iloc[1:].sum() == 600
    # Frames of any library, columns in any order.
    other = pl.from_pandas(with_gaps[["site", "age", "b", "a"]])
    same = audit(northern, (with_gaps, y), ("age", [-1, 0.5, 4.5]))
    turned = audit(northern, (other, y), ("age", [-1, 0.5, 4.5]))
    assert turned.table["n_rows"].tolist() == same.table["n_rows"].tolist()


def test_patients_are_resampled_and_counted():
    rng = np.random.default_rng(0)
    # Five equal rows of each patient are one patient.
    X, y = rng.normal(size=(150, 2)), rng.integers(0, 2, 150)
    X[:, 0] += y
    condensed = RandomCondenser(50, random_state=0).condense(X[:50], y[:50])
    X, y = np.repeat(X[50:], 5, axis=0), np.repeat(y[50:], 5)
    patient = np.repeat(np.arange(100), 5)
    site = np.where(patient < 50, "a", "b")
    model = {"logistic": LogisticRegression()}
    rows = audit(condensed, (X, y), site, estimators=model, n_bootstrap=60)
    whole = audit(condensed, (X, y), site, estimators=model, groups=patient, n_bootstrap=60)
    assert whole.table["n_patients"].tolist() == [100, 50, 50]
    assert rows.table["condensed"].tolist() == whole.table["condensed"].tolist()
    width = [
        (of.table["condensed_high"] - of.table["condensed_low"]).iloc[0] for of in (rows, whole)
    ]
    # The square root of five.
    assert width[1] / width[0] == pytest.approx(5**0.5, rel=0.4)


def test_members_of_a_subgroup_that_was_released_are_exposed(table):
    train, test = split(*table)
    # All of the south are released, and nobody of the north.
    south = train[0]["site"] == "S"
    released = RandomCondenser(south.sum(), schema=SCHEMA, random_state=0).condense(
        train[0][south], train[1][south]
    )
    found = audit(released, test, "site", members=train)
    rows = found.table.set_index("level")
    assert rows.loc["S", "attack_auc"] > 0.99
    assert rows.loc["N", "attack_auc_low"] < 0.5 < rows.loc["N", "attack_auc_high"]
    assert np.isnan(rows.loc["W", "attack_auc"])
    assert found.exposed == ("S",)
    assert rows.loc["S", "n_members"] == south.sum()
    assert rows["n_members"].iloc[1:].sum() == 400
    assert "Members were found by a membership attack (area; 0.5 is chance): S" in str(found)
    with pytest.raises(ValueError, match="only by a column"):
        audit(released, test, np.zeros(600), members=train)
    patients = np.arange(400)
    with pytest.raises(ValueError, match="patients are among the members"):
        audit(
            released, test, "site", members=train,
            member_groups=patients, groups=np.r_[patients, 1000 + np.arange(200)],
        )  # fmt: skip


def test_regression_and_several_classes():
    X, y = load_diabetes(return_X_y=True)
    condensed = ClusterCondenser(20, random_state=0).condense(X[:200], y[:200])
    found = audit(
        condensed, (X[200:], y[200:]), ("x2", [0.0]), estimators={"ridge": Ridge(alpha=0.01)}
    )
    assert found.metric == "R2"
    assert found.table["n_events"].isna().all()
    assert not found.table["too_few"].any()
    flowers, kind = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(150)
    flowers, kind = flowers[order], kind[order]
    condensed = ClusterCondenser(12, random_state=0).condense(flowers[:70], kind[:70])
    # One site has flowers of one kind: nothing to tell apart.
    site = np.where(kind[70:] == 2, "one", "other")
    found = audit(
        condensed, (flowers[70:], kind[70:]), site, min_rows=10,
        estimators={"logistic": LogisticRegression(max_iter=1000)},
    )  # fmt: skip
    assert found.too_few == ("one",)
    assert found.table["condensed"].iloc[0] > 0.9


def test_survival_and_a_level_without_events():
    pytest.importorskip("sksurv")
    from sksurv.datasets import load_veterans_lung_cancer

    from skcondense.models import WeightedCoxPH

    X, y = load_veterans_lung_cancer()
    X = X.drop(columns="Celltype")
    order = np.random.default_rng(0).permutation(len(X))
    X, y = X.iloc[order].reset_index(drop=True), y[order]
    condensed = ClusterCondenser(15, random_state=0).condense(X[:70], y[:70])
    cox = make_pipeline(SchemaVectorizer(condensed.schema), WeightedCoxPH(alpha=1.0))
    y_test = y[70:].copy()
    is_old = (X["Age_in_years"][70:] >= 65).to_numpy()
    y_test["Status"][is_old] = False
    found = audit(
        condensed, (X[70:], y_test), ("Age_in_years", [65]), estimators={"cox": cox}, min_rows=10
    )
    assert found.metric == "C-index"
    assert found.too_few == ("65 or more",)
    rows = found.table.set_index("level")
    # Too few to score: their outcomes are not told.
    assert np.isnan(rows.loc["65 or more", "n_events"])
    assert rows.loc["below 65", "condensed"] > 0.6


def test_errors_say_what_to_do(table, northern):
    test = split(*table)[1]
    with pytest.raises(ValueError, match=r"no column 'sex'.*'age', 'site'"):
        audit(northern, test, "sex")
    with pytest.raises(ValueError, match=r"holds numbers. Pass it with the edges"):
        audit(northern, test, "age")
    with pytest.raises(ValueError, match="have no bands"):
        audit(northern, test, ("site", [1, 2]))
    with pytest.raises(ValueError, match="increasing"):
        audit(northern, test, ("age", [2, 1]))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        audit(northern, test, np.zeros(3))
    with pytest.raises(ValueError, match="Got 1 and 20"):
        audit(northern, test, "site", n_bootstrap=1)
