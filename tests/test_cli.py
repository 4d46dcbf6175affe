"""The command line, as a user types it."""

import json
import os
import sys
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from skcondense import ColumnSchema, CondensedSet, PrivacyLedger, TableSchema
from skcondense.cli import main
from skcondense.cli.messages import one_line
from skcondense.cli.methods import CLASSICAL, NEURAL, condenser_class
from skcondense.cli.program import COMMANDS
from skcondense.exceptions import SPENT

CLUSTER = ("--method", "cluster", "--n-prototypes", 10)
LOGISTIC = ("--estimators", "logistic")


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    n = 120
    frame = pd.DataFrame(
        {
            "age": rng.integers(20, 90, n),
            "lab é": rng.normal(size=n).round(3),
            "sex": rng.choice(["f", "m"], n),
        }
    )
    frame.loc[::9, "lab é"] = np.nan
    frame["ill"] = (frame["age"] + rng.normal(0, 10, n) > 55).astype(int)
    frame["time"] = rng.exponential(100 - frame["age"]).round(2) + 0.1
    frame["event"] = rng.random(n) < 0.5
    return frame


@pytest.fixture
def path(table, tmp_path):
    path = tmp_path / "table.csv"
    table.drop(columns=["time", "event"]).to_csv(path, index=False)
    return path


def write_images(path, first_patient=0):
    rng = np.random.default_rng(first_patient)
    y = np.arange(90) % 2
    # One class is brighter than the other.
    X = (rng.integers(0, 100, (90, 8, 8)) + 100 * y[:, None, None]).astype(np.uint8)
    patients = np.arange(90) // 2 + first_patient
    np.savez(path, X=X, y=y, groups=patients, classes=np.array(["dark", "bright"]))
    return path


@pytest.fixture
def images(tmp_path):
    return write_images(tmp_path / "images.npz")


def run(*args):
    return main([str(arg) for arg in args])


def refused(capsys, *args):
    """The one line that says why not."""
    capsys.readouterr()
    assert run(*args) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("skcondense: error: ")
    assert shown.err.count("\n") == 1
    return shown.err


def printed(capsys, *args):
    """The document that a command prints, and nothing beside it."""
    capsys.readouterr()
    assert run(*args, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_schema_condense_evaluate(path, tmp_path, capsys):
    schema, out = tmp_path / "schema.json", tmp_path / "out"
    found = printed(capsys, "schema", path, "-o", schema, "--exclude", "ill")
    assert found["output"] == str(schema)
    assert found["schema"] == json.loads(schema.read_text())
    assert len(found["schema"]["columns"]) == 3
    condense = ("condense", path, "--target", "ill", "--schema", schema, *CLUSTER)
    found = printed(capsys, *condense, "--random-state", 0, "-o", out)
    condensed = CondensedSet.load(out)
    assert condensed.n_prototypes == found["n_prototypes"] == 10
    assert found["weight_sum"] == pytest.approx(120)
    assert found["privacy"] is None
    assert list(condensed.X.columns) == ["age", "lab é", "sex"]
    rows = ("--test", path, "--train", path, *LOGISTIC, "--n-bootstrap", 20)
    evaluate = ("evaluate", out, *rows, "--by", "sex", "age:50", "--random-state", 0)
    found = printed(capsys, *evaluate)
    sets = ["all 120 real rows", "10 random real rows", "10 cluster means", "10 prototypes"]
    assert list(found["scores"]) == sets
    assert found["scores"]["all 120 real rows"]["logistic"] > 0.85
    levels = [row["level"] for row in found["subgroups"]["table"]]
    assert len(levels) == len(set(levels)) == 5
    assert run(*evaluate) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in [*sets, "By subgroup"])
    assert "--estimators are logistic" in refused(
        capsys, "evaluate", out, "--test", path, "--estimators", "oracle"
    )


def test_audit(table, tmp_path, capsys):
    train, holdout, out = tmp_path / "train.csv", tmp_path / "holdout.csv", tmp_path / "out"
    frame = table.drop(columns=["time", "event"]).assign(patient=np.arange(120) // 2)
    frame[:60].to_csv(train, index=False)
    frame[60:].to_csv(holdout, index=False)
    condense = ("condense", train, "--target", "ill", "--groups", "patient", "--random-state", 0)
    assert run(*condense, "--method", "random", "--n-prototypes", 30, "-o", out) == 0
    rows = ("--train", train, "--holdout", holdout, "--groups", "patient", "--random-state", 0)
    capsys.readouterr()
    assert run("audit", out, *rows) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("Evidence of leaks in: closeness")
    # Nobody watches: no terminal.
    assert shown.err == ""
    found = printed(capsys, "audit", out, *rows)
    assert found["audits"]["closeness"]["table"][0]["n_exact"] == 30
    # Thirty patients; rows would be sixty.
    assert found["audits"]["membership"]["table"][0]["n_members"] == 30
    assert "no column 'height'" in refused(capsys, "audit", out, *rows, "--sensitive", "height")


def test_audit_makes_the_set_again_as_its_file_says(path, table, tmp_path, capsys):
    out, holdout, file = tmp_path / "out", tmp_path / "holdout.csv", tmp_path / "run.toml"
    table.drop(columns=["time", "event"]).sample(frac=1, random_state=1).assign(
        age=lambda frame: frame["age"] + 1
    ).to_csv(holdout, index=False)
    schema = "schema.json"
    assert run("schema", path, "--target", "ill", "-o", tmp_path / schema) == 0
    method = 'method = "cluster"\nlabels = "mean"\nn_prototypes = 10'
    private = f'schema = "{schema}"\nepsilon = 2.0\nledger = "ledger.jsonl"'
    file.write_text(f'[condense]\ntarget = "ill"\n{method}\n{private}\n')
    assert run("condense", path, "--config", file, "-o", out) == 0
    spent = (tmp_path / "ledger.jsonl").read_text()
    rows = ("--train", path, "--holdout", holdout, "--random-state", 0)
    audits = printed(capsys, "audit", out, *rows, "--condenser", file)["audits"]
    assert any(row["attack"] == "RMIA loss" for row in audits["membership"]["table"])
    assert audits["one run"]["table"][0]["stated"] == pytest.approx(2.0)
    # The auditor's own fits are counted nowhere.
    assert (tmp_path / "ledger.jsonl").read_text() == spent
    file.write_text('[condense]\ntarget = "ill"\nmethod = "random"\n')
    said = refused(capsys, "audit", out, *rows, "--condenser", file)
    assert "differs in method, epsilon, labels, n_prototypes" in said
    changed = private.replace("2.0", "50.0")
    file.write_text(f'[condense]\ntarget = "sex"\ngroups = "age"\n{method}\n{changed}\n')
    said = refused(capsys, "audit", out, *rows, "--condenser", file)
    assert "differs in epsilon, outcome, groups." in said
    file.write_text("[audit]\n")
    assert "has no section [condense]" in refused(capsys, "audit", out, *rows, "--condenser", file)
    alone = ("release", out, "-o", tmp_path / "new", "--holdout", holdout, "--condenser", file)
    assert "--train" in refused(capsys, *alone)


def test_parquet(table, tmp_path):
    path, out = tmp_path / "table.parquet", tmp_path / "out"
    table.drop(columns=["time", "event"]).to_parquet(path)
    args = ("--method", "herding", "--n-prototypes", 6, "--format", "parquet", "-o", out)
    assert run("condense", path, "--target", "ill", *args) == 0
    assert CondensedSet.load(out).n_prototypes == 6
    assert (out / "condensed.parquet").exists()


def test_with_epsilon_nothing_depends_on_the_number_of_rows(table, tmp_path, monkeypatch):
    monkeypatch.setattr("skcondense.cli.condense.LARGE_FILE", len(table))
    path, schema, out = (tmp_path / name for name in ("t.parquet", "schema.json", "out"))
    outcome = ColumnSchema(name="ill", kind="binary", categories=(0, 1))
    age = ColumnSchema(name="age", kind="integer", bounds=(0, 120))
    TableSchema((age,), outcome=outcome).save(schema)
    private = ("--schema", schema, "--epsilon", 30, "--method", "cluster", "--n-prototypes", 4)
    for rows in (table, pd.concat([table, table[:1]])):
        rows.to_parquet(path)
        args = ("condense", path, "--target", "ill", *private, "-o", out, "--force")
        assert run(*args) == 0
        assert CondensedSet.load(out).privacy.sampling_rate == 1


def test_survival(table, tmp_path, capsys):
    path, schema, out = tmp_path / "t.csv", tmp_path / "s.json", tmp_path / "out"
    table.drop(columns="ill").to_csv(path, index=False)
    outcome = ("--time", "time", "--event", "event")
    assert "--grid" in refused(capsys, "schema", path, *outcome, "-o", schema)
    assert run("schema", path, *outcome, "--grid", 10, 50, 100, "-o", schema) == 0
    assert run("condense", path, *outcome, "--schema", schema, *CLUSTER, "-o", out) == 0
    assert CondensedSet.load(out).task == "survival"
    evaluate = ("evaluate", out, "--test", path, "--estimators", "cox", "--n-bootstrap", 20)
    assert printed(capsys, *evaluate)["metric"] == "C-index"
    private = (*CLUSTER, "--schema", schema, "--epsilon", 3, "--force")
    found = printed(capsys, "condense", path, *outcome, *private, "-o", out)
    assert found["task"] == "survival"
    assert found["privacy"]["epsilon"] == pytest.approx(3, rel=0.03)


def test_nothing_is_overwritten(path, tmp_path, capsys):
    schema = tmp_path / "schema.json"
    schema.write_text("mine")
    assert "--force" in refused(capsys, "schema", path, "-o", schema)
    assert schema.read_text() == "mine"
    assert run("schema", path, "-o", schema, "--force") == 0
    assert schema.read_text() != "mine"


@pytest.mark.parametrize(
    ("content", "args", "message"),
    [
        (None, ["--target", "y"], "no file"),
        ("", ["--target", "y"], "empty"),
        ("a,y\n", ["--target", "y"], "rows and columns"),
        ("a,y\n1,0\n2,1\n", ["--target", "z"], "no column"),
        ("a,y\n1,0\n2,0\n", ["--target", "y"], "two classes"),
        ("a,y\n1,0\n2,1\n", [], "--target COLUMN"),
        ("a,y\n1,0\n2,1\n", ["--target", "y"], "n_prototypes=100"),
        ("a,y\n1,0\n2,1\n", ["--target", "y", "--n-prototypes", "0"], "'n_prototypes'"),
        ("a,y\n1,0\n2,1\n", ["--target", "y", "--colour", "red"], "--colour"),
        ("a,y\n1,0\n2,1\n", ["--target", "y", "--epsilon", "one"], "invalid float value"),
        ("a,y\n1,0\n2,1\n", ["--target", "y", "--delta", "1e-6"], "needs --epsilon"),
        ("a,y\n1,0\n2,1\n", ["--target", "y", "--epsilon", "1"], "needs --schema"),
        ("a,y\n1,0\n2,1\n", ["--target", "y", "--budget", "1"], "--ledger"),
        ("a,y\n1,0\n2,1\n", ["--target", "y", "--sample-rate", "0.5"], "Parquet"),
        ("a,y\n1,0\n2,1\n", ["--target", "y", "--max-iter", "3"], "not take --max-iter"),
        ("a,y\n1,0\n2,1\n", ["--target", "y", "--preset", "fast"], "not take --preset"),
        ("a,y\n1,0\n2,1\n", ["--target", "y", "--estimators", "tree"], "not take --estimators"),
        ('a,y\n"1,0\n2,1\n', ["--target", "y"], "cannot be read"),
        ("a,t,e\n1,-1,1\n2,3,0\n", ["--time", "t", "--event", "e"], "negative"),
        ("a,t,e\n1,1,0\n2,3,0\n", ["--time", "t", "--event", "e"], "censored"),
        ("a,t,e\n1,1,7\n2,3,0\n", ["--time", "t", "--event", "e"], "0/1"),
    ],
)
def test_bad_input_is_one_line(content, args, message, tmp_path, capsys):
    path = tmp_path / "table.csv"
    if content is not None:
        path.write_text(content)
    error = refused(capsys, "condense", path, *args, "--method", "cluster", "-o", tmp_path / "out")
    assert message in error
    assert not (tmp_path / "out").exists()


def test_messages_of_other_libraries_are_not_repeated(path, tmp_path, capsys, monkeypatch):
    def condense(self, X, y, groups=None):
        # numpy quotes the cell.
        return np.array(["Ms Smith"]).astype(float)

    monkeypatch.setattr("skcondense.ClusterCondenser.condense", condense)
    error = refused(capsys, "condense", path, "--target", "ill", *CLUSTER, "-o", tmp_path / "out")
    assert "Smith" not in error
    assert "ValueError in test_cli" in error.replace("tests.", "")


@pytest.mark.parametrize("content", ["", "{", '{"data": "condensed.csv"}', "[1]"])
def test_damaged_sets_and_releases_are_one_line(content, path, tmp_path, capsys):
    (tmp_path / "condensed.json").write_text(content)
    assert "damaged" in refused(capsys, "evaluate", tmp_path, "--test", path)
    assert "no release" in refused(capsys, "verify", tmp_path)
    (tmp_path / "ledger").write_text(f"{content or 1}\n")
    assert "ledger" in refused(capsys, "ledger", tmp_path / "ledger")
    (tmp_path / "ledger").write_text("a note")
    assert "no privacy ledger" in refused(capsys, "ledger", tmp_path / "ledger")
    assert (tmp_path / "ledger").read_text() == "a note"


def test_identifiers_of_patients_are_no_features(table, tmp_path, capsys):
    table["patient"] = np.arange(len(table))
    path, schema = tmp_path / "visits.csv", tmp_path / "schema.json"
    table.drop(columns=["time", "event"]).to_csv(path, index=False)
    assert run("schema", path, "--target", "ill", "-o", schema) == 0
    known = ("condense", path, "--target", "ill", "--schema", schema, "--groups", "patient")
    assert "tells patients apart" in refused(capsys, *known, *CLUSTER, "-o", tmp_path / "a")
    assert (
        run("schema", path, "--target", "ill", "--groups", "patient", "-o", schema, "--force") == 0
    )
    assert TableSchema.load(schema).names == ("age", "lab é", "sex")
    assert run(*known, *CLUSTER, "-o", tmp_path / "a") == 0


def test_none_is_an_answer_and_a_file_without_header_is_not_quoted(table, tmp_path, capsys):
    table["alcohol"] = np.where(table["age"] > 50, "None", "NA")
    path, schema = tmp_path / "t.csv", tmp_path / "schema.json"
    table.drop(columns=["time", "event"]).to_csv(path, index=False)
    assert run("schema", path, "--target", "ill", "-o", schema) == 0
    column = TableSchema.load(schema)["alcohol"]
    assert (column.missing, "None" in column.categories) == (True, True)
    table.to_csv(path, index=False, header=False)
    said = refused(capsys, "schema", path, "--target", "ill", "-o", tmp_path / "other.json")
    assert "Add a header" in said
    assert str(table["time"][0]) not in said


def test_what_a_fit_spent_before_an_error_is_said_and_no_other_note():
    error = ValueError("in a library")
    error.add_note(f"{SPENT}0.5.")
    error.add_note("The cell was Zaphod.")
    assert f"{SPENT}0.5." in one_line(error)
    assert "Zaphod" not in one_line(error)


def test_a_reader_who_has_seen_enough_is_no_error(tmp_path, capsys, monkeypatch):
    PrivacyLedger(tmp_path / "ledger.jsonl")
    end, start = os.pipe()
    os.close(end)
    with capsys.disabled(), os.fdopen(start, "w") as out, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        assert run("ledger", tmp_path / "ledger.jsonl") == 0
    assert capsys.readouterr().err == ""


def test_demo(tmp_path, capsys, monkeypatch):
    from skcondense.cli import demo

    whole = demo.ZeroOrderCondenser

    def quick(estimators, **params):
        params |= {"n_candidates": 2, "n_exchanges": 1, "n_jobs": None}
        return whole(estimators[0], **params)

    def few(task, schema):
        return {"logistic": models(task, schema)["logistic"]}

    models = demo.default_estimators
    monkeypatch.setattr(demo, "ZeroOrderCondenser", quick)
    monkeypatch.setattr(demo, "default_estimators", few)
    assert run("demo", "-o", tmp_path) == 0
    shown = capsys.readouterr()
    assert "30 cluster means" in shown.out
    assert "utility.png" in shown.err
    assert (tmp_path / "utility.png").stat().st_size > 1000
    assert CondensedSet.load(tmp_path).n_prototypes == 30
    assert "exists already" in refused(capsys, "demo", "-o", tmp_path)
    # Before any attack is made.
    none = ("--train", "none.csv", "--holdout", "none.csv")
    assert "exists already" in refused(capsys, "release", tmp_path, "-o", tmp_path, *none)


def test_evaluate_on_a_table_that_lacks_a_class(tmp_path, capsys):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(300, 2)), columns=["a", "b"])
    frame["y"] = np.array(["p", "q", "r"])[np.digitize(frame["a"], [-0.4, 0.4])]
    train, test, out = tmp_path / "train.csv", tmp_path / "test.csv", tmp_path / "out"
    frame.to_csv(train, index=False)
    args = ("--method", "cluster", "--n-prototypes", 30, "--random-state", 0, "-o", out)
    assert run("condense", train, "--target", "y", *args) == 0
    frame[frame["y"] != "p"].to_csv(test, index=False)
    evaluate = ("evaluate", out, "--test", test, "--estimators", "forest", "--n-bootstrap", 20)
    # Columns of probabilities that belong to other classes would score near one half.
    assert printed(capsys, *evaluate)["scores"]["30 prototypes"]["forest"] > 0.9
    frame.replace({"y": {"p": "new"}}).to_csv(test, index=False)
    assert "classes that the model was not made for" in refused(capsys, *evaluate)


def test_from_a_table_to_a_verified_release(path, tmp_path, capsys):
    pytest.importorskip("pyarrow")
    schema, ledger = tmp_path / "s.json", tmp_path / "ledger.jsonl"
    out, release = tmp_path / "out", tmp_path / "release"
    assert run("schema", path, "--target", "ill", "-o", schema) == 0
    facts = json.loads(schema.read_text())
    assert facts["outcome"] == {"name": "ill", "kind": "binary", "categories": [0, 1]}
    private = ("--epsilon", 2, "--ledger", ledger, *CLUSTER)
    condense = ("condense", path, "--target", "ill", *private, "-o", out)
    assert "needs --schema" in refused(capsys, *condense)
    assert not ledger.exists()
    found = printed(capsys, *condense, "--schema", schema)
    assert found["privacy"]["epsilon"] == pytest.approx(2, rel=0.03)
    fits = printed(capsys, "ledger", ledger)
    assert [fit["by"] for fit in fits["fits"]] == ["ClusterCondenser"]
    assert fits["epsilon"] == pytest.approx(found["privacy"]["epsilon"])
    assert run("ledger", ledger) == 0
    assert "ClusterCondenser" in capsys.readouterr().out
    # Without its ledger nobody can add up what was spent.
    assert "--force REASON" in refused(capsys, "release", out, "-o", release)
    assert not release.exists()
    # Other rows than those that were condensed.
    others = pd.read_csv(path)
    others["lab é"] += 0.001
    others.to_csv(tmp_path / "holdout.csv", index=False)
    held_out = ("--holdout", tmp_path / "holdout.csv")
    rows = ("--train", path, *held_out, "--random-state", 0, *LOGISTIC)
    words = ("--purpose", "To train models.", "--population", "Adults of two wards.")
    found = printed(capsys, "release", out, "--ledger", ledger, *rows, *words, "-o", release)
    assert found["output"] == str(release)
    assert "10 cluster means" in (release / "utility.json").read_text()
    assert json.loads((release / "audit.json").read_text())["audits"]["membership"]
    card = release / "CARD.md"
    assert all(text in card.read_text(encoding="utf-8") for text in words[1::2])
    assert printed(capsys, "verify", release)["fingerprint"] == found["fingerprint"]
    assert run("verify", release) == 0
    assert found["fingerprint"] in capsys.readouterr().out
    card.write_text(card.read_text(encoding="utf-8").replace("5", "6"), encoding="utf-8")
    assert "CARD.md" in refused(capsys, "verify", release)


def test_a_release_says_what_it_needs(path, tmp_path, capsys):
    assert run("condense", path, "--target", "ill", *CLUSTER, "-o", tmp_path / "out") == 0
    release = ("release", tmp_path / "out", "-o", tmp_path / "release")
    assert "--holdout FILE" in refused(capsys, *release, "--train", path)
    assert "--by is about real rows" in refused(capsys, *release, "--by", "sex")
    assert "no file" in refused(capsys, *release, "--ledger", tmp_path / "none")


def configured(folder, text):
    file = folder / "run.toml"
    file.write_text(text, encoding="utf-8")
    return ("--config", file)


def test_a_file_takes_the_place_of_options(path, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(path.parent.parent)
    text = f"""
        [condense]
        input = "{path.name}"
        target = "ill"
        method = "cluster"
        n_prototypes = 5
        random-state = 0
        output = "out"
        [evaluate]
        condensed = "out"
        test = "{path.name}"
        estimators = ["logistic"]
        n_bootstrap = 20
        by = ["sex"]
        json = true
    """
    file = configured(tmp_path, text)
    assert run("condense", *file) == 0
    # Relative to the file, not to where the command was called.
    assert CondensedSet.load(tmp_path / "out").n_prototypes == 5
    capsys.readouterr()
    assert run("evaluate", *file) == 0
    assert len(json.loads(capsys.readouterr().out)["subgroups"]["table"]) == 3
    assert run("evaluate", *file, "--no-json") == 0
    assert "By subgroup" in capsys.readouterr().out
    # The command line wins, for options and for what comes without one.
    other = tmp_path / "other.csv"
    pd.read_csv(path)[:50].to_csv(other, index=False)
    for args in ((*file, other), (other, *file)):
        assert run("condense", *args, "--n-prototypes", 7, "--force") == 0
        condensed = CondensedSet.load(tmp_path / "out")
        assert condensed.n_prototypes == 7
        assert condensed.sample_weight.sum() == pytest.approx(50)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[condense]\nepsylon = 1", "epsylon is unknown. Possible are input, output"),
        ("[condense]\nconfig = 'other.toml'", "config is unknown"),
        ("[condens]\nepsilon = 1", "no section. Possible are [demo], [schema], [condense]"),
        ("epsilon = 1", "no section"),
        ("[condense]\nepsilon = '1'", "epsilon must be a number. Got text"),
        ("[condense]\nn_prototypes = 1.5", "n_prototypes must be a whole number. Got a number"),
        ("[condense]\nn_prototypes = true", "must be a whole number. Got true or false"),
        ("[condense]\ntarget = 1", "target must be text"),
        ("[condense]\nforce = 1", "force must be true or false"),
        ("[condense]\nestimators = 'tree'", "estimators must be a list"),
        ("[condense]\nestimators = [1]", "estimators must be text"),
        ("[condense]\nmethod = 'magic'", "method must be one of zero-order, cluster"),
        # Also in the section of another command.
        ("[release]\npurpose = 2026-01-01", "purpose must be text. Got a date"),
        ("[condense", "cannot be read as TOML"),
    ],
)
def test_a_wrong_file_is_one_line(text, message, path, tmp_path, capsys):
    file = configured(tmp_path, text)
    out = tmp_path / "out"
    assert message in refused(capsys, "condense", path, "--target", "ill", "-o", out, *file)
    assert not out.exists()


def test_a_missing_file_or_option_is_one_line(path, tmp_path, capsys):
    assert "no file" in refused(capsys, "ledger", "x", "--config", tmp_path / "none.toml")
    assert "expected one argument" in refused(capsys, "ledger", "x", "--config")
    assert "required: -o/--output" in refused(
        capsys, "condense", path, *configured(tmp_path, "[condense]\ntarget = 'ill'")
    )
    assert "COMMAND" in refused(capsys)
    assert "'dance'" in refused(capsys, "dance")


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_help_shows_examples(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert f"examples:\n  skcondense {command}" in shown
    assert all(option in shown for option in ("--config", "--json", "--quiet"))


def test_progress_is_drawn_for_terminals_only(path, tmp_path, capsys, monkeypatch):
    few = ("--n-prototypes", 4, "--n-candidates", 1, "--n-exchanges", 1, *LOGISTIC)
    condense = ("condense", path, "--target", "ill", *few, "--force", "-o", tmp_path / "out")
    drawn = {}
    for name, is_terminal, quiet in [
        ("pipe", False, []), ("quiet", True, ["--quiet"]), ("terminal", True, []),
    ]:  # fmt: skip
        with monkeypatch.context() as patched:
            patched.setattr(sys.stderr, "isatty", lambda answer=is_terminal: answer)
            assert run(*condense, *quiet) == 0
        drawn[name] = capsys.readouterr().err
        # Where a bar was in memory is no part of how a set was made.
        assert "ProgressBar" not in CondensedSet.load(tmp_path / "out").method
    assert drawn["pipe"] == f"Wrote {tmp_path / 'out'}.\n"
    assert drawn["quiet"] == ""
    assert "Condensing: select" in drawn["terminal"]


def test_the_registry_names_all_condensers():
    import skcondense

    classical = {name for name in skcondense.__all__ if name.endswith("Condenser")}
    assert {condenser_class(name).__name__ for name in CLASSICAL} == classical - {
        "DatasetCondenser"
    }
    if find_spec("torch"):
        from skcondense import neural

        found = {condenser_class(name).__name__ for name in NEURAL}
        named = {name for name in neural.__all__ if name.endswith("Condenser")}
        # What all methods of trajectories share has no recipe of its own.
        assert found == named - {"TrajectoryMatchingCondenser"}


def test_neural_methods_say_that_they_need_torch(path, tmp_path, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("skcondense.neural")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    args = ("--method", "mtt", "-o", tmp_path / "out")
    assert "skcondense[neural]" in refused(capsys, "condense", path, "--target", "ill", *args)


def test_images_from_a_file_to_a_release(images, tmp_path, capsys):
    pytest.importorskip("torch")
    pytest.importorskip("pyarrow")
    out, release = tmp_path / "out", tmp_path / "release"
    error = refused(capsys, "condense", images, "-o", out)
    assert "zero-order is for tables. For images use one of cluster, random, dist" in error
    quick = ("--preset", "fast", "--max-iter", 2, "--n-prototypes", 4, "--device", "cpu")
    matching = ("--method", "distribution-matching", *quick, "--random-state", 0)
    condense = ("condense", images, "-o", out, *matching)
    assert "not take --n-jobs" in refused(capsys, *condense, "--n-jobs", 2)
    assert "Presets are" in refused(capsys, *condense, "--preset", "slow")
    found = printed(capsys, *condense)
    condensed = CondensedSet.load(out)
    assert condensed.X.shape == (4, 8, 8)
    assert condensed.X.dtype == np.uint8
    assert "network=ByInput" in found["method"]
    schema = printed(capsys, "schema", images, "-o", tmp_path / "schema.json")["schema"]
    assert schema["columns"][0]["shape"] == [8, 8]
    assert schema["outcome"]["categories"] == [0, 1]
    others = write_images(tmp_path / "others.npz", first_patient=45)
    # No audit: reconstruction trains networks for a minute, and has tests of its own.
    rows = ("--holdout", others, *LOGISTIC, "--random-state", 0)
    assert run("release", out, *rows, "-o", release) == 0
    scores = json.loads((release / "utility.json").read_text())["scores"]
    assert scores["4 prototypes"]["logistic"] > 0.9
    rows = ("--test", others, "--train", images, *LOGISTIC, "--n-bootstrap", 20)
    assert printed(capsys, "evaluate", out, *rows)["n_patients"] == 45
    assert printed(capsys, "verify", release)["n_prototypes"] == 4


@pytest.mark.parametrize("content", [b"", b"PK damaged", b"a,b\n1,2\n"])
def test_a_damaged_file_of_images_is_one_line(content, tmp_path, capsys):
    path = tmp_path / "images.npz"
    path.write_bytes(content)
    error = refused(capsys, "condense", path, *CLUSTER, "-o", tmp_path / "out")
    assert str(path) in error


def test_a_file_of_images_needs_images_and_never_unpickles(tmp_path, capsys):
    path = tmp_path / "images.npz"
    np.savez(path, y=np.arange(3))
    condense = ("condense", path, *CLUSTER, "-o", tmp_path / "out")
    assert "needs an array X" in refused(capsys, *condense)
    np.savez(path, X=np.array([{"a": 1}], dtype=object), y=np.arange(1))
    assert "pickled objects" in refused(capsys, *condense)
