"""What each condenser does beyond the common contract."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from skcondense import ClusterCondenser, HerdingCondenser, RandomCondenser, ZeroOrderCondenser
from skcondense.border import read_private_table
from skcondense.condensers.grouping import cluster, tree_cells, with_opinion
from skcondense.condensers.informative import with_typical_values
from skcondense.condensers.search import ZeroOrderSearch
from skcondense.condensers.starts import Starts
from skcondense.condensers.teacher import FoldTeacher
from skcondense.exceptions import TargetError, WeightsNotSupportedError
from skcondense.tasks.base import weighted_rows

N = 200
draw = np.random.default_rng(0)
X = draw.normal(size=(N, 4))
Y = (X[:, 0] + X[:, 1] + 0.5 * draw.normal(size=N) > 0.8).astype(int)
LINEAR = LogisticRegression()
TREE = DecisionTreeClassifier(max_depth=3)
CHEAP = {
    "n_prototypes": 10,
    "n_candidates": 3,
    "n_exchanges": 2,
    "max_iter": 4,
    "n_directions": 2,
    "teacher": LINEAR,
    "random_state": 0,
}


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def zero_order(estimator=TREE, **params):
    return ZeroOrderCondenser(estimator, **{**CHEAP, **params})


@pytest.mark.parametrize(
    ("allocation", "expected"),
    [("balanced", [10, 10]), ("proportional", None), ({0: 15, 1: 5}, [15, 5])],
)
def test_allocation(allocation, expected):
    found = RandomCondenser(20, allocation=allocation, random_state=0).condense(X, Y)
    if expected is None:
        ones = round(20 * Y.mean())
        expected = [20 - ones, ones]
    assert np.bincount(found.y).tolist() == expected
    np.testing.assert_allclose(np.bincount(found.y, found.sample_weight), np.bincount(Y))


@pytest.mark.parametrize(
    "condenser",
    [
        RandomCondenser(10),
        ClusterCondenser(10),
        ClusterCondenser(10, labels="hard"),
        HerdingCondenser(10, n_pool=50),
        zero_order(),
    ],
    ids=["random", "cluster", "hard cluster", "herding", "zero-order"],
)
def test_weight_zero_is_absence(condenser):
    condenser = clone(condenser).set_params(random_state=0)
    weight = np.ones(N)
    weight[:30] = 0
    outlier = X.copy()
    outlier[0] = 1e6
    with_zeros = condenser.condense(outlier, Y, sample_weight=weight)
    without = condenser.condense(X[30:], Y[30:])
    assert with_zeros.to_frame().equals(without.to_frame())


def test_caller_weights_shift_the_classes():
    weight = np.where(Y == 1, 9.0, 1.0)
    found = ClusterCondenser(10, random_state=0).condense(X, Y, sample_weight=weight)
    share = np.average(found.y, weights=found.sample_weight)
    assert share == pytest.approx(np.average(Y, weights=weight), abs=0.01)
    assert found.sample_weight.sum() == pytest.approx(weight.sum())


@pytest.mark.parametrize("n_clusters", [5, 20, 40, 60, 66])
def test_cells_have_three_rows(n_clusters, rng):
    points = rng.standard_t(1, size=(N, 3))
    cell = cluster(points, n_clusters, np.random.default_rng(0))
    sizes = np.bincount(cell)
    assert sizes.min() >= 3
    assert len(sizes) == n_clusters


@pytest.mark.parametrize(("n_rows", "n_cells"), [(300, 1), (300, 8), (60, 20), (25, 10), (5, 5)])
@pytest.mark.parametrize("says", ["a step", "nothing"])
def test_cells_of_a_tree(n_rows, n_cells, says):
    rng = np.random.default_rng(0)
    rows = rng.uniform(-1, 1, size=(n_rows, 4))
    opinion = (rows[:, :1] > 0.2) * (5.0 if says == "a step" else 0.0)
    geometry = with_opinion(rows, opinion)
    cell = tree_cells(geometry, 1, n_cells, np.random.default_rng(1), np.ones(n_rows))
    sizes = np.bincount(cell)
    assert len(sizes) == n_cells
    assert sizes.min() >= min(3, n_rows // n_cells)
    if n_rows == 300 and n_cells > 1 and says == "a step":
        # Cells end where the outcome changes; a split looks at half of the columns.
        within = np.mean([opinion[cell == k].var() for k in cell])
        assert within < opinion.var() / 10


@pytest.mark.parametrize(
    "condenser",
    [
        ClusterCondenser(12),
        ClusterCondenser(12, labels="hard"),
        HerdingCondenser(12, n_pool=N),
        zero_order(init="clusters", max_iter=0),
    ],
    ids=["cluster", "hard cluster", "herding", "zero-order"],
)
def test_groups_are_whole_patients(condenser, rng):
    patients = np.repeat(np.arange(N // 5), 5)
    rows = rng.normal(size=(N, 4))
    # So far apart that their mean is not one of them after rounding, which would not be drawn.
    rows[:5] = rng.normal(100, 10, size=(5, 4))
    y = np.repeat(np.arange(N // 5) % 2, 5)

    def furthest(**params):
        seeded = [clone(condenser).set_params(random_state=seed) for seed in range(4)]
        return max(c.condense(rows, y, **params).X.max() for c in seeded)

    alone, together = furthest(), furthest(groups=patients)
    # The rows of the far patient are a group of their own, unless patients are counted.
    assert alone > 65
    assert together < 60


def test_teacher_folds_keep_patients_together():
    patients = np.arange(N) // 5
    table, _ = read_private_table(ClusterCondenser(), X, Y, None, patients)
    fold = FoldTeacher(table, [LINEAR], seed=0).fold
    assert len(np.unique(fold)) == 5
    assert all(len(np.unique(fold[patients == p])) == 1 for p in range(N // 5))


def test_teacher_labels_are_out_of_fold(rng):
    noise = rng.integers(0, 2, N)
    memory = KNeighborsClassifier(1)
    found = RandomCondenser(100, labels="teacher", teacher=memory, random_state=0).condense(
        X, noise
    )
    truth = {tuple(row): label for row, label in zip(X, noise, strict=True)}
    strongest = found.sample_weight > 1
    hits = [
        truth[tuple(r)] == v for r, v in zip(found.X[strongest], found.y[strongest], strict=True)
    ]
    # A teacher that had seen the rows would repeat every label of pure noise.
    assert np.mean(hits) < 0.75


def test_real_rows_of_a_single_member_class_cannot_be_taught():
    y = np.zeros(N, int)
    y[0] = 1
    with pytest.raises(TargetError, match="two rows of every class"):
        RandomCondenser(10, labels="teacher", teacher=LINEAR).fit(X, y)


def test_subsample_keeps_the_total_weight():
    weight = np.where(Y == 1, 3.0, 1.0)
    found = ClusterCondenser(10, subsample=60, random_state=0).condense(X, Y, sample_weight=weight)
    assert found.sample_weight.sum() == pytest.approx(weight.sum())
    few = RandomCondenser(30, subsample=30, random_state=0).condense(X, Y)
    assert np.bincount(few.y).tolist() == [30 - round(30 * Y.mean()), round(30 * Y.mean())]
    with pytest.raises(ValueError, match="n_samples = 60"):
        ClusterCondenser(70, subsample=60, random_state=0).fit(X, Y)


def test_herding_matches_the_mean_better_than_chance():
    def miss(found):
        return np.linalg.norm(np.average(found.X, axis=0, weights=found.sample_weight) - X.mean(0))

    herded = [miss(HerdingCondenser(20, random_state=s).condense(X, Y)) for s in range(5)]
    drawn = [miss(RandomCondenser(20, random_state=s).condense(X, Y)) for s in range(5)]
    assert np.mean(herded) < np.mean(drawn)


@pytest.mark.parametrize(
    "params",
    [
        {"optimize": ["features"]},
        {"optimize": {"labels"}},
        {"optimize": ("features", "labels", "weights")},
        {"optimizer": "random"},
        {"optimizer": "OnePlusOne"},
        {"init": "clusters"},
        {"init": "groups"},
        {"allocation": "balanced"},
        {"max_iter": 0},
        {"n_exchanges": 0, "n_candidates": 1},
    ],
    ids=str,
)
def test_settings(params):
    condenser = zero_order(**params)
    found = condenser.condense(X, Y)
    assert found.n_prototypes == 10
    assert not found.contains_real_rows
    assert condenser.n_iter_ == params.get("max_iter", 4)


@pytest.mark.parametrize(
    ("init", "n_prototypes"),
    [("clusters", 15), ("clusters", 20), ("mixed", 20), ("mixed", 30), ("mixed", 60)],
)
def test_many_prototypes_of_few_rows(init, n_prototypes):
    found = zero_order(init=init, n_prototypes=n_prototypes, max_iter=0).condense(X[:60], Y[:60])
    assert found.n_prototypes == n_prototypes


@pytest.mark.parametrize("part", ["features", "labels", "weights"])
def test_only_the_chosen_part_moves(part):
    def parts(**params):
        # The linear teacher's labels are best for a linear model already.
        found = zero_order(GaussianNB(), columns="all", **params).condense(X, Y)
        first = np.unique(found.prototype, return_index=True)[1]
        mass = np.bincount(found.prototype, found.sample_weight)
        share = np.bincount(found.prototype, found.sample_weight * found.y) / mass
        # Calibration moves all log-odds by one number when weights move, and keeps their order.
        order = share.argsort(kind="stable")
        return {"features": found.X[first], "labels": order, "weights": mass}

    start = parts(max_iter=0)
    refined = parts(max_iter=10, optimize=[part], learning_rate=0.5)
    moved = [name for name in start if not np.allclose(start[name], refined[name], atol=1e-9)]
    assert moved == [part]


def test_allocation_decides_where_cells_lie():
    condenser = zero_order(
        init="real", allocation={0: 3, 1: 7}, n_candidates=1, n_exchanges=0, max_iter=0
    )
    found = condenser.condense(X, Y)
    first = np.unique(found.prototype, return_index=True)[1]
    own = [Y[np.abs(X - row).sum(axis=1).argmin()] for row in found.X[first]]
    assert np.bincount(own).tolist() == [3, 7]


def test_labels_of_a_patient_come_from_teachers_that_never_met_them(rng, monkeypatch):
    patient = np.repeat(np.arange(N), 2)
    noise = rng.integers(0, 2, N)
    seen = []

    def spy(table, opinion, *rest):
        seen.append((table.y, opinion[:, 1]))
        return Starts(table, opinion, *rest)

    monkeypatch.setattr("skcondense.condensers.zero_order.Starts", spy)
    condenser = zero_order(teacher=KNeighborsClassifier(1), max_iter=0)
    condenser.condense(X[patient], noise[patient], groups=patient)
    ((outcome, opinion),) = seen
    assert len(outcome) == N
    # A neighbour classifier that has met the patient repeats the outcome.
    assert abs(np.corrcoef(outcome, opinion)[0, 1]) < 0.3


def test_rows_are_scored_by_labels_in_place_of_outcomes():
    table, _ = read_private_table(zero_order(), X, Y, None, None)
    opinion = np.column_stack([np.full(N, 0.25), np.full(N, 0.75)])
    search = ZeroOrderSearch(zero_order(), table, opinion, table, np.random.default_rng(0))
    part = search._draw(100)
    assert len(part) == 200
    assert np.bincount(part.y.astype(int), part.weight).tolist() == [25, 75]


@pytest.mark.parametrize("batch_size", [1, 5])
def test_batch_smaller_than_the_number_of_classes(batch_size):
    y = np.digitize(X[:, 0], [-1, -0.5, 0, 0.5, 1])
    found = zero_order(batch_size=batch_size, max_iter=0).condense(X, y)
    assert found.n_prototypes == 10


def test_rare_outcomes_keep_their_share():
    # Every label is below what is negligible, and all together are the prevalence.
    shares = np.column_stack([1 - np.linspace(0.001, 0.004, 50), np.linspace(0.001, 0.004, 50)])
    weight = np.full(50, 80.0)
    _, outcome, row_weight = weighted_rows(shares, weight)
    assert row_weight.sum() == pytest.approx(weight.sum())
    assert row_weight[outcome == 1].sum() == pytest.approx(weight @ shares[:, 1], rel=1e-3)


def test_class_of_one_patient():
    y, patient = np.zeros(N, dtype=int), np.arange(N)
    y[:6], patient[:6] = 1, 0
    found = zero_order(max_iter=0).condense(X, y, groups=patient)
    assert set(found.y) == {0, 1}


def test_columns_that_say_nothing_get_one_value():
    noise = np.random.default_rng(0).normal(size=(len(X), 6))
    frame = pd.DataFrame(np.hstack([X[:, :4], noise])).add_prefix("c")
    frame["code"] = (noise[:, 0] > 1).astype(int)
    condenser = zero_order([TREE, LINEAR], columns="informative").fit(
        frame, X[:, 0] > X[:, 0].mean()
    )
    varying = condenser.varying_columns_
    assert "c0" in varying
    assert 4 <= len(varying) < frame.shape[1]
    condensed = condenser.X_condensed_
    for name in frame:
        assert (condensed[name] == condensed[name][0]).all() == (name not in varying)
    if "code" not in varying:
        assert condensed["code"].unique().tolist() == [0]


def test_typical_values_are_medians_and_commonest_categories():
    lab = np.where(np.arange(N) % 5 < 2, np.nan, np.arange(N) % 7)
    stage = pd.Categorical(
        np.resize(["I", "I", "II", "IV", "IV"], N), ["I", "II", "IV"], ordered=True
    )
    frame = pd.DataFrame({"lab": lab, "stage": stage, "sex": np.resize(["f", "f", "m"], N)})
    frame["rarely"] = np.where(np.arange(N) % 3 == 0, 1.0, np.nan)
    weight = np.where(frame["sex"] == "m", 5.0, 1.0)
    table, _ = read_private_table(RandomCondenser(), frame, Y, weight, None)
    found = with_typical_values(table.Z[:4], np.zeros(4, dtype=bool), table)
    typical = table.decode(found).iloc[0]
    values = np.sort(lab[~np.isnan(lab)])
    assert np.quantile(values, 0.4) <= typical["lab"] <= np.quantile(values, 0.6)
    assert (typical["stage"], typical["sex"]) == ("II", "m")
    assert np.isnan(typical["rarely"])


def test_black_boxes_that_need_every_column_get_them():
    wide = np.hstack([X, np.random.default_rng(0).normal(size=(N, 6))])
    boxes = QuadraticDiscriminantAnalysis()
    condenser = zero_order(boxes, weights="replicate", n_prototypes=60).fit(wide, Y)
    assert len(condenser.varying_columns_) == wide.shape[1]
    assert "columns" in condenser.history_["stage"]


def test_columns_all_leaves_none_out():
    condenser = zero_order(columns="all").fit(X, Y)
    assert len(condenser.varying_columns_) == X.shape[1]
    assert "columns" not in condenser.history_["stage"]


@pytest.mark.parametrize("params", [{"init": "real"}, {"optimize": ["features"]}])
def test_informative_columns_go_with_neither(params):
    with pytest.raises(ValueError, match=r"columns='informative' .* Use columns='all'"):
        zero_order(columns="informative", **params).fit(X, Y)
    assert len(zero_order(**params).fit(X, Y).varying_columns_) == X.shape[1]


def test_mean_over_a_list_of_black_boxes():
    both = zero_order([TREE, LINEAR], max_iter=0, n_exchanges=0, n_candidates=1)
    each = [clone(both).set_params(estimator=estimator) for estimator in (TREE, LINEAR)]
    losses = [c.fit(X, Y).history_["loss"][0] for c in (both, *each)]
    assert losses[0] == pytest.approx(np.mean(losses[1:]))
    assert losses[1] != losses[2]


@pytest.mark.parametrize("seed", range(3))
def test_exchange_does_not_draw_real_rows(seed):
    # So few values that means of three rows often are rows of the table.
    rng = np.random.default_rng(seed)
    coarse = np.column_stack([rng.integers(0, 4, N), rng.integers(0, 3, N), X[:, 0].round(1)])
    condenser = zero_order(n_exchanges=20, max_iter=0, random_state=seed)
    assert not condenser.condense(coarse, Y).contains_real_rows


def test_real_start_says_so():
    assert zero_order(init="real").condense(X, Y).contains_real_rows


def test_same_result_for_any_number_of_jobs():
    one, two = (zero_order([TREE, LINEAR], n_jobs=n).condense(X, Y) for n in (1, 2))
    assert one.to_frame().equals(two.to_frame())


def test_history():
    condenser = zero_order().fit(X, Y)
    history = pd.DataFrame(condenser.history_)
    assert history["stage"].unique().tolist() == ["select", "exchange", "refine"]
    assert history["n_evals"].is_monotonic_increasing
    # 3 candidates, 2 rounds of exchange and 4 of refinement with 4 candidates, 2 for the gate.
    assert condenser.n_evals_ == 3 + 4 * (2 + 4) + 2


def test_refinement_never_ends_worse_than_it_starts():
    # Models without ties: trees may split otherwise when weights differ in the last bit.
    def loss(model, **changes):
        found = zero_order(model, **changes).condense(X, Y)
        fitted = clone(model).fit(found.X, found.y, found.sample_weight)
        p = np.clip(fitted.predict_proba(X)[np.arange(N), Y], 0.02, 0.98)
        return -np.log(p).mean()

    # Steps of fifty radii push rows into the corners; the gate has to fall back to the start.
    wild = {"learning_rate": 50.0, "optimize": ["features"]}
    assert loss(LINEAR, max_iter=10, **wild) <= loss(LINEAR, max_iter=0) + 1e-6
    # The linear teacher's labels are best for a linear model already. (The number of directions
    # steers the exchange too, so the start is another one.)
    bayes = GaussianNB()
    assert loss(bayes, max_iter=60, n_directions=6) < loss(bayes, max_iter=0, n_directions=6)


def test_callbacks_watch_and_stop():
    seen = []

    def stop_early(progress):
        seen.append((progress.stage, progress.n_iter))
        return progress.stage == "refine" and progress.n_iter == 2

    condenser = zero_order(callbacks=[stop_early]).fit(X, Y)
    assert condenser.n_iter_ == 2
    assert seen[-1] == ("refine", 2)
    # Who watched is no part of how a set was made.
    assert "callbacks" not in condenser.condensed_set_.method


def test_black_box_without_weights():
    with pytest.raises(WeightsNotSupportedError, match="KNeighborsClassifier"):
        zero_order(KNeighborsClassifier(3)).fit(X, Y)
    assert (
        zero_order(KNeighborsClassifier(3), weights="replicate").condense(X, Y).n_prototypes == 10
    )


def test_regression(rng):
    target = X[:, 0] + 0.1 * rng.normal(size=N)
    found = zero_order(Ridge(), teacher=Ridge()).condense(X, target)
    assert found.task == "regression"
    assert target.min() <= found.y.min() < found.y.max() <= target.max()
    # One of three candidate sets of ten rows; 30 candidates give .9 to .98.
    assert Ridge().fit(found.X, found.y, found.sample_weight).score(X, target) > 0.75


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"optimize": ["everything"]}, "optimize must name some of"),
        ({"optimize": []}, "optimize must name some of"),
        ({"estimator": []}, r"Got \[\]"),
        ({"optimizer": "Gradient"}, "Got 'Gradient'"),
        ({"n_directions": 0}, "n_directions"),
    ],
)
def test_bad_settings(params, message):
    with pytest.raises(ValueError, match=message):
        zero_order(**params).fit(X, Y)


@pytest.mark.parametrize("n_rare", [1, 2])
def test_a_rare_class_does_not_give_its_patient_away(n_rare):
    y = np.zeros(N, int)
    y[:n_rare] = 1
    assert not HerdingCondenser(10, random_state=0).condense(X, y).contains_real_rows
    assert not ClusterCondenser(10, random_state=0).condense(X, y).contains_real_rows
    with pytest.raises(ValueError, match="would be a patient's row"):
        ClusterCondenser(10, labels="hard").fit(X, y)


@pytest.mark.parametrize(
    ("condenser", "groups"),
    [
        (ClusterCondenser(30), None),
        (ClusterCondenser(30, labels="hard"), None),
        (ClusterCondenser(20), np.arange(40) // 2),
        (zero_order(init="clusters", n_prototypes=30), None),
        (HerdingCondenser(30), np.arange(40) // 2),
    ],
    ids=["cells", "hard cells", "patients", "cluster start", "herded patients"],
)
def test_too_few_patients_are_an_error_not_fewer_prototypes(condenser, groups):
    with pytest.raises(ValueError, match=r"Ask for \d+ at most"):
        condenser.fit(X[:40], np.arange(40) % 2, groups=groups)


def test_start_of_means_stays_synthetic_on_a_small_table():
    found = zero_order(n_prototypes=30).condense(X[:40], np.arange(40) % 2)
    assert found.n_prototypes == 30
    assert not found.contains_real_rows


def test_a_single_candidate_set_with_copies_of_real_rows():
    rows = np.vstack([X[:80], np.zeros((40, 4))])
    y = np.arange(120) % 2
    for seed in range(5):
        condenser = zero_order(n_candidates=1, n_exchanges=0, max_iter=0, random_state=seed)
        assert not condenser.condense(rows, y).contains_real_rows
