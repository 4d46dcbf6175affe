"""The table room: what columns may hold, and rows as bounded matrices of floats."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from skcondense import (
    ColumnSchema,
    SchemaVectorizer,
    SurvivalSchema,
    TableEncoder,
    TableSchema,
)
from skcondense.exceptions import PrivacyLeakWarning, SchemaError
from skcondense.table import Container, TableBins, clip_to_bounds, encode_once, infer_schema

N = 60
draw = np.random.default_rng(0)

NUMPY_FRAME = pd.DataFrame(
    {
        "lab": np.where(draw.random(N) < 0.2, np.nan, draw.normal(size=N)),
        "count": draw.integers(0, 9, N),
        "single": draw.normal(size=N).astype(np.float32),
        "flag": draw.random(N) < 0.5,
        "site": draw.choice(["a", "ä", "c"], N),
        "stage": pd.Categorical(
            draw.choice(["I", "II", "III"], N), ["I", "II", "III"], ordered=True
        ),
        "drug": pd.Categorical(draw.choice(["x", "y", "z"], N), ["z", "y", "x", "unused"]),
    }
)
NULLABLE_FRAME = pd.DataFrame(
    {
        "n": pd.array([None, *draw.integers(0, 50, N - 1)], dtype="Int64"),
        "f": pd.array([None, *draw.normal(size=N - 1)], dtype="Float64"),
        "b": pd.array([None, *(draw.random(N - 1) < 0.5)], dtype="boolean"),
        "s": pd.array([None, *draw.choice(["u", "v", "w"], N - 1)], dtype="string"),
        "c": pd.Categorical([None, *draw.choice(["p", "q", "r"], N - 1)]),
        "o": pd.Categorical([None, *draw.choice(["lo", "hi"], N - 1)], ["lo", "hi"], ordered=True),
    }
)
POLARS_FRAME = pl.DataFrame(
    {
        "n": [None, *draw.integers(0, 50, N - 1).tolist()],
        "f": draw.normal(size=N),
        "b": [None, *(draw.random(N - 1) < 0.5).tolist()],
        "e": pl.Series(
            [None, *draw.choice(["lo", "hi", "mid"], N - 1).tolist()],
            dtype=pl.Enum(["lo", "mid", "hi"]),
        ),
        "c": pl.Series([None, *draw.choice(["p", "q"], N - 1).tolist()], dtype=pl.Categorical),
        "s": [None, *draw.choice(["u", "v", "ü"], N - 1).tolist()],
        "f32": pl.Series([None, *draw.normal(size=N - 1).tolist()], dtype=pl.Float32),
        "i8": pl.Series(draw.integers(-9, 9, N).tolist(), dtype=pl.Int8),
    }
)
OBJECTS = np.array(
    [["u", 1.5, None], ["v", 2.5, "p"], [None, 7.25, "q"], ["u", 0.5, "r"]], dtype=object
)
TABLES = {
    "pandas": NUMPY_FRAME,
    "pandas nullable": NULLABLE_FRAME,
    "polars": POLARS_FRAME,
    "float64": np.where(draw.random((N, 3)) < 0.1, np.nan, draw.normal(size=(N, 3))),
    "float32": draw.normal(size=(N, 3)).astype(np.float32),
    "int64": draw.integers(-5, 99, (N, 3)),
    "object": OBJECTS,
}  # fmt: skip


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def opened(X):
    container = Container.of(X)
    columns = container.read(X)
    schema = infer_schema(container, columns).restricted_to(container)
    return container, columns, schema


@pytest.mark.parametrize("X", TABLES.values(), ids=TABLES)
def test_round_trip(X):
    container, columns, schema = opened(X)
    encoder = TableEncoder(schema)
    Z = encoder.encode(columns)
    assert np.isfinite(Z).all()
    assert ((encoder.lower - 1e-12 <= Z) & (encoder.upper + 1e-12 >= Z)).all()
    back = container.build(encoder.decode(Z))
    assert all(
        np.array_equal(a.missing, b.missing)
        for a, b in zip(columns, container.read(back), strict=True)
    )
    if isinstance(X, pd.DataFrame):
        pd.testing.assert_frame_equal(back, X, rtol=1e-6)
    elif isinstance(X, pl.DataFrame):
        assert_frame_equal(back, X)
    else:
        assert back.dtype == X.dtype
        before, after = (
            pd.DataFrame([[np.nan if cell is None else cell for cell in row] for row in table])
            for table in (X.tolist(), back.tolist())
        )
        pd.testing.assert_frame_equal(after, before, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("X", TABLES.values(), ids=TABLES)
def test_anything_decodes_to_legal_cells(X, rng):
    container, _, schema = opened(X)
    encoder = TableEncoder(schema)
    Z = 5 * rng.normal(size=(200, encoder.n_codes))
    decoded = container.read(container.build(encoder.decode(Z)))
    schema.check(decoded)
    for column, cells in zip(schema, decoded, strict=True):
        if column.is_number:
            values = cells.values[~cells.missing]
            assert values.min() >= column.bounds[0]
            assert values.max() <= column.bounds[1]
            if column.kind == "integer":
                assert (values == np.round(values)).all()


def test_rounding_errors_do_not_leave_the_bounds(rng):
    for _ in range(200):
        bounds = np.sort(rng.normal(size=2)) * 10 ** rng.uniform(-3, 6)
        column = ColumnSchema(name="x", kind="numeric", bounds=bounds)
        near = 1 - 10.0 ** -rng.uniform(10, 17, 50)
        codes = np.concatenate([near, -near])[:, np.newaxis]
        values = TableEncoder(TableSchema((column,))).decode(codes)[0].values
        assert values.min() >= bounds[0]
        assert values.max() <= bounds[1]


def test_projection_is_idempotent(rng):
    encoder = TableEncoder(opened(NUMPY_FRAME)[2])
    once = encoder.project(rng.normal(size=(50, encoder.n_codes)))
    np.testing.assert_allclose(encoder.project(once), once, atol=1e-12)


@pytest.mark.parametrize("X", TABLES.values(), ids=TABLES)
def test_json(X, tmp_path):
    schema = opened(X)[2]
    assert TableSchema.from_json(schema.to_json()) == schema
    schema.save(tmp_path / "schema.json")
    assert TableSchema.load(tmp_path / "schema.json") == schema


def test_json_keeps_unicode_readable():
    columns = (
        ColumnSchema(name="größe 身長", kind="numeric", bounds=(0.1, 2.5), unit="µm"),
        ColumnSchema(name="ответ", kind="ordinal", categories=("нет", "да"), missing=True),
    )
    text = TableSchema(columns).to_json()
    assert "größe 身長" in text
    assert TableSchema.from_json(text) == TableSchema(columns)


def test_inferred_kinds():
    schema = opened(NUMPY_FRAME)[2]
    kinds = {column.name: column.kind for column in schema}
    assert kinds == {
        "lab": "numeric", "count": "integer", "single": "numeric", "flag": "binary",
        "site": "categorical", "stage": "ordinal", "drug": "categorical",
    }  # fmt: skip
    assert [column.name for column in schema if column.missing] == ["lab"]
    assert schema["stage"].categories == ("I", "II", "III")


def test_from_frame_warns():
    with pytest.warns(PrivacyLeakWarning, match="reads private values"):
        TableSchema.from_frame(NUMPY_FRAME)


def test_typical_range_keeps_outliers_from_squeezing():
    column = ColumnSchema(name="bp", kind="numeric", bounds=(-150, 16020), typical=(90, 180))
    encoder = TableEncoder(TableSchema((column,)))
    container = Container.of(np.zeros((1, 1)))
    codes = encoder.encode(container.read(np.array([[-150.0], [90], [180], [16020]])))[:, 0]
    np.testing.assert_allclose(codes, [-1, -0.8, 0.8, 1])


def test_categories_are_one_unit_apart():
    X = pd.DataFrame({"c": ["a", "b", "c"], "b": ["y", "y", "n"]})
    _, columns, schema = opened(X)
    Z = TableEncoder(schema).encode(columns)
    assert np.linalg.norm(Z[0] - Z[1]) == pytest.approx(1)
    assert np.linalg.norm(Z[1] - Z[2]) == pytest.approx(np.sqrt(2))


@pytest.mark.parametrize("X", [NUMPY_FRAME, NULLABLE_FRAME, POLARS_FRAME, TABLES["int64"]])
def test_clipping_keeps_dtypes(X):
    schema = opened(X)[2]
    clipped = clip_to_bounds(X, schema)
    if isinstance(X, np.ndarray):
        assert clipped.dtype == X.dtype
        assert np.array_equal(clipped, X)
    else:
        assert list(clipped.dtypes) == list(X.dtypes)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "float"}, "kind must be one of"),
        ({"kind": "numeric"}, "needs bounds"),
        ({"kind": "numeric", "bounds": (2, 1)}, "in order"),
        ({"kind": "numeric", "bounds": (0, np.inf)}, "finite"),
        ({"kind": "numeric", "bounds": (0, 1), "typical": (0, 2)}, "inside the bounds"),
        ({"kind": "integer", "bounds": (0, 1), "categories": (0, 1)}, "no categories"),
        ({"kind": "binary", "categories": ("a",)}, "two categories"),
        ({"kind": "categorical"}, "list its categories"),
        ({"kind": "categorical", "categories": ("a", "a")}, "unique"),
        ({"kind": "ordinal", "categories": ("a", "b"), "bounds": (0, 1)}, "not bounds"),
    ],
)
def test_contradictions(fields, message):
    with pytest.raises(SchemaError, match=message):
        ColumnSchema(name="x", **fields)


def test_columns_of_a_schema():
    column = ColumnSchema(name="x", kind="numeric", bounds=(0, 1))
    with pytest.raises(SchemaError, match="unique"):
        TableSchema((column, column))
    with pytest.raises(SchemaError, match="at least one column"):
        TableSchema(())


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([f"patient {i}" for i in range(N)], "identifier or free text"),
        (pd.date_range("2020-01-01", periods=N), "dates or times"),
        (pd.to_timedelta(np.arange(N), unit="D"), "dates or times"),
        ([np.inf, *range(N - 1)], "infinity"),
        ([1.5e308, -1.5e308] * (N // 2), "64-bit float"),
        ([np.nan] * N, "every value is missing"),
        ([None] * N, "every value is missing"),
    ],
)
@pytest.mark.parametrize("library", [pd, pl])
def test_refused_columns(cells, message, library):
    frame = library.DataFrame({"fine": range(N), "wrong": cells})
    with pytest.raises(SchemaError, match=message) as caught:
        opened(frame)
    assert "'wrong'" in str(caught.value)
    assert "patient" not in str(caught.value)
    assert "1.5e" not in str(caught.value)


@pytest.mark.parametrize("library", [pd, pl])
def test_clipping_takes_the_nearest_legal_number(library):
    frame = library.DataFrame({"n": [-5, 3, 99], "x": [-5.0, 3.0, 99.0], "c": ["a", "b", "z"]})
    schema = TableSchema(
        (
            ColumnSchema(name="n", kind="integer", bounds=(0.5, 9.5)),
            ColumnSchema(name="x", kind="numeric", bounds=(0.5, 9.5)),
            ColumnSchema(name="c", kind="binary", categories=("a", "b")),
        )
    )
    clipped = clip_to_bounds(frame, schema)
    assert clipped["n"].to_list() == [1, 3, 9]
    assert clipped["x"].to_list() == [0.5, 3.0, 9.5]
    assert clipped["c"].to_list() == ["a", "b", "z"]
    assert frame["n"].to_list() == [-5, 3, 99]


@pytest.mark.parametrize("text", ["", "{}", '{"columns": [{"nome": 1}]}', '{"columns": []}'])
def test_not_a_schema(text):
    with pytest.raises(SchemaError, match=r"schema"):
        TableSchema.from_json(text)


def test_vectorizer_takes_unknown_categories():
    schema = opened(NUMPY_FRAME)[2]
    vectorizer = SchemaVectorizer(schema).fit(NUMPY_FRAME)
    other = NUMPY_FRAME.assign(site="elsewhere")
    assert np.isfinite(vectorizer.transform(other)).all()
    assert vectorizer.transform(other).shape == (N, TableEncoder(schema).n_codes)


def test_bins_hold_every_cell_and_give_legal_rows_back():
    rng = np.random.default_rng(1)
    schema = TableSchema(
        (
            ColumnSchema(name="a", kind="numeric", bounds=(0, 10), typical=(2, 3), missing=True),
            ColumnSchema(name="b", kind="integer", bounds=(1, 4)),
            ColumnSchema(name="c", kind="binary", categories=("f", "m"), missing=True),
            ColumnSchema(name="d", kind="ordinal", categories=("I", "II", "III")),
            ColumnSchema(name="e", kind="categorical", categories=("x", "y", "z"), missing=True),
            ColumnSchema(name="f", kind="numeric", bounds=(2, 2)),
        )
    )
    encoder = TableEncoder(schema)
    bins = TableBins(encoder, 16)
    assert bins.sizes.tolist() == [17, 4, 3, 3, 4, 1]
    Z = encoder.project(rng.uniform(-1, 1, (500, encoder.n_codes)))
    found = bins.of(Z)
    assert (found >= bins.starts).all()
    assert (found < bins.starts + bins.sizes).all()
    assert np.array_equal(bins.indicators(Z).sum(axis=1), np.full(500, 6.0))
    rows = bins.rows(found, rng)
    # A number near an edge may round to the next bin; everything else comes back.
    same = bins.of(rows) == found
    assert same[:, 1:].all()
    assert same[:, 0].mean() > 0.99
    gone = found[:, 2] == bins.starts[2] + 2
    columns = encoder.decode(rows)
    assert np.array_equal(columns[2].missing, gone)


def test_tables_are_encoded_once_where_asked():
    X = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    with pytest.warns(PrivacyLeakWarning):
        vectorizer = SchemaVectorizer(TableSchema.from_frame(X)).fit(X)
    with encode_once():
        first = vectorizer.transform(X)
        assert vectorizer.transform(X) is first
        assert not first.flags.writeable
        assert vectorizer.transform(X.copy()) is not first
    assert vectorizer.transform(X) is not first
    assert vectorizer.transform(X).flags.writeable


def test_outcomes_travel_with_a_schema(tmp_path):
    column = ColumnSchema(name="a", kind="numeric", bounds=(0, 1))
    for outcome in (
        ColumnSchema(name="y", kind="binary", categories=(0, 1)),
        SurvivalSchema(grid=(30, 90), unit="days"),
    ):
        schema = TableSchema((column,), outcome)
        schema.save(tmp_path / "schema.json")
        assert TableSchema.load(tmp_path / "schema.json") == schema
    for grid in ((), (0, 1), (2, 1), (1, np.inf)):
        with pytest.raises(SchemaError, match="increasing"):
            SurvivalSchema(grid=grid)
