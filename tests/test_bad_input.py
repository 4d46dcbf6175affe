"""Every bad input gets a clear error early, or is handled; no message shows a cell."""

import traceback

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import DataConversionWarning

from skcondense import ClusterCondenser, ColumnSchema, RandomCondenser, TableSchema
from skcondense.exceptions import SchemaError, TargetError

# Stand for the cells of a patient.
SECRET, SECRET_NUMBER = "Zaphod", 8675.309
N = 40
rng = np.random.default_rng(0)
X = pd.DataFrame({"age": rng.integers(20, 90, N), "lab": rng.normal(size=N)})
Y = np.arange(N) % 2
NUMBERS = rng.uniform(0.1, 1, N)
SCHEMA = TableSchema(
    (
        ColumnSchema(name="age", kind="integer", bounds=(0, 110)),
        ColumnSchema(name="lab", kind="numeric", bounds=(-5, 5)),
    )
)
SEX = TableSchema((ColumnSchema(name="sex", kind="binary", categories=("f", "m")),))


def survival(event, time):
    y = np.empty(len(time), dtype=[("event", bool), ("time", float)])
    y["event"], y["time"] = event, time
    return y


def with_cell(value):
    frame = X.astype({"lab": object})
    frame.loc[3, "lab"] = value
    return frame


BAD = {
    "gap forbidden": (with_cell(np.nan), Y, {"schema": SCHEMA}, SchemaError, "'lab' has 1 missing"),
    "text as number": (with_cell(SECRET), Y, {"schema": SCHEMA}, SchemaError, "must hold numbers"),
    "text as number in an array": (
        with_cell(SECRET).to_numpy(),
        Y,
        {"schema": SCHEMA},
        SchemaError,
        "must hold numbers",
    ),
    "infinity": (with_cell(np.inf), Y, {}, SchemaError, "infinity"),
    "list as cell": (with_cell([SECRET]), Y, {}, TypeError, "one value"),
    "infinity declared": (with_cell(np.inf), Y, {"schema": SCHEMA}, SchemaError, "infinity"),
    "unknown category": (
        pd.DataFrame({"sex": ["f", "m", SECRET, "f"] * 10}),
        Y,
        {"schema": SEX},
        SchemaError,
        "'sex' has 1 unknown categories",
    ),
    "other columns": (
        X.rename(columns={"lab": "x"}),
        Y,
        {"schema": SCHEMA},
        SchemaError,
        r"Only in the table: \['x'\]. Only in the schema: \['lab'\]",
    ),
    "fewer columns": (X[["age"]], Y, {"schema": SCHEMA}, SchemaError, "describes 2 columns"),
    "identifiers": (
        X.assign(name=[f"{SECRET} {i}" for i in range(N)]),
        Y,
        {},
        SchemaError,
        "identifier or free text",
    ),
    "dates": (X.assign(day=pd.Timestamp("2020-01-01")), Y, {}, SchemaError, "dates or times"),
    "all missing": (X.assign(lab=np.nan), Y, {}, SchemaError, "every value is missing"),
    "twice": (pd.concat([X, X], axis=1), Y, {}, ValueError, "unique"),
    "empty table": (X[:0], Y[:0], {}, ValueError, "minimum of 1 is required"),
    "empty array": (np.empty((0, 3)), Y[:0], {}, ValueError, "minimum of 1 is required"),
    "one class": (X, np.zeros(N), {}, TargetError, "two classes. Got 1 class"),
    "no y": (X, None, {}, ValueError, "requires y"),
    "y with gap": (X, pd.Series([np.nan, *Y[1:]]), {}, TargetError, "missing values"),
    "y array with gap": (X, np.array([np.nan, *Y[1:]]), {}, ValueError, "NaN"),
    "mixed labels": (X, np.array([SECRET, 1] * 20, dtype=object), {}, TargetError, "one type"),
    "text to regress": (X, [SECRET] * N, {"task": "regression"}, TargetError, "hold numbers"),
    "infinite y": (X, np.array([np.inf, *Y[1:]]), {}, ValueError, "infinity"),
    "wide y": (X, np.zeros((N, 3)), {}, ValueError, "1d array"),
    "huge outcomes": (X, 1e308 * NUMBERS, {}, TargetError, "Rescale y"),
    "constant outcome": (X, np.ones(N), {"task": "regression"}, TargetError, "one distinct"),
    "short y": (X, Y[:-1], {}, ValueError, "inconsistent numbers of samples"),
    "no event": (X, survival(False, np.arange(N)), {}, TargetError, "no event"),
    "negative time": (
        X,
        survival(True, [-SECRET_NUMBER, *range(1, N)]),
        {},
        TargetError,
        "1 negative",
    ),
    "time with gap": (X, survival(True, [np.nan] * N), {}, TargetError, "finite"),
    "infinite time": (X, survival(True, [np.inf] * N), {}, TargetError, "finite"),
    "text as time": (
        X,
        pd.DataFrame({"event": 1, "time": [SECRET] * N}),
        {},
        TargetError,
        "numbers",
    ),
    "text as event": (X, pd.DataFrame({"event": [SECRET] * N, "time": 1}), {}, TargetError, "0/1"),
    "event code": (X, pd.DataFrame({"event": [2] * N, "time": 1.0}), {}, TargetError, "0/1"),
    "event code in array": (X, np.array([(2, 1.0)] * N, "i4,f8"), {}, TargetError, "0/1"),
    "three fields": (X, np.zeros(N, "bool,float,float"), {}, TargetError, "structured array"),
    "survival as classes": (
        X,
        survival(True, np.arange(N)),
        {"task": "classification"},
        TargetError,
        "survival outcome",
    ),
    "too many prototypes": (X, Y, {"n_prototypes": 41}, ValueError, "n_prototypes=41 must not"),
    "zero prototypes": (X, Y, {"n_prototypes": 0}, ValueError, "n_prototypes"),
    "unknown task": (X, Y, {"task": "ranking"}, ValueError, "task"),
}


@pytest.mark.parametrize(("X", "y", "params", "error", "message"), BAD.values(), ids=BAD)
def test_clear_error(X, y, params, error, message):
    with pytest.raises(error, match=message) as caught:
        ClusterCondenser(**{"n_prototypes": 5, "random_state": 0, **params}).fit(X, y)
    shown = "".join(traceback.format_exception_only(caught.value))
    shown += str(caught.value.__cause__ or "")
    assert SECRET not in shown
    assert str(SECRET_NUMBER) not in shown


@pytest.mark.parametrize(
    ("allocation", "message"),
    [
        ({0: 2}, "count for each of"),
        ({0: 2, 1: 2}, "add up to n_prototypes=6"),
        ({0: 6, 1: 0}, "positive"),
        ({0: 3, 1: 3, 2: 0}, "count for each of"),
        ("even", "allocation"),
    ],
)
def test_allocation(allocation, message):
    with pytest.raises(ValueError, match=message):
        RandomCondenser(6, allocation=allocation).fit(X, Y)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"sample_weight": np.ones(N - 1)}, r"sample_weight.shape == \(39,\)"),
        ({"sample_weight": np.zeros(N)}, "at least one non-zero"),
        ({"sample_weight": np.full(N, np.nan)}, "sample_weight contains NaN"),
        ({"sample_weight": -np.ones(N)}, "[Nn]egative"),
        ({"groups": np.ones(N - 1)}, "inconsistent numbers of samples"),
    ],
)
def test_metadata(params, message):
    with pytest.raises(ValueError, match=message):
        ClusterCondenser(5).fit(X, Y, **params)


@pytest.mark.parametrize(
    "frame",
    [
        X.assign(constant=7),
        X.assign(huge=rng.uniform(size=N) * 1e308),
        X.assign(tiny=rng.normal(size=N) * 1e-300),
        X.assign(**{"größe 身長": rng.choice(["ja", "いいえ"], N)}),
        X.assign(**{"größe": pd.Categorical(rng.choice(["ä", "й", "😀"], N))}),
        X.assign(flag=True),
        X.set_axis([0, 1], axis=1),
        X.assign(lab=0.0),
    ],
    ids=[
        "constant",
        "huge",
        "tiny",
        "unicode",
        "unicode categories",
        "constant flag",
        "numbered columns",
        "constant lab",
    ],
)
def test_unusual_tables_work(frame):
    found = ClusterCondenser(5, random_state=0).condense(frame, Y)
    assert found.n_prototypes == 5
    assert [str(c) for c in frame.columns] == list(found.X.columns)
    assert found.X.notna().all(axis=None)
    for before, after in zip(frame, found.X, strict=True):
        if pd.api.types.is_numeric_dtype(frame[before]):
            assert found.X[after].between(frame[before].min(), frame[before].max()).all()
        else:
            assert set(found.X[after]) <= set(frame[before])


def test_span_beyond_float64():
    frame = X.assign(huge=np.where(Y == 1, 1.5e308, -1.5e308))
    frame.loc[0, "huge"] = 0.5
    with pytest.raises(SchemaError, match="'huge' spans more than") as caught:
        ClusterCondenser(5).fit(frame, Y)
    assert "1.5e" not in str(caught.value)


@pytest.mark.parametrize("labels", ["mean", "hard"])
@pytest.mark.parametrize("scale", [1e306, 1e-300])
def test_extreme_outcomes_work(scale, labels):
    y = scale * NUMBERS
    found = ClusterCondenser(5, labels=labels, random_state=0).condense(X, y)
    assert y.min() < found.y.min() < found.y.max() < y.max()


@pytest.mark.parametrize("scale", [1e308, 1e-300])
def test_extreme_times_work(scale):
    y = scale * NUMBERS
    times = survival(True, y)
    found = ClusterCondenser(5, random_state=0).condense(X, times)
    assert set(found.y["time"]) <= set(y)


def test_declared_schema_also_guards_new_rows():
    condenser = ClusterCondenser(5, schema=SCHEMA, random_state=0).fit(X, Y)
    with pytest.raises(SchemaError, match="missing"):
        condenser.transform(with_cell(np.nan).astype(float))
    far = condenser.transform(X.assign(lab=99.0))
    assert (far["lab"] == 5).all()


def test_a_frame_of_one_outcome_is_that_outcome():
    whole = ClusterCondenser(5, labels="mean", random_state=0)
    y = pd.Series(Y, name="died")
    with pytest.warns(DataConversionWarning, match="column-vector"):
        condensed = whole.condense(X, y.to_frame())
    pd.testing.assert_series_equal(condensed.y, whole.condense(X, y).y)
