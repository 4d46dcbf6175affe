"""What a set gives away of an attribute, beyond what anybody can impute."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import roc_auc_score

from skcondense import ClusterCondenser, RandomCondenser
from skcondense.audit.attribute import _area, attribute_audit
from skcondense.audit.real_rows import resampled

FOREST = RandomForestClassifier(25, random_state=0)


def table(n=600, seed=0):
    """Column x3 is chance, x4 follows from x1, and the outcome from x0."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    X[:, 3], X[:, 4] = rng.integers(0, 2, n), X[:, 1] > 0
    return X, (X[:, 0] + rng.normal(size=n) > 0).astype(int)


def parts(X, y, *stops):
    return [(X[a:b], y[a:b]) for a, b in zip((0, *stops[:-1]), stops, strict=True)]


def test_areas_are_scikit_learns_with_ties_and_weights():
    rng = np.random.default_rng(0)
    score, positive = rng.integers(0, 9, 80) / 9, rng.integers(0, 2, 80) > 0
    times = resampled(np.arange(80), 5, rng)
    expected = [roc_auc_score(positive, score, sample_weight=count) for count in times]
    np.testing.assert_allclose(_area(score, positive, times), expected)


def test_patients_are_resampled_whole():
    patient = np.repeat(["a", "b", "c"], [1, 2, 3])
    times = resampled(patient, 40, np.random.default_rng(0))
    assert times.shape == (41, 6)
    assert (times[0] == 1).all()
    assert (times[:, 1] == times[:, 2]).all()
    assert (times[:, 3:] == times[:, [3]]).all()
    assert (times[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_a_planted_leak_is_found():
    members, others = parts(*table(), 300, 600)
    released = RandomCondenser(150, random_state=0).condense(*members)
    found = attribute_audit(released, members, others, "x3", estimator=FOREST, random_state=0)
    assert found.has_evidence
    assert found.has_power
    # Half of the members are known, the other half is guessed.
    assert found.worst[1].members.value == pytest.approx(0.8, abs=0.1)
    assert found.worst[1].excess.low > 0.1
    published = found.scores["published rows", "set"]
    assert published.members.value > 0.99
    assert published.others.low < 0.5 < published.others.high
    unrelated = found.scores["unrelated rows", "set and reference rows"]
    assert unrelated.p_value > 0.025
    assert "There is evidence that the set gives away 'x3'" in str(found)
    assert "lower is better" in str(found)
    again = attribute_audit(released, members, others, "x3", estimator=FOREST, random_state=0)
    pd.testing.assert_frame_equal(found.table, again.table)
    assert len(found.table) == 9


def test_a_set_of_other_people_shows_no_excess():
    third, members, others = parts(*table(900, seed=1), 200, 550, 900)
    stranger = RandomCondenser(100, random_state=0).condense(*third)
    for name in ("x0", "x3"):
        found = attribute_audit(stranger, members, others, name, estimator=FOREST, random_state=0)
        assert not found.has_evidence
        for (target, attacker), score in found.scores.items():
            if target != "published rows":
                assert abs(score.gap.value) < 3 * score.gap.error, attacker
                assert abs(score.excess.value) <= 3 * score.excess.error, attacker
        assert "no evidence" in str(found)
        assert "could have been missed" in str(found)
        assert "only a privacy statement bounds" in str(found)
    # Knowledge of the population is found, and told apart.
    assert found.n_reference == found.n_others == 175


def test_imputation_is_no_evidence():
    members, others = parts(*table(), 300, 600)
    released = ClusterCondenser(30, random_state=0).condense(*members)
    found = attribute_audit(released, members, others, "x4", estimator=FOREST, random_state=0)
    for attacker in ("set", "reference rows", "set and reference rows"):
        assert found.scores["condensed", attacker].members.value > 0.9
    assert not found.has_evidence
    # Even published rows add nothing to certainty.
    assert found.scores["published rows", "set"].gain.value < 0.02
    assert "was not tested" in str(found) or "no evidence" in str(found)


def test_patients_are_counted_and_kept_apart():
    members, others = parts(*table(), 300, 600)
    groups = np.arange(300) // 3
    released = ClusterCondenser(20, random_state=0).condense(*members)
    found = attribute_audit(
        released, members, others, "x3", estimator=FOREST,
        member_groups=groups, other_groups=1000 + groups,
    )  # fmt: skip
    assert (found.n_members, found.n_others, found.n_reference) == (100, 50, 50)
    with pytest.raises(ValueError, match="100 patients are among the members"):
        attribute_audit(released, members, others, "x3", member_groups=groups, other_groups=groups)


def test_frames_numbers_categories_and_gaps():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    rng = np.random.default_rng(0)
    X = X.iloc[:, :4].assign(site=rng.choice(["a", "b", "c"], len(X)))
    X.columns = ["radius", "texture", "perimeter", "area", "site"]
    X.loc[::10, "texture"] = np.nan
    members, others = (X[:280], y[:280]), (X[280:], y[280:])
    released = RandomCondenser(280, random_state=0).condense(*members)
    assert attribute_audit(
        released, members, others, "site", estimator=FOREST, random_state=0
    ).has_evidence
    numbers = attribute_audit(
        released, members, others, "texture", estimator=FOREST, random_state=0
    )
    # Every tenth value is missing.
    assert numbers.n_members == 252
    radius = attribute_audit(released, members, others, "radius", estimator=FOREST, random_state=0)
    assert radius.scores["condensed", "reference rows"].others.value > 0.95

    def to_polars(frame, outcome):
        return pl.from_pandas(frame), pl.Series("target", outcome.to_numpy())

    same = attribute_audit(
        RandomCondenser(280, random_state=0).condense(*to_polars(*members)),
        to_polars(*members), to_polars(*others), "texture", estimator=FOREST, random_state=0,
    )  # fmt: skip
    pd.testing.assert_frame_equal(same.table, numbers.table)


def test_regression_and_what_is_no_column():
    X, y = load_diabetes(return_X_y=True)
    members, others = parts(X, y, 200, 442)
    released = ClusterCondenser(20, random_state=0).condense(*members)
    sex = attribute_audit(released, members, others, "x1", estimator=FOREST, random_state=0)
    assert sex.scores["condensed", "reference rows"].members.value > 0.6
    images, digit = load_digits(n_class=2, return_X_y=True)
    # Neighbours in this table have the same writer.
    order = np.random.default_rng(0).permutation(len(images))
    images, digit = images[order].reshape(-1, 8, 8), digit[order]
    inside, outside = parts(images, digit, 160, 360)
    pictures = ClusterCondenser(20, random_state=0).condense(*inside)
    is_dark = np.where(images.mean(axis=(1, 2)) > np.median(images.mean(axis=(1, 2))), "yes", "no")
    found = attribute_audit(
        pictures, inside, outside, (is_dark[:160], is_dark[160:]), estimator=FOREST, random_state=0
    )
    assert {attacker for _, attacker in found.scores} == {
        "reference rows",
        "set and reference rows",
    }
    # Ink is in the pixels, for members and others alike.
    assert found.worst[1].others.value > 0.8
    assert not found.has_evidence
    with pytest.raises(ValueError, match="'image' is the image itself"):
        attribute_audit(pictures, inside, outside, "image")


def test_survival():
    pytest.importorskip("sksurv")
    from sksurv.datasets import load_veterans_lung_cancer

    X, y = load_veterans_lung_cancer()
    X = X.drop(columns="Celltype")
    order = np.random.default_rng(0).permutation(len(X))
    X, y = X.iloc[order].reset_index(drop=True), y[order]
    members, others = parts(X, y, 60, 137)
    released = RandomCondenser(60, random_state=0).condense(*members)
    assert attribute_audit(
        released, members, others, "Treatment", estimator=FOREST, random_state=0
    ).has_evidence
    side = np.random.default_rng(0).choice(["left", "right"], 137)
    found = attribute_audit(
        released, members, others, (side[:60], side[60:]), estimator=FOREST, random_state=0
    )
    assert not found.has_evidence
    with pytest.raises(ValueError, match="'Survival_in_days' is the outcome"):
        attribute_audit(released, members, others, "Survival_in_days")


def test_a_linear_attacker_meets_sets_of_one_level():
    members, others = parts(*table(), 300, 600)
    X, y = members
    schema = RandomCondenser(5, random_state=0).condense(X, y).schema
    # All released rows have the same level.
    same = X[:, 3] == 0
    released = RandomCondenser(50, schema=schema, random_state=0).condense(X[same], y[same])
    found = attribute_audit(
        released, members, others, "x3", estimator=LogisticRegression(), random_state=0
    )
    assert found.scores["condensed", "set"].members.value == 0.5


def test_errors_say_what_to_do():
    members, others = parts(*table(), 300, 600)
    released = RandomCondenser(30, random_state=0).condense(*members)

    def audit(attribute="x3", members=members, others=others, **kwargs):
        return attribute_audit(released, members, others, attribute, **kwargs)

    with pytest.raises(ValueError, match=r"no column 'x9'.*'x0', 'x1'"):
        audit("x9")
    with pytest.raises(ValueError, match="'target' is the outcome"):
        audit("target")
    with pytest.raises(ValueError, match="pair of arrays"):
        audit(["x1", "x2"])
    with pytest.raises(ValueError, match="20 members and 40 others"):
        audit(others=(others[0][:30], others[1][:30]))
    same = np.zeros(300)
    with pytest.raises(ValueError, match="is constant"):
        audit((same, same))
    with pytest.raises(ValueError, match="has one level"):
        audit((np.arange(300) % 2, same))
    rare = (np.arange(300) < 12).astype(int)
    with pytest.raises(ValueError, match="Pass more rows, or join rare levels"):
        audit((rare, rare), random_state=0)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        audit((same[:5], same))
    with pytest.raises(TypeError, match="RidgeClassifier"):
        audit(estimator=RidgeClassifier())
