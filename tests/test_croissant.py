"""Croissant metadata: the validator accepts it, and rows come back through it unchanged."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from skcondense import (
    ClusterCondenser,
    ColumnSchema,
    CondensedSet,
    PrivacyLedger,
    RandomCondenser,
    SurvivalSchema,
    TableSchema,
)
from skcondense.report.account import FORBIDDEN
from skcondense.report.croissant import croissant_metadata

mlcroissant = pytest.importorskip("mlcroissant")
pytest.importorskip("pyarrow")
# 2026-11: rdflib warns of classes that it uses itself, pandas 3.1 of how mlcroissant calls it.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.* is deprecated:DeprecationWarning:rdflib",
    "ignore:The inplace keyword",
)

N = 120
AWKWARD = ("=lab, mg/l", 'größe "x"/y', "..", "a b\tc", "rows/age", "名前", "%41", "@id", "#?&")


def features(awkward=()):
    rng = np.random.default_rng(0)
    frame = {
        "age": rng.integers(20, 90, N),
        "lab": np.where(rng.random(N) < 0.2, np.nan, rng.normal(size=N)),
        "sex": rng.choice(["female", "male"], N),
        "flag": rng.choice([True, False], N),
        # Texts that readers of CSV take for numbers and gaps.
        "icd": rng.choice(["007", "NA", "ü", "1e3"], N),
        "site": rng.choice(["a", None], N).astype(object),
    }
    for j, name in enumerate(awkward):
        frame[name] = rng.normal(size=N) if j % 2 else rng.choice(["p", "q"], N)
    return pd.DataFrame(frame)


def outcomes():
    rng = np.random.default_rng(1)
    time = rng.exponential(5, N)
    survival = np.empty(N, dtype=[("dead", bool), ("days", float)])
    survival["dead"], survival["days"] = rng.random(N) < 0.6, time
    return {
        "classification": pd.Series(rng.choice(["well", "ill"], N), name="state"),
        "regression": pd.Series(rng.normal(size=N), name="bmi"),
        "survival": survival,
        "survival frame": pd.DataFrame({"dead": time > 3, "days": np.ceil(time).astype(int)}),
    }


def written(condensed, folder, format="parquet"):
    """A saved set with its metadata beside it."""
    condensed.save(folder, format=format)
    files = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}
    described = croissant_metadata(condensed, name="a release", description="A test.", files=files)
    (folder / "croissant.json").write_text(json.dumps(described, ensure_ascii=False), "utf-8")
    return described


def validated(folder):
    dataset = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    assert not dataset.metadata.ctx.issues.warnings
    assert dataset.metadata.ctx.is_v1_1()
    return dataset


def read_back(folder, described):
    """Rows as the validator reads them, with the columns' own names."""
    names = {field["@id"]: field["name"] for field in described["recordSet"][0]["field"]}
    rows = [
        {names[key]: v.decode() if isinstance(v, bytes) else v for key, v in record.items()}
        for record in validated(folder).records("rows")
    ]
    return pd.DataFrame(rows)


def assert_same_rows(found, frame, tolerance=0.0):
    assert list(found.columns) == list(frame.columns)
    assert len(found) == len(frame)
    for name in frame.columns:
        wanted, got = frame[name].tolist(), found[name].tolist()
        gaps = [v is None or v != v for v in wanted]
        assert gaps == [v is None or v != v for v in got], name
        pairs = [pair for *pair, gone in zip(wanted, got, gaps, strict=True) if not gone]
        if frame[name].dtype.kind == "f":
            # Exactly, by default.
            np.testing.assert_allclose(*zip(*pairs, strict=True), rtol=tolerance, atol=0)
        else:
            assert all(w == g for w, g in pairs), name


@pytest.mark.parametrize("task", outcomes())
def test_rows_come_back_exactly_from_a_release(task, tmp_path):
    condensed = ClusterCondenser(10, random_state=0).condense(features(), outcomes()[task])
    described = written(condensed, tmp_path)
    assert_same_rows(read_back(tmp_path, described), condensed.to_frame())


def test_rows_come_back_from_csv_where_that_is_all_there_is(tmp_path):
    X = features().drop(columns="icd")
    condensed = ClusterCondenser(10, random_state=0).condense(X, outcomes()["survival"])
    described = written(condensed, tmp_path, "csv")
    # Before version 3, pandas reads the last digit wrongly unless it is asked to take the time.
    assert_same_rows(read_back(tmp_path, described), condensed.to_frame(), tolerance=1e-14)


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_any_name_of_a_column_is_found(format, tmp_path):
    X = features(AWKWARD).drop(columns="icd")
    condensed = ClusterCondenser(10, random_state=0).condense(X, outcomes()["classification"])
    described = written(condensed, tmp_path, format)
    fields = described["recordSet"][0]["field"]
    assert [field["name"] for field in fields] == list(condensed.to_frame().columns)
    assert len({field["@id"] for field in fields}) == len(fields)
    found = read_back(tmp_path, described)
    assert_same_rows(found, condensed.to_frame(), tolerance=1e-14 if format == "csv" else 0)


def test_a_column_without_a_name_is_left_out_and_the_rest_is_valid(tmp_path):
    X = features()[["age", "sex"]].set_axis(["age", ""], axis=1)
    condensed = ClusterCondenser(5, random_state=0).condense(X, outcomes()["classification"])
    found = read_back(tmp_path, written(condensed, tmp_path))
    assert_same_rows(found, condensed.to_frame().drop(columns=""))


def test_arrays_and_outcomes_that_share_a_name_with_a_column(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(N, 3)), rng.integers(0, 2, N)
    condensed = ClusterCondenser(5, random_state=0).condense(X, y)
    described = written(condensed, tmp_path / "array")
    assert_same_rows(read_back(tmp_path / "array", described), condensed.to_frame())
    frame = pd.DataFrame(X, columns=["sample_weight", "y", "b"])
    condensed = ClusterCondenser(5, random_state=0).condense(frame, pd.Series(y, name="y"))
    described = written(condensed, tmp_path / "frame")
    assert [f["name"] for f in described["recordSet"][0]["field"]][-3:] == [
        "_y", "_sample_weight", "prototype",
    ]  # fmt: skip
    assert_same_rows(read_back(tmp_path / "frame", described), condensed.to_frame())


def test_types_categories_and_words_are_those_of_the_schema():
    schema = TableSchema(
        (
            ColumnSchema(name="age", kind="integer", bounds=(18, 110), unit="years"),
            ColumnSchema(name="grade", kind="ordinal", categories=(1, 2.5)),
            ColumnSchema(name="code", kind="categorical", categories=(1, 2, 3), missing=True),
            ColumnSchema(name="flag", kind="binary", categories=(False, True)),
            ColumnSchema(name="sex", kind="binary", categories=("female", "male")),
        ),
        outcome=SurvivalSchema(grid=(30, 365), event="dead", time="days", unit="days"),
    )
    condensed = CondensedSet(
        X=pd.DataFrame(
            {"age": [40], "grade": [2.5], "code": [None], "flag": [True], "sex": ["male"]}
        ),
        y=pd.DataFrame({"days": [3.0], "dead": [True]}),
        sample_weight=np.ones(1),
        prototype=np.zeros(1, dtype=int),
        schema=schema,
        task="survival",
        method="by hand",
        real_row_matches=None,
    )
    described = croissant_metadata(
        condensed, name="n", description="d", files={"condensed.parquet": "0" * 64}
    )
    rows, sex = described["recordSet"]
    assert [field["dataType"] for field in rows["field"]] == [
        "sc:Integer", "sc:Float", "sc:Integer", "sc:Boolean", "sc:Text",
        ["sc:Float", "cr:Label"], ["sc:Boolean", "cr:Label"], "sc:Float", "sc:Integer",
    ]  # fmt: skip
    words = {field["name"]: field["description"] for field in rows["field"]}
    assert words["age"] == "integer, in years; from 18 to 110."
    assert words["code"] == "categorical; one of: 1, 2, 3. Cells may be empty."
    assert "time until the event" in words["days"]
    assert "in days" in words["days"]
    assert "after 365" in words["days"]
    assert "whether the event was observed" in words["dead"]
    assert [next(iter(row.values())) for row in sex["data"]] == ["female", "male"]
    assert "may occur in: code" in described["rai:dataCollectionMissingData"]
    assert "not counted" in " ".join(described["rai:personalSensitiveInformation"])


def test_what_is_promised_is_said_and_nothing_else(tmp_path):
    X, y = features()[["age", "lab"]], outcomes()["classification"]
    schema = TableSchema(
        (
            ColumnSchema(name="age", kind="integer", bounds=(18, 110)),
            ColumnSchema(name="lab", kind="numeric", bounds=(-5, 5), missing=True),
        ),
        outcome=ColumnSchema(name="state", kind="binary", categories=("ill", "well")),
    )
    private = ClusterCondenser(10, schema=schema, epsilon=2.0, ledger=PrivacyLedger()).condense(
        X, y
    )
    described = written(private, tmp_path)
    # As the validator understands it, and not only as it is written.
    metadata = validated(tmp_path).metadata
    people = metadata.personal_sensitive_information
    assert set(private.privacy.sentences) <= set(people)
    assert "noised answers" in " ".join(people)
    assert len(metadata.data_limitations) == len(FORBIDDEN)
    assert metadata.data_release_maintenance_plan.startswith("No plan is stated")
    assert all(key in described for key in ("rai:dataBiases", "rai:dataUseCases"))
    real = RandomCondenser(5, random_state=0).condense(X, y)
    people = written(real, tmp_path / "real")["rai:personalSensitiveInformation"]
    assert "Some rows are those of real people." in people
    assert any("There is no privacy statement" in sentence for sentence in people)
    assert not any("differentially private" in sentence for sentence in people)
    open_ = ClusterCondenser(5, random_state=0).condense(X, y)
    people = written(open_, tmp_path / "open")["rai:personalSensitiveInformation"]
    assert "No row is that of a real person." in people


def test_images_are_described_as_what_they_are(tmp_path):
    images, digit = load_digits(n_class=2, return_X_y=True)
    condensed = ClusterCondenser(6, random_state=0).condense(images.reshape(-1, 8, 8), digit)
    described = written(condensed, tmp_path)
    assert_same_rows(read_back(tmp_path, described), condensed.to_frame())
    archive = next(f for f in described["distribution"] if f["name"] == "condensed.npz")
    assert f"X, of shape {condensed.X.shape} and dtype float64" in archive["description"]
    assert archive["encodingFormat"].startswith("https://numpy.org/")


def test_a_file_that_changed_is_refused_by_the_validator(tmp_path):
    condensed = ClusterCondenser(5, random_state=0).condense(features(), outcomes()["regression"])
    written(condensed, tmp_path)
    path = tmp_path / "condensed.parquet"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(Exception, match="during the operation Download") as caught:
        list(validated(tmp_path).records("rows"))
    assert "Hash of downloaded file" in str(caught.value.__cause__)


def test_readers_that_write_into_the_description_change_no_other(tmp_path):
    condensed = ClusterCondenser(5, random_state=0).condense(features(), outcomes()["regression"])
    described = written(condensed, tmp_path)
    before = json.dumps(described)
    dataset = mlcroissant.Dataset(jsonld=described)
    assert not dataset.metadata.ctx.issues.errors
    assert not dataset.metadata.ctx.issues.warnings
    again = written(condensed, tmp_path / "again")
    assert again["@context"] == json.loads(before)["@context"]
    assert "@base" not in again["@context"]


def test_a_release_without_rows_is_refused():
    condensed = ClusterCondenser(5, random_state=0).condense(features(), outcomes()["regression"])
    with pytest.raises(ValueError, match="needs one of"):
        croissant_metadata(condensed, name="n", description="d", files={"CARD.md": "0" * 64})
