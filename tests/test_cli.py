"""The command line, as a user types it."""

import json

import numpy as np
import pandas as pd
import pytest

from skcondense import ColumnSchema, CondensedSet, TableSchema
from skcondense.cli import main


@pytest.fixture
def table(tmp_path):
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


def run(*args):
    return main([str(arg) for arg in args])


def test_schema_condense_evaluate(path, tmp_path, capsys):
    schema, out = tmp_path / "schema.json", tmp_path / "out"
    assert run("schema", path, "-o", schema, "--exclude", "ill") == 0
    assert len(json.loads(schema.read_text())["columns"]) == 3
    condense = ["condense", path, "--target", "ill", "--schema", schema, "--method", "cluster"]
    assert run(*condense, "--n-prototypes", 10, "--seed", 0, "-o", out) == 0
    condensed = CondensedSet.load(out)
    assert condensed.n_prototypes == 10
    assert list(condensed.X.columns) == ["age", "lab é", "sex"]
    assert run("evaluate", out, "--test", path, "--train", path) == 0
    shown = capsys.readouterr().out
    assert "10 prototypes" in shown
    assert "all 120 real rows" in shown


def test_audit(table, tmp_path, capsys):
    train, holdout, out = tmp_path / "train.csv", tmp_path / "holdout.csv", tmp_path / "out"
    frame = table.drop(columns=["time", "event"]).assign(patient=np.arange(120) // 2)
    frame[:60].to_csv(train, index=False)
    frame[60:].to_csv(holdout, index=False)
    condense = ["condense", train, "--target", "ill", "--groups", "patient", "--seed", 0]
    assert run(*condense, "--method", "random", "--n-prototypes", 30, "-o", out) == 0
    capsys.readouterr()
    rows = ["--train", train, "--holdout", holdout, "--groups", "patient", "--seed", 0]
    assert run("audit", out, *rows) == 0
    assert capsys.readouterr().out.startswith("Evidence of leaks in: closeness")
    assert run("audit", out, *rows, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["audits"]["closeness"]["table"][0]["n_exact"] == 30
    # Thirty patients; rows would be sixty.
    assert found["audits"]["membership"]["table"][0]["n_members"] == 30
    assert run("audit", out, *rows, "--sensitive", "height") == 2
    assert "no column 'height'" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["random", "herding"])
def test_parquet(method, table, tmp_path):
    path = tmp_path / "table.parquet"
    table.drop(columns=["time", "event"]).to_parquet(path)
    out = tmp_path / "out"
    args = ["--method", method, "--n-prototypes", 6, "--format", "parquet", "-o", out]
    assert run("condense", path, "--target", "ill", *args) == 0
    assert CondensedSet.load(out).n_prototypes == 6


def test_with_epsilon_nothing_depends_on_the_number_of_rows(table, tmp_path, monkeypatch):
    monkeypatch.setattr("skcondense.cli.LARGE_FILE", len(table))
    path, schema, out = (tmp_path / name for name in ("t.parquet", "schema.json", "out"))
    outcome = ColumnSchema(name="ill", kind="binary", categories=(0, 1))
    age = ColumnSchema(name="age", kind="integer", bounds=(0, 120))
    TableSchema((age,), outcome=outcome).save(schema)
    private = ["--schema", schema, "--epsilon", 30, "--method", "cluster", "--n-prototypes", 4]
    for rows in (table, pd.concat([table, table[:1]])):
        rows.to_parquet(path)
        args = ["condense", path, "--target", "ill", *private, "-o", out, "--force"]
        assert run(*args) == 0
        assert CondensedSet.load(out).privacy.sampling_rate == 1


def test_survival(table, tmp_path):
    path, out = tmp_path / "table.csv", tmp_path / "out"
    table.drop(columns=["ill"]).to_csv(path, index=False)
    outcome = ["--time", "time", "--event", "event"]
    assert (
        run("condense", path, *outcome, "--method", "cluster", "--n-prototypes", 8, "-o", out) == 0
    )
    assert CondensedSet.load(out).task == "survival"
    assert run("evaluate", out, "--test", path) == 0


def test_nothing_is_overwritten(path, tmp_path, capsys):
    schema = tmp_path / "schema.json"
    schema.write_text("mine")
    assert run("schema", path, "-o", schema) == 2
    assert schema.read_text() == "mine"
    assert "--force" in capsys.readouterr().err
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
    assert run("condense", path, *args, "--method", "cluster", "-o", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_demo(tmp_path, capsys, monkeypatch):
    from skcondense import cli

    whole = cli.ZeroOrderCondenser

    def quick(estimators, **params):
        params |= {"n_candidates": 2, "n_exchanges": 1, "max_iter": 1, "n_jobs": None}
        return whole(estimators[0], **params)

    monkeypatch.setattr(cli, "ZeroOrderCondenser", quick)
    assert run("demo", "-o", tmp_path) == 0
    assert "30 condensed rows" in capsys.readouterr().out
    assert (tmp_path / "utility.png").stat().st_size > 1000
    assert CondensedSet.load(tmp_path).n_prototypes == 30
    assert run("demo", "-o", tmp_path) == 2


def test_evaluate_on_a_table_that_lacks_a_class(tmp_path, capsys):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(300, 2)), columns=["a", "b"])
    frame["y"] = np.array(["p", "q", "r"])[np.digitize(frame["a"], [-0.4, 0.4])]
    train, test, out = tmp_path / "train.csv", tmp_path / "test.csv", tmp_path / "out"
    frame.to_csv(train, index=False)
    args = ["--target", "y", "--method", "cluster", "--n-prototypes", 30, "--seed", 0, "-o", out]
    assert run("condense", train, *args) == 0
    frame[frame["y"] != "p"].to_csv(test, index=False)
    capsys.readouterr()
    assert run("evaluate", out, "--test", test) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "30 prototypes" in line)
    forest = float(row.split("│")[4])
    # Columns of probabilities that belong to other classes would score near one half.
    assert forest > 0.9
    frame.replace({"y": {"p": "new"}}).to_csv(test, index=False)
    assert run("evaluate", out, "--test", test) == 2
    assert "classes that the model was not made for" in capsys.readouterr().err


def test_private_condensing_from_the_command_line(path, tmp_path, capsys):
    schema, ledger, out = tmp_path / "s.json", tmp_path / "ledger.jsonl", tmp_path / "out"
    assert run("schema", path, "--target", "ill", "-o", schema) == 0
    facts = json.loads(schema.read_text())
    assert facts["outcome"] == {"name": "ill", "kind": "binary", "categories": [0, 1]}
    private = ("--epsilon", 2, "--ledger", ledger, "--method", "cluster", "--n-prototypes", 5)
    condense = ("condense", path, "--target", "ill", *private)
    assert run(*condense, "-o", out) == 2
    assert "needs --schema" in capsys.readouterr().err
    assert not ledger.exists()
    assert run(*condense, "--schema", schema, "-o", out) == 0
    assert "differentially private" in capsys.readouterr().out
    assert CondensedSet.load(out).privacy.epsilon == pytest.approx(2, rel=0.03)
    assert run("ledger", ledger) == 0
    assert "ClusterCondenser" in capsys.readouterr().out
    assert run("ledger", tmp_path / "nothing") == 2
    assert "There is no file" in capsys.readouterr().err


def test_three_commands_from_a_table_to_a_verified_release(path, tmp_path, capsys):
    pytest.importorskip("pyarrow")
    schema, ledger = tmp_path / "s.json", tmp_path / "ledger.jsonl"
    out, release = tmp_path / "out", tmp_path / "release"
    assert run("schema", path, "--target", "ill", "-o", schema) == 0
    private = ("--epsilon", 2, "--ledger", ledger, "--method", "cluster", "--n-prototypes", 5)
    condense = ("condense", path, "--target", "ill", "--schema", schema, *private)
    assert run(*condense, "-o", out) == 0
    # Without its ledger nobody can add up what was spent.
    assert run("release", out, "-o", release) == 2
    assert "--force REASON" in capsys.readouterr().err
    assert not release.exists()
    # These rows were condensed, so scores on them say nothing; what is tested is that they arrive.
    audited = ("--train", path, "--holdout", path, "--seed", 0)
    assert run("release", out, "--ledger", ledger, *audited, "-o", release) == 0
    shown = capsys.readouterr().out
    assert "differentially private" in shown
    assert "have it signed" in shown
    assert "5 prototypes" in (release / "utility.json").read_text()
    assert json.loads((release / "audit.json").read_text())["audits"]["membership"]
    assert run("verify", release) == 0
    assert "Fingerprint" in capsys.readouterr().out
    card = release / "CARD.md"
    card.write_text(card.read_text(encoding="utf-8").replace("5", "6"), encoding="utf-8")
    assert run("verify", release) == 2
    assert "CARD.md" in capsys.readouterr().err


def test_private_zero_order_from_the_command_line_needs_a_schema(path, tmp_path, capsys):
    assert run("condense", path, "--target", "ill", "--epsilon", 1, "-o", tmp_path / "o") == 2
    assert "--schema FILE" in capsys.readouterr().err


def test_schema_of_a_survival_outcome(table, tmp_path, capsys):
    path, schema = tmp_path / "t.csv", tmp_path / "s.json"
    table.drop(columns="ill").to_csv(path, index=False)
    outcome = ("--time", "time", "--event", "event")
    assert run("schema", path, *outcome, "-o", schema) == 2
    assert "--grid" in capsys.readouterr().err
    assert run("schema", path, *outcome, "--grid", 10, 50, 100, "-o", schema) == 0
    out = tmp_path / "out"
    private = ("--epsilon", 3, "--method", "cluster", "--n-prototypes", 5, "--schema", schema)
    assert run("condense", path, *outcome, *private, "-o", out) == 0
    assert CondensedSet.load(out).task == "survival"
