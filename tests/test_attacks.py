"""Audits of what a set gives away: scores, closeness, membership, and their controls."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_classification
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

from skcondense import ClusterCondenser, RandomCondenser
from skcondense.audit import closeness_audit, membership_audit, score_attack
from skcondense.exceptions import SchemaError


@pytest.fixture(scope="module")
def halves():
    X, y = make_classification(1200, 12, n_informative=6, flip_y=0.2, random_state=0)
    X, X_out, y, y_out = train_test_split(X, y, test_size=0.5, random_state=0)
    return (X, y), (X_out, y_out)


# Scores.


def test_the_area_is_scikit_learns_also_with_ties():
    rng = np.random.default_rng(0)
    members, others = rng.integers(0, 9, 200) + 1.0, rng.integers(0, 9, 300) * 1.0
    found = score_attack(members, others)
    truth = np.repeat([1, 0], [200, 300])
    assert found.auc == pytest.approx(roc_auc_score(truth, np.concatenate([members, others])))
    assert found.auc_low < found.auc < found.auc_high
    assert (found.n_members, found.n_others) == (200, 300)


def test_intervals_hold_what_they_promise():
    rng = np.random.default_rng(0)
    true = norm.cdf(0.5 / 2**0.5)
    hit = 0
    for _ in range(250):
        found = score_attack(rng.normal(0.5, size=80), rng.normal(size=120))
        hit += found.auc_low <= true <= found.auc_high
    # 95 % of 250 are 237, with a standard deviation of 3.4.
    assert 223 <= hit <= 248


def test_rows_of_a_patient_are_no_independent_records():
    rng = np.random.default_rng(0)
    hits = {"rows": 0, "patients": 0}
    patient = np.repeat(np.arange(30), 8)
    for _ in range(120):
        members, others = (
            (rng.normal(size=30)[patient] + 0.1 * rng.normal(size=240)) for _ in range(2)
        )
        by_row = score_attack(members, others)
        by_patient = score_attack(members, others, member_groups=patient, other_groups=patient)
        assert (by_patient.n_members, by_patient.n_others) == (30, 30)
        hits["rows"] += by_row.auc_low <= 0.5 <= by_row.auc_high
        hits["patients"] += by_patient.auc_low <= 0.5 <= by_patient.auc_high
    assert hits["patients"] >= 103
    assert hits["rows"] < 90


def test_members_are_counted_above_the_strictest_threshold():
    others = np.arange(1000.0)
    members = np.array([0.0, 989.5, 990.5, 5000.0])
    found = score_attack(members, others, rates=(0.01, 0.001, 0.0))
    # Ten of a thousand may pass, and ten are above 989.5.
    assert found.tpr[0.01][0] == 0.75
    assert found.tpr[0.001][0] == 0.25
    assert found.tpr[0.0][0] == 0.25
    low, high = found.tpr[0.01][1:]
    assert 0 < low < 0.75 < high < 1


# Closeness.


def test_copies_are_counted_and_nearer_is_a_half_for_strangers(halves):
    (X, y), (X_out, y_out) = halves
    own = closeness_audit(RandomCondenser(60, random_state=0).condense(X, y), X, X_out)
    assert (own.n_exact, own.n_copies, own.n_exact_holdout) == (60, 60, 0)
    assert own.nearer == 1.0
    assert "closer to its training rows" in str(own)
    third = RandomCondenser(60, random_state=0).condense(X_out[:200], y_out[:200])
    stranger = closeness_audit(third, X, X_out[200:])
    assert (stranger.n_exact, stranger.n_copies) == (0, 0)
    assert stranger.nearer_low < 0.5 < stranger.nearer_high
    assert "no evidence" in str(stranger)


def test_tables_with_categories_and_images():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X = X.iloc[:, :5].assign(site=np.where(np.arange(len(X)) % 3, "a", "b"))
    condensed = ClusterCondenser(20, random_state=0).condense(X[:300], y[:300])
    found = closeness_audit(condensed, X[:300], X[300:], random_state=0)
    assert found.n_prototypes == 20
    # Columns are known by their names.
    turned = X[X.columns[::-1]]
    assert closeness_audit(condensed, turned[:300], turned[300:], random_state=0) == found
    with pytest.raises(SchemaError):
        closeness_audit(condensed, X[:300], X[["site"]])
    with pytest.raises(SchemaError, match="site") as error:
        closeness_audit(condensed, X[:300], X[300:].assign(site="secret"))
    assert "secret" not in str(error.value)
    images, digit = load_digits(n_class=2, return_X_y=True)
    images = images.reshape(-1, 8, 8)
    condensed = RandomCondenser(8, random_state=0).condense(images[:200], digit[:200])
    assert closeness_audit(condensed, images[:200], images[200:]).n_exact == 8


@pytest.mark.parametrize("n_holdout", [200, 600])
def test_copies_are_found_however_many_rows_are_held_out(n_holdout):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1200, 4))
    train, holdout = X[:600], X[600 : 600 + n_holdout]
    # A third of them lie all but on training rows.
    rows = np.vstack([train[:25] + 1e-3, rng.normal(size=(50, 4))])
    y = np.arange(75) % 2
    copied = RandomCondenser(75, random_state=0).condense(rows, y)
    assert closeness_audit(copied, train, holdout, random_state=0).has_copies
    strangers = RandomCondenser(50, random_state=0).condense(rows[25:], y[25:])
    for parts in ((train, holdout), (holdout, train)):
        assert not closeness_audit(strangers, *parts, random_state=0).has_copies


def test_rows_that_were_condensed_are_not_held_out(halves):
    condensed = RandomCondenser(20, random_state=0).condense(*halves[0])
    with pytest.raises(ValueError, match="600 of 600 held-out rows coincide"):
        closeness_audit(condensed, halves[0][0], halves[0][0])


def test_rows_that_nearly_all_coincide_are_no_copies():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (1200, 3)).astype(float)
    few = RandomCondenser(12, random_state=0).condense(X[1000:], np.arange(200) % 2)
    assert not closeness_audit(few, X[:200], X[200:1000], random_state=0).has_copies


# Membership.


def test_controls_have_power_and_are_right(halves):
    condensed = ClusterCondenser(30, random_state=0).condense(*halves[0])
    found = membership_audit(condensed, *halves, random_state=0)
    table = found.table.set_index(["target", "attack"])
    published, unrelated = table.loc["published rows"], table.loc["unrelated rows"]
    assert published.loc["nearest", "auc"] == 1.0
    # A model that remembers its rows: acceptance test 16.
    assert published.loc["loss", "auc"] > 0.6
    assert (unrelated["auc_low"] < 0.53).all()
    assert (unrelated["auc_high"] > 0.47).all()
    assert set(table.index.get_level_values("attack")) == {
        "nearest", "nearest ratio", "DOMIAS", "loss",
    }  # fmt: skip
    assert "lower is better" in str(found)
    again = membership_audit(condensed, *halves, random_state=0)
    pd.testing.assert_frame_equal(found.table, again.table)


def test_an_over_fitted_target_is_attacked():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(800, 10)), rng.integers(0, 2, 800)
    half = (X[:400], y[:400]), (X[400:], y[400:])
    # Labels are chance, so that whoever knows them was there. All rows are released.
    condensed = RandomCondenser(400, random_state=0).condense(*half[0])
    tree = DecisionTreeClassifier(random_state=0)
    found = membership_audit(condensed, *half, estimator=tree, random_state=0)
    scores = {attack: s for (target, attack), s in found.scores.items() if target == "condensed"}
    assert scores["loss"].auc > 0.7
    assert scores["nearest"].auc == 1.0
    assert "evidence that members can be found" in str(found)
    # Half of the rows: the other half is found by nobody.
    few = RandomCondenser(200, random_state=0).condense(*half[0])
    part = membership_audit(few, *half, random_state=0)
    assert part.worst[1].auc == pytest.approx(0.75, abs=0.06)


def test_members_of_another_kind_are_no_leak_by_that():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(900, 5)), rng.integers(0, 2, 900)
    X[:300] += 1.0
    # Made of others of the members' kind, so that there is nothing to find.
    condensed = ClusterCondenser(20, labels="mean", random_state=0).condense(X[100:300], y[100:300])
    found = membership_audit(condensed, (X[:100], y[:100]), (X[300:], y[300:]), random_state=0)
    assert found.has_evidence
    assert not found.are_alike
    assert "differ in kind" in str(found)


def test_a_few_members_are_found_where_the_area_is_close_to_chance():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2000, 5)), rng.integers(0, 2, 2000)
    condensed = RandomCondenser(50, random_state=0).condense(X[:1000], y[:1000])
    found = membership_audit(condensed, (X[:1000], y[:1000]), (X[1000:], y[1000:]), random_state=0)
    worst = found.worst[1]
    assert worst.auc < 0.56
    assert worst.tpr[0.01][0] > 0.04
    assert "evidence that members can be found" in str(found)
    assert found.p_value < 1e-4


def test_nothing_is_found_by_chance_more_often_than_promised():
    rng = np.random.default_rng(0)
    groups = np.arange(200) // 2
    wrong = {None: 0, "patients": 0, "skewed": 0}
    for _ in range(150):
        members, others = rng.normal(size=(2, 200))
        wrong[None] += score_attack(members, others).p_value < 0.05
        twice, again = rng.normal(size=(2, 100))[:, groups]
        by_patient = score_attack(twice, again, member_groups=groups, other_groups=groups)
        wrong["patients"] += by_patient.p_value < 0.05
        # One patient has most of the rows.
        skewed = np.concatenate([np.arange(40), np.full(160, 40)])
        long, also = (rng.normal(size=41)[skewed] for _ in range(2))
        found = score_attack(long, also, member_groups=skewed, other_groups=skewed)
        wrong["skewed"] += found.p_value < 0.05
    # 5 % of 150 are 7.5, with a standard deviation of 2.7.
    assert max(wrong.values()) <= 18


def test_no_evidence_is_not_called_privacy(halves):
    third = halves[1][0][:300], halves[1][1][:300]
    rest = halves[1][0][300:], halves[1][1][300:]
    independent = RandomCondenser(50, random_state=0).condense(*third)
    found = membership_audit(independent, halves[0], rest, random_state=0)
    for (target, attack), score in found.scores.items():
        if target == "condensed":
            error = (score.auc_high - score.auc_low) / 3.92
            assert abs(score.auc - 0.5) < 3 * error, attack
    text = str(found)
    assert "no evidence" in text
    assert "could have been missed" in text
    assert "only a privacy statement bounds" in text


def test_regression_survival_images_and_patients():
    X, y = load_diabetes(return_X_y=True)
    condensed = ClusterCondenser(10, random_state=0).condense(X[:200], y[:200])
    groups = np.arange(200) // 2
    found = membership_audit(
        condensed, (X[:200], y[:200]), (X[200:400], y[200:400]),
        member_groups=groups, other_groups=1000 + groups, random_state=0,
    )  # fmt: skip
    assert ("condensed", "loss") in found.scores
    assert found.worst[1].n_others == 50
    with pytest.raises(ValueError, match="100 patients are among the members and among"):
        membership_audit(
            condensed, (X[:200], y[:200]), (X[:200], y[:200]),
            member_groups=groups, other_groups=groups,
        )  # fmt: skip
    times = np.zeros(400, dtype=[("event", bool), ("time", float)])
    times["event"], times["time"] = np.arange(400) % 3 > 0, y[:400]
    survival = ClusterCondenser(10, random_state=0).condense(X[:200], times[:200])
    rows_only = membership_audit(survival, (X[:200], times[:200]), (X[200:400], times[200:]))
    assert ("condensed", "loss") not in rows_only.scores
    images, digit = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8)
    released = ClusterCondenser(20, random_state=0).condense(images[:300], digit[:300])
    assert (
        len(
            membership_audit(
                released, (images[:300], digit[:300]), (images[300:], digit[300:])
            ).table
        )
        == 12
    )


def test_too_few_rows_are_refused(halves):
    condensed = ClusterCondenser(5, random_state=0).condense(*halves[0])
    few = halves[1][0][:10], halves[1][1][:10]
    with pytest.raises(ValueError, match="20 others at least"):
        membership_audit(condensed, halves[0], few)
    with pytest.raises(ValueError, match="Got 600 and 2"):
        membership_audit(condensed, *halves, other_groups=np.arange(600) % 2)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        membership_audit(condensed, (halves[0][0], halves[0][1][:5]), halves[1])


def test_copies_of_a_patient_with_many_equal_rows_are_found():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 6)
    X, y = rng.normal(size=(60, 4))[groups], np.arange(360) // 6 % 2
    released = RandomCondenser(10, random_state=0).condense(X + 1e-6 * rng.normal(size=X.shape), y)
    others = rng.normal(size=(100, 4))
    found = closeness_audit(released, X, others, train_groups=groups)
    assert found.n_copies == 10
    # As far as anybody knows without groups, six patients share each row.
    assert closeness_audit(released, X, others).n_copies == 0
