"""Diffusion and distribution matching: sources of candidates, filters, selection, contract."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from skcondense.condensers.copies import are_copies  # noqa: E402
from skcondense.exceptions import PrivacyLeakWarning, TargetError  # noqa: E402
from skcondense.neural import (  # noqa: E402
    MLP,
    CandidateSource,
    ConvNet,
    DiffusionMatchingCondenser,
    DiffusionSource,
    GaussianSource,
    SourceByInput,
)
from skcondense.neural import diffusion as diffusion_module  # noqa: E402
from skcondense.neural.candidates import FittedSource  # noqa: E402
from skcondense.neural.compute import Compute  # noqa: E402
from skcondense.neural.denoiser import make_denoiser  # noqa: E402
from skcondense.neural.diffusion import (  # noqa: E402
    DenoisingData,
    DenoisingPlan,
    DenoisingTraining,
    moved,
    noised,
    signal,
)
from skcondense.neural.selection import Selection, nearest_mean  # noqa: E402
from skcondense.private_table import PrivateTable  # noqa: E402
from skcondense.table import Container, TableEncoder, infer_schema  # noqa: E402
from skcondense.tasks import ClassificationTask  # noqa: E402
from skcondense.testing import check_condenser, expected_failed_checks  # noqa: E402

TINY = DiffusionSource(width=8, n_steps=4, n_sampling_steps=3)
SMALL = {"network": ConvNet(4), "max_iter": 2, "n_networks": 2, "device": "cpu"}
TABLE = DiffusionMatchingCondenser(
    8, network=MLP(8), max_iter=2, n_networks=2, n_candidates=3, device="cpu", random_state=0
)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(n_class=3, return_X_y=True)
    return X.reshape(-1, 8, 8)[:200], y[:200]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# The contract.


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([TABLE], expected_failed_checks=expected_failed_checks)
def test_scikit_learn(estimator, check):
    check(estimator)


def test_contract():
    check_condenser(TABLE)


def test_images(digits):
    condenser = DiffusionMatchingCondenser(6, generator=TINY, **SMALL, random_state=0)
    found = condenser.condense(*digits)
    assert found.X.shape == (6, 8, 8)
    assert np.bincount(found.y).tolist() == [2, 2, 2]
    assert found.sample_weight.sum() == pytest.approx(200)
    assert digits[0].min() <= found.X.min() <= found.X.max() <= digits[0].max()
    assert condenser.candidates_seen_ >= 3 * 64
    assert set(condenser.tau_) == {0, 1, 2}
    assert 0 <= condenser.dropped_memorised_ <= 1
    assert len(condenser.history_["generator_score"]) == 1
    again = clone(condenser).condense(*digits)
    np.testing.assert_array_equal(again.X, found.X)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_other_precisions(digits, dtype):
    condenser = DiffusionMatchingCondenser(6, generator=TINY, **SMALL, dtype=dtype, random_state=0)
    assert np.isfinite(condenser.fit(*digits).X_condensed_).all()


def test_colour_images_of_whole_numbers_with_patients():
    rng = np.random.default_rng(0)
    y = np.repeat(["one", "two"], 60)
    X = rng.integers(0, 120, size=(120, 9, 12, 3)) + 100 * (y == "two")[:, None, None, None]
    condenser = DiffusionMatchingCondenser(4, generator=TINY, **SMALL, random_state=0)
    found = condenser.condense(X.astype(np.uint8), y, groups=np.arange(120) // 3)
    assert found.X.shape == (4, 9, 12, 3)
    assert found.X.dtype == np.uint8
    assert found.y.tolist() == ["one", "one", "two", "two"]


def test_regression_and_survival_are_condensed_by_strata():
    X, y = load_diabetes(return_X_y=True)
    assert clone(TABLE).condense(X, y).n_prototypes == 8
    outcome = np.array(list(zip(y > 100, y, strict=True)), dtype=[("event", bool), ("time", float)])
    assert clone(TABLE).condense(X, outcome).task == "survival"
    with pytest.raises(TargetError, match="trained"):
        clone(TABLE).set_params(extractor="trained").fit(X, outcome)


def test_normal_distributions_are_as_wide_as_the_rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 300)) @ np.diag(np.linspace(0.2, 1, 300))
    container = Container.of(X)
    encoder = TableEncoder(infer_schema(container, container.read(X)))
    task = ClassificationTask(np.array([0]))
    table = PrivateTable(X, np.zeros(40, int), np.ones(40), None, task, container, encoder)
    drawn = GaussianSource().fitted(table, Compute("cpu"), rng).draw(0, 500, rng)
    assert drawn.var(axis=0).sum() == pytest.approx(table.Z.var(axis=0, ddof=1).sum(), rel=0.05)
    one = replace(table, groups=np.zeros(40))
    with pytest.raises(ValueError, match="3 patients at least"):
        GaussianSource().fitted(one, Compute("cpu"), rng)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("extractor", ["trained", torch.nn.Linear(30, 5)])
def test_other_features(extractor, dtype):
    X, y = load_breast_cancer(return_X_y=True)
    before = None if isinstance(extractor, str) else extractor.weight.detach().clone()
    found = clone(TABLE).set_params(extractor=extractor, dtype=dtype).fit(X, y)
    assert found.X_condensed_.shape == (8, 30)
    if before is not None:
        assert torch.equal(extractor.weight, before)
        assert extractor.weight.requires_grad


def test_teacher_labels_are_soft():
    X, y = load_breast_cancer(return_X_y=True)
    condenser = clone(TABLE).set_params(labels="teacher", teacher=LogisticRegression())
    found = condenser.condense(X[:, :5], y)
    assert len(found) > found.n_prototypes == 8


def test_a_model_learns_from_candidates():
    X, y = load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    scores = []
    for seed in range(3):
        changes = {"n_prototypes": 20, "max_iter": 30, "random_state": seed}
        found = clone(TABLE).set_params(**changes).condense(X, y)
        scores.append(LogisticRegression().fit(found.X, found.y).score(X, y))
    assert min(scores) > 0.9


def test_presets_serve_tables_and_images(digits):
    X, y = load_breast_cancer(return_X_y=True)
    fast = DiffusionMatchingCondenser.preset("fast", n_prototypes=4, max_iter=1)
    assert len(fast.fit(X, y).X_condensed_) == 4
    assert isinstance(fast.generator, SourceByInput)
    few = digits[0][:60], digits[1][:60]
    condenser = DiffusionMatchingCondenser.preset("fast", n_prototypes=3, max_iter=1)
    # Too few images for a diffusion model.
    assert "generator_loss" not in condenser.fit(*few).history_


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"generator": TINY}, "draws images"),
        ({"epsilon": 1.0}, "cannot be differentially private"),
        ({"min_distance": -1.0}, "min_distance"),
        ({"assign": "keep"}, "assign"),
    ],
)
def test_refusals(params, message):
    X, y = load_breast_cancer(return_X_y=True)
    with pytest.raises(ValueError, match=message):
        clone(TABLE).set_params(**params).fit(X, y)


@pytest.mark.parametrize("params", [{"width": 12}, {"n_steps": 0}, {"stochasticity": 1.5}])
def test_sources_check_their_parameters(params):
    with pytest.raises(ValueError, match=next(iter(params))):
        DiffusionSource(**params)


# Copies.


class Planting(CandidateSource):
    """Every other candidate is a real row, up to a little noise."""

    def __init__(self, all_copies=False):
        self.all_copies = all_copies

    def fitted(self, table, compute, rng, checkpoint=None, progress=None):
        source = GaussianSource().fitted(table, compute, rng)
        return Planted(source, table, self.all_copies)


class Planted(FittedSource):
    def __init__(self, source, table, all_copies):
        self.source, self.table, self.every = source, table, 1 if all_copies else 2

    def draw(self, stratum, n_rows, rng):
        found = self.source.draw(stratum, n_rows, rng)
        real = self.table.Z[self.table.strata == stratum]
        copies = real[rng.integers(len(real), size=n_rows)]
        found[:: self.every] = (copies + 0.001 * rng.normal(size=copies.shape))[:: self.every]
        return found


def test_planted_copies_are_dropped_and_replaced():
    X, y = load_breast_cancer(return_X_y=True)
    condenser = clone(TABLE).set_params(generator=Planting(), n_prototypes=20, max_iter=0)
    found = condenser.fit(X, y)
    # Half of every round is planted: 64, then what replaces these, twice.
    assert 2 * (64 + 32 + 16) <= found.candidates_seen_ < 2 * (64 + 36 + 22)
    assert 0.5 <= found.dropped_memorised_ < 0.6
    spread = X.std(axis=0)
    away = np.linalg.norm((found.X_condensed_[:, None] - X[None]) / spread, axis=2).min(axis=1)
    assert away.min() > 0.5
    kept = clone(condenser).set_params(copy_ratio=0.0).fit(X, y)
    assert kept.dropped_memorised_ == 0.0


class Anywhere(CandidateSource, FittedSource):
    def fitted(self, table, compute, rng, checkpoint=None, progress=None):
        self.n_codes = table.Z.shape[1]
        return self

    def draw(self, stratum, n_rows, rng):
        return rng.uniform(-1, 1, size=(n_rows, self.n_codes))


def test_prototypes_that_come_to_copy_a_row_go_back():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), np.arange(60) % 2
    # One row of each class outweighs all others: their mean is that row.
    weight = np.where(np.arange(60) < 2, 1e6, 1.0)
    condenser = clone(TABLE).set_params(
        n_prototypes=2, generator=Anywhere(), max_iter=400, copy_ratio=0.0
    )
    copied = clone(condenser).fit(X, y, sample_weight=weight)
    assert copied.n_returned_ == 0
    np.testing.assert_allclose(copied.X_condensed_, X[:2], atol=0.2)
    kept = clone(condenser).set_params(copy_ratio=1 / 3).fit(X, y, sample_weight=weight)
    drawn = clone(kept).set_params(max_iter=0).fit(X, y, sample_weight=weight)
    assert kept.n_returned_ == 2
    np.testing.assert_array_equal(kept.X_condensed_, drawn.X_condensed_)


def test_a_source_of_copies_is_refused(digits):
    everything = Planting(all_copies=True)
    with pytest.raises(ValueError, match="learned images by heart"):
        DiffusionMatchingCondenser(6, generator=everything, **SMALL).fit(*digits)
    X, y = load_breast_cancer(return_X_y=True)
    with pytest.warns(PrivacyLeakWarning, match="as close to a real row as a copy"):
        clone(TABLE).set_params(generator=everything).fit(X, y)


def test_copies_are_found_beside_duplicates():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(200, 30))
    twins = np.concatenate([real, real[:100] + 1e-9])
    made = np.concatenate([real[:5] + 1e-3, rng.normal(size=(50, 30))])
    for rows in (real, twins):
        found = are_copies(made, rows, 1 / 3)
        assert found.tolist() == [True] * 5 + [False] * 50


def test_what_many_rows_share_is_nobodys_copy():
    real = np.repeat(np.eye(3), 40, axis=0)
    assert not are_copies(np.eye(3), real, 1 / 3).any()
    assert are_copies(real[:1], np.concatenate([real[:1], real[40:]]), 1 / 3).all()


# Selection.


def test_selection_ends_and_delivers():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 4))
    real = rng.normal(size=(100, 4))
    mean = real.mean(axis=0)
    for order in ("herding", "nearest"):
        for distance in (0.0, 0.5, 1e6):
            choice = Selection(order, distance).choose(features, real, mean, 20)
            assert len(set(choice.rows.tolist())) == 20
            chosen = features[choice.rows]
            away = np.linalg.norm(chosen[:, None] - chosen[None], axis=2) + np.eye(20) * 1e9
            assert away.min() >= choice.distance
    # Candidates that are all the same cannot keep any distance.
    same = Selection("nearest", 0.5).choose(np.ones((9, 4)), real, mean, 5)
    assert (len(same.rows), same.distance) == (5, 0.0)


def test_selection_takes_the_nearest_or_the_best_together():
    features = np.array([[0.1], [0.2], [-3.0], [3.1]])
    real = np.array([[-1.0], [1.0]])
    nearest = Selection("nearest", 0.0).choose(features, real, np.zeros(1), 2)
    assert nearest.rows.tolist() == [0, 1]
    # After 0.1, the mean is closest to zero with 0.2: then -3 is too far away to help.
    herding = Selection("herding", 1.5).choose(features, real, np.zeros(1), 3)
    assert sorted(herding.rows.tolist()) == [0, 2, 3]


def test_strangers_go_to_the_nearest_mean():
    means = {0: np.zeros(2), 2: np.ones(2)}
    assert nearest_mean(np.array([[0.1, 0.0], [0.9, 2.0]]), means).tolist() == [0, 2]


# The diffusion model.


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 28, 28), (1, 20, 33), (3, 64, 64), (1, 8, 8)])
def test_denoisers_of_any_shape(shape):
    network = make_denoiser(shape, 3, 8, generator(), "cpu")
    x = torch.randn(2, *shape, generator=generator())
    found = network(x, torch.tensor([0.1, 0.9]), torch.eye(3)[:2])
    assert found.shape == x.shape
    # At first nothing is found anywhere but where the last layer's bias says so.
    assert torch.allclose(found[0], found[1])


def test_the_schedule_runs_from_signal_to_noise():
    levels = torch.linspace(0, 1, 50)
    kept = signal(levels)
    assert kept[[0, -1]].tolist() == pytest.approx([1, 0], abs=1e-6)
    assert (kept.diff() < 0).all()
    x, noise = torch.randn(2, 5000, 1, 2, 2, generator=generator())
    mixed, velocity = noised(x, torch.full((5000,), 0.4), noise)
    assert mixed.var() == pytest.approx(1, abs=0.05)
    assert velocity.var() == pytest.approx(1, abs=0.05)
    # Image and velocity of one level give the image back, at any level.
    level = torch.linspace(0, 1, 5000)
    mixed, velocity = noised(x, level, noise)
    kept = signal(level).view(-1, 1, 1, 1)
    torch.testing.assert_close(kept.sqrt() * mixed - (1 - kept).sqrt() * velocity, x)
    # At the last level there is only noise.
    torch.testing.assert_close(mixed[-1], noise[-1])
    torch.testing.assert_close(velocity[-1], -x[-1])


def test_images_move_by_a_share_of_their_side():
    x = torch.arange(28.0).expand(3, 1, 28, 28) / 28
    found = [moved(x, generator(seed)) for seed in range(20)]
    assert all((f - x).abs().max() <= 2 / 28 + 0.05 + 1e-6 for f in found)
    small = torch.zeros(2, 1, 8, 8)
    assert (moved(small, generator()).flatten(1).std(dim=1) == 0).all()


def training(x, n_steps, **changes):
    strata = torch.nn.functional.one_hot(torch.arange(len(x)) % 2, 2).float()
    data = DenoisingData(x, strata, torch.ones(len(x)))
    plan = replace(DenoisingPlan(16, n_steps, 32, 3e-3), **changes)
    return DenoisingTraining(plan, data, data, Compute("cpu"), generator())


def test_a_denoiser_learns_what_belongs_to_a_stratum():
    # Stratum 0 is dark and stratum 1 is bright.
    x = torch.where(torch.arange(200) % 2 == 0, -0.7, 0.7).view(-1, 1, 1, 1).expand(-1, 1, 8, 8)
    x = x + 0.05 * torch.randn(200, 1, 8, 8, generator=generator())
    run = training(x, 80)
    model = run.run()
    assert run.scores[-1] < run.scores[0] / 2
    dark, bright = (
        model.draw(stratum, 16, 10, 0.5, 1.0, generator(1)).mean() for stratum in (0, 1)
    )
    assert dark < -0.2 < 0.2 < bright
    # Guidance changes what is drawn, and no draw leaves the range of pixels.
    guided = model.draw(1, 16, 10, 0.5, 3.0, generator(1))
    assert guided.mean() != bright
    assert guided.abs().max() <= 1


def test_dark_images_are_drawn_dark():
    # Most of a scan is black: a walk that starts at grey noise must find its way there.
    x = torch.full((200, 1, 16, 16), -0.9)
    x[:, :, 5:11, 5:11] = 0.8
    x = x + 0.05 * torch.randn(x.shape, generator=generator())
    drawn = training(x, 200).run().draw(0, 16, 25, 0.5, 1.0, generator(1))
    assert abs(drawn.mean() - x.mean()) < 0.05
    assert drawn.flatten(1).mean(dim=1).std() < 0.1


def test_training_stops_when_held_out_images_gain_nothing(monkeypatch):
    # Forty scores, if nothing stops it.
    monkeypatch.setattr(diffusion_module, "LEAST_STEPS", 5)
    run = training(torch.zeros(20, 1, 8, 8), 200, width=8, batch_size=4)
    scores = iter([1.0, 0.5, *[0.6] * 100])
    monkeypatch.setattr(DenoisingTraining, "_score", lambda self: self.scores.append(next(scores)))
    run.run()
    assert 2 < len(run.scores) < 12


def test_a_loss_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="Lower its learning_rate"):
        training(torch.full((20, 1, 8, 8), torch.nan), 4).run()


class Cut(Exception):
    pass


@pytest.mark.parametrize("stage", ["generator", "match"])
def test_a_run_that_was_cut_off_ends_where_it_would_have(stage, digits, tmp_path, monkeypatch):
    monkeypatch.setattr(diffusion_module, "CHECKPOINT_EVERY", 0.0)
    monkeypatch.setattr(diffusion_module, "LEAST_STEPS", 5)
    settings = {**SMALL, "max_iter": 4, "random_state": 3}
    whole = DiffusionMatchingCondenser(6, generator=replace(TINY, n_steps=20), **settings)
    expected = clone(whole).fit(*digits)

    def cut(progress):
        if progress.stage == stage and progress.n_iter >= (10 if stage == "generator" else 3):
            raise Cut

    kept = {"checkpoint": tmp_path / "run"}
    with pytest.raises(Cut):
        clone(whole).set_params(**kept, callback=cut).fit(*digits)
    stages = []
    watched = clone(whole).set_params(**kept, callback=lambda p: stages.append(p.stage))
    resumed = watched.fit(*digits)
    assert resumed.X_condensed_.tobytes() == expected.X_condensed_.tobytes()
    np.testing.assert_array_equal(
        resumed.history_["generator_score"], expected.history_["generator_score"]
    )
    assert ("generator" in stages) == (stage == "generator")
    assert {path.name for path in kept["checkpoint"].iterdir()} == {
        "generator.npz",
        "candidates.npz",
        "iterations.npz",
    }
    # Another choice among the candidates needs no other generator.
    stages.clear()
    (kept["checkpoint"] / "candidates.npz").unlink()
    (kept["checkpoint"] / "iterations.npz").unlink()
    watched.set_params(selection="nearest").fit(*digits)
    assert "generator" not in stages
    with pytest.raises(ValueError, match="data"):
        watched.fit(digits[0][:150], digits[1][:150])


def test_a_stopped_generator_is_not_found_again(digits, tmp_path):
    whole = DiffusionMatchingCondenser(
        6, generator=replace(TINY, n_steps=12), **SMALL, random_state=0
    )
    expected = clone(whole).fit(*digits)
    kept = {"checkpoint": tmp_path / "run"}
    clone(whole).set_params(**kept, callback=lambda p: p.stage == "generator").fit(*digits)
    again = clone(whole).set_params(**kept).fit(*digits)
    assert again.X_condensed_.tobytes() == expected.X_condensed_.tobytes()


def test_checkpoints_know_networks_and_patients(tmp_path):
    X, y = load_breast_cancer(return_X_y=True)
    condenser = clone(TABLE).set_params(
        checkpoint=tmp_path / "run", extractor=torch.nn.Linear(30, 5)
    )
    condenser.fit(X, y)
    with pytest.raises(ValueError, match="origin"):
        clone(condenser).set_params(extractor=torch.nn.Linear(30, 5)).fit(X, y)
    with pytest.raises(ValueError, match="data"):
        clone(condenser).fit(X, y, groups=np.arange(len(y)) // 2)


def test_held_out_images_of_a_sorted_table_are_of_all_strata():
    x = torch.zeros(300, 1, 8, 8)
    strata = torch.nn.functional.one_hot((torch.arange(300) >= 150).long(), 2).float()
    data = DenoisingData(x, strata, torch.ones(300))
    plan = DenoisingPlan(8, 1, 4, 1e-3)
    run = DenoisingTraining(plan, data, data, Compute("cpu"), generator())
    assert run._exam[1].sum(dim=0).min() > 40


def test_estimate_cost_counts_the_steps_of_the_generator(digits):
    short = DiffusionMatchingCondenser(6, generator=TINY, **SMALL)
    long = clone(short).set_params(generator=replace(TINY, n_steps=4000))
    assert long.estimate_cost(*digits).seconds > 5 * short.estimate_cost(*digits).seconds > 0


def test_global_generators_are_left_alone(digits):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    DiffusionMatchingCondenser(6, generator=TINY, **SMALL, random_state=0).fit(*digits)
    assert torch.equal(torch.get_rng_state(), before)
