"""Parquet files that are sampled piece by piece."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest

from skcondense import (
    ClusterCondenser,
    ColumnSchema,
    CondensedSet,
    ParquetSample,
    PrivacyStatement,
    RandomCondenser,
    TableSchema,
    condense_parquet,
)
from skcondense.cli import main
from skcondense.exceptions import PrivacyLeakWarning, SchemaError
from skcondense.privacy import seeded_noise
from skcondense.private_table import matching
from skcondense.table import parquet_files

pytest.importorskip("pyarrow")

pytestmark = pytest.mark.usefixtures("small_teachers")

N, PER_PATIENT = 4000, 4
SCHEMA = TableSchema(
    (
        ColumnSchema(name="age", kind="integer", bounds=(18, 100)),
        ColumnSchema(name="lab", kind="numeric", bounds=(-5, 5), missing=True),
        ColumnSchema(name="ward", kind="categorical", categories=("a", "b", "c")),
    ),
    outcome=ColumnSchema(name="ill", kind="binary", categories=(0, 1)),
)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(parquet_files, "PIECE", 300)


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.integers(20, 95, N),
            "lab": rng.normal(size=N).clip(-5, 5),
            "ward": rng.choice(["a", "b", "c"], N),
        }
    )
    frame.loc[::9, "lab"] = np.nan
    frame["patient"] = rng.permutation(np.arange(N) // PER_PATIENT)
    frame["ill"] = (frame["age"] + rng.normal(0, 15, N) > 60).astype(int)
    return frame


@pytest.fixture
def path(frame, tmp_path):
    path = tmp_path / "table.parquet"
    frame.to_parquet(path, row_group_size=700)
    return path


def cluster(**params):
    return ClusterCondenser(10, subsample=800, random_state=0, **params)


def private(**params):
    return cluster(schema=SCHEMA, epsilon=3.0, delta=1e-5, **params)


def test_a_sample_is_rows_of_the_file(path, frame):
    sample = ParquetSample.draw(path, n_rows=500, random_state=0)
    assert 400 < len(sample.frame) < 600
    assert sample.frame.dtypes.equals(frame.dtypes)
    assert len(sample.frame.merge(frame)) == len(sample.frame)
    again = ParquetSample.draw(path, n_rows=500, random_state=0)
    assert again.frame.equals(sample.frame)
    other = ParquetSample.draw(path, n_rows=500)
    assert not other.frame.equals(sample.frame)


@pytest.mark.parametrize("identifier", [int, str, "category"])
def test_patients_are_in_as_a_whole_or_out(identifier, frame, tmp_path):
    path = tmp_path / "table.parquet"
    frame.astype({"patient": identifier}).to_parquet(path, row_group_size=700)
    sample = ParquetSample.draw(path, rate=0.3, groups="patient").frame
    assert set(sample["patient"].value_counts().loc[lambda n: n > 0]) == {PER_PATIENT}
    # Five standard deviations of a binomial.
    assert abs(sample["patient"].nunique() - 300) < 5 * (1000 * 0.3 * 0.7) ** 0.5


def test_coins_look_at_no_cell_but_the_patient(frame, tmp_path):
    path = tmp_path / "table.parquet"
    frame.to_parquet(path)
    first = ParquetSample.draw(path, rate=0.3, groups="patient", random_state=0).frame
    frame.assign(age=30, ill=1 - frame["ill"]).to_parquet(path)
    second = ParquetSample.draw(path, rate=0.3, groups="patient", random_state=0).frame
    assert first["patient"].equals(second["patient"])


def test_weights_and_coincidences_are_of_the_file(path, frame):
    found = condense_parquet(cluster(), path, target="ill", groups="patient")
    assert found.sample_weight.sum() == pytest.approx(N)
    prototypes = found.X[~pd.Series(found.prototype).duplicated()]
    assert found.real_row_matches.exact == len(
        prototypes.merge(frame[list(found.X)].drop_duplicates())
    )
    assert list(found.X.columns) == ["age", "lab", "ward"]
    # Rows of patients are found wherever they are, though the sample holds some only.
    real = condense_parquet(RandomCondenser(20, random_state=0), path, target="ill")
    assert real.real_row_matches.exact == real.n_prototypes
    unseen = ParquetSample.draw(path, rate=0.01, random_state=3)
    assert unseen.scaled_up(real).real_row_matches.exact == real.n_prototypes


def test_categories_that_the_sample_lacks(frame, tmp_path):
    path = tmp_path / "table.parquet"
    rare = frame.assign(ward=["rare", *frame["ward"][1:]], lab=frame["lab"].fillna(0))
    rare.loc[1, "lab"] = np.nan
    rare.to_parquet(path)
    samples = (ParquetSample.draw(path, rate=0.2, random_state=seed) for seed in range(50))
    sample = next(
        s for s in samples if "rare" not in set(s.frame["ward"]) and s.frame["lab"].notna().all()
    )
    y = sample.frame.pop("ill")
    found = sample.scaled_up(cluster().condense(sample.frame, y))
    assert found.sample_weight.sum() == pytest.approx(N)


def test_a_folder_and_survival(frame, tmp_path):
    rng = np.random.default_rng(0)
    frame = frame.assign(event=rng.random(N) < 0.6, time=rng.exponential(10, N))
    for k, part in enumerate(np.array_split(np.arange(N), 3)):
        frame.iloc[part].to_parquet(tmp_path / f"part{k}.parquet")
    found = condense_parquet(cluster(), tmp_path, target=("event", "time"), groups="patient")
    assert found.task == "survival"
    assert found.sample_weight.sum() == pytest.approx(N)


def test_a_private_set_of_a_file(path, tmp_path):
    condenser = private()
    with seeded_noise(0):
        found = condense_parquet(condenser, path, target="ill", groups="patient", rate=0.5)
    statement = found.privacy
    assert statement.unit == "patient"
    assert statement.sampling_rate == 0.5
    assert "public probability 0.5" in str(statement)
    assert found.real_row_matches is None
    np.testing.assert_allclose(found.sample_weight, 2 * condenser.sample_weight_)
    assert PrivacyStatement.from_json(statement.to_json()) == statement
    found.save(tmp_path / "out")
    assert CondensedSet.load(tmp_path / "out").privacy == statement


def test_whether_a_gap_occurs_does_not_show(frame, tmp_path):
    columns = [
        ColumnSchema(name="age", kind="integer", bounds=(18, 100), missing=True),
        *SCHEMA.columns[1:],
    ]
    schema = TableSchema(tuple(columns), outcome=SCHEMA.outcome)
    path = tmp_path / "table.parquet"
    for age in (frame["age"], frame["age"].where(frame.index > 100)):
        frame.drop(columns="patient").assign(age=age).to_parquet(path)
        condenser = cluster(schema=schema, epsilon=3.0, delta=1e-5)
        assert condense_parquet(condenser, path, target="ill", rate=0.5).X["age"].dtype == float


def test_what_occurs_does_not_show_in_a_dtype(frame, tmp_path):
    """Gaps, the order in which categories occur, and categories that do not."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    binary = {"kind": "binary", "missing": True}
    columns = [
        ColumnSchema(name="asks", categories=(False, True), **binary),
        ColumnSchema(name="code", categories=(0, 1), **binary),
        ColumnSchema(name="ward", kind="categorical", categories=("a", "b", "c"), missing=True),
        SCHEMA["lab"],
    ]
    schema = TableSchema(tuple(columns), outcome=SCHEMA.outcome)
    frame = frame.assign(asks=frame["age"] > 60, code=frame["ill"])
    texts = pa.array(frame["ward"]).dictionary_encode()
    other = pa.array([*reversed(texts.dictionary.to_pylist()), "z"])
    codes = pa.array([other.to_pylist().index(text) for text in frame["ward"]], pa.int8())
    gap = frame.index > 0
    gaps = frame.assign(asks=frame["asks"].where(gap, None), code=frame["code"].where(gap))
    path = tmp_path / "table.parquet"
    seen = []
    for rows, ward in (
        (frame, texts),
        (frame, pa.DictionaryArray.from_arrays(codes, other)),
        (gaps, texts),
        (gaps.assign(code=None), texts),
        (frame.astype({"asks": "boolean", "code": "Int64"}), texts),
    ):
        table = pa.Table.from_pandas(rows[["lab", "asks", "code", "ill"]])
        pq.write_table(table.append_column("ward", ward), path)
        condenser = cluster(schema=schema, epsilon=30.0, delta=1e-5)
        seen.append(condense_parquet(condenser, path, target="ill", rate=1).X.dtypes)
    assert all(dtypes.equals(seen[0]) for dtypes in seen)


@pytest.mark.parametrize("rate", [0.5, 1.0])
def test_the_total_is_the_noised_number_over_the_rate(rate, path, frame):
    no_patients = frame.drop(columns="patient")
    no_patients.to_parquet(path)
    with seeded_noise(0):
        found = condense_parquet(private(), path, target="ill", rate=rate)
    assert 0.9 * N < found.sample_weight.sum() < 1.1 * N
    assert ("sample" in str(found.privacy)) == (rate < 1)


def in_parts(folder, *frames):
    folder.mkdir()
    for k, frame in enumerate(frames):
        frame.to_parquet(folder / f"part{k}.parquet", index=False)
    return folder


def test_parts_of_a_folder_are_read_as_one_table(frame, tmp_path):
    half = N // 2
    whole = frame.sort_values("patient", ignore_index=True)
    first, second = whole[: half + 2], whole[half + 2 :]
    assert first["patient"].iloc[-1] == second["patient"].iloc[0]
    second = second.assign(patient=second["patient"].astype(float), lab=None, age=second["age"] / 2)
    folder = in_parts(tmp_path / "folder", first, second[["ward", *second.columns.drop("ward")]])
    sample = ParquetSample.draw(folder, rate=0.5, groups="patient").frame
    assert list(sample) == list(frame)
    assert set(sample["patient"].value_counts()) == {PER_PATIENT}


def test_parts_that_are_no_table_are_refused(frame, tmp_path):
    others = {
        "lost": (frame.drop(columns="lab"), "part1.parquet has no column"),
        "more": (frame.assign(more=1), "the same columns"),
        "text": (frame.assign(age="old"), "none in common"),
        "huge": (frame.assign(age=2**60 + 1), "without loss"),
    }
    for name, (other, message) in others.items():
        folder = in_parts(tmp_path / name, frame.assign(age=frame["age"] + 0.5), other)
        if name == "text":
            folder = in_parts(tmp_path / "int", frame, other)
        with pytest.raises(SchemaError, match=message) as caught:
            ParquetSample.draw(folder, rate=1)
        assert str(2**60) not in str(caught.value)


def test_an_index_is_a_column_if_it_has_a_name(frame, tmp_path):
    path = tmp_path / "table.parquet"
    for name in ("patient", "ill", "age"):
        frame.astype({"lab": "Float64"}).set_index(name).to_parquet(path)
        sample = ParquetSample.draw(path, rate=1, groups="patient").frame
        assert set(sample) == set(frame)
        assert sample["lab"].dtype == "Float64"
        assert condense_parquet(cluster(), path, target="ill", groups="patient").n_prototypes
    frame[::-1].to_parquet(path)
    assert list(ParquetSample.draw(path, rate=1).frame) == list(frame)


def test_logs_and_unfinished_files_are_no_data(frame, tmp_path):
    folder = in_parts(tmp_path / "folder", frame)
    for name in ("_delta_log/1.parquet", ".tmp/1.parquet", ".part.parquet", "_x.parquet"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("no Parquet")
    (folder / "year.parquet").mkdir()
    assert len(ParquetSample.draw(folder, rate=1).frame) == N


def test_only_what_a_schema_declares_is_read(frame, tmp_path):
    folder = in_parts(tmp_path / "folder", frame.assign(note="free text"), frame)
    for condenser in (private(), cluster(schema=SCHEMA)):
        found = condense_parquet(condenser, folder, target="ill", groups="patient", rate=0.5)
        assert list(found.X) == list(SCHEMA.names)


def test_an_empty_sample_does_not_show_its_size(frame, path, tmp_path):
    frame[:0].to_parquet(tmp_path / "empty.parquet")
    for file, rate in ((tmp_path / "empty.parquet", 1), (path, 1e-12)):
        with pytest.raises(ValueError, match="Too few rows") as caught:
            condense_parquet(private(), file, target="ill", rate=rate)
        assert "shape" not in str(caught.value)


def test_delta_is_compared_with_the_file(path):
    sample = ParquetSample.draw(path, rate=0.1, columns=[*SCHEMA.names, "ill"])
    y = sample.frame.pop("ill")
    condenser = cluster(schema=SCHEMA, epsilon=30.0, delta=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("error", PrivacyLeakWarning)
        found = condenser.condense(sample.frame, y)
    with pytest.warns(PrivacyLeakWarning, match="no smaller than one"):
        scaled = sample.scaled_up(found)
    with pytest.raises(ValueError, match="of a file already"):
        sample.scaled_up(scaled)


def test_what_would_show_the_number_of_rows_is_refused(path):
    with pytest.raises(ValueError, match="rate must be declared"):
        condense_parquet(private(), path, target="ill")
    for options in ({"n_rows": 2000}, {"rate": 0.5, "random_state": 0}):
        sample = ParquetSample.draw(path, **options)
        X = sample.frame.drop(columns=["ill", "patient"])
        condensed = private().condense(X, sample.frame["ill"])
        with pytest.raises(ValueError, match="coins must be secret"):
            sample.scaled_up(condensed)


def test_mistakes(path, frame, tmp_path):
    with pytest.raises(ValueError, match="no column"):
        condense_parquet(cluster(), path, target="dead")
    with pytest.raises(ValueError, match="no column"):
        condense_parquet(cluster(), path, target="ill", groups="person")
    frame.drop(columns="lab").to_parquet(tmp_path / "lost.parquet")
    with pytest.raises(SchemaError, match=r"no column \['lab'\]"):
        condense_parquet(private(), tmp_path / "lost.parquet", target="ill", rate=0.5)
    with pytest.raises(ValueError, match="rate must be above 0"):
        ParquetSample.draw(path, rate=2)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no Parquet file"):
        ParquetSample.draw(tmp_path / "empty")
    gap = frame.assign(patient=frame["patient"].where(frame.index > 0))
    gap.to_parquet(tmp_path / "gap.parquet")
    with pytest.raises(ValueError, match="patient of every row"):
        ParquetSample.draw(tmp_path / "gap.parquet", groups="patient")


def test_the_command_line_samples_long_files(path, tmp_path, monkeypatch, capsys):
    def condense(*args):
        common = ["--target", "ill", "--groups", "patient", "--method", "cluster"]
        command = ["condense", str(path), *common, "--n-prototypes", "10", *args]
        return main([*command, "-o", str(tmp_path / "out"), "--force"])

    assert condense() == 0
    monkeypatch.setattr("skcondense.cli.condense.LARGE_FILE", 1000)
    assert condense("--random-state", "0") == 0
    assert CondensedSet.load(tmp_path / "out").sample_weight.sum() == pytest.approx(N)
    schema = tmp_path / "schema.json"
    SCHEMA.save(schema)
    declared = ("--schema", str(schema), "--epsilon", "3")
    assert condense(*declared, "--sample-rate", "0.5") == 0
    facts = json.loads((tmp_path / "out" / "condensed.json").read_text())
    assert facts["privacy"]["sampling_rate"] == 0.5
    path = tmp_path / "table.csv"
    assert condense("--sample-rate", "0.5") == 2
    assert "needs a Parquet file" in capsys.readouterr().err


def test_matching_counts_what_comparing_would():
    rng = np.random.default_rng(0)
    Z, others = (rng.integers(0, 3, (n, 3)) / 2.0 for n in (40, 15))
    expected = (Z[:, np.newaxis] == others).all(axis=2).any(axis=1)
    assert 0 < expected.sum() < 40
    found = matching(Z + 1e-4, np.array_split(others, 4), (1e-9, 1e-2))
    assert not found[0].any()
    assert np.array_equal(found[1], expected)
