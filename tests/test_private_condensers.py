"""Condensers with epsilon: what leaves is made of noised answers and nothing else."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline as sklearn_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sksurv.tree import SurvivalTree

from skcondense import (
    ClusterCondenser,
    ColumnSchema,
    CondensedEstimator,
    CondensedSet,
    HerdingCondenser,
    PrivacyLedger,
    RandomCondenser,
    SchemaVectorizer,
    SurvivalSchema,
    TableSchema,
    ZeroOrderCondenser,
    border,
    make_pipeline,
)
from skcondense.condensers import cluster, herding, private_teacher
from skcondense.exceptions import (
    BlackBoxError,
    BudgetExceededError,
    LedgerError,
    PrivacyLeakWarning,
    SchemaError,
    TargetError,
)
from skcondense.privacy import (
    PrivateOracle,
    SumQuery,
    attack_caps,
    compose,
    epsilon_of,
    mu_of,
    oracle,
    seeded_noise,
)
from skcondense.privacy.queries import GRID
from skcondense.private_fit import replayed
from skcondense.tasks import SurvivalTask

N = 500
COLUMNS = TableSchema(
    (
        ColumnSchema(name="age", kind="integer", bounds=(18, 100), unit="years"),
        ColumnSchema(
            name="lactate", kind="numeric", bounds=(0, 20), typical=(0.5, 4), missing=True
        ),
        ColumnSchema(name="sex", kind="binary", categories=("f", "m")),
        ColumnSchema(name="stage", kind="ordinal", categories=("I", "II", "III")),
        ColumnSchema(name="ward", kind="categorical", categories=("a", "b", "c"), missing=True),
    )
)
OUTCOMES = {
    "classification": ColumnSchema(name="dead", kind="binary", categories=(0, 1)),
    "regression": ColumnSchema(name="stay", kind="numeric", bounds=(0, 60), typical=(0, 30)),
    "survival": SurvivalSchema(grid=(30, 90, 180, 365), unit="days"),
}
LOSSES = SurvivalTask.loss_types
PRIVATE_LOSSES = [name for name in LOSSES if LOSSES[name].not_private_because is None]
BLACK_BOXES = {
    "classification": LogisticRegression(),
    "regression": Ridge(),
    "survival": SurvivalTree(max_depth=3, random_state=0),
}


def small_forest(n_trees, **settings):
    return RandomForestClassifier(n_trees // 10, **settings)


@pytest.fixture(autouse=True)
def _small_teacher(monkeypatch):
    monkeypatch.setattr(private_teacher, "RandomForestClassifier", small_forest)
    monkeypatch.setattr(private_teacher, "N_ROWS", 1500)
    monkeypatch.setattr(private_teacher, "N_TREES", 6)
    monkeypatch.setattr(herding, "N_PROXY", 1500)


def make_table(n=N, seed=0):
    rng = np.random.default_rng(seed)
    age, lactate = rng.integers(20, 95, n), rng.gamma(2, 1.2, n)
    stage = rng.integers(0, 3, n)
    X = pd.DataFrame(
        {
            "age": age,
            "lactate": np.where(rng.random(n) < 0.1, np.nan, lactate),
            "sex": rng.choice(["f", "m"], n),
            "stage": np.array(["I", "II", "III"])[stage],
            "ward": rng.choice(np.array(["a", "b", "c", None], dtype=object), n),
        }
    )
    risk = 0.05 * (age - 60) + 0.8 * (lactate - 2.4) + 0.5 * (stage - 1)
    time = rng.exponential(200 * np.exp(-risk))
    y = np.empty(n, dtype=[("event", bool), ("time", float)])
    y["event"], y["time"] = time < 300, np.minimum(time, 300)
    return X, {
        "classification": (risk + rng.logistic(size=n) > 0).astype(int),
        "regression": np.clip(10 + 5 * risk + rng.normal(0, 3, n), 0, 60),
        "survival": y,
    }


TABLE, TARGETS = make_table()
QUICK = {"n_candidates": 3, "n_exchanges": 1, "max_iter": 2, "n_directions": 2}


def make(kind, task="classification", **changes):
    schema = replace(COLUMNS, outcome=OUTCOMES[task])
    common = {"epsilon": 2.0, "schema": schema, "random_state": 0, "n_prototypes": 12}
    if kind is not ZeroOrderCondenser:
        return kind(**{**common, **changes})
    return ZeroOrderCondenser(
        black_box(task), **{"weights": "replicate", **QUICK, **common, **changes}
    )


def black_box(task):
    return sklearn_pipeline(SchemaVectorizer(COLUMNS), BLACK_BOXES[task])


MODES = [
    *((ClusterCondenser, task, {"labels": how}) for task in OUTCOMES for how in ("mean", "hard")),
    (ClusterCondenser, "classification", {"labels": "teacher"}),
    *((HerdingCondenser, task, {}) for task in OUTCOMES),
    *((ZeroOrderCondenser, task, {}) for task in OUTCOMES),
    (ZeroOrderCondenser, "classification", {"optimize": ("features", "labels", "weights")}),
    (ZeroOrderCondenser, "classification", {"optimizer": "CMA"}),
    (ZeroOrderCondenser, "classification", {"optimizer": "random"}),
    (ZeroOrderCondenser, "classification", {"max_iter": 0}),
    (ZeroOrderCondenser, "classification", {"neighbors": "replace"}),
    (ZeroOrderCondenser, "classification", {"subsample": 200}),
]
IDS = [f"{kind.__name__}-{task}-{'-'.join(map(str, c.values()))}" for kind, task, c in MODES]


def same(a, b):
    pd.testing.assert_frame_equal(pd.DataFrame(a.X), pd.DataFrame(b.X))
    assert np.array_equal(np.asarray(a.y), np.asarray(b.y))
    assert np.array_equal(a.sample_weight, b.sample_weight)


@pytest.mark.parametrize(("kind", "task", "changes"), MODES, ids=IDS)
def test_a_fit_is_its_answers_and_spends_its_budget_as_planned(kind, task, changes):
    condenser = make(kind, task, **changes)
    plan = condenser.budget_plan()
    assert sum(plan.shares.values()) == pytest.approx(1)
    condensed = condenser.condense(TABLE, TARGETS[task])
    for stage, mu in plan.mus.items():
        spent = compose(s.mu for s in condenser.privacy_.spends if s.query == stage)
        assert spent == pytest.approx(mu)
    # The replay has no table. Going through a pickle shows that no reference to one is left.
    again = replayed(pickle.loads(pickle.dumps(condenser)))
    same(condensed, again.condensed_set_)
    for name in ("n_iter_", "n_evals_", "history_"):
        assert getattr(again, name, None) == getattr(condenser, name, None)
    statement = condensed.privacy
    assert 0.97 * 2 <= statement.epsilon <= 2
    assert statement.epsilon == epsilon_of(compose(s.mu for s in statement.spends), 1e-5)
    assert statement.neighbors == condenser.neighbors
    assert condensed.real_row_matches is None
    assert condensed.n_prototypes <= 12
    COLUMNS.for_container(condenser.task_ and _container(TABLE)).check(
        _container(TABLE).read(condensed.X)
    )
    assert condensed.X.dtypes.equals(TABLE.dtypes)
    assert condensed.sample_weight.sum() == pytest.approx(N, rel=0.8)


def _container(X):
    from skcondense.table import Container

    return Container.of(X)


@pytest.mark.parametrize("kind", [ClusterCondenser, HerdingCondenser, ZeroOrderCondenser])
def test_arrays_and_polars_are_replayed_too(kind):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = np.where(X[:, 0] + rng.normal(size=300) > 0, "yes", "no")
    schema = TableSchema(
        tuple(ColumnSchema(name=f"x{j}", kind="numeric", bounds=(-4, 4)) for j in range(3)),
        ColumnSchema(name="y", kind="binary", categories=("no", "yes")),
    )
    for table in (X, X.astype(np.float32), pl.DataFrame(X, schema=["x0", "x1", "x2"])):
        condenser = make(kind, schema=schema)
        if kind is ZeroOrderCondenser:
            condenser.set_params(estimator=DecisionTreeClassifier(max_depth=2))
        same(condenser.condense(table, y), condenser.replay())
        assert type(condenser.X_condensed_) is type(table)
        assert set(condenser.y_condensed_) == {"no", "yes"}


# A patient's influence


def harvest(kind, task, **changes):
    """Queries of a fit."""
    asked = []
    original = PrivateOracle.ask

    def ask(self, query):
        asked.append((query, self._patients._rows))
        return original(self, query)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PrivateOracle, "ask", ask)
        make(kind, task, **changes).fit(TABLE, TARGETS[task])
    return asked


@pytest.mark.parametrize(
    ("kind", "task", "changes"),
    [
        (ClusterCondenser, "classification", {}),
        (HerdingCondenser, "regression", {}),
        (ZeroOrderCondenser, "classification", {}),
        (ClusterCondenser, "survival", {}),
        (ClusterCondenser, "survival", {"labels": "teacher"}),
        (ClusterCondenser, "regression", {"labels": "teacher"}),
        (HerdingCondenser, "survival", {}),
        *((ZeroOrderCondenser, "survival", {"loss": loss}) for loss in PRIVATE_LOSSES),
    ],
)
def test_no_patient_moves_a_query_by_more_than_it_says(kind, task, changes):
    """Random and extreme neighbours of the private table, for every query that a fit asks."""
    other, others = make_table(40, seed=1)
    other.loc[:5, "lactate"] = [0.0, 1e9, -1e9, 20.0, np.nan, 1e-300]
    others["survival"][:6] = [
        (True, 0.0), (False, 0.0), (True, 1e300), (False, 1e300), (True, 365.0), (False, 365.0)
    ]  # fmt: skip
    with seeded_noise(0):
        asked = harvest(kind, task, **changes)
    for query, rows in asked:
        among = query.within_reach(query.function(rows))
        # Rows do not look at each other: alone, among a few in another order, or among all, a row
        # contributes the same.
        for some in (np.arange(0, N, 13)[::-1], *np.arange(0, N, 130)[:, None]):
            found = query.within_reach(query.function(rows.take(some)))
            np.testing.assert_allclose(found, among[some], atol=1e-9)
        strangers = replace(
            rows.take(np.zeros(40, dtype=np.intp)), X=other, y=others[task].astype(rows.y.dtype)
        )
        values = query.within_reach(query.function(strangers))
        if isinstance(query, SumQuery):
            from skcondense.privacy.oracle import _clipped

            steps = _clipped(values, query)
            norms = np.linalg.norm(steps.astype(float), axis=1)
            assert norms.max() <= GRID
            moved = np.linalg.norm((steps[:20] - steps[20:]).astype(float), axis=1)
            assert moved.max() <= query.sensitivity("replace") / query.bound * GRID * (1 + 1e-12)
        else:
            assert values.min() >= 0
            assert values.max() <= query.bound


@pytest.mark.statistics
@pytest.mark.parametrize("kind", [ClusterCondenser, HerdingCondenser, ZeroOrderCondenser])
def test_caps_hold_against_a_shadow_attack(kind, monkeypatch):
    """80 shadows with and without the most unusual patient; the best threshold of 3 statistics.

    The patient is unusual in two columns. More columns would leave less of the budget to these.
    """
    monkeypatch.setattr(private_teacher, "N_ROWS", 300)
    monkeypatch.setattr(private_teacher, "N_TREES", 2)
    monkeypatch.setattr(cluster, "N_CLUSTERED", 300)
    columns = tuple(replace(c, kind="numeric", missing=False) for c in COLUMNS.columns[:2])
    schema = TableSchema(columns, OUTCOMES["classification"])
    X, y = TABLE[["age", "lactate"]].fillna(1.0).to_numpy()[:60], TARGETS["classification"][:60]
    with_target, y_with = np.vstack([X, [100.0, 20.0]]), np.append(y, 0)

    def statistics(table, outcome):
        condenser = make(kind, epsilon=1.0, n_prototypes=4, random_state=None, schema=schema)
        if kind is ZeroOrderCondenser:
            stump = DecisionTreeClassifier(max_depth=1)
            condenser.set_params(estimator=stump, max_iter=1, n_candidates=2, n_directions=1)
        found = condenser.condense(table, outcome)
        near = (found.X[:, 1] > 10) | (found.X[:, 0] > 95)
        positive = np.average(found.y, weights=found.sample_weight)
        return [found.sample_weight.sum(), (near * found.sample_weight).sum(), -positive]

    without = np.array([statistics(X, y) for _ in range(40)])
    having = np.array([statistics(with_target, y_with) for _ in range(40)])
    truth = np.repeat([0, 1], 40)
    caps = attack_caps(mu_of(1.0, 1e-5))
    for k in range(3):
        auc = roc_auc_score(truth, np.concatenate([without[:, k], having[:, k]]))
        # Standard error of an AUC of a half with 40 and 40: 0.065.
        assert auc <= caps.auc + 3 * 0.065


# Noise and seeds


@pytest.mark.parametrize("kind", [ClusterCondenser, HerdingCondenser, ZeroOrderCondenser])
def test_a_seed_does_not_repeat_the_noise(kind):
    first, second = (make(kind).fit(TABLE, TARGETS["classification"]) for _ in range(2))
    assert first.seed_ == second.seed_
    for a, b in zip(first.answers_[:2], second.answers_[:2], strict=True):
        assert not np.array_equal(a.value, b.value)


@pytest.mark.parametrize("kind", [ClusterCondenser, HerdingCondenser, ZeroOrderCondenser])
def test_seeded_noise_repeats_and_taints(kind):
    found = []
    for _ in range(2):
        with seeded_noise(3):
            found.append(make(kind).condense(TABLE, TARGETS["classification"]))
    same(*found)
    assert not found[0].privacy.is_releasable
    assert "not for release" in repr(found[0])


# What must not leave


@pytest.mark.parametrize("kind", [ClusterCondenser, HerdingCondenser, ZeroOrderCondenser])
def test_no_real_value_is_kept(kind, tmp_path):
    table = TABLE.assign(lactate=TABLE["lactate"] + 0.000123456789)
    condenser = make(kind).fit(table, TARGETS["classification"])
    real = set(table["lactate"].dropna())
    assert not real & set(condenser.X_condensed_["lactate"])
    text = repr(vars(condenser))
    assert not any(repr(float(value)) in text for value in real)
    kept = pickle.dumps(condenser)
    assert not any(np.float64(value).tobytes() in kept for value in real)
    for value in vars(condenser).values():
        assert not hasattr(value, "__len__") or len(value) != N


def test_history_holds_noised_numbers_only():
    """A fit on other data with the same answers has the same history."""
    condenser = make(ZeroOrderCondenser).fit(TABLE, TARGETS["classification"])
    before = condenser.history_
    again = replayed(condenser)
    assert again.history_ == before
    assert again.n_evals_ == condenser.n_evals_
    refined = [
        loss for s, loss in zip(before["stage"], before["loss"], strict=True) if s == "refine"
    ]
    answers = [a.value for a in condenser.answers_ if np.size(a.value) == 2][-2:]
    assert refined == pytest.approx([float(np.mean(a)) for a in answers])


def test_saved_sets_carry_their_statement(tmp_path):
    condensed = make(ClusterCondenser).condense(TABLE, TARGETS["classification"])
    loaded = CondensedSet.load(condensed.save(tmp_path / "set"))
    assert loaded.privacy == condensed.privacy
    assert loaded.schema == condensed.schema
    facts = json.loads((tmp_path / "set" / "condensed.json").read_text())
    assert facts["privacy"]["caps"]["auc"] < 1
    assert "epsilon=2" in repr(loaded)


# Ledgers


def test_a_ledger_counts_all_fits_and_stops_in_time():
    ledger = PrivacyLedger(epsilon=3.0)
    y = TARGETS["classification"]
    first = make(ClusterCondenser, ledger=ledger).fit(TABLE, y)
    assert ledger.spends == first.privacy_.spends
    with pytest.raises(BudgetExceededError, match="smaller epsilon"):
        make(ClusterCondenser, ledger=ledger, epsilon=2.5).fit(TABLE, y)
    assert ledger.spends == first.privacy_.spends
    make(ClusterCondenser, ledger=ledger, epsilon=0.5).fit(TABLE, y)
    assert 2 < ledger.epsilon < 2.5


def test_a_grid_search_is_accounted_for(tmp_path):
    ledger = PrivacyLedger(tmp_path / "ledger.jsonl")
    model = CondensedEstimator(black_box("classification"), make(ClusterCondenser, ledger=ledger))
    search = GridSearchCV(model, {"condenser__n_prototypes": [4, 8]}, cv=2, n_jobs=2)
    with pytest.warns(PrivacyLeakWarning, match="score on real rows"):
        search.fit(TABLE, TARGETS["classification"]).score(TABLE, TARGETS["classification"])
    runs = {spend.run for spend in ledger.spends}
    assert len(runs) == 5
    per_fit = compose(s.mu for s in search.best_estimator_.condenser_.privacy_.spends)
    assert ledger.mu == pytest.approx(per_fit * 5**0.5)


def test_a_ledger_for_other_neighbours_is_refused():
    with pytest.raises(LedgerError, match="replace"):
        make(ClusterCondenser, ledger=PrivacyLedger(neighbors="replace")).fit(
            TABLE, TARGETS["classification"]
        )


def test_patients_are_the_unit_when_groups_are_given():
    patient = np.arange(N) // 5
    condenser = make(ClusterCondenser, epsilon=8.0)
    condenser.fit(TABLE, TARGETS["classification"], groups=patient)
    assert condenser.privacy_.unit == "patient"
    # A patient counts once, however many rows there are.
    assert condenser.sample_weight_.sum() < 250


def test_nothing_depends_on_the_number_of_rows(monkeypatch):
    """A table in many pieces gives the counts of one in few; codes have one precision."""
    monkeypatch.setattr(oracle, "PIECE", 300)
    condenser = make(ZeroOrderCondenser).fit(TABLE.iloc[:100], TARGETS["classification"][:100])
    assert replayed(condenser).n_evals_ == condenser.n_evals_
    schema = replace(COLUMNS, outcome=OUTCOMES["classification"])
    monkeypatch.setattr(border, "LARGE", N)
    for epsilon, dtype in [(1.0, np.float64), (None, np.float32)]:
        table, _ = border.read_private_table(
            ClusterCondenser(schema=schema, epsilon=epsilon),
            TABLE,
            TARGETS["classification"],
            None,
            None,
        )
        assert table.Z.dtype == dtype


def test_a_failing_row_counts_as_nothing_and_does_not_show():
    def losses(rows):
        if (rows.X["age"] == 99).any():
            raise RuntimeError("a secret value")
        return np.ones((len(rows), 1))

    X = TABLE.assign(age=TABLE["age"].clip(upper=98))
    X.loc[[3, 77, 78], "age"] = 99
    table, _ = border.read_private_table(
        make(ClusterCondenser), X, TARGETS["classification"], None, None
    )
    door = PrivateOracle(table, mu=1.0, ledger=PrivacyLedger(), by="test")
    exact = door._exact_sum(SumQuery("q", 0.1, 1, 1.0, losses))
    assert exact[0] == (N - 3) * GRID


class Fragile(DecisionTreeClassifier):
    """Fails on very old patients, as a black box might on a category it does not know."""

    def predict_proba(self, X):
        if (X[:, 0] > 0.9).any():
            raise RuntimeError("too old")
        return super().predict_proba(X)


def test_black_boxes_are_tried_on_public_rows_first():
    ledger = PrivacyLedger()
    condenser = make(ZeroOrderCondenser, ledger=ledger)
    condenser.set_params(
        estimator=sklearn_pipeline(SchemaVectorizer(COLUMNS), Fragile(max_depth=2))
    )
    with pytest.raises(ValueError, match=r"too old.*Nothing was spent"):
        condenser.fit(TABLE, TARGETS["classification"])
    assert not ledger.spends


def test_a_black_box_that_cannot_be_fitted_is_an_error():
    class Picky(DecisionTreeClassifier):
        n_fits = 0

        def fit(self, X, y, sample_weight=None):
            Picky.n_fits += 1
            if Picky.n_fits > 40:
                raise RuntimeError("no more")
            return super().fit(X, y, sample_weight)

    condenser = make(ZeroOrderCondenser, max_iter=20)
    condenser.set_params(estimator=sklearn_pipeline(SchemaVectorizer(COLUMNS), Picky(max_depth=2)))
    with pytest.raises(BlackBoxError, match=r"candidate condensed set: no more"):
        condenser.fit(TABLE, TARGETS["classification"])


def test_black_boxes_that_need_some_rows_are_tried_on_as_many():
    condenser = make(ZeroOrderCondenser, n_prototypes=20)
    condenser.set_params(
        estimator=sklearn_pipeline(SchemaVectorizer(COLUMNS), KNeighborsClassifier(15))
    )
    assert condenser.fit(TABLE, TARGETS["classification"]).n_evals_ > 0


def test_the_number_of_rows_does_not_show_in_fit_transform():
    condenser = make(HerdingCondenser, "regression", n_prototypes=30)
    X, y = TABLE.iloc[:30], TARGETS["regression"][:30]
    assert len(condenser.fit_transform(X, y)) == 30


def test_a_failed_fit_leaves_nothing_of_an_earlier_one():
    y = TARGETS["classification"]
    condenser = ClusterCondenser(5).fit(TABLE, y)
    condenser.set_params(epsilon=0.1, schema=replace(COLUMNS, outcome=OUTCOMES["classification"]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "cluster", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError) as caught:
            condenser.fit(TABLE, y)
    assert any("spent epsilon=0.0" in note for note in caught.value.__notes__)
    with pytest.raises(NotFittedError):
        condenser.condensed_set_  # noqa: B018


def test_patients_must_be_named():
    patient = (np.arange(N) // 5).astype(float)
    patient[7] = np.nan
    with pytest.raises(ValueError, match="patient of every row"):
        make(ClusterCondenser).fit(TABLE, TARGETS["classification"], groups=patient)


@pytest.mark.parametrize("kind", [ClusterCondenser, HerdingCondenser, ZeroOrderCondenser])
@pytest.mark.parametrize("changes", [{"n_prototypes": 9_000}, {"allocation": {0: 1, 7: 11}}])
def test_impossible_requests_cost_nothing(kind, changes):
    ledger = PrivacyLedger()
    with pytest.raises(ValueError, match=r"n_prototypes|allocation"):
        make(kind, ledger=ledger, **changes).fit(TABLE, TARGETS["classification"])
    assert not ledger.spends


def test_lists_of_classes_leave_in_the_declared_dtype():
    y = TARGETS["classification"].tolist()
    for outcome in (y, [float(v) if k == 3 else v for k, v in enumerate(y)]):
        assert make(ClusterCondenser).fit(TABLE, outcome).y_condensed_.dtype.kind == "i"


@pytest.mark.parametrize("series", [pd.Series, pl.Series])
def test_whole_number_outcomes_come_back_whole(series):
    y = series(np.rint(TARGETS["regression"]).astype(int))
    found = make(ClusterCondenser, "regression").fit(TABLE, y).y_condensed_
    assert found.dtype == y.dtype


def test_one_column_and_many_rare_classes():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(size=400)})
    y = np.minimum(rng.geometric(0.4, 400), 10)
    schema = TableSchema(
        (ColumnSchema(name="x", kind="numeric", bounds=(-4, 4)),),
        ColumnSchema(name="y", kind="categorical", categories=tuple(range(1, 11))),
    )
    for labels in ("mean", "hard"):
        found = make(ClusterCondenser, schema=schema, labels=labels).condense(X, y)
        assert set(found.y) == set(range(1, 11))


# Wrong uses


@pytest.mark.parametrize("kind", [ClusterCondenser, HerdingCondenser, ZeroOrderCondenser])
@pytest.mark.parametrize("schema", [None, COLUMNS])
def test_schema_and_outcome_must_be_declared(kind, schema):
    with pytest.raises(SchemaError, match=r"TableSchema\(.*outcome="):
        make(kind, schema=schema).fit(TABLE, TARGETS["classification"])


def test_wide_tables_are_not_measured_pair_by_pair():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 210))
    columns = (ColumnSchema(name=f"x{j}", kind="numeric", bounds=(-4, 4)) for j in range(210))
    schema = TableSchema(tuple(columns), ColumnSchema(name="y", kind="binary", categories=(0, 1)))
    condenser = make(HerdingCondenser, schema=schema)
    assert condenser.budget_plan().shares["correlations"] == 0
    condenser.fit(X, (X[:, 0] > 0).astype(int))
    assert "correlations" not in {s.query for s in condenser.privacy_.spends}
    assert condenser.privacy_.epsilon > 1.97


def test_a_plan_needs_epsilon_and_a_schema():
    with pytest.raises(ValueError, match="epsilon=None"):
        ClusterCondenser().budget_plan()
    with pytest.raises(SchemaError, match="outcome="):
        ClusterCondenser(epsilon=1.0).budget_plan()
    with pytest.raises(ValueError, match="publishes rows"):
        make(RandomCondenser).budget_plan()


def test_random_rows_cannot_be_private():
    with pytest.raises(ValueError, match="publishes rows of patients"):
        make(RandomCondenser).fit(TABLE, TARGETS["classification"])


@pytest.mark.parametrize("kind", [ClusterCondenser, ZeroOrderCondenser])
def test_the_teacher_is_built_in(kind):
    with pytest.raises(ValueError, match="teacher=None"):
        make(kind, teacher=LogisticRegression()).fit(TABLE, TARGETS["classification"])


def test_real_rows_cannot_be_the_start():
    with pytest.raises(ValueError, match="init='mixed'"):
        make(ZeroOrderCondenser, init="real").fit(TABLE, TARGETS["classification"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ward": "secret-ward"}, "unknown categories"),
        ({"age": np.nan}, "missing values"),
        ({"age": np.inf}, "infinity"),
    ],
)
def test_bad_cells_are_refused_before_any_spend(change, message):
    ledger = PrivacyLedger()
    column, value = next(iter(change.items()))
    X = TABLE.copy()
    X[column] = X[column].astype(object if column == "ward" else float)
    X.loc[3, column] = value
    with pytest.raises(SchemaError, match=message) as caught:
        make(ClusterCondenser, ledger=ledger).fit(X, TARGETS["classification"])
    assert "secret" not in str(caught.value)
    assert not ledger.spends


def test_unknown_classes_are_refused_without_showing_them():
    y = TARGETS["classification"].copy()
    y[0] = 77
    with pytest.raises(TargetError, match="1 unknown classes") as caught:
        make(ClusterCondenser).fit(TABLE, y)
    assert "77" not in str(caught.value)


@pytest.mark.parametrize(
    ("task", "outcome"),
    [
        ("classification", OUTCOMES["survival"]),
        ("regression", OUTCOMES["classification"]),
        ("survival", OUTCOMES["classification"]),
    ],
)
def test_outcome_must_fit_the_task(task, outcome):
    with pytest.raises(TargetError, match="declared with"):
        make(ClusterCondenser, schema=replace(COLUMNS, outcome=outcome)).set_params(task=task).fit(
            TABLE, TARGETS[task]
        )


def test_dtypes_that_show_what_occurs_are_refused():
    full = TABLE.assign(lactate=np.arange(N) % 20)
    with pytest.raises(SchemaError, match="Convert it to float"):
        make(ClusterCondenser).fit(full, TARGETS["classification"])
    coded = TABLE.assign(sex=TABLE["sex"].astype("category").cat.add_categories("x"))
    with pytest.raises(SchemaError, match="categorical dtype"):
        make(ClusterCondenser).fit(coded, TARGETS["classification"])
    y = pd.Series(TARGETS["classification"]).astype("category").cat.add_categories(9)
    with pytest.raises(TargetError, match="categorical dtype"):
        make(ClusterCondenser).fit(TABLE, y)


def test_numbers_beyond_their_bounds_are_clipped():
    X = TABLE.copy()
    X.loc[:100, "age"] = 10**6
    found = make(ClusterCondenser).condense(X, TARGETS["classification"])
    assert found.X["age"].max() <= 100


def test_weights_count_a_patient_as_one_at_most():
    y = TARGETS["classification"]
    with pytest.raises(ValueError, match="must not exceed 1"):
        make(ClusterCondenser).fit(TABLE, y, sample_weight=np.full(N, 2.0))
    light = make(ClusterCondenser, epsilon=20.0).fit(TABLE, y, sample_weight=np.full(N, 0.5))
    assert light.sample_weight_.sum() == pytest.approx(N / 2, rel=0.4)


def test_a_large_delta_is_warned_of():
    with pytest.warns(PrivacyLeakWarning, match=r"delta=0\.01"):
        make(ClusterCondenser, delta=0.01).fit(TABLE, TARGETS["classification"])


@pytest.mark.parametrize("value", [0, -1.0, np.inf, np.nan])
def test_epsilon_must_be_positive_and_finite(value):
    with pytest.raises(ValueError, match="epsilon"):
        make(ClusterCondenser, epsilon=value).fit(TABLE, TARGETS["classification"])


def test_tiny_tables_and_absent_classes_do_not_show():
    few = make(ClusterCondenser).condense(TABLE.iloc[:2], TARGETS["classification"][:2])
    assert len(few) > 0
    none = make(ZeroOrderCondenser).condense(TABLE, np.zeros(N, dtype=int))
    assert set(none.y) == {0, 1}


def test_steps_before_a_private_condenser_are_refused():
    pipe = make_pipeline(StandardScaler(), make(ClusterCondenser), LogisticRegression())
    with pytest.raises(ValueError, match=r"standardscaler.*after the condenser"):
        pipe.fit(TABLE[["age"]], TARGETS["classification"])


def test_pipelines_train_on_private_sets():
    pipe = make_pipeline(make(ClusterCondenser, epsilon=8.0), black_box("classification"))
    pipe.fit(TABLE, TARGETS["classification"])
    with pytest.warns(PrivacyLeakWarning, match="not private"):
        assert pipe.score(TABLE, TARGETS["classification"]) > 0.6


def test_without_epsilon_there_is_nothing_to_replay():
    condenser = ClusterCondenser(4).fit(TABLE, TARGETS["classification"])
    assert condenser.privacy_ is None
    with pytest.raises(ValueError, match="with epsilon"):
        condenser.replay()
