"""The neural condensers: contract, matching, resuming, what they teach."""

import itertools
import os
import shutil
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from skcondense import ColumnSchema, CondensedSet, RandomCondenser, TableSchema
from skcondense.exceptions import TargetError
from skcondense.neural import (
    MLP,
    ConvNet,
    DistributionMatchingCondenser,
    GradientMatchingCondenser,
    ImprovedDistributionMatchingCondenser,
    KernelInducingPointsCondenser,
    NeuralClassifier,
    NeuralRegressor,
    evaluate_condensed,
)
from skcondense.neural.compute import Compute
from skcondense.neural.distribution import DistributionMatcher
from skcondense.neural.inputs import InputSpace, Normaliser
from skcondense.neural.loop import Matcher, MatchingLoop, Validation
from skcondense.neural.problem import MatchingProblem
from skcondense.neural.settings import NetworkSettings, resolve_augmentation
from skcondense.neural.synthetic import SyntheticSet
from skcondense.neural.validation import hold_out
from skcondense.private_table import PrivateTable
from skcondense.table import Container, TableEncoder, infer_schema
from skcondense.tasks import ClassificationTask
from skcondense.testing import check_condenser, expected_failed_checks
from tests.benchmarks.matching_speed import run_ours, run_plain, setting

SMALL = {"network": MLP(8), "max_iter": 2, "batch_size": 16, "device": "cpu"}
CONDENSERS = [
    DistributionMatchingCondenser(8, **SMALL),
    GradientMatchingCondenser(8, **SMALL, n_outer=2, n_inner=1),
    ImprovedDistributionMatchingCondenser(8, **SMALL, task="classification"),
    KernelInducingPointsCondenser(8, max_iter=2, batch_size=16, device="cpu"),
]
name_of = lambda c: type(c).__name__  # noqa: E731


FAILED_BY_NETWORKS = {
    "check_sample_weight_equivalence_on_dense_data": "batches differ between one row and two",
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@parametrize_with_checks(
    [c for c in CONDENSERS if not isinstance(c, GradientMatchingCondenser)]
    + [NeuralClassifier(MLP(8), n_steps=60, learning_rate=0.03, device="cpu")],
    expected_failed_checks=lambda e: (
        expected_failed_checks(e) if hasattr(e, "condense") else FAILED_BY_NETWORKS
    ),
)
def test_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("condenser", CONDENSERS, ids=name_of)
def test_contract(condenser):
    check_condenser(condenser)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X.reshape(-1, 8, 8), y, test_size=0.4, stratify=y, random_state=0)


@pytest.fixture(scope="module")
def three_digits(digits):
    """Methods that go from class to class have less to do."""
    few = digits[2] < 3
    return digits[0][few][:150], digits[2][few][:150]


IMAGES = [clone(c).set_params(n_prototypes=20) for c in CONDENSERS]


@pytest.mark.parametrize("condenser", IMAGES, ids=name_of)
@pytest.mark.parametrize("shape", [(12, 12), (20, 33, 1), (16, 16, 3)])
def test_images_of_any_shape(condenser, shape, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (60, *shape)).astype(np.uint8)
    y = np.array(["ill", "well"])[rng.integers(2, size=60)]
    condenser = clone(condenser).set_params(n_prototypes=4, random_state=0)
    if "network" in condenser.get_params():
        condenser.set_params(network=ConvNet(4))
    found = condenser.condense(X, y)
    assert found.X.shape[1:] == shape
    assert found.X.dtype == np.uint8
    assert set(found.y) == {"ill", "well"}
    assert found.sample_weight.sum() == pytest.approx(60)
    assert condenser.n_effective_ % condenser.n_stored_ == 0
    found.save(tmp_path)
    np.testing.assert_array_equal(CondensedSet.load(tmp_path).X, found.X)
    np.testing.assert_array_equal(clone(condenser).condense(X, y).X, found.X)


@pytest.mark.parametrize(
    "condenser", [c for c in CONDENSERS if "Improved" not in name_of(c)], ids=name_of
)
def test_regression(condenser):
    X, y = load_diabetes(return_X_y=True)
    found = clone(condenser).set_params(n_prototypes=10).condense(X, y)
    assert y.min() <= found.y.min() < found.y.max() <= y.max()


def test_survival():
    rng = np.random.default_rng(0)
    y = np.empty(80, dtype=[("event", bool), ("time", float)])
    y["event"], y["time"] = rng.random(80) > 0.4, rng.exponential(size=80)
    X = rng.normal(size=(80, 3))
    found = clone(CONDENSERS[0]).condense(X, y)
    assert found.task == "survival"
    with pytest.raises(TargetError, match="DistributionMatchingCondenser"):
        clone(CONDENSERS[1]).fit(X, y)
    for params, remedy in [
        ({"early_stopping": True}, "Use early_stopping=False"),
        ({"init": "correct"}, "Use another start"),
    ]:
        with pytest.raises(TargetError, match=remedy):
            clone(CONDENSERS[0]).set_params(**params).fit(X, y)


@pytest.mark.parametrize("labels", ["learned", "solved"])
def test_learned_labels_keep_the_prevalence(labels):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = (rng.permutation(200) < 10).astype(int)
    condenser = KernelInducingPointsCondenser(10, labels=labels, max_iter=5, random_state=0)
    found = condenser.condense(X, y)
    # Shares of less than a thousandth are not delivered.
    assert found.sample_weight @ found.y == pytest.approx(10, abs=0.5)
    amount = X[:, 0] + rng.normal(size=200)
    found = clone(condenser).condense(X, amount)
    assert np.average(found.y, weights=found.sample_weight) == pytest.approx(amount.mean())


def test_kernel_suits_the_input(digits):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(80, 3)), np.resize([0, 1], 80)
    images = digits[0][:200], digits[2][:200]
    for (X, y), named in [(table, "ntk"), (images, "random_features")]:
        condenser = KernelInducingPointsCondenser(10, max_iter=3, random_state=0)
        auto = condenser.condense(X, y).X
        np.testing.assert_array_equal(auto, condenser.set_params(kernel=named).condense(X, y).X)
        other = {"ntk": "random_features", "random_features": "ntk"}[named]
        assert not np.array_equal(auto, condenser.set_params(kernel=other).condense(X, y).X)


def test_networks_ignore_columns_that_never_varied():
    """A condensed set may give a column one value; the patients to predict have others."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    y = (X[:, 0] > 0).astype(int)
    train = X.copy()
    train[:, 1:] = 0.3
    names = list("abcd")
    schema = TableSchema(
        tuple(ColumnSchema(name=name, kind="numeric", bounds=(-5, 5)) for name in names)
    )
    network = NeuralClassifier(schema=schema, n_steps=50, random_state=0)
    network.fit(pd.DataFrame(train, columns=names), y)
    np.testing.assert_allclose(
        network.predict_proba(pd.DataFrame(X, columns=names)),
        network.predict_proba(pd.DataFrame(train, columns=names)),
    )


def test_learned_labels_are_weighted_rows(three_digits):
    X, y = three_digits
    for labels in ("learned", "solved"):
        condenser = KernelInducingPointsCondenser(20, labels=labels, max_iter=5, random_state=0)
        found = condenser.condense(X, y)
        assert found.n_prototypes == 20 < len(found)
        assert found.sample_weight.sum() == pytest.approx(len(y))


@pytest.mark.parametrize("condenser", CONDENSERS, ids=name_of)
def test_teacher_labels(condenser):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 3))
    y = (X[:, 0] + rng.normal(size=150) > 0).astype(int)
    soft = {"labels": "teacher", "teacher": LogisticRegression(), "random_state": 0}
    found = clone(condenser).set_params(**soft).condense(X, y)
    assert found.n_prototypes == 8 < len(found)
    assert found.sample_weight.sum() == pytest.approx(150)
    ill = found.sample_weight * found.y
    share = np.bincount(found.prototype, ill) / np.bincount(found.prototype, found.sample_weight)
    order = found.X[np.unique(found.prototype, return_index=True)[1], 0]
    assert np.corrcoef(order, share)[0, 1] > 0.5


def table_of(X, y):
    container = Container.of(X)
    encoder = TableEncoder(infer_schema(container, container.read(X)))
    task = ClassificationTask.of(y)
    return PrivateTable(X, y, np.ones(len(y)), None, task, container, encoder)


def problem_of(X, y, augmentation="dsa"):
    table, compute = table_of(X, y), Compute("cpu", "float64")
    space = InputSpace(table.encoder, Normaliser.fitted(table.Z, 1, table.weight), compute)
    found = resolve_augmentation(augmentation, is_image=True)
    settings = NetworkSettings(ConvNet(8), found, space, 2, compute)
    return MatchingProblem.of(table, space, compute), settings


def test_distribution_loss_is_stationary_at_the_real_rows():
    rng = np.random.default_rng(0)
    X, y = rng.random((24, 12, 12)), np.repeat([0, 1], 12)
    problem, settings = problem_of(X, y)
    generator = torch.Generator().manual_seed(0)
    # All rows of a class are drawn, so the batch is the class.
    matcher = DistributionMatcher(problem, settings, generator, 100, 1)
    network = settings.network(generator)
    same = SyntheticSet(problem.space, problem.x.clone().requires_grad_(), y, y)
    loss = matcher.loss(network, same)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-20)
    assert float(same.x.grad.abs().max()) == pytest.approx(0, abs=1e-10)
    other = SyntheticSet(problem.space, problem.x.flip(0).clone().requires_grad_(), y, y)
    assert float(matcher.loss(network, other).detach()) > 0


@pytest.mark.parametrize("method", ["DM", "GM"])
def test_gradients_equal_those_of_the_published_loop(method):
    case = setting(12, 1, 3, 4, 8, dtype="float64")
    plain, ours = run_plain(method, *case, 20), run_ours(method, *case, 20)
    assert ours[1] == pytest.approx(plain[1], rel=1e-9)
    torch.testing.assert_close(ours[2], plain[2], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("condenser", IMAGES, ids=name_of)
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_resumed_run_equals_the_uninterrupted_one(condenser, optimizer, three_digits, tmp_path):
    X, y = three_digits
    params = {"optimizer": optimizer, "random_state": 0, "max_iter": 4}
    if "network" in condenser.get_params():
        params["network"] = ConvNet(4)
    whole = clone(condenser).set_params(**params).fit(X, y)
    path = tmp_path / "state.npz"
    part = clone(condenser).set_params(**params, checkpoint=path)
    clone(part).set_params(max_iter=2).fit(X, y)
    resumed = clone(part).fit(X, y)
    np.testing.assert_array_equal(resumed.X_condensed_, whole.X_condensed_)
    np.testing.assert_array_equal(resumed.history_["loss"], whole.history_["loss"])
    assert resumed.n_iter_ == 4
    with pytest.raises(ValueError, match="learning_rate"):
        clone(part).set_params(learning_rate=0.5).fit(X, y)


needs_a_compiler = pytest.mark.skipif(
    not any(map(shutil.which, [os.environ.get("CXX", "g++"), "clang++"])), reason="no C++ compiler"
)


@needs_a_compiler
# torch's own code is parsed by torch's compiler.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_passes_give_the_same_rows(three_digits, tmp_path, monkeypatch):
    # Seven images a piece: batches of 30 leave a remainder.
    monkeypatch.setattr("skcondense.neural.compute.PIECE", 64 * 7)
    X, y = (part[:90] for part in three_digits)
    # IDM has both kinds of passes: features, and outputs with gradients.
    condenser = clone(IMAGES[2]).set_params(
        n_prototypes=6, network=ConvNet(2, depth=1), dtype="float64", max_iter=3, random_state=0
    )
    plain = clone(condenser).fit(X, y)
    before = torch.get_rng_state()
    condenser.set_params(compile=True, checkpoint=tmp_path / "run.npz")
    clone(condenser).set_params(max_iter=1).fit(X, y)
    # Fresh weights, other batches and other augmentations: nothing is compiled again.
    with torch.compiler.set_stance("fail_on_recompile"):
        resumed = clone(condenser).fit(X, y)
        whole = clone(condenser).set_params(checkpoint=None).fit(X, y)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_allclose(whole.X_condensed_, plain.X_condensed_, rtol=1e-9)
    np.testing.assert_allclose(whole.history_["loss"], plain.history_["loss"], rtol=1e-9)
    np.testing.assert_array_equal(resumed.X_condensed_, whole.X_condensed_)


def test_failed_compilation_names_the_remedy(digits, monkeypatch):
    class InductorError(RuntimeError):
        __module__ = "torch._inductor.exc"

    def fail(network, x):
        raise InductorError("No working C++ compiler found\nmuch more")

    monkeypatch.setattr("skcondense.neural.passes._compiled", lambda function: fail)
    condenser = clone(IMAGES[0]).set_params(compile=True, network=ConvNet(2))
    with pytest.raises(RuntimeError, match=r"compiler found. Set compile=False, or install"):
        condenser.fit(digits[0], digits[2])


def test_no_global_randomness(three_digits):
    X, y = three_digits
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    for condenser in IMAGES:
        clone(condenser).set_params(random_state=0).fit(X, y)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy_before).all()  # noqa: NPY002


class Poisoned(Matcher):
    """Every second gradient is not a number."""

    def __init__(self):
        self.calls = itertools.count()

    def iterate(self, synthetic, step):
        bad = next(self.calls) % 2
        synthetic.x.grad = torch.full_like(synthetic.x, torch.nan if bad else 1.0)
        step(1.0)


def test_bad_steps_are_skipped_and_reported():
    problem, _ = problem_of(np.random.default_rng(0).random((8, 8, 8)), np.arange(8) % 2)
    rows = SyntheticSet(problem.space, problem.x.clone().requires_grad_(), np.zeros(8, int), None)
    loop = MatchingLoop(rows, Poisoned(), torch.Generator(), 4, "sgd", 0.01)
    with pytest.warns(ConvergenceWarning, match="2 of 4 steps were skipped"):
        loop.run()
    assert rows.x.isfinite().all()
    assert loop.n_steps == loop.n_skipped == 2


def test_time_and_callbacks_stop_the_fit(digits):
    X, _, y, _ = digits
    seen = []
    condenser = clone(IMAGES[0]).set_params(max_iter=1000, max_time=0.2, callback=seen.append)
    n_iter = condenser.fit(X, y).n_iter_
    assert 0 < n_iter < 1000
    assert [p.n_iter for p in seen] == list(range(1, n_iter + 1))
    assert seen[-1].stage == "match"
    stopped = condenser.set_params(max_time=None, callback=lambda p: p.n_iter == 2).fit(X, y)
    assert stopped.n_iter_ == 2


@pytest.mark.parametrize("init", ["noise", "mean", "kmeans", "real", "herding", "correct"])
def test_starts(init, three_digits):
    X, y = three_digits
    start = clone(IMAGES[0]).set_params(init=init, max_iter=0, random_state=0, network=ConvNet(4))
    found = start.condense(X, y)
    assert found.contains_real_rows == (init in {"real", "herding", "correct"})
    given = clone(start).set_params(init=found.X).condense(X, y)
    np.testing.assert_allclose(given.X, found.X, atol=1e-4)


def test_a_start_must_fit(digits):
    X, _, y, _ = digits
    with pytest.raises(ValueError, match="must have 20 rows"):
        clone(IMAGES[0]).set_params(init=X[:3]).fit(X, y)


def test_tiny_classes(digits):
    X, _, y, _ = digits
    rows = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:1]]
    for condenser in IMAGES:
        condenser = clone(condenser).set_params(n_prototypes=4, allocation={0: 3, 1: 1})
        found = condenser.condense(X[rows], y[rows])
        assert set(found.y) == {0, 1}


def test_tables_have_no_tiles_and_no_augmentation(digits):
    X, y = digits[0].reshape(-1, 64), digits[2]
    with pytest.raises(ValueError, match="Leave factor=1"):
        clone(IMAGES[0]).set_params(factor=2).fit(X, y)
    with pytest.raises(ValueError, match="Only images can be augmented"):
        clone(IMAGES[0]).set_params(augmentation="dsa").fit(X, y)


def test_half_precision_gives_almost_the_same_losses(three_digits):
    X, y = three_digits
    for condenser in IMAGES[:3]:
        settings = {"network": ConvNet(8), "random_state": 0, "max_iter": 2}
        one = clone(condenser).set_params(**settings).fit(X, y)
        two = clone(condenser).set_params(**settings, dtype="bfloat16").fit(X, y)
        np.testing.assert_allclose(one.history_["loss"], two.history_["loss"], rtol=0.05)


def test_presets():
    for kind in {type(c) for c in CONDENSERS}:
        assert set(kind.PRESETS) == {"fast", "cpu", "gpu", "paper"}
        for name in kind.PRESETS:
            kind.preset(name, n_prototypes=5)._validate_params()
    with pytest.raises(ValueError, match="fast"):
        DistributionMatchingCondenser.preset("slow")


def test_presets_take_tables():
    X, y = load_breast_cancer(return_X_y=True)
    for kind in {type(c) for c in CONDENSERS}:
        condenser = kind.preset("fast", n_prototypes=4, max_iter=1, random_state=0)
        assert condenser.condense(X[:100], y[:100]).n_prototypes == 4


def test_epsilon_is_refused_where_there_is_no_private_method(digits):
    X, _, y, _ = digits
    for condenser in IMAGES[1:]:
        with pytest.raises(ValueError, match="DistributionMatchingCondenser"):
            clone(condenser).set_params(epsilon=1.0).fit(X, y)


def test_estimators_take_tables_and_images(digits):
    X, X_test, y, y_test = digits
    settings = {"n_steps": 80, "learning_rate": 0.05, "random_state": 0, "device": "cpu"}
    for form in (lambda X: X, lambda X: X.reshape(len(X), -1)):
        model = NeuralClassifier(**settings, batch_size=64).fit(form(X), y)
        assert model.score(form(X_test), y_test) > 0.85
        again = NeuralClassifier(**settings, batch_size=64).fit(form(X), y)
        np.testing.assert_array_equal(
            model.predict_proba(X_test[:5].reshape(form(X)[:5].shape)),
            again.predict_proba(form(X_test)[:5]),
        )
    X, y = load_diabetes(return_X_y=True)
    assert NeuralRegressor(**settings).fit(X, y).score(X, y) > 0.4


def test_condensed_digits_beat_random_ones_and_the_evaluation_says_so(digits):
    X, X_test, y, y_test = digits
    condensers = [
        DistributionMatchingCondenser(
            10, max_iter=15, network=ConvNet(16), random_state=seed, augmentation="digits"
        )
        for seed in range(5)
    ]
    sets = [c.condense(X, y) for c in condensers]
    result = evaluate_condensed(
        sets,
        (X_test, y_test),
        train=(X, y),
        estimators={"network": NeuralClassifier(ConvNet(16), n_steps=40, augmentation="none")},
        n_init=1,
        random_state=0,
    )
    accuracy = result.scores.pivot_table("accuracy", "set", "rows")
    gain = (accuracy["condensed"] - accuracy["random"]).dropna()
    assert len(gain) == 5
    assert gain.min() > 0.1
    summary = result.summary()
    assert summary.loc[("network", "full"), ("accuracy", "mean")] > 0.8
    ranking = result.dd_ranking().loc["network"]
    assert ranking["ior"] == pytest.approx(gain.mean(), abs=1e-9)
    assert 0 < ranking["lrs"] < 1


def test_evaluation_takes_any_classifier(digits):
    X, X_test, y, y_test = digits
    found = RandomCondenser(50, random_state=0).condense(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        models = {"logistic": LogisticRegression(max_iter=50)}
        result = evaluate_condensed(found, (X_test, y_test), estimators=models, n_init=1)
    assert set(result.metrics) == {"accuracy", "balanced_accuracy", "auroc"}
    with pytest.raises(ValueError, match="full and random"):
        result.dd_ranking()


def test_random_control_of_equal_storage(digits):
    X, X_test, y, y_test = digits
    mosaics = clone(IMAGES[0]).set_params(factor=2, network=ConvNet(2), random_state=0)
    found = mosaics.condense(X, y)
    n_rows = {}
    for n_random in (None, mosaics.n_stored_):
        result = evaluate_condensed(
            found,
            (X_test, y_test),
            train=(X[:200], y[:200]),
            estimators={"tree": DecisionTreeClassifier(max_depth=2)},
            n_init=1,
            n_random=n_random,
        )
        n_rows[n_random] = result.scores.set_index("rows")["n_rows"]["random"]
    assert n_rows == {None: 80, 20: 20}


class Drifting(Matcher):
    """Moves rows away from where they were best, a little further each time."""

    def iterate(self, synthetic, step):
        synthetic.x.grad = torch.ones_like(synthetic.x)
        step(1.0)


def test_best_snapshot_is_kept_and_patience_ends_the_run():
    problem, _ = problem_of(np.random.default_rng(0).random((8, 8, 8)), np.arange(8) % 2)
    rows = SyntheticSet(problem.space, problem.x.clone().requires_grad_(), np.zeros(8, int), None)
    seen = []

    def score(synthetic):
        seen.append(synthetic.x.detach().clone())
        return [0.1, 0.9, 0.5, 0.4, 0.3][len(seen) - 1]

    validation = Validation(score, every=2, patience=2)
    loop = MatchingLoop(
        rows, Drifting(), torch.Generator(), 100, "sgd", 1e-3, validation=validation
    )
    loop.run()
    assert loop.n_iter == 8
    assert loop.scores == [0.1, 0.9, 0.5, 0.4]
    torch.testing.assert_close(rows.x.detach(), seen[1])


def test_early_stopping_scores_held_out_rows(digits, monkeypatch):
    X, _, y, _ = digits
    monkeypatch.setattr(DistributionMatchingCondenser, "_score_every", 2)
    params = {"early_stopping": True, "max_iter": 4, "network": ConvNet(4), "random_state": 0}
    condenser = clone(IMAGES[0]).set_params(**params).fit(X, y)
    assert len(condenser.history_["score"]) == 2
    assert condenser.sample_weight_.sum() == pytest.approx(len(y))
    rows = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:1]]
    with pytest.raises(ValueError, match="too few rows to hold"):
        clone(condenser).set_params(n_prototypes=2).fit(X[rows], y[rows])


def test_patients_stay_together_when_rows_are_held_out():
    rng = np.random.default_rng(0)
    table = table_of(rng.random((60, 4, 4)), np.arange(60) % 2)
    table = replace(table, groups=np.repeat(np.arange(20), 3))
    learned, held_out = hold_out(table, 0.2, rng)
    assert not set(learned.groups) & set(held_out.groups)
    assert len(np.unique(held_out.groups)) == 4


def test_estimate_cost(digits):
    X, _, y, _ = digits
    condenser = clone(IMAGES[0]).set_params(network=ConvNet(4), max_iter=1000)
    cost = condenser.estimate_cost(X, y)
    assert cost.seconds > 900 * cost.seconds_per_iteration > 0
    assert cost.memory > 20 * 64 * 4
    assert "minutes" in str(cost)
    with pytest.raises(ValueError, match="public rows"):
        condenser.set_params(epsilon=1.0).estimate_cost(X, y)


def test_a_checkpoint_is_of_one_table(tmp_path):
    X, y = load_digits(n_class=2, return_X_y=True)
    images = X.reshape(-1, 8, 8)
    condenser = DistributionMatchingCondenser(
        4, network=ConvNet(2), max_iter=1, random_state=0, checkpoint=tmp_path / "run.npz"
    )
    condenser.fit(images, y)
    with pytest.raises(ValueError, match="other settings"):
        condenser.fit(16 - images, y)
