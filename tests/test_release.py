"""Releases: what is refused, what is written, and that any change is found."""

import json
import shutil
import subprocess
from dataclasses import asdict, replace
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier

from skcondense import (
    ClusterCondenser,
    ColumnSchema,
    CondensedSet,
    PrivacyLedger,
    RandomCondenser,
    TableSchema,
)
from skcondense.audit import Audit, OneRunAudit, audit, closeness_audit, compare_utility
from skcondense.exceptions import ReleaseError
from skcondense.privacy import seeded_noise
from skcondense.report import objections_to, verify_release, write_release
from skcondense.report.release_files import manifest_of

pytest.importorskip("pyarrow")


def table(n=160):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "age": rng.integers(20, 90, n),
            "=lab": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "site": rng.choice(["=HYPERLINK(1)", "ü"], n),
        }
    )
    return X, pd.Series((X["age"] + rng.normal(0, 10, n) > 55).astype(int), name="ill")


SCHEMA = TableSchema(
    (
        ColumnSchema(name="age", kind="integer", bounds=(18, 110)),
        ColumnSchema(name="=lab", kind="numeric", bounds=(-5, 5), missing=True),
        ColumnSchema(name="site", kind="binary", categories=("=HYPERLINK(1)", "ü")),
    ),
    outcome=ColumnSchema(name="ill", kind="binary", categories=(0, 1)),
)


@pytest.fixture(scope="module")
def private():
    ledger = PrivacyLedger()
    condenser = ClusterCondenser(10, schema=SCHEMA, epsilon=2.0, ledger=ledger, random_state=0)
    return condenser.condense(*table()), ledger


@pytest.fixture
def release(private, tmp_path):
    condensed, ledger = private
    return write_release(
        condensed,
        tmp_path / "release",
        purpose="Training of models.",
        population="Nobody.",
        ledger=ledger,
        utility=utility(condensed),
    )


def utility(condensed):
    models = {"guessing": DummyClassifier()}
    return compare_utility(condensed, table(), estimators=models, n_bootstrap=20, random_state=0)


def test_a_release_can_be_loaded_verified_and_checked_by_others(release, private):
    condensed, _ = private
    found = verify_release(release)
    pd.testing.assert_frame_equal(found.condensed.to_frame(), condensed.to_frame())
    assert CondensedSet.load(release).privacy == condensed.privacy
    assert "differentially private" in str(found)
    assert found.fingerprint in str(found)
    names = {path.name for path in release.iterdir()}
    assert names == {
        "condensed.parquet", "condensed.json", "condensed.csv", "schema.json", "privacy.json",
        "utility.json", "croissant.json", "CARD.md", "report.html", "MANIFEST.sha256",
    }  # fmt: skip
    assert found.n_files == 9
    assert found.objections == ()
    for name in ("CARD.md", "report.html"):
        text = (release / name).read_text(encoding="utf-8")
        for said in ("Training of models.", "Nobody.", "none was copied from a patient", "0.500"):
            assert said in text
        assert all(sentence in text for sentence in condensed.privacy.sentences)
    # Nothing is left beside it.
    assert [path.name for path in release.parent.iterdir()] == ["release"]
    if shutil.which("sha256sum"):
        check = ["sha256sum", "--check", "--strict", "MANIFEST.sha256"]
        subprocess.run(check, cwd=release, check=True, capture_output=True)


def test_the_report_and_the_description_hold_digests_of_the_other_files(release):
    page = (release / "report.html").read_text(encoding="utf-8")
    described = (release / "croissant.json").read_text(encoding="utf-8")
    for path in release.iterdir():
        digest = sha256(path.read_bytes()).hexdigest()
        assert (digest in page) == (path.name not in ("report.html", "MANIFEST.sha256"))
        if path.name in ("condensed.parquet", "condensed.csv", "privacy.json", "schema.json"):
            assert digest in described


def test_privacy_json_holds_the_spends_of_this_fit_and_the_ledgers_total(private, tmp_path):
    condensed, _ = private
    ledger = PrivacyLedger()
    for spend in condensed.privacy.spends:
        ledger.charge(replace(spend, run="another fit"))
        ledger.charge(spend)
    folder = write_release(condensed, tmp_path / "release", ledger=ledger)
    found = json.loads((folder / "privacy.json").read_text(encoding="utf-8"))
    assert found["statement"]["epsilon"] == condensed.privacy.epsilon
    assert found["ledger"]["spends"] == [asdict(spend) for spend in condensed.privacy.spends]
    assert (found["ledger"]["n_fits"], found["ledger"]["n_spends"]) == (2, len(ledger.spends))
    assert found["ledger"]["epsilon"] == ledger.epsilon > condensed.privacy.epsilon
    rewrite(folder, "privacy.json", f'"epsilon": {ledger.epsilon}', '"epsilon": 0.1')
    with pytest.raises(ReleaseError, match="those of this fit alone amount to"):
        verify_release(folder)


def rewrite(folder, name, old, new):
    """Change a file, and the manifest with it."""
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")
    (folder / "MANIFEST.sha256").write_text(manifest_of(folder), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("condensed.json", '"condensed.parquet"', '"../other.parquet"', "not part of the release"),
        ("condensed.json", '"task"', '"tusk"', "cannot be read"),
        ("schema.json", '"age"', '"aged"', "not that of the rows"),
        ("schema.json", "{", "[", "cannot be read"),
        ("privacy.json", '"statement"', '"nothing"', "cannot be read"),
        ("condensed.csv", "ü", "u", "has other rows"),
        ("condensed.csv", "'=lab", "lab", "has other rows"),
        ("condensed.csv", "\n", "0\n", "has other rows"),
        ("utility.json", '"set": "', '"set": "0', "about another set"),
        ("croissant.json", "{", "{ ", "does not list"),
    ],
)
def test_a_new_manifest_does_not_hide_files_that_contradict_each_other(
    release, name, old, new, message
):
    rewrite(release, name, old, new)
    with pytest.raises(ReleaseError, match=message):
        verify_release(release)


def test_cells_that_a_spreadsheet_would_run_are_harmless_in_the_csv_only(release):
    shown = pd.read_csv(release / "condensed.csv")
    text = (release / "condensed.csv").read_text(encoding="utf-8")
    assert "'=lab" in shown.columns
    assert set(shown["site"]) <= {"'=HYPERLINK(1)", "ü"}
    assert ",=" not in text
    assert not text.startswith("=")
    # Negative numbers are numbers.
    assert shown["'=lab"].dtype == float
    assert set(CondensedSet.load(release).X["site"]) <= {"=HYPERLINK(1)", "ü"}


def test_any_flipped_byte_is_found(release):
    rng = np.random.default_rng(0)
    for path in sorted(release.iterdir()):
        content = path.read_bytes()
        everywhere = range(len(content)) if path.name == "MANIFEST.sha256" else ()
        for at in [*everywhere, *rng.integers(len(content), size=15), len(content) - 1]:
            changed = bytearray(content)
            changed[at] ^= 1 << int(rng.integers(8))
            path.write_bytes(bytes(changed))
            with pytest.raises(ReleaseError, match="changed after its release"):
                verify_release(release)
        path.write_bytes(content)
    verify_release(release)


def test_files_that_come_or_go_are_named(release):
    (release / "more.csv").write_text("a\n")
    with pytest.raises(ReleaseError, match=r"more\.csv"):
        verify_release(release)
    (release / "more.csv").unlink()
    (release / "CARD.md").unlink()
    with pytest.raises(ReleaseError, match=r"CARD\.md"):
        verify_release(release)
    (release / "MANIFEST.sha256").unlink()
    with pytest.raises(ReleaseError, match="no release"):
        verify_release(release)
    with pytest.raises(ReleaseError, match="no release"):
        verify_release(release / "nothing")


@pytest.mark.parametrize("name", ["epsilon", "mu", "auc"])
def test_a_new_manifest_does_not_hide_a_statement_that_does_not_add_up(release, private, name):
    statement = private[0].privacy
    said = {"epsilon": statement.epsilon, "mu": statement.mu, "auc": statement.caps.auc}[name]
    rewrite(release, "privacy.json", f'"{name}": {said}', f'"{name}": 0.1')
    with pytest.raises(ReleaseError, match="spends amount to"):
        verify_release(release)


def test_what_should_not_leave_is_refused_unless_a_reason_is_given(private, tmp_path):
    X, y = table()
    condensed, ledger = private
    assert objections_to(condensed, ledger=ledger) == []
    # No ledger counts it, or another one.
    for wrong in (None, PrivacyLedger()):
        with pytest.raises(ReleaseError, match="in no ledger that was given"):
            write_release(condensed, tmp_path / "a", ledger=wrong)
    real = RandomCondenser(10, random_state=0).condense(X, y)
    with pytest.raises(ReleaseError, match="coincide with real rows"):
        write_release(real, tmp_path / "a", in_spite_of_objections=" ")
    assert list(tmp_path.iterdir()) == []
    write_release(real, tmp_path / "a", in_spite_of_objections="Rows are public.")
    card = (tmp_path / "a" / "CARD.md").read_text(encoding="utf-8")
    assert "Released in spite of these objections" in card
    assert "Rows are public." in card
    assert "Some of them are patients'." in card
    assert "There is no privacy statement" in card
    found = verify_release(tmp_path / "a")
    assert found.objections == ("Some prototypes coincide with real rows.",)
    assert "Objection: Some prototypes" in str(found)
    with pytest.raises(FileExistsError, match="new folder"):
        write_release(real, tmp_path / "a", in_spite_of_objections="Again.")


def test_seeded_noise_copies_and_a_broken_promise_are_objections(tmp_path):
    X, y = table()
    ledger = PrivacyLedger()
    with seeded_noise(0):
        seeded = ClusterCondenser(5, schema=SCHEMA, epsilon=2.0, ledger=ledger).condense(X, y)
    assert ["seeded" in text for text in objections_to(seeded, ledger=ledger)] == [True]
    mixed = RandomCondenser(30, random_state=0).condense(X[:80], y[:80])
    found = audit(mixed, (X[:80], y[:80]), (X[80:], y[80:]), random_state=0)
    assert any("more copies of training rows" in text for text in objections_to(mixed, audit=found))
    folder = write_release(
        mixed, tmp_path / "copies", audit=found, in_spite_of_objections="Rows are public."
    )
    # The check reads the audit's numbers, and comes to the same.
    assert verify_release(folder).objections == tuple(objections_to(mixed, audit=found))
    contradicted = OneRunAudit(9.0, 0.95, 1e-5, 100, 50, 50, 9.0, stated=2.0)
    worse = replace(found, parts={**found.parts, "one run": contradicted})
    assert "more made-up patients than" in objections_to(mixed, audit=worse)[-1]


def test_what_was_measured_of_another_set_is_refused(private, tmp_path):
    X, y = table()
    same = private[0].n_prototypes
    other = ClusterCondenser(same, random_state=0, labels="mean").condense(X, y)
    # As many prototypes: what differs is the rows.
    assert other.n_prototypes == private[0].n_prototypes
    found = Audit({"closeness": closeness_audit(other, X[9:], X[:9])}, {}, "none", other.digest)
    with pytest.raises(ReleaseError, match="audit is of another set"):
        write_release(private[0], tmp_path / "a", ledger=private[1], audit=found)


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_names_and_single_precision_are_shown_and_verified(tmp_path, name):
    rng = np.random.default_rng(0)
    columns = {
        "=a": rng.random(40),
        "'=a": rng.random(40).astype(np.float32),
        "b": ["=1", "x"] * 20,
    }
    X = pytest.importorskip(name).DataFrame(columns)
    condensed = ClusterCondenser(5, random_state=0).condense(X, rng.integers(0, 2, 40))
    folder = write_release(condensed, tmp_path / "release")
    assert list(pd.read_csv(folder / "condensed.csv"))[:3] == ["''=a", "'=a", "b"]
    assert verify_release(folder).condensed.digest == condensed.digest


def test_outcomes_outside_of_the_schema_are_found(private, tmp_path):
    condensed, ledger = private
    unknown = replace(condensed, y=condensed.y + 5)
    with pytest.raises(ReleaseError, match=r"not what schema\.json declares"):
        write_release(unknown, tmp_path / "unknown", ledger=ledger)
    # Nothing is written that would not be verified.
    assert list(tmp_path.iterdir()) == []


def test_a_long_stay_is_found(tmp_path):
    X, _ = table()
    stay = ColumnSchema(name="stay", kind="numeric", bounds=(0, 60))
    schema, ledger = TableSchema(SCHEMA.columns, outcome=stay), PrivacyLedger()
    condenser = ClusterCondenser(5, labels="mean", schema=schema, epsilon=9.0, ledger=ledger)
    condensed = condenser.condense(X, X["age"] / 3.7)
    write_release(condensed, tmp_path / "allowed", ledger=ledger)
    with pytest.raises(ReleaseError, match=r"not what schema\.json declares"):
        write_release(replace(condensed, y=condensed.y + 60.5), tmp_path / "long", ledger=ledger)
    # All the same stay: no task could be found for these alone.
    same = replace(condensed, y=condensed.y * 0.0)
    write_release(same, tmp_path / "same", ledger=ledger)


def test_gaps_of_polars_are_verified(tmp_path):
    pl = pytest.importorskip("polars")
    rng = np.random.default_rng(0)
    gaps = {"nan": np.where(rng.random(40) < 0.5, np.nan, 1.0), "null": [None, 3] * 20}
    X, y = pl.DataFrame({"v": rng.random(40), **gaps}), rng.integers(0, 2, 40)
    condensed = RandomCondenser(8, random_state=0).condense(X, y)
    folder = write_release(condensed, tmp_path / "release", in_spite_of_objections="Made up.")
    assert verify_release(folder).condensed.digest == condensed.digest


def test_other_whole_numbers_in_the_csv_are_found(private, tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"born": rng.integers(19000101, 20200101, 40), "v": rng.random(40)})
    condensed = RandomCondenser(8, random_state=0).condense(X, rng.integers(0, 2, 40))
    folder = write_release(condensed, tmp_path / "release", in_spite_of_objections="Made up.")
    born = condensed.X["born"].iloc[0]
    rewrite(folder, "condensed.csv", str(born), str(born + 1))
    with pytest.raises(ReleaseError, match="has other rows"):
        verify_release(folder)


def test_links_out_of_a_release_are_refused(release, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (release / "more").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ReleaseError, match="no plain file"):
        verify_release(release)


def test_a_failed_release_leaves_nothing(private, tmp_path, monkeypatch):
    condensed, ledger = private

    def fails(*_):
        raise OSError("disk full")

    monkeypatch.setattr("skcondense.report.release.manifest_of", fails)
    with pytest.raises(OSError, match="disk full"):
        write_release(condensed, tmp_path / "release", ledger=ledger)
    assert list(tmp_path.iterdir()) == []


def test_images_are_released(tmp_path):
    images, digit = load_digits(n_class=2, return_X_y=True)
    condensed = ClusterCondenser(6, random_state=0).condense(images.reshape(-1, 8, 8), digit)
    folder = write_release(condensed, tmp_path / "images")
    np.testing.assert_array_equal(verify_release(folder).condensed.X, condensed.X)
    assert (folder / "condensed.npz").exists()
