"""Condensers in pipelines, searches and cross-validation."""

import pickle
from functools import partial

import numpy as np
import pandas as pd
import pytest
import sklearn
from imblearn.pipeline import make_pipeline as imblearn_pipeline
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.compose import make_column_transformer
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_validate,
    train_test_split,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline as sklearn_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sksurv.ensemble import RandomSurvivalForest
from sksurv.linear_model import CoxPHSurvivalAnalysis
from xgboost import XGBRegressor

from skcondense import (
    ClusterCondenser,
    CondensedEstimator,
    CondensingSampler,
    EventStratifiedKFold,
    Pipeline,
    RandomCondenser,
    ZeroOrderCondenser,
    make_pipeline,
)
from skcondense.exceptions import WeightsNotSupportedError
from skcondense.tasks import resolve_task

N = 240
rng = np.random.default_rng(0)
X = rng.normal(size=(N, 4))
Y = (X[:, 0] + 0.3 * rng.normal(size=N) > 0).astype(int)
CLUSTER = ClusterCondenser(12, teacher=LogisticRegression(), random_state=0)
TREE = DecisionTreeClassifier(random_state=0)
SURVIVAL = np.empty(N, dtype=[("event", bool), ("time", float)])
SURVIVAL["time"] = 10 * rng.exponential(np.exp(-X[:, 0])) + 0.01
SURVIVAL["event"] = rng.random(N) < 0.3

MODELS = {
    "pipeline": make_pipeline(StandardScaler(), CLUSTER, LogisticRegression()),
    "estimator": CondensedEstimator(
        sklearn_pipeline(StandardScaler(), LogisticRegression()), CLUSTER
    ),
    "last step": sklearn_pipeline(
        StandardScaler(), CondensedEstimator(LogisticRegression(), CLUSTER)
    ),
    "imblearn": imblearn_pipeline(
        StandardScaler(), CondensingSampler(CLUSTER), LogisticRegression()
    ),
}
CASES = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


@CASES
def test_cross_validation(model):
    scores = cross_validate(model, X, Y, cv=3, error_score="raise")["test_score"]
    assert scores.min() > 0.8


@CASES
def test_clone_and_pickle(model):
    fitted = clone(model).fit(X, Y)
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict(X), fitted.predict(X))
    assert len(fitted.predict(X[:7])) == 7


SEARCHES = pytest.mark.parametrize(
    "search", [GridSearchCV, partial(HalvingGridSearchCV, random_state=0)], ids=["grid", "halving"]
)


@SEARCHES
def test_search_over_condenser_and_estimator(search):
    grid = {"condenser__n_prototypes": [6, 17], "estimator__max_depth": [1, 3]}
    found = search(CondensedEstimator(TREE, CLUSTER), grid, cv=3, error_score="raise").fit(X, Y)
    assert set(found.best_params_) == set(grid)
    assert found.score(X, Y) > 0.7


@SEARCHES
def test_search_over_pipeline(search):
    pipe = Pipeline([("condense", CLUSTER), ("clf", LogisticRegression())])
    grid = {"condense__n_prototypes": [6, 17], "clf__C": [0.1, 1]}
    assert search(pipe, grid, cv=3, error_score="raise").fit(X, Y).best_score_ > 0.8


def test_search_over_sampler():
    grid = {
        "condensingsampler__condenser__n_prototypes": [6, 17],
        "logisticregression__C": [0.1, 1],
    }
    found = GridSearchCV(MODELS["imblearn"], grid, cv=3, error_score="raise").fit(X, Y)
    assert found.best_score_ > 0.8
    assert set(found.best_params_) == set(grid)


def test_sampler_repeats_rows_by_weight():
    weighted = CLUSTER.condense(X, Y)
    rows, y = CondensingSampler(CLUSTER).fit_resample(X, Y)
    assert len(rows) == len(y) == 5 * len(weighted)
    share = np.average(weighted.y, weights=weighted.sample_weight)
    assert y.mean() == pytest.approx(share, abs=0.02)


def test_fit_leaves_the_parts_alone():
    tree, condenser = clone(TREE), clone(CLUSTER)
    CondensedEstimator(tree, condenser).fit(X, Y)
    CondensingSampler(condenser).fit_resample(X, Y)
    assert not hasattr(tree, "tree_")
    assert not hasattr(condenser, "sample_weight_")


class Spy(LogisticRegression):
    def fit(self, X, y, sample_weight=None):
        self.shape_, self.total_ = X.shape, sample_weight.sum()
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(CLUSTER, StandardScaler(), Spy()),
        make_pipeline(StandardScaler(), CLUSTER, Spy()),
        CondensedEstimator(Spy(), CLUSTER),
    ],
    ids=["before scaling", "after scaling", "estimator"],
)
def test_condensed_rows_and_weights_reach_the_estimator(model):
    model.fit(X, Y)
    spy = model.estimator_ if isinstance(model, CondensedEstimator) else model[-1]
    assert spy.shape_[0] < 25
    assert spy.total_ == pytest.approx(N)


def test_scaler_after_condenser_sees_condensed_rows_only():
    model = make_pipeline(CLUSTER, StandardScaler(), LogisticRegression()).fit(X, Y)
    assert model[1].n_samples_seen_ < 25


def test_caller_weights_go_to_the_condenser():
    weight = np.where(Y == 1, 5.0, 1.0)
    model = make_pipeline(CLUSTER, Spy()).fit(X, Y, sample_weight=weight)
    assert model[-1].total_ == pytest.approx(weight.sum())
    with pytest.raises(ValueError, match="go to the condenser"):
        model.fit(X, Y, clf__sample_weight=weight)


def test_plain_pipeline_fails_loudly():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        sklearn_pipeline(CLUSTER, LogisticRegression()).fit(X, Y)
    # As many condensed rows as real ones would be paired with the wrong outcomes.
    for n_prototypes, n_rows in ((N, N), (120, 120)):
        with pytest.raises(ValueError, match="plain Pipeline"):
            sklearn_pipeline(RandomCondenser(n_prototypes), LogisticRegression()).fit(
                X[:n_rows], Y[:n_rows]
            )


def test_one_condenser_at_most():
    with pytest.raises(ValueError, match="at most once"):
        make_pipeline(CLUSTER, clone(CLUSTER), LogisticRegression()).fit(X, Y)


def test_pipeline_without_condenser_is_scikit_learns():
    ours, theirs = (
        make(StandardScaler(), LogisticRegression()).fit(X, Y)
        for make in (make_pipeline, sklearn_pipeline)
    )
    assert np.array_equal(ours.predict_proba(X), theirs.predict_proba(X))


def test_kind_of_estimator_shows_through():
    assert is_classifier(CondensedEstimator(TREE, CLUSTER))
    assert is_regressor(CondensedEstimator(Ridge(), CLUSTER))
    assert not hasattr(CondensedEstimator(Ridge(), CLUSTER), "predict_proba")


def test_survival_model_without_weights():
    with pytest.raises(WeightsNotSupportedError, match="CoxPHSurvivalAnalysis"):
        CondensedEstimator(CoxPHSurvivalAnalysis(), CLUSTER).fit(X, SURVIVAL)


@pytest.mark.parametrize(
    ("estimator", "least"),
    [(CoxPHSurvivalAnalysis(alpha=0.1), 0.65), (RandomSurvivalForest(30, random_state=0), 0.55)],
)
def test_survival_search(estimator, least):
    train, test, y_train, y_test = train_test_split(
        X, SURVIVAL, stratify=SURVIVAL["event"], random_state=0
    )
    model = CondensedEstimator(estimator, CLUSTER, weights="replicate")
    grid = {"condenser__n_prototypes": [8, 15]}
    cv = EventStratifiedKFold(3, shuffle=True, random_state=0)
    search = GridSearchCV(model, grid, cv=cv, error_score="raise").fit(train, y_train)
    assert search.score(test, y_test) > least
    functions = search.best_estimator_.predict_survival_function(test[:3])
    assert len(functions) == 3


def test_survival_cross_validation():
    cox, cv = CoxPHSurvivalAnalysis(alpha=0.1), EventStratifiedKFold(3)
    condensed, full = (
        cross_validate(model, X, SURVIVAL, cv=cv, error_score="raise")["test_score"].mean()
        for model in (
            make_pipeline(StandardScaler(), CLUSTER, cox, weights="replicate"),
            sklearn_pipeline(StandardScaler(), cox),
        )
    )
    assert condensed > full - 0.05


@pytest.mark.parametrize("weights", ["replicate", "uniform"])
def test_estimator_without_weights(weights):
    knn = KNeighborsClassifier(3)
    with pytest.raises(WeightsNotSupportedError, match="KNeighborsClassifier"):
        CondensedEstimator(knn, CLUSTER).fit(X, Y)
    with pytest.raises(WeightsNotSupportedError, match="KNeighborsClassifier"):
        make_pipeline(CLUSTER, knn).fit(X, Y)
    size = len(CLUSTER.condense(X, Y)) * (5 if weights == "replicate" else 1)
    assert (
        CondensedEstimator(knn, CLUSTER, weights=weights).fit(X, Y).estimator_.n_samples_fit_
        == size
    )
    assert make_pipeline(CLUSTER, knn, weights=weights).fit(X, Y)[-1].n_samples_fit_ == size


def test_routed_weights_and_groups_reach_the_condenser():
    weight, groups = np.where(Y == 1, 5.0, 1.0), np.arange(N) // 2
    with sklearn.config_context(enable_metadata_routing=True):
        spy = Spy().set_fit_request(sample_weight=True)
        model = CondensedEstimator(spy, CLUSTER).set_fit_request(sample_weight=True, groups=True)
        outer = sklearn_pipeline(StandardScaler().set_fit_request(sample_weight=False), model)
        outer.fit(X, Y, sample_weight=weight, groups=groups)
    assert outer[-1].estimator_.total_ == pytest.approx(weight.sum())
    direct = CLUSTER.condense(
        StandardScaler().fit_transform(X), Y, sample_weight=weight, groups=groups
    )
    assert np.array_equal(outer[-1].condenser_.X_condensed_, direct.X)


def test_event_stratified_folds():
    few = SURVIVAL.copy()
    few["event"] = np.arange(N) < 10
    folds = EventStratifiedKFold(5).split(X, few)
    assert [few["event"][test].sum() for _, test in folds] == [2] * 5


def test_preprocessing_inside_the_black_box():
    frame = pd.DataFrame(X, columns=list("abcd")).assign(
        site=pd.Categorical(rng.choice(["n", "s"], N)), visits=rng.integers(0, 9, N)
    )
    prep = make_column_transformer(
        (OneHotEncoder(drop="if_binary"), ["site"]), remainder=StandardScaler()
    )
    black_box = sklearn_pipeline(prep, LogisticRegression())
    condenser = ZeroOrderCondenser(
        black_box, n_prototypes=10, n_candidates=2, n_exchanges=1, max_iter=2,
        optimize=["features", "labels"], random_state=0, teacher=LogisticRegression(),
    )  # fmt: skip
    model = CondensedEstimator(black_box, condenser).fit(frame, pd.Series(Y, name="ill"))
    assert (model.condenser_.X_condensed_.dtypes == frame.dtypes).all()
    assert model.score(frame, Y) > 0.8


@pytest.mark.parametrize("objective", ["survival:cox", "survival:aft"])
def test_risks_keep_their_direction_inside_meta_estimators(objective):
    task, y = resolve_task("auto", SURVIVAL)
    inner = XGBRegressor(objective=objective, n_estimators=20)
    model = CondensedEstimator(sklearn_pipeline(StandardScaler(), inner), CLUSTER)
    assert task.metric(model.fit(X, y), X, y) > 0.6
