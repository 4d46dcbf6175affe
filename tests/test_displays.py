"""What displays draw are the numbers that they were given."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sksurv.datasets import load_gbsg2
from sksurv.nonparametric import kaplan_meier_estimator

from skcondense import (
    ClusterCondenser,
    ColumnSchema,
    RandomCondenser,
    TableSchema,
    ZeroOrderCondenser,
)
from skcondense.audit import compare_utility, membership_audit, score_attack
from skcondense.report import (
    AttackROCDisplay,
    CalibrationDisplay,
    ConvergenceDisplay,
    MarginalsDisplay,
    SurvivalCurvesDisplay,
    UtilityCurveDisplay,
    UtilityDisplay,
)

MODELS = {"weak": LogisticRegression(C=1e-3), "strong": LogisticRegression()}
AGE = ColumnSchema(name="age", kind="numeric", bounds=(18, 98), unit="years", missing=True)
SEX = ColumnSchema(name="sex", kind="binary", categories=("F", "M"))
VISITS = ColumnSchema(name="visits", kind="integer", bounds=(0, 3))
DEATH = ColumnSchema(name="death", kind="binary", categories=(0, 1))
SCHEMA = TableSchema((AGE, SEX, VISITS), outcome=DEATH)


@pytest.fixture(autouse=True)
def no_screen(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: pytest.fail("a display must not show itself"))
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def hospital(n=2000):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"age": rng.normal(60, 12, n).clip(18, 98), "sex": rng.choice(["F", "M"], n)})
    X["visits"] = rng.integers(0, 4, n)
    X.loc[::10, "age"] = np.nan
    return X, (rng.normal(size=n) + X["age"].fillna(60) / 10 > 6).astype(int).to_numpy()


@pytest.fixture(scope="module")
def private():
    X, y = hospital()
    return ClusterCondenser(20, schema=SCHEMA, epsilon=1.0, random_state=0).fit(X, y)


@pytest.fixture(scope="module")
def comparisons():
    X, y = load_breast_cancer(return_X_y=True)
    X = X[:, :4] / X[:, :4].std(axis=0)
    found = {}
    for count in (5, 20):
        condensed = ClusterCondenser(count, labels="mean", random_state=0).condense(
            X[:300], y[:300]
        )
        found[count] = compare_utility(
            condensed, (X[300:], y[300:]), train=(X[:300], y[:300]), estimators=MODELS,
            train_groups=np.arange(300) % 14, n_bootstrap=20, random_state=0,
        )  # fmt: skip
    return found


def test_utility(comparisons):
    found = comparisons[20]
    display = UtilityDisplay.from_comparison(found)
    for line, (name, row) in zip(display.lines_, found.scores.items(), strict=True):
        assert line.get_label() == name
        np.testing.assert_allclose(line.get_xdata(), [*row.values(), found.means[name]])
    left, right = display.interval_.lines[2][0].get_segments()[0][:, 0]
    assert (left, right) == pytest.approx((found.mean.low, found.mean.high))
    labels = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert labels == ["weak", "strong", "mean of models"]
    assert display.ax_.get_xlabel() == "AUROC on held-out real rows (greater is better)"
    with pytest.raises(ValueError, match="2 different lists of models"):
        UtilityDisplay.from_scores({"a": {"x": 1.0}, "b": {"y": 1.0}}, "AUROC")
    with pytest.raises(ValueError, match="0 different lists of models"):
        UtilityDisplay.from_scores({}, "AUROC")


def test_displays_draw_on_given_axes(comparisons, private):
    figure, axes = plt.subplots(2, 2)
    displays = [
        UtilityDisplay.from_comparison(comparisons[20], ax=axes[0, 0]),
        CalibrationDisplay.from_comparison(comparisons[20], ax=axes[0, 1]),
        UtilityCurveDisplay.from_comparisons(comparisons, ax=axes[1, 0]),
        MarginalsDisplay.from_condenser(private, ax=axes[1, 1]),
    ]
    assert plt.get_fignums() == [figure.number]
    for display, ax in zip(displays, axes.flat, strict=True):
        assert display.ax_ is ax
        assert display.figure_ is figure
    # Panels stay within what they were given.
    place = axes[1, 1].get_position()
    for panel in displays[-1].axes_:
        assert panel.get_position().x0 >= place.x0 - 1e-9
        assert panel.get_position().y1 <= place.y1 + 1e-9
    with pytest.raises(ValueError, match="axes of a grid"):
        MarginalsDisplay.from_condenser(private, ax=figure.add_axes((0, 0, 1, 1)))


def test_utility_curve_of_comparisons(comparisons):
    display = UtilityCurveDisplay.from_comparisons(comparisons)
    assert [line.get_label() for line in display.lines_] == ["random real rows", "prototypes"]
    np.testing.assert_array_equal(display.lines_[1].get_xdata(), [5, 20])
    means = [comparisons[count].mean.value for count in (5, 20)]
    np.testing.assert_allclose(display.lines_[1].get_ydata(), means)
    real = comparisons[20].means["all 300 real rows"]
    assert display.reference_.get_ydata()[0] == pytest.approx(real)
    assert display.limits["prototypes"][1][0] == comparisons[5].mean.high
    assert display.ax_.get_xscale() == "linear"


def test_utility_curve_of_runs():
    scores = np.array([[0.5, 0.6], [0.7, 0.9], [0.8, 0.9]])
    display = UtilityCurveDisplay.from_scores(
        [0.1, 1, 10], {"runs": scores, "one": scores[:, 0]}, "AUROC", against="epsilon"
    )
    assert display.ax_.get_xscale() == "log"
    assert "epsilon" in display.ax_.get_xlabel()
    assert [text.get_text() for text in display.ax_.get_xticklabels()] == ["0.1", "1", "10"]
    np.testing.assert_allclose(display.lines_[0].get_ydata(), [0.55, 0.8, 0.85])
    low, high = display.limits["runs"]
    np.testing.assert_allclose([low, high], [[0.5, 0.7, 0.8], [0.6, 0.9, 0.9]])
    assert display.reference_ is None
    with pytest.raises(ValueError, match="epsilon must be a list of positive"):
        UtilityCurveDisplay.from_scores([0, 1, 2], {"runs": scores}, "AUROC", against="epsilon")
    with pytest.raises(ValueError, match=r"Got shape \(3, 2\) of 'runs' for 2 points"):
        UtilityCurveDisplay.from_scores([1, 2], {"runs": scores}, "AUROC")
    with pytest.raises(ValueError, match="against must be one of"):
        UtilityCurveDisplay.from_scores([1, 2, 3], {"runs": scores}, "AUROC", against="rows")


def test_calibration(comparisons):
    found = comparisons[20]
    display = CalibrationDisplay.from_comparison(found)
    names = ["all 300 real rows", "20 prototypes"]
    for line, name in zip(display.lines_, names, strict=True):
        table = found.calibration[name]
        np.testing.assert_allclose(line.get_xydata(), table[["predicted", "observed"]])
    assert display.ax_.get_xlabel() == "Predicted risk of class 1"
    assert display.ax_.get_legend().get_title().get_text() == "weak, trained on"
    every = CalibrationDisplay.from_comparison(found, trained_on=list(found.scores))
    assert len(every.lines_) == 3
    with pytest.raises(ValueError, match="trained_on must name some of"):
        CalibrationDisplay.from_comparison(found, trained_on=["moon"])
    X, y = load_iris(return_X_y=True)
    iris = RandomCondenser(15, random_state=0).condense(X[::2], y[::2])
    three = compare_utility(iris, (X[1::2], y[1::2]), estimators=MODELS, n_bootstrap=20)
    with pytest.raises(ValueError, match="two classes and for survival"):
        CalibrationDisplay.from_comparison(three)


def test_convergence():
    X, y = load_iris(return_X_y=True)
    condenser = ZeroOrderCondenser(
        LogisticRegression(), n_prototypes=6, n_candidates=2, n_exchanges=2, max_iter=3,
        teacher=LogisticRegression(), random_state=0,
    ).fit(X, y)  # fmt: skip
    display = ConvergenceDisplay.from_condenser(condenser)
    history = pd.DataFrame(condenser.history_)
    for line, (stage, rows) in zip(
        display.lines_, history.groupby("stage", sort=False), strict=True
    ):
        np.testing.assert_array_equal(line.get_xdata(), rows["n_evals"], err_msg=stage)
        np.testing.assert_array_equal(line.get_ydata(), rows["loss"])
    assert "refinement" in [line.get_label() for line in display.lines_]
    assert display.ax_.get_xlabel() == "Candidates evaluated"
    with pytest.raises(ValueError, match="Got RandomCondenser"):
        ConvergenceDisplay.from_condenser(RandomCondenser(6).fit(X, y))


def test_convergence_of_a_neural_condenser():
    # What such condensers record, without the minutes that it takes.
    history = {"loss": np.linspace(2, 1, 120), "score": np.array([0.6, 0.8])}
    display = ConvergenceDisplay.from_condenser(SimpleNamespace(history_=history, _score_every=50))
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), history["loss"])
    assert display.lines_[0].get_xdata()[0] == 1
    (score,) = display.score_ax_.lines
    np.testing.assert_array_equal(score.get_xydata(), [[50, 0.6], [100, 0.8]])


def bars(ax):
    """Heights of the reference and of the prototypes."""
    found = [c for c in ax.containers if hasattr(c, "patches")]
    return [np.array([patch.get_height() for patch in c]) for c in found]


def test_marginals_of_real_rows():
    X, y = hospital()
    condensed = RandomCondenser(100, schema=SCHEMA, random_state=0).condense(X, y)
    display = MarginalsDisplay.from_condensed(condensed, X)
    age, sex, visits = display.axes_
    real, own = bars(sex)
    np.testing.assert_allclose(real, 100 * X["sex"].value_counts(normalize=True)[["F", "M"]])
    weight = pd.Series(condensed.sample_weight).groupby(condensed.X["sex"].to_numpy()).sum()
    np.testing.assert_allclose(own, 100 * weight[["F", "M"]] / weight.sum())
    shares = X["visits"].value_counts(normalize=True).sort_index()
    np.testing.assert_allclose(bars(visits)[0], 100 * shares)
    assert [text.get_text() for text in visits.get_xticklabels()] == ["0", "1", "2", "3"]
    # Sixteen bins of five years, and one of missing cells.
    counted = np.histogram(X["age"].dropna(), np.linspace(18, 98, 17))[0]
    np.testing.assert_allclose(bars(age)[0], 100 * np.append(counted, 200) / 2000)
    assert age.get_title() == "age (years)"
    labels = [text.get_text() for text in age.get_xticklabels()]
    assert labels == ["18", "58", "98", "missing"]


def test_marginals_of_a_private_set(private):
    X, _ = hospital()
    condensed = private.condensed_set_
    with pytest.raises(ValueError, match="not covered by its statement"):
        MarginalsDisplay.from_condensed(condensed, X)
    (own,) = bars(MarginalsDisplay.from_condensed(condensed, columns=["sex"]).axes_[0])
    display = MarginalsDisplay.from_condenser(private)
    assert display.reference_is == "noised counts of real rows"
    noised, drawn = bars(display.axes_[1])
    np.testing.assert_allclose(drawn, own)
    answer = private.answers_[1]
    by_bin = answer.value.reshape(2, -1).sum(axis=0)
    women, men = by_bin[17:19]
    np.testing.assert_allclose(noised, 100 * np.array([women, men]) / (women + men))
    # They are not the exact counts, and within five standard deviations of them.
    exact = (X["sex"] == "F").sum()
    assert 0 < abs(women - exact) < 5 * answer.noise * 2**0.5
    assert display.panels["sex"].error == pytest.approx(
        1.96 * answer.noise * 2**0.5 / (women + men)
    )


def test_marginals_of_counts_that_are_given(private):
    condensed = private.condensed_set_
    display = MarginalsDisplay.from_condensed(condensed, counts={"sex": [3, 1]}, columns=["sex"])
    np.testing.assert_allclose(bars(display.axes_[0])[0], [75, 25])
    with pytest.raises(ValueError, match=r"'sex' has 2 bins.*\(3,\)"):
        MarginalsDisplay.from_condensed(condensed, counts={"sex": [3, 1, 1]}, columns=["sex"])
    with pytest.raises(ValueError, match=r"columns must name some of .* Got \['moon'\]"):
        MarginalsDisplay.from_condensed(condensed, columns=["moon"])
    with pytest.raises(ValueError, match="Got both"):
        MarginalsDisplay.from_condensed(condensed, hospital()[0], counts={})


def test_marginals_of_other_sets():
    X, y = load_digits(return_X_y=True)
    condenser = RandomCondenser(20, random_state=0).fit(X, y)
    display = MarginalsDisplay.from_condensed(condenser.condensed_set_)
    assert (len(display.axes_), display.n_left_out) == (12, 52)
    assert "52 more" in display.legend_.get_title().get_text()
    with pytest.raises(ValueError, match="asked for no counts"):
        MarginalsDisplay.from_condenser(condenser)
    images = RandomCondenser(20, random_state=0).condense(X.reshape(-1, 8, 8), y)
    with pytest.raises(TypeError, match="ImageGridDisplay"):
        MarginalsDisplay.from_condensed(images)


def test_survival_curves():
    X, y = load_gbsg2()
    condensed = ClusterCondenser(20, labels="mean", random_state=0).condense(X[:400], y[:400])
    real = y[400:]
    display = SurvivalCurvesDisplay.from_condensed(condensed, real)
    at, alive = kaplan_meier_estimator(real["cens"], real["time"])
    drawn = dict(display.real_.get_xydata())
    compared = [(drawn[t], p) for t, p in zip(at, alive, strict=True) if t in drawn and t > 0]
    assert len(compared) > 50
    np.testing.assert_allclose(*zip(*compared, strict=True))
    assert display.real_.get_drawstyle() == "steps-post"
    assert display.condensed_.get_xydata()[0].tolist() == [0, 1]
    alone = SurvivalCurvesDisplay.from_condensed(condensed)
    assert alone.real_ is None
    assert len(alone.condensed_.get_xydata()) < len(display.condensed_.get_xydata())
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="Got a set of classification"):
        SurvivalCurvesDisplay.from_condensed(RandomCondenser(9).condense(X, y))


def test_attack_roc():
    rng = np.random.default_rng(0)
    members, others = rng.normal(1, 1, 300), rng.normal(0, 1, 200)
    score = score_attack(members, others)
    display = AttackROCDisplay.from_scores({"shift": score})
    alarms, found = display.lines_[0].get_data()
    # Areas, by trapezes between thresholds: no two scores are the same.
    expected = roc_auc_score(np.repeat([1, 0], [300, 200]), np.concatenate([members, others]))
    assert np.trapezoid(score.roc[1], score.roc[0]) == pytest.approx(expected)
    assert score.auc == pytest.approx(expected)
    threshold = np.sort(others)[-2]
    reached = found[np.flatnonzero(alarms <= 1 / 200)[-1]]
    assert reached == pytest.approx((members > threshold).mean())
    assert display.ax_.get_xscale() == display.ax_.get_yscale() == "log"
    np.testing.assert_array_equal(*display.chance_.get_data())
    # Half of the smallest rate that 300 records can show is the edge.
    assert display.ax_.get_xlim() == pytest.approx((0.5 / 300, 1))
    assert alarms.min() == pytest.approx(0.5 / 300)
    with pytest.raises(ValueError, match="no scores"):
        AttackROCDisplay.from_scores({})


def test_attack_roc_of_certainty():
    score = score_attack(np.full(50, np.inf), np.zeros(50))
    assert score.roc.tolist() == [[0, 0, 1], [0, 1, 1]]


def test_attack_roc_of_an_audit():
    X, y = load_iris(return_X_y=True)
    condensed = RandomCondenser(20, random_state=0).condense(X[::2], y[::2])
    audit = membership_audit(condensed, (X[::2], y[::2]), (X[1::2], y[1::2]), random_state=0)
    display = AttackROCDisplay.from_audit(audit)
    attacks = [attack for target, attack in audit.scores if target == "condensed"]
    labels = [line.get_label() for line in display.lines_]
    assert [label.split(" (area")[0] for label in labels] == attacks
    with pytest.raises(ValueError, match=r"target must be one of \['condensed', 'published rows'"):
        AttackROCDisplay.from_audit(audit, target="moon")
