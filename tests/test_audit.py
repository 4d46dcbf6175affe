"""All audits of a set in one call."""

import io
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sklearn.datasets import load_digits, make_classification

from skcondense import ClusterCondenser, RandomCondenser
from skcondense.audit import audit, closeness_audit, membership_audit, together
from skcondense.audit.json_text import records_of


def table(n, seed):
    X, y = make_classification(n, 5, n_informative=4, n_redundant=0, random_state=0)
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(X, columns=list("abcde")).assign(
        sex=rng.choice(["f", "m"], n), age=rng.integers(20, 90, n)
    )
    return frame, pd.Series(y, name="death")


def halves(frame, y):
    half = len(y) // 2
    return (frame[:half], y[:half]), (frame[half:], y[half:])


def test_published_rows_are_found_by_each_audit():
    train, holdout = halves(*table(500, 0))
    condenser = RandomCondenser(150, random_state=0)
    condensed = condenser.condense(*train)
    found = audit(
        condensed, train, holdout, condenser=condenser, sensitive=("sex",),
        by=(("age", (20, 50, 90)),), n_canaries=200, random_state=0,
    )  # fmt: skip
    assert {"closeness", "membership", "attribute sex", "one run"} <= set(found.found)
    assert set(found.parts) - set(found.found) <= {"subgroups by age"}
    text = str(found)
    assert text.startswith("Evidence of leaks in: closeness, membership")
    assert "nothing bounds attacks that were not tried" in text
    facts = json.loads(found.to_json())
    assert facts["audits"]["membership"]["evidence"] is True
    assert len(facts["audits"]["membership"]["table"]) == 24
    assert list(found.table["audit"]) == list(found.parts)


def test_what_cannot_be_run_is_said_and_nothing_is_called_private():
    frame, y = table(500, 1)
    train, holdout = halves(frame[200:], y[200:])
    stranger = ClusterCondenser(10, random_state=0).condense(frame[:200], y[:200])
    found = audit(stranger, train, holdout, random_state=0)
    assert list(found.parts) == ["closeness", "membership"]
    assert not found.has_evidence
    assert set(found.left_out) == {
        "one run", "membership by shadows", "attribute", "subgroups", "reconstruction",
    }  # fmt: skip
    assert "is private" not in str(found)
    assert "Not run: one run, because no condenser" in str(found)


def test_patients_without_a_name_are_refused():
    train, holdout = halves(*table(120, 0))
    condensed = ClusterCondenser(5, labels="mean", random_state=0).condense(*train)
    groups = pd.Series([f"p{row}" for row in range(60)]).where(np.arange(60) > 3)
    with pytest.raises(ValueError, match=r"patient of every row. Got 4 missing"):
        closeness_audit(condensed, train[0], holdout[0], train_groups=groups)
    with pytest.raises(ValueError, match=r"patient of every row. Got 4 missing"):
        membership_audit(condensed, train, holdout, member_groups=groups)


def test_outcomes_of_python_objects_are_as_good():
    frame, y = table(120, 0)
    train, holdout = halves(frame, y.astype(object))
    condensed = ClusterCondenser(5, labels="mean", random_state=0).condense(frame[:60], y[:60])
    found = membership_audit(condensed, train, holdout, random_state=0)
    same = membership_audit(condensed, *halves(frame, y), random_state=0)
    pd.testing.assert_frame_equal(found.table, same.table)
    assert "at 0.1% false alarms (which is none, of 30 others)" in str(found)
    # A set that has lost a class is attacked all the same.
    one = replace(condensed, y=np.zeros(len(condensed), dtype=int))
    assert membership_audit(one, train, holdout, random_state=0).scores
    # All digits: a tool that reads the file may compare the number with its own limit.
    assert records_of(pd.DataFrame({"p": [3e-12]})) == [{"p": 3e-12}]


def test_images_are_reconstructed(monkeypatch):
    pytest.importorskip("torch")
    images, digit = load_digits(return_X_y=True)
    images, digit = np.kron(images[:160].reshape(-1, 8, 8), np.ones((2, 2))), digit[:160]
    train, holdout = halves(images, digit)
    condensed = ClusterCondenser(20, random_state=0).condense(*train)
    # The number of steps is what the audit of reconstruction is tested with elsewhere.
    full = together.reconstruction_audit
    monkeypatch.setattr(
        together, "reconstruction_audit", lambda *a, **k: full(*a, n_steps=20, n_repeats=2, **k)
    )
    found = audit(condensed, train, holdout, random_state=0)
    assert "reconstruction" in found.parts
    json.loads(found.to_json())


def test_a_result_is_the_same_again():
    train, holdout = halves(*table(200, 2))
    condensed = ClusterCondenser(10, random_state=0).condense(*train)
    one, two = (audit(condensed, train, holdout, random_state=3).to_json() for _ in range(2))
    assert one == two


@pytest.mark.parametrize("watched", [True, False])
def test_one_bar_names_the_audits_where_there_is_a_terminal(watched, monkeypatch):
    train, holdout = halves(*table(200, 2))
    condenser = ClusterCondenser(10, random_state=0)
    screen = io.StringIO()
    monkeypatch.setattr(
        together, "Console", lambda stderr: Console(file=screen, force_terminal=watched, width=80)
    )
    audit(
        condenser.condense(*train), train, holdout, condenser=condenser, random_state=3, verbose=1
    )
    drawn = screen.getvalue()
    if not watched:
        assert drawn == ""
        return
    for text in ("Audit: closeness", "Audit: membership", "Audit: one run", "2/3"):
        assert text in drawn
    # Shadows draw no second bar.
    assert "Condensing again" not in drawn


def test_nothing_is_drawn_unless_asked_for(capsys):
    train, holdout = halves(*table(200, 2))
    condensed = ClusterCondenser(10, random_state=0).condense(*train)
    for verbose in (0, 1):
        # Standard error is captured here, and no terminal.
        audit(condensed, train, holdout, random_state=3, verbose=verbose)
        assert capsys.readouterr() == ("", "")
