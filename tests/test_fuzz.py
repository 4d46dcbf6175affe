"""Arbitrary files: no crash, no traceback, and no value of a row in a message.

By default each property sees 100 examples or so. To run each with 10,000, as before a release::

    SKCONDENSE_FUZZ=10000 python -m pytest tests/test_fuzz.py

which takes about an hour of one core. Examples are the same in every run by default, and fresh ones
with the variable.
"""

import hashlib
import json
import os
import shutil
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skcondense import ClusterCondenser, ColumnSchema, CondensedSet, PrivacyLedger, TableSchema
from skcondense.cli import main
from skcondense.exceptions import LedgerError, ReleaseError, SchemaError, TargetError
from skcondense.privacy import PrivacyStatement
from skcondense.report import verify_release, write_release
from skcondense.report.release_files import MANIFEST, manifest_of
from skcondense.tasks import ClassificationTask

WANTED = os.environ.get("SKCONDENSE_FUZZ")
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


def fuzzed(n):
    return settings(
        max_examples=int(WANTED or n),
        derandomize=WANTED is None,
        database=None,
        deadline=None,
        suppress_health_check=CHECKS,
    )


# A canary: what no message may show. Long, so that it does not turn up by chance.
SECRET = "Zq7secret"


# The command line: 0 or 2, and one line that shows no cell.


def run(*arguments):
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return code, err.getvalue()


def assert_tidy(code, err, *, secrets=()):
    assert code in (0, 2), err
    lines = err.splitlines()
    assert "Traceback" not in err
    errors = [line for line in lines if line.startswith("skcondense: error: ")]
    assert len(errors) == (code == 2), err
    if code == 2:
        assert lines[-1] == errors[0], err
    # A message that is not shown asks for a report: here nothing should be a bug.
    assert "report this as a bug" not in err, err
    assert not any(secret in err for secret in secrets), err


@contextmanager
def folder():
    with TemporaryDirectory() as name:
        yield Path(name)


def read_schema(content, *options):
    with folder() as here:
        (here / "t.csv").write_bytes(content)
        return run("schema", here / "t.csv", "--output", here / "s.json", *options)


def condense(content, *options):
    with folder() as here:
        (here / "t.csv").write_bytes(content)
        return run(
            "condense", here / "t.csv", "--output", here / "out", "--target", "y",
            "--method", "random", "--n-prototypes", 4, "--quiet", *options,
        )  # fmt: skip


NUMBERS = st.sampled_from(
    ["0", "1", "-1", "1e308", "-1e308", "1e309", "inf", "-inf", "nan", "NaN", "9" * 30, "1e-320",
     "0x10", "1,5", "1_000", "٣", "-0", "+1", "007", "1.0", "9007199254740993"]
)  # fmt: skip
TEXTS = st.text(max_size=6) | st.sampled_from(
    ["", " ", "NA", "None", "True", "False", "\x00", "\ufeff", "\u202e", "'", '"', "=1+1", "é",
     "2020-01-01", "\n", "\r", "😀", "(", "[1]", "{}"]
)  # fmt: skip
CELLS = NUMBERS | TEXTS | st.just(SECRET) | st.floats().map(str) | st.integers().map(str)
HEADERS = st.sampled_from(["y", "a", "b", "", "a", "y", "sample_weight", "prototype", "\ufeffy"])


@st.composite
def tables(draw):
    """Text of a table: often a sound one with a few strange cells, lines or bytes."""
    n_columns, n_rows = draw(st.integers(1, 4)), draw(st.integers(0, 12))
    header = ["y", *draw(st.lists(HEADERS | TEXTS, min_size=n_columns, max_size=n_columns))]
    kinds = [draw(st.sampled_from(["number", "text", "code", "any"])) for _ in header]
    usual = {
        "number": st.floats(-5, 5).map(lambda x: f"{x:.3g}"),
        "text": st.sampled_from(["u", "v", SECRET]),
        "code": st.sampled_from(["0", "1", "2"]),
        "any": CELLS,
    }
    rows = [[draw(usual[kind]) for kind in kinds] for _ in range(n_rows)]
    for _ in range(draw(st.integers(0, 2)) if rows else 0):
        row = draw(st.sampled_from(rows))
        row[draw(st.integers(0, len(row) - 1))] = draw(CELLS)
    if rows and draw(st.booleans()) and draw(st.booleans()):
        draw(st.sampled_from(rows)).append(draw(CELLS))
    lines = [header, *rows]
    if draw(st.booleans()):
        lines = [[_quoted(cell) for cell in line] for line in lines]
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = draw(st.sampled_from(["", "", "", "\ufeff"])) + end.join(map(",".join, lines)) + end
    return text.encode("utf-8", errors=draw(st.sampled_from(["ignore", "surrogatepass"])))


def _quoted(cell):
    return '"' + cell.replace('"', '""') + '"'


CONTENTS = (
    tables()
    | st.binary(max_size=200)
    | st.text(max_size=100).map(lambda text: text.encode("utf-8", errors="ignore"))
)


@fuzzed(100)
@given(
    CONTENTS,
    st.sampled_from([(), ("--target", "y"), ("--time", "a", "--event", "y", "--grid", "1")]),
)
def test_schema_reads_any_file(content, options):
    code, err = read_schema(content, *options)
    assert_tidy(code, err, secrets=_cells_only(content))


@fuzzed(50)
@given(CONTENTS)
def test_condense_reads_any_file(content):
    code, err = condense(content)
    assert_tidy(code, err, secrets=_cells_only(content))


def _cells_only(content):
    """The canary, unless it stands in the header: names of columns may be shown."""
    first = content.replace(b"\r", b"\n").split(b"\n")[0]
    return () if SECRET.encode() in first else (SECRET,)


SCHEMA = TableSchema(
    (
        ColumnSchema(name="age", kind="integer", bounds=(18, 110), unit="years"),
        ColumnSchema(name="lab", kind="numeric", bounds=(-5, 5), typical=(-1, 1), missing=True),
        ColumnSchema(name="site", kind="categorical", categories=("a", "b", "ü")),
        ColumnSchema(name="grade", kind="ordinal", categories=(1, 2, 3)),
    ),
    outcome=ColumnSchema(name="y", kind="binary", categories=(0, 1)),
)


@fuzzed(30)
@given(st.data())
def test_private_condense_of_any_file_with_a_schema(data):
    usual = {
        "age": st.integers(0, 130).map(str),
        "lab": st.floats(-6, 6).map(str) | st.just(""),
        "site": st.sampled_from(["a", "b", "ü"]),
        "grade": st.sampled_from("123"),
        "y": st.sampled_from("01"),
    }
    names = list(usual)
    rows = [[data.draw(usual[name]) for name in names] for _ in range(data.draw(st.integers(0, 8)))]
    for _ in range(data.draw(st.integers(0, 2)) if rows else 0):
        data.draw(st.sampled_from(rows))[data.draw(st.integers(0, 4))] = data.draw(CELLS)
    text = "\n".join(",".join(map(_quoted, row)) for row in [names, *rows]) + "\n"
    with folder() as here:
        SCHEMA.save(here / "s.json")
        content = text.encode("utf-8", errors="ignore")
        code, err = condense(
            content, "--schema", here / "s.json", "--epsilon", 1, "--ledger", here / "l.jsonl"
        )
    assert_tidy(code, err, secrets=(SECRET,))


# JSON.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def mutated(draw, facts):
    """JSON facts with a few values exchanged, removed or added, anywhere."""
    facts = json.loads(json.dumps(facts))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(facts))
        if not places:
            break
        inside, key = draw(st.sampled_from(places))
        how = draw(st.sampled_from(["exchange", "remove", "twin"]))
        if how == "remove":
            del inside[key]
        elif how == "exchange":
            inside[key] = draw(JSON)
        elif isinstance(inside, list):
            inside.append(inside[key])
        else:
            inside[draw(st.text(max_size=5))] = inside[key]
    return json.dumps(facts)


def _places(facts):
    items = facts.items() if isinstance(facts, dict) else enumerate(facts)
    for key, value in list(items):
        yield facts, key
        if isinstance(value, dict | list):
            yield from _places(value)


@st.composite
def damaged(draw, content):
    """Bytes with a few of them flipped, inserted or deleted."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        how = draw(st.sampled_from(["flip", "insert", "delete", "cut"]))
        if how == "flip" and content:
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "insert":
            content[at:at] = draw(st.binary(min_size=1, max_size=4))
        elif how == "delete":
            del content[at : at + draw(st.integers(1, 8))]
        else:
            del content[at + 1 :]
    return bytes(content)


@fuzzed(200)
@given(
    st.text(max_size=50)
    | JSON.map(json.dumps)
    | mutated(json.loads(SCHEMA.to_json()))
    | damaged(SCHEMA.to_json().encode()).map(lambda b: b.decode(errors="replace"))
)
def test_schemas_are_read_or_refused(text):
    try:
        schema = TableSchema.from_json(text)
    except ValueError:
        return
    assert TableSchema.from_json(schema.to_json()) == schema


@fuzzed(30)
@given(damaged(SCHEMA.to_json().encode()) | mutated(json.loads(SCHEMA.to_json())).map(str.encode))
def test_any_schema_file_is_used_or_refused_by_the_command_line(content):
    rows = [
        ["age", "lab", "site", "grade", "y"],
        *[["40", "", "a", "1", "0"], ["50", "1.5", "b", "2", "1"]] * 4,
    ]
    with folder() as here:
        (here / "s.json").write_bytes(content)
        text = "\n".join(map(",".join, rows)) + "\n"
        code, err = condense(text.encode(), "--schema", here / "s.json")
        assert_tidy(code, err)
        code, err = condense(
            text.encode(), "--schema", here / "s.json", "--epsilon", 1, "--ledger", here / "l.jsonl"
        )
        assert_tidy(code, err)


# A release, and its parts.


@pytest.fixture(scope="module")
def private():
    rng, n = np.random.default_rng(0), 60
    X = pd.DataFrame(
        {
            "age": rng.integers(20, 90, n),
            "lab": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "site": rng.choice(["a", "b", "ü"], n),
            "grade": rng.choice([1, 2, 3], n),
        }
    )
    ledger = PrivacyLedger()
    condenser = ClusterCondenser(5, schema=SCHEMA, epsilon=2.0, ledger=ledger, random_state=0)
    return condenser.condense(X, pd.Series(rng.integers(0, 2, n), name="y")), ledger


@fuzzed(150)
@given(st.data())
def test_statements_are_read_or_refused(private, data):
    text = private[0].privacy.to_json()
    found = data.draw(
        JSON.map(json.dumps)
        | mutated(json.loads(text))
        | damaged(text.encode()).map(lambda b: b.decode(errors="replace"))
    )
    try:
        statement = PrivacyStatement.from_json(found)
    except ValueError:
        return
    # What was read can be said and written.
    assert str(statement)
    assert statement.short
    assert PrivacyStatement.from_json(statement.to_json()) == statement


@fuzzed(60)
@given(st.data())
def test_ledgers_are_read_or_refused(private, data):
    with folder() as here:
        path = here / "l.jsonl"
        ledger = PrivacyLedger(path, epsilon=10)
        for spend in private[1].spends[:2]:
            ledger.charge(spend)
        lines = path.read_bytes().splitlines(keepends=True)
        content = data.draw(
            damaged(b"".join(lines))
            | st.binary(max_size=50)
            | JSON.map(lambda facts: json.dumps(facts).encode() + b"\n")
            | st.lists(
                st.sampled_from([json.loads(line) for line in lines]).flatmap(mutated),
                min_size=1,
                max_size=3,
            ).map(_rechained)
        )
        path.write_bytes(content)
        try:
            found = PrivacyLedger(path)
        except ValueError:
            found = None
        if found is not None:
            assert repr(found)
            assert found.epsilon >= 0
            with suppress(ValueError):
                found.charge(private[1].spends[0])
        code, err = run("ledger", path)
        assert_tidy(code, err)


def _rechained(texts):
    """Lines of a ledger with digests that fit, so that what they say is reached."""
    content, chain = b"", ""
    for text in texts:
        facts = json.loads(text)
        if isinstance(facts, dict) and "chain" in facts:
            facts["chain"] = chain
        line = json.dumps(facts).encode() + b"\n"
        chain = hashlib.sha256(chain.encode() + line).hexdigest()[:32]
        content += line
    return content


@pytest.fixture(scope="module")
def release(private, tmp_path_factory):
    pytest.importorskip("pyarrow")
    condensed, ledger = private
    return write_release(condensed, tmp_path_factory.mktemp("fuzz") / "release", ledger=ledger)


@pytest.fixture(scope="module")
def saved(private, tmp_path_factory):
    """The set as CSV, and images, whose array is a file of its own."""
    here = tmp_path_factory.mktemp("saved")
    images = ClusterCondenser(4, random_state=0).condense(
        np.random.default_rng(0).random((20, 4, 4)), np.arange(20) % 2
    )
    return [private[0].save(here / "rows"), images.save(here / "images")]


def damaged_file(data, folder, names):
    """Exchange one file of a folder by a damaged one."""
    name = data.draw(st.sampled_from(names))
    content = (folder / name).read_bytes()
    kinds = damaged(content) | st.binary(max_size=50)
    if name.endswith(".json"):
        kinds = mutated(json.loads(content)).map(str.encode) | kinds
    (folder / name).write_bytes(data.draw(kinds))


def loaded(folder):
    """What a damaged folder holds, if it can be read: then it can be used as well."""
    try:
        condensed = CondensedSet.load(folder)
    except (OSError, ValueError):
        return
    assert repr(condensed)
    assert len(condensed.to_frame()) == len(condensed)


@fuzzed(100)
@given(st.data())
def test_damaged_sets_are_loaded_or_refused(saved, data):
    with folder() as here:
        copy = here / "copy"
        shutil.copytree(data.draw(st.sampled_from(saved)), copy)
        damaged_file(data, copy, sorted(path.name for path in copy.iterdir()))
        loaded(copy)


@fuzzed(25)
@given(st.data())
def test_any_damage_of_a_release_is_found(release, data):
    with folder() as here:
        copy = here / "copy"
        shutil.copytree(release, copy)
        names = sorted(path.name for path in copy.iterdir())
        before = {name: (copy / name).read_bytes() for name in names}
        damaged_file(data, copy, names)
        if before == {name: (copy / name).read_bytes() for name in names}:
            return
        with pytest.raises(ReleaseError):
            verify_release(copy)
        code, err = run("verify", copy)
        assert_tidy(code, err)
        assert code == 2


@fuzzed(25)
@given(st.data())
def test_damage_with_a_new_manifest_is_read_or_refused(release, data):
    with folder() as here:
        copy = here / "copy"
        shutil.copytree(release, copy)
        damaged_file(data, copy, sorted({path.name for path in copy.iterdir()} - {MANIFEST}))
        (copy / MANIFEST).write_text(manifest_of(copy))
        with suppress(ReleaseError):
            assert str(verify_release(copy))
        code, err = run("verify", copy)
        assert_tidy(code, err)


# What was found. Each of these was a traceback, a message that says nothing, or accepted.


def changed(facts, place, value):
    """Facts with another value at a place, such as ("columns", 0, "name")."""
    facts = json.loads(json.dumps(facts))
    inside = facts
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    return facts


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("columns", 0, "name"), None),
        (("columns", 0, "unit"), ["years"]),
        (("columns", 0, "missing"), None),
        (("columns", 1, "typical"), [-1]),
        (("columns", 2, "categories"), ["a", float("nan")]),
        (("columns", 2, "categories"), ["a", None]),
        (("outcome",), {"grid": [10**400]}),
        (("outcome",), {"grid": [1.0], "time": None}),
    ],
)
def test_a_schema_that_cannot_be_is_refused(place, value):
    with pytest.raises(SchemaError):
        TableSchema.from_json(json.dumps(changed(json.loads(SCHEMA.to_json()), place, value)))


def test_nested_text_and_other_encodings_are_no_schema(tmp_path):
    with pytest.raises(SchemaError):
        TableSchema.from_json("[" * 100_000)
    (tmp_path / "s.json").write_bytes(SCHEMA.to_json().encode("utf-16"))
    with pytest.raises(SchemaError, match="not text in UTF-8"):
        TableSchema.load(tmp_path / "s.json")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("epsilon",), float("nan")),
        (("delta",), 2),
        (("unit",), "nobody"),
        (("neighbors",), "none"),
        (("seeded_noise",), "no"),
        (("sampling_rate",), 0),
        (("spends", 0, "mu"), float("nan")),
        (("spends", 0, "mu"), -1),
        (("spends", 0, "mu"), 10**400),
        (("spends", 0, "run"), ["a"]),
    ],
)
def test_a_statement_that_cannot_be_is_refused(private, place, value):
    facts = json.loads(private[0].privacy.to_json())
    with pytest.raises(LedgerError):
        PrivacyStatement.from_json(json.dumps(changed(facts, place, value)))


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        (0, "delta", 2),
        (0, "neighbors", []),
        (0, "epsilon", -1),
        (1, "mu", float("nan")),
        (1, "at", 3),
    ],
)
def test_a_ledger_that_cannot_be_is_refused(private, tmp_path, line, key, value):
    path = tmp_path / "l.jsonl"
    PrivacyLedger(path).charge(private[1].spends[0])
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    lines[line][key] = value
    path.write_bytes(_rechained(map(json.dumps, lines)))
    with pytest.raises(LedgerError, match=f"line {line + 1}"):
        PrivacyLedger(path)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("data",), "../rows/condensed.csv"),
        (("task",), "tusk"),
        (("method",), None),
        (("privacy",), {}),
        (("real_row_matches",), {}),
        (("real_row_matches",), {"exact": -1, "rounded": 0}),
        (("schema",), None),
        (("y",), {}),
    ],
)
def test_facts_that_cannot_be_are_refused(saved, tmp_path, place, value):
    shutil.copytree(saved[0], tmp_path / "rows")
    path = tmp_path / "rows" / "condensed.json"
    path.write_text(json.dumps(changed(json.loads(path.read_text("utf-8")), place, value)), "utf-8")
    with pytest.raises(
        ValueError, match=r"damaged|no schema|not a schema|no privacy|not a privacy"
    ):
        CondensedSet.load(tmp_path / "rows")


@pytest.mark.parametrize("column", ["sample_weight", "prototype"])
@pytest.mark.parametrize("value", ["", "-inf", "x", None])
def test_weights_and_prototypes_that_cannot_be_are_refused(saved, tmp_path, column, value):
    shutil.copytree(saved[0], tmp_path / "rows")
    path = tmp_path / "rows" / "condensed.csv"
    table = pd.read_csv(path).astype({column: object})
    table.loc[0, column] = value
    table.drop(columns=column if value is None else []).to_csv(path, index=False)
    with pytest.raises(ValueError, match="damaged"):
        CondensedSet.load(tmp_path / "rows")


def test_images_that_are_no_archive_or_too_few_are_refused(saved, tmp_path):
    shutil.copytree(saved[1], tmp_path / "images")
    path = tmp_path / "images" / "condensed.npz"
    content = path.read_bytes()
    for damaged_content in (content[:-9], b"", bytes(len(content))):
        path.write_bytes(damaged_content)
        with pytest.raises(ValueError, match="damaged"):
            CondensedSet.load(path.parent)
    np.savez(path, X=np.zeros((1, 4, 4)))
    with pytest.raises(ValueError, match="do not belong together"):
        CondensedSet.load(path.parent)


def test_infinity_of_both_signs_is_refused_without_a_warning():
    code, err = condense(b"y,a\ninf,1\n-inf,2\n1,3\n")
    assert code == 2
    assert "infinity" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("label", ["0.5", "-5.5e64"])
def test_numbers_that_are_no_classes_are_refused_without_a_warning(label):
    text = "y,a\n" + "".join(f"{y},{x}\n" for y, x in [(0, 1), (label, 2), (2, 3), (0, 4)])
    code, err = condense(text.encode())
    assert code == 2
    assert "Unknown label type" in err
    assert label not in err
    assert len(err.splitlines()) == 1


def test_whole_numbers_beyond_64_bits_are_no_classes():
    # Older pandas reads such a column of a file as text, whose classes are fine.
    with pytest.raises(TargetError, match="Unknown label type"):
        ClassificationTask.of(np.array([0, 10**30, 2, 0], dtype=object))


def test_rows_that_a_quotation_mark_makes_part_of_the_header_are_not_shown():
    code, err = read_schema(f'y,"\n0,{SECRET}\n1,",b\n0,1,2\n'.encode(), "--target", "z")
    assert code == 2
    assert "quotation mark" in err
    assert SECRET not in err
