"""Lower bounds of epsilon from one fit with made-up patients."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from sklearn.datasets import load_breast_cancer, make_classification

from skcondense import (
    ClusterCondenser,
    ColumnSchema,
    PrivacyLedger,
    RandomCondenser,
    TableSchema,
)
from skcondense.audit import one_run_audit
from skcondense.audit.one_run import epsilon_lower_bound


@pytest.fixture(scope="module")
def table():
    return make_classification(400, 8, n_informative=5, random_state=0)


def test_the_bound_is_that_of_the_paper():
    bound = epsilon_lower_bound(100, 100, 100, delta=0, significance=0.05)
    # The largest epsilon at which a hundred of a hundred right guesses have a chance of 5 %.
    assert (1 / (1 + np.exp(-bound))) ** 100 == pytest.approx(0.05)
    assert bound == pytest.approx(3.49, abs=0.01)
    assert epsilon_lower_bound(100, 50, 26, delta=0, significance=0.05) == 0
    assert epsilon_lower_bound(100, 50, 0, delta=0, significance=0.05) == 0
    # Delta explains some of the right guesses.
    loose = epsilon_lower_bound(100, 100, 100, delta=1e-4, significance=0.05)
    assert 0 < loose < bound
    assert epsilon_lower_bound(100, 100, 100, delta=0.01, significance=0.05) < loose


def test_the_bound_holds_for_randomised_response():
    rng = np.random.default_rng(0)
    for epsilon, expected in ((0.5, 0.03), (2.0, 1.0)):
        right = binom.rvs(60, 1 / (1 + np.exp(-epsilon)), size=300, random_state=rng)
        bounds = [epsilon_lower_bound(60, 60, int(v), delta=0, significance=0.05) for v in right]
        # 5 % of 300 are 15, with a standard deviation of 3.8.
        assert np.sum(np.array(bounds) > epsilon) <= 26
        assert np.mean(bounds) > expected


def test_published_rows_are_found_and_strangers_are_not(table):
    X, y = table
    open_ = one_run_audit(RandomCondenser(400), X, y, n_canaries=200, random_state=0)
    assert open_.epsilon_low > 1
    assert open_.has_evidence
    assert "could be found" in str(open_)
    again = one_run_audit(RandomCondenser(400), X, y, n_canaries=200, random_state=0)
    assert again == open_
    assert open_.table["epsilon_low"][0] == open_.epsilon_low


@pytest.mark.parametrize("neighbors", ["add_remove", "replace"])
def test_means_of_groups_are_found_out(neighbors):
    X, y = load_breast_cancer(return_X_y=True)
    # Thirty columns tell the canaries of a cell apart; the distance from prototypes does not.
    condenser = ClusterCondenser(100, labels="mean", neighbors=neighbors)
    found = [one_run_audit(condenser, X, y, random_state=seed) for seed in range(3)]
    assert np.median([each.epsilon_low for each in found]) > 2


def test_patients_with_several_rows_are_counted_once():
    X, y = load_breast_cancer(return_X_y=True)
    groups = np.arange(len(y)) // 2
    # Of each patient one row is condensed, and nobody knows which.
    condenser = ClusterCondenser(60, labels="mean")
    found = [one_run_audit(condenser, X, y, groups=groups, random_state=seed) for seed in range(3)]
    assert np.median([each.epsilon_low for each in found]) > 0.8


@pytest.mark.parametrize("neighbors", ["add_remove", "replace"])
def test_private_fits_keep_what_they_state(table, neighbors):
    X, y = table
    columns = [ColumnSchema(name=f"x{j}", kind="numeric", bounds=(-10, 10)) for j in range(8)]
    outcome = ColumnSchema(name="target", kind="binary", categories=(0, 1))
    ledger = PrivacyLedger(epsilon=1.0, neighbors=neighbors, delta=1e-4)
    condenser = ClusterCondenser(
        20, schema=TableSchema(columns, outcome), epsilon=1.0, delta=1e-4,
        neighbors=neighbors, ledger=ledger,
    )  # fmt: skip
    wrong = 0
    for seed in range(8):
        found = one_run_audit(condenser, X, y, random_state=seed)
        wrong += found.has_evidence
        assert found.stated == pytest.approx(1.0)
    assert wrong <= 1
    assert "No contradiction" in str(found) or found.has_evidence
    assert ledger.spends == ()


def test_frames_patients_and_survival():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"age": rng.integers(20, 90, 90), "site": pd.Categorical(rng.choice(["a", "ü"], 90))}
    )
    y = np.zeros(90, dtype=[("event", bool), ("time", float)])
    y["event"], y["time"] = rng.random(90) < 0.6, rng.exponential(10, 90) + 0.1
    groups = np.array([f"p{i}" for i in np.arange(90) // 3])
    found = one_run_audit(
        ClusterCondenser(5), frame, y, groups=groups, n_canaries=20, random_state=0
    )
    assert found.n_canaries == 20
    assert found.most > found.epsilon_low


def test_too_few_canaries_are_refused(table):
    with pytest.raises(ValueError, match="20 at least"):
        one_run_audit(RandomCondenser(10), *table, n_canaries=5)
    with pytest.raises(ValueError, match="between 0 and 1"):
        one_run_audit(RandomCondenser(10), *table, confidence=95)
