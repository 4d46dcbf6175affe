"""Attacks that make the whole condensation again, with and without a record."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import norm
from sklearn.datasets import load_digits, make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from skcondense import (
    ClusterCondenser,
    ColumnSchema,
    PrivacyLedger,
    RandomCondenser,
    TableSchema,
)
from skcondense.audit import membership_audit
from skcondense.audit.real_rows import Records
from skcondense.audit.releases import ClassLoss, Density
from skcondense.audit.shadows import Shadows, balanced_halves


@pytest.fixture(scope="module")
def table():
    return make_classification(800, 8, n_informative=5, flip_y=0.2, random_state=0)


def split(X, y):
    half = len(X) // 2
    return (X[:half], y[:half]), (X[half:], y[half:])


def test_each_patient_is_in_half_of_the_shadows():
    units = np.repeat(np.arange(51), 3)
    halves = balanced_halves(units, 6, np.random.default_rng(0))
    assert (halves.sum(axis=0) == 3).all()
    by_patient = halves.reshape(6, 51, 3)
    assert (by_patient == by_patient[..., :1]).all()
    assert set(by_patient[..., 0].sum(axis=1)) == {25, 26}


def test_rmia_is_the_likelihood_over_its_mean_by_the_shadows():
    rng = np.random.default_rng(0)
    target, shadows = rng.normal(size=7), rng.normal(size=(4, 7))
    is_in = balanced_halves(np.arange(7), 4, rng)
    loss = ClassLoss(None)
    found = Shadows([], is_in).rmia(loss, target, shadows)
    np.testing.assert_allclose(found, np.log(expit(target) / expit(shadows).mean(axis=0)))
    # The published attack counts the population that a record exceeds: it ranks alike.
    population = rng.normal(size=5000)
    share = (found[:, np.newaxis] >= population).mean(axis=1)
    np.testing.assert_array_equal(np.argsort(share), np.argsort(found))


def test_lira_is_the_ratio_of_two_normal_likelihoods():
    rng = np.random.default_rng(0)
    for n_shadows in (4, 64):
        is_in = balanced_halves(np.arange(5), n_shadows, rng)
        shadows, target = rng.normal(size=(n_shadows, 5)) + is_in, rng.normal(size=5)
        found = Shadows([], is_in).lira(target, shadows)
        values = [(shadows[is_in[:, j], j], shadows[~is_in[:, j], j]) for j in range(5)]
        spread = np.array([[np.var(part, ddof=1) for part in pair] for pair in values])
        if n_shadows < 64:
            spread = np.broadcast_to(spread.mean(axis=0), (5, 2))
        expected = [
            norm.logpdf(t, a.mean(), u**0.5) - norm.logpdf(t, b.mean(), v**0.5)
            for t, (a, b), (u, v) in zip(target, values, spread, strict=True)
        ]
        np.testing.assert_allclose(found, expected)


def test_attackers_who_repeat_the_condensation_are_stronger(table):
    members, others = split(*table)
    condenser = ClusterCondenser(60, random_state=0)
    condensed = condenser.condense(*members)
    found = membership_audit(
        condensed, members, others, condenser=condenser, random_state=0
    ).table.set_index(["target", "attack"])
    own = found.loc["condensed", "auc"]
    assert own["RMIA density"] > own["DOMIAS"] + 0.02
    # Both controls are attacked alike: members that were released, and rows of nobody.
    assert (found.loc["published rows", "auc"][["RMIA density", "RMIA loss"]] > 0.8).all()
    unrelated = found.loc["unrelated rows"]
    assert (unrelated["auc_low"] < 0.53).all()
    assert (unrelated["auc_high"] > 0.47).all()
    assert len(found) == 3 * 8


def test_a_set_of_strangers_gives_nobody_away(table):
    X, y = table
    condenser = ClusterCondenser(30, random_state=0)
    stranger = condenser.condense(X[:200], y[:200])
    found = membership_audit(
        stranger, (X[200:500], y[200:500]), (X[500:], y[500:]), condenser=condenser, random_state=0
    )
    assert not found.has_evidence
    for (target, attack), score in found.scores.items():
        if target == "condensed":
            error = (score.auc_high - score.auc_low) / 3.92
            assert abs(score.auc - 0.5) < 3 * error, attack


@pytest.mark.usefixtures("small_teachers")
def test_private_shadows_spend_nothing_of_the_ledger(table):
    X, y = table
    members, others = split(X, y)
    columns = [ColumnSchema(name=f"x{j}", kind="numeric", bounds=(-10, 10)) for j in range(8)]
    outcome = ColumnSchema(name="target", kind="binary", categories=(0, 1))
    ledger = PrivacyLedger(epsilon=1.5)
    condenser = ClusterCondenser(
        20, schema=TableSchema(columns, outcome), epsilon=1.0, ledger=ledger, delta=1e-4
    )
    condensed = condenser.condense(*members)
    spent = len(ledger.spends)
    found = membership_audit(condensed, members, others, condenser=condenser, random_state=0)
    assert len(ledger.spends) == spent
    caps = condensed.privacy.caps
    assert all(
        score.auc_low <= caps.auc
        for (target, _), score in found.scores.items()
        if target == "condensed"
    )


def test_frames_with_gaps_survival_and_images():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.integers(20, 90, 240),
            "lab": np.where(rng.random(240) < 0.2, np.nan, rng.normal(size=240)),
            "site": pd.Categorical(rng.choice(["a", "b", "ü"], 240)),
        }
    )
    y = np.zeros(240, dtype=[("event", bool), ("time", float)])
    y["event"], y["time"] = rng.random(240) < 0.6, rng.exponential(10, 240) + 0.1
    condenser = ClusterCondenser(10, teacher=LogisticRegression(), random_state=0)
    condensed = condenser.condense(frame[:120], y[:120])
    groups = np.arange(120) // 2
    found = membership_audit(
        condensed, (frame[:120], y[:120]), (frame[120:], y[120:]), condenser=condenser,
        member_groups=groups, other_groups=100 + groups, random_state=0, verbose=1,
    )  # fmt: skip
    assert ("condensed", "LiRA density") in found.scores
    assert ("condensed", "RMIA loss") not in found.scores
    assert found.scores["condensed", "LiRA density"].n_members == 60
    again = membership_audit(
        condensed, (frame[:120], y[:120]), (frame[120:], y[120:]), condenser=condenser,
        member_groups=groups, other_groups=100 + groups, random_state=0, n_jobs=2,
    )  # fmt: skip
    pd.testing.assert_frame_equal(found.table, again.table)
    images, digit = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8)
    condenser = RandomCondenser(20, random_state=0)
    released = condenser.condense(images[:100], digit[:100])
    table = membership_audit(
        released, (images[:100], digit[:100]), (images[100:200], digit[100:200]),
        condenser=condenser, estimator=DecisionTreeClassifier(), random_state=0,
    ).table  # fmt: skip
    assert len(table) == 3 * 8


def test_wrong_condensers_and_odd_numbers_are_refused(table):
    members, others = split(*table)
    condenser = ClusterCondenser(10, random_state=0)
    condensed = condenser.condense(*members)
    with pytest.raises(ValueError, match=r"made the set, ClusterCondenser.*Got a RandomCondenser"):
        membership_audit(condensed, members, others, condenser=RandomCondenser(10))
    for wrong in (2, 5):
        with pytest.raises(ValueError, match=rf"must be even, and 4 at least.*Got {wrong}"):
            membership_audit(condensed, members, others, condenser=condenser, n_shadows=wrong)


def test_density_is_high_where_rows_are(table):
    X, _ = table
    signal = Density.seen_from(X)
    near, far = signal.around(X, np.ones(len(X))), signal.around(X + 100, np.ones(len(X)))
    records = Records(X[:50], np.zeros(50), None)
    assert (near(records) > far(records)).all()
