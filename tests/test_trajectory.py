"""Trajectory matching: acceptance tests 4, 9 to 12, 18 and 20, and the contract."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402
from torch.nn import functional  # noqa: E402

from skcondense import ColumnSchema, PrivacyLedger, RandomCondenser, TableSchema  # noqa: E402
from skcondense.exceptions import TargetError  # noqa: E402
from skcondense.neural import (  # noqa: E402
    MLP,
    AllWeights,
    ATTCondenser,
    BezierPath,
    BezierTrajectoryCondenser,
    ClosestStep,
    ConvNet,
    DATMCondenser,
    ExactAdjoint,
    ExpertTraining,
    FlatDescent,
    FTDCondenser,
    FullGraph,
    HoPTMCondenser,
    LastStep,
    MeanOfRatios,
    MiddleAngle,
    MTTCondenser,
    NeuralClassifier,
    NoShape,
    RankMask,
    RatioOfSums,
    SnapshotPath,
    StartRange,
    SteepestDescent,
    ThresholdMask,
    TrajectoryMatchingCondenser,
    TrajectoryRecipe,
    TriangleAngles,
)
from skcondense.neural import loop as loop_module  # noqa: E402
from skcondense.neural.experts import ExpertBuffer  # noqa: E402
from skcondense.neural.learned_labels import LearnedLabels  # noqa: E402
from skcondense.neural.network import Architecture  # noqa: E402
from skcondense.neural.path_loss import PathLoss, cosines  # noqa: E402
from skcondense.neural.segments import Segment  # noqa: E402
from skcondense.privacy import PrivateOracle  # noqa: E402
from skcondense.testing import check_condenser, expected_failed_checks  # noqa: E402

# Experts of a few steps on few rows do wander; the test of the warning takes no heed of this.
pytestmark = pytest.mark.filterwarnings("ignore:The paths of the experts are mostly noise")

SHORT = ExpertTraining(n_experts=2, n_snapshots=4, steps_per_snapshot=2, batch_size=16)
SMALL = {
    "network": MLP(8),
    "experts": SHORT,
    "n_student_steps": 3,
    "n_expert_snapshots": 2,
    "max_iter": 3,
    # Given: looking for one takes forty students.
    "step_length": 0.01,
    "device": "cpu",
}
KINDS = [
    MTTCondenser,
    FTDCondenser,
    DATMCondenser,
    ATTCondenser,
    HoPTMCondenser,
    BezierTrajectoryCondenser,
]
CURVE = TrajectoryRecipe(path=BezierPath(n_fit_steps=3))
CONDENSERS = [
    kind(8, **SMALL, recipe=CURVE if kind is BezierTrajectoryCondenser else "auto")
    for kind in KINDS
]
CONDENSERS[0].set_params(step_length="auto")
# scikit-learn's checks look at tables and parameters, in some sixty fits.
TINY = HoPTMCondenser(
    8,
    **{**SMALL, "network": MLP(4), "n_student_steps": 2, "max_iter": 1},
).set_params(experts=replace(SHORT, n_experts=1, n_snapshots=3, steps_per_snapshot=1))
name_of = lambda c: type(c).__name__  # noqa: E731


@pytest.mark.filterwarnings("ignore::FutureWarning")
@parametrize_with_checks([TINY], expected_failed_checks=expected_failed_checks)
def test_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("condenser", CONDENSERS, ids=name_of)
def test_contract(condenser):
    check_condenser(condenser)


@pytest.mark.parametrize("condenser", CONDENSERS, ids=name_of)
@pytest.mark.parametrize("factor", [1, 2])
def test_images(condenser, factor):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (60, 10, 12, 3)).astype(np.uint8)
    y = np.array(["ill", "well"])[rng.integers(2, size=60)]
    condenser = clone(condenser).set_params(
        n_prototypes=4, factor=factor, network=ConvNet(4), random_state=0
    )
    found = condenser.condense(X, y)
    assert found.X.shape[1:] == X.shape[1:]
    assert found.X.dtype == np.uint8
    assert condenser.n_stored_ == 4
    assert condenser.n_effective_ == 4 * factor**2
    assert found.sample_weight.sum() == pytest.approx(60)
    assert set(condenser.history_) > {"loss", "distance", "shape", "used_share", "step_length"}
    assert all(len(values) in (0, 3) for values in condenser.history_.values())
    np.testing.assert_array_equal(clone(condenser).condense(X, y).X, found.X)


@pytest.mark.parametrize("kind", [MTTCondenser, DATMCondenser])
def test_regression(kind):
    X, y = load_diabetes(return_X_y=True)
    found = kind(10, **SMALL).condense(X, y)
    assert y.min() <= found.y.min() < found.y.max() <= y.max()
    assert np.average(found.y, weights=found.sample_weight) == pytest.approx(y.mean(), rel=0.05)


def test_learned_labels_keep_the_prevalence_and_the_weights_of_rows_count():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = (X[:, 0] + rng.normal(size=300) > 1.5).astype(int)
    weight = np.where(y, 3.0, 1.0)
    found = DATMCondenser(10, **SMALL, random_state=0).condense(X, y, sample_weight=weight)
    assert found.n_prototypes == 10 < len(found)
    assert found.sample_weight @ found.y == pytest.approx(weight @ y, rel=0.05)


def test_presets_and_refusals():
    X, y = load_breast_cancer(return_X_y=True)
    for kind in [TrajectoryMatchingCondenser, *KINDS]:
        extra = {"robust", "released"} if kind is HoPTMCondenser else set()
        assert set(kind.PRESETS) == {"fast", "cpu", "gpu", "paper"} | extra
        for name in kind.PRESETS:
            preset = kind.preset(name, n_prototypes=5)
            preset._validate_params()
            path = preset._recipe().path
            path.check(preset._training(), preset.n_expert_snapshots)
    with pytest.raises(ValueError, match="Train longer"):
        MTTCondenser(8, **{**SMALL, "n_expert_snapshots": 5}).fit(X, y)
    late = TrajectoryRecipe(path=SnapshotPath(StartRange(first=3)))
    with pytest.raises(ValueError, match="Train longer"):
        MTTCondenser(8, **SMALL, recipe=late).fit(X, y)
    crossed = TrajectoryRecipe(path=BezierPath(shortest=0.5, longest=0.1))
    with pytest.raises(ValueError, match="shares of the curve"):
        MTTCondenser(8, **SMALL, recipe=crossed).fit(X, y)
    with pytest.raises(ValueError, match="positive whole number"):
        ExpertTraining(n_experts=0)


# Experts.


def fitted(X, y, **params):
    return MTTCondenser(8, **{**SMALL, "random_state": 0, **params}).fit(X, y)


@pytest.fixture(scope="module")
def table():
    return load_breast_cancer(return_X_y=True)


def test_snapshots_differ_and_come_back_bit_for_bit(table, tmp_path):
    in_memory = fitted(*table)
    kept = fitted(*table, expert_folder=tmp_path / "experts")
    np.testing.assert_array_equal(kept.X_condensed_, in_memory.X_condensed_)
    files = sorted((tmp_path / "experts").glob("*.npy"))
    before = [np.load(file) for file in files]
    assert len(before) == 2
    assert before[0].dtype == np.float32
    assert before[0].shape == (5, 30 * 8 + 8 + 8 * 8 + 8 + 8 * 2 + 2)
    for vectors in before:
        moves = np.abs(np.diff(vectors, axis=0)).max(axis=1)
        assert (moves > 0).all()
    assert not np.array_equal(*before)
    stamps = [file.stat().st_mtime_ns for file in files]
    # Another method and another seed: the experts are those of the folder.
    again = ATTCondenser(4, **SMALL, random_state=7, expert_folder=tmp_path / "experts")
    again.fit(*table)
    assert [file.stat().st_mtime_ns for file in files] == stamps
    mapped = ExpertBuffer(tmp_path / "experts", facts_in(tmp_path / "experts"), 1)[1]
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, before[1])


def facts_in(folder):
    return json.loads((folder / "experts.json").read_text())["facts"]


@pytest.mark.parametrize(
    ("params", "changed"),
    [
        ({"network": MLP(9)}, "network"),
        ({"experts": replace(SHORT, learning_rate=0.02)}, "learning_rate"),
        ({"recipe": TrajectoryRecipe(descent=FlatDescent())}, "descent"),
        ({"recipe": TrajectoryRecipe(path=BezierPath())}, "kept"),
        ({"experts": replace(SHORT, n_snapshots=5)}, "4 snapshots"),
    ],
)
def test_experts_of_other_settings_are_refused(table, tmp_path, params, changed):
    fitted(*table, expert_folder=tmp_path)
    with pytest.raises(ValueError, match=changed):
        fitted(*table, expert_folder=tmp_path, **params)


def test_curves_of_longer_experts_are_refused(table, tmp_path):
    settings = {**SMALL, "recipe": CURVE, "expert_folder": tmp_path}
    BezierTrajectoryCondenser(8, **settings).fit(*table)
    settings["experts"] = replace(SHORT, n_snapshots=6)
    with pytest.raises(ValueError, match="n_snapshots"):
        BezierTrajectoryCondenser(8, **settings).fit(*table)


def test_only_what_is_asked_for_is_taken_from_a_folder(table, tmp_path):
    plain = DATMCondenser(8, **SMALL, random_state=0)
    expected = clone(plain).fit(*table)
    longer = replace(SHORT, n_experts=3, n_snapshots=7)
    clone(plain).set_params(experts=longer, expert_folder=tmp_path).fit(*table)
    found = clone(plain).set_params(expert_folder=tmp_path).fit(*table)
    assert found.n_experts_ == 2
    np.testing.assert_array_equal(found.X_condensed_, expected.X_condensed_)
    np.testing.assert_array_equal(found.sample_weight_, expected.sample_weight_)


def test_outcomes_as_objects_are_the_same_rows(table, tmp_path):
    X, y = table
    found, stamps = [], []
    for _ in range(2):
        # Fresh objects: their addresses must not count.
        names = np.array([" ".join(["class", str(k)]) for k in y], dtype=object)
        found.append(fitted(X, names, expert_folder=tmp_path).X_condensed_)
        stamps.append([path.stat().st_mtime_ns for path in sorted(tmp_path.glob("*.npy"))])
    np.testing.assert_array_equal(*found)
    assert stamps[0] == stamps[1]
    others = np.array(["other " + str(k) for k in y], dtype=object)
    with pytest.raises(ValueError, match="classes"):
        fitted(X, others, expert_folder=tmp_path)


def test_an_expert_that_diverged_is_refused(table):
    wild = replace(SHORT, learning_rate=1e30)
    with pytest.raises(ValueError, match="learning_rate=1e\\+30 of ExpertTraining"):
        fitted(*table, experts=wild)


def test_a_checkpoint_is_of_certain_experts(table, tmp_path):
    fitted(*table, expert_folder=tmp_path / "experts", random_state=5)
    kept = {"expert_folder": tmp_path / "experts", "checkpoint": tmp_path / "run.npz"}
    fitted(*table, **kept)
    fitted(*table, **kept)
    for file in (tmp_path / "experts").iterdir():
        file.unlink()
    with pytest.raises(ValueError, match="origin"):
        fitted(*table, **kept)


def test_a_checkpoint_takes_any_unrolling(table, tmp_path):
    kept = {"checkpoint": tmp_path / "run.npz"}
    whole = fitted(*table, unrolling=FullGraph(), **kept)
    resumed = fitted(*table, unrolling=FullGraph(), **kept)
    assert resumed.n_iter_ == whole.n_iter_ == 3
    np.testing.assert_array_equal(resumed.X_condensed_, whole.X_condensed_)
    with pytest.raises(ValueError, match="unrolling"):
        fitted(*table, unrolling=ExactAdjoint(), **kept)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StartRange(grow_from=2.0), "shares"),
        (lambda: ThresholdMask(1.0, 1.5, pace=0.0), "pace"),
        (lambda: TrajectoryRecipe(labels="soft"), "hard"),
        (lambda: ExpertTraining(n_experts=1.5), "whole number"),
        (lambda: ExpertTraining(batch_size=None), "whole number"),
        (lambda: ExactAdjoint(window=0), "window"),
    ],
)
def test_settings_without_meaning_are_refused_at_once(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_survival_is_refused_before_a_folder_is_made(tmp_path):
    y = np.empty(40, dtype=[("event", bool), ("time", float)])
    y["event"], y["time"] = True, np.arange(1, 41)
    X = np.random.default_rng(0).normal(size=(40, 3))
    with pytest.raises(TargetError, match="DistributionMatchingCondenser"):
        fitted(X, y, expert_folder=tmp_path / "experts")
    assert not (tmp_path / "experts").exists()


def test_experts_of_other_rows_are_refused(table, tmp_path):
    X, y = table
    fitted(X, y, expert_folder=tmp_path)
    with pytest.raises(ValueError, match="rows"):
        fitted(X[::-1], y[::-1], expert_folder=tmp_path)


def test_a_folder_survives_what_happens_to_folders(table, tmp_path):
    whole = fitted(*table, expert_folder=tmp_path / "experts")
    # Cut off while the second expert was written.
    second = tmp_path / "experts" / "expert_00001.npy"
    second.rename(tmp_path / "experts" / ".expert_00001.npy.part")
    again = fitted(*table, expert_folder=tmp_path / "experts")
    np.testing.assert_array_equal(again.X_condensed_, whole.X_condensed_)
    second.write_bytes(b"")
    with pytest.raises(ValueError, match="damaged"):
        fitted(*table, expert_folder=tmp_path / "experts")
    (tmp_path / "experts" / "experts.json").write_text("{")
    with pytest.raises(ValueError, match="damaged"):
        fitted(*table, expert_folder=tmp_path / "experts")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.docx").touch()
    with pytest.raises(ValueError, match="empty folder"):
        fitted(*table, expert_folder=tmp_path / "other")


def test_flat_descent_is_the_published_step():
    gradient = lambda w: torch.stack([4 * w[0], w[1] ** 2])  # noqa: E731
    w = torch.tensor([1.0, 2.0], dtype=torch.float64)
    g = np.array([4.0, 4.0])
    epsilon = 0.01 * w.numpy() ** 2 * g / np.linalg.norm(np.abs(w.numpy()) * g)
    uphill = np.array([4 * (1 + epsilon[0]), (2 + epsilon[1]) ** 2])
    across = g - (g @ uphill) / (uphill @ uphill) * uphill
    found = FlatDescent(rho=0.01, alpha=0.3).direction(gradient, w)
    np.testing.assert_allclose(found, uphill - 0.3 * across, rtol=1e-12)
    assert torch.equal(SteepestDescent().direction(gradient, w), gradient(w))


def test_starts_grow_and_include_both_ends():
    generator = torch.Generator().manual_seed(0)
    starts = StartRange(first=2, grow_from=0.5, grow_until=0.2)
    drawn = lambda progress: {starts.draw(9, progress, generator) for _ in range(300)}  # noqa: E731
    assert starts.latest(11, 2) == 9
    assert drawn(0.0) == {2, 3, 4, 5}
    assert drawn(0.1) == set(range(2, 8))
    assert drawn(0.2) == drawn(1.0) == set(range(2, 10))


def test_a_curve_passes_its_ends_and_its_fit_lowers_the_loss(table):
    path = BezierPath(n_fit_steps=100)
    grabbed = {}

    class Spy(BezierPath):
        def record(self, trainer, seed):
            first, control, last = super().record(trainer, seed)
            grabbed.update(trainer=trainer, seed=seed, ends=(first, last))
            return np.stack([first, control, last])

    experts = replace(SHORT, n_experts=1, n_snapshots=20, steps_per_snapshot=10)
    recipe = TrajectoryRecipe(path=Spy(n_fit_steps=3))
    fitted(*table, experts=experts, recipe=recipe)
    trainer, seed = grabbed["trainer"], grabbed["seed"]
    snapshots = trainer.snapshots(seed)
    first, control, last = path.record(trainer, seed)
    np.testing.assert_array_equal(first, snapshots[0])
    np.testing.assert_array_equal(last, snapshots[-1])
    student = trainer.student()
    passing = 2 * snapshots[10] - (first + last) / 2

    def loss(control):
        found = []
        for u in np.linspace(0, 1, 9):
            at = (1 - u) ** 2 * first + 2 * u * (1 - u) * control + u**2 * last
            x, targets = trainer.problem.x, trainer.problem.targets
            with torch.no_grad():
                losses = student.losses(torch.from_numpy(np.float32(at)), x, targets)
            found.append(float(losses.mean()))
        return np.mean(found)

    assert loss(control) < loss(passing)
    generator = torch.Generator().manual_seed(0)
    whole = BezierPath(shortest=1.0, longest=1.0)
    segment = whole.draw(
        np.stack([first, control, last]), experts, 2, 0.0, generator, torch.from_numpy
    )
    np.testing.assert_allclose(segment.start, first, rtol=1e-6)
    np.testing.assert_allclose(segment.target, last, atol=1e-6)
    # Halves of the way, however fast the curve runs.
    bent = np.float32([[0, 0], [3, 0], [4, 0]])
    halves = whole.draw(bent, experts, 2, 0.0, generator, torch.from_numpy)
    np.testing.assert_allclose(halves.middle, [2, 0], atol=1e-3)


# The loss of a path.

N_WEIGHTS = 40


def vectors(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return list(torch.randn(count, N_WEIGHTS, generator=generator, dtype=torch.float64))


def path_loss(segment, **parts):
    plain = {
        "step": LastStep(),
        "distance": RatioOfSums(),
        "mask": AllWeights(),
        "shape": NoShape(),
        "progress": 0.0,
    }
    return PathLoss(segment, **{**plain, **parts})


def test_closest_step_finds_a_state_that_is_the_target():
    start, one, two, three = vectors(4)
    loss = path_loss(Segment(start, None, two), step=ClosestStep())
    assert loss.points([start, one, two, three]) == (2,)
    assert float(loss.value([two])) == 0
    # Of two that are as close, the last; never the start.
    assert ClosestStep().choose([two, one, two, two, three], two) == 3
    assert ClosestStep().choose([two, one], two) == 1


def published_shape(points, others):
    """The released code's mean of 27 inner products of directions, re-stated."""
    tensors = []
    for three in (points, others):
        stacked = torch.stack(three)
        sides = functional.normalize(stacked[None] - stacked[:, None], dim=2)
        tensors.append(torch.bmm(sides, sides.transpose(1, 2)))
    assert tensors[0].shape == (3, 3, 3)
    return functional.smooth_l1_loss(*tensors)


def test_triangle_is_the_mean_of_27_entries():
    start, middle, target, own, end = vectors(5)
    segment = Segment(start, middle, target)
    found = TriangleAngles(0.7).value(segment, own, end)
    expected = published_shape([start, own, end], [start, middle, target])
    assert float(found) == pytest.approx(0.7 * float(expected), rel=1e-10)
    angle = MiddleAngle(1.0).value(segment, own, end)
    one, other = cosines(segment, own, end)[1], cosines(segment, middle, target)[1]
    assert float(angle) == pytest.approx(float(functional.smooth_l1_loss(one, other)))


def test_a_student_that_does_not_move_has_a_finite_gradient():
    start, middle, target = vectors(3)
    segment = Segment(start, middle, target)
    for moved in (0.0, 1e-9, 1e-3):
        own = (start + moved).requires_grad_()
        end = (start + 2 * moved).requires_grad_()
        loss = TriangleAngles().value(segment, own, end) + ((end - target) ** 2).sum()
        gradients = torch.autograd.grad(loss, [own, end], materialize_grads=True)
        assert max(float(gradient.abs().max()) for gradient in gradients) < 1e4


def test_students_that_hardly_move_end_no_run(table):
    far = replace(SHORT, learning_rate=3.0)
    settings = {**SMALL, "experts": far, "n_student_steps": 2, "step_length": 1e-5}
    found = HoPTMCondenser(8, **settings, random_state=0).fit(*table)
    assert np.isfinite(found.history_["loss"]).all()


def test_masks():
    start, target, first, second = vectors(4)
    segment = Segment(start, None, target)
    keep = lambda mask, end, progress=0.0, kept=None, **kw: run(  # noqa: E731
        path_loss(segment, mask=mask, progress=progress, kept=kept, **kw), end
    )

    def run(loss, end):
        value = loss.value([end])
        assert math.isfinite(float(value))
        return loss.kept

    error = lambda end: (end - target) ** 2  # noqa: E731
    recomputed = ThresholdMask(1.0, 2.0, pace=0.1)
    assert torch.equal(keep(recomputed, first), error(first) < 1.0)
    assert torch.equal(keep(recomputed, second, kept=error(first) < 1.0), error(second) < 1.0)
    assert torch.equal(keep(recomputed, first, 0.3), error(first) < 8.0)
    sticky = replace(recomputed, sticky=True)
    before = keep(sticky, first)
    assert torch.equal(keep(sticky, second, kept=before), before | (error(second) < 1.0))
    # A threshold that nothing passes: the easiest weights are matched all the same.
    empty = ThresholdMask(1e-30, 1.5, sticky=True, least_share=0.1)
    nothing = keep(empty, first)
    assert not nothing.any()
    least = empty.filled(nothing, error(first))
    assert int(least.sum()) == 4
    assert error(first)[least].max() <= error(first)[~least].min()
    loss = path_loss(segment, mask=empty)
    assert float(loss.value([first])) == pytest.approx(
        float(error(first)[least].sum() / error(start)[least].sum())
    )
    assert loss.facts["used_share"] == pytest.approx(0.1)
    shares = [float(keep(RankMask(0.3, 0.6), first, p).float().mean()) for p in (0, 0.3, 0.6, 1)]
    assert shares == pytest.approx([0.3, math.sqrt(0.3), 1, 1], abs=0.02)
    ratio = MeanOfRatios(damping=0.0)
    mask = keep(ThresholdMask(0.5, 1.0), first, distance=ratio)
    moves = (start - target) ** 2
    assert torch.equal(mask, error(first) / (moves + 1e-12) < 0.5)


def test_values_of_distances():
    start, target, end = vectors(3)
    errors, moves = (end - target) ** 2, (start - target) ** 2
    whole = path_loss(Segment(start, None, target)).value([end])
    assert float(whole) == pytest.approx(float(errors.sum() / moves.sum()))
    mean = path_loss(Segment(start, None, target), distance=MeanOfRatios(0.0)).value([end])
    assert float(mean) == pytest.approx(float((errors / moves).mean()), rel=1e-9)
    still = path_loss(Segment(start, None, start)).value([end])
    assert math.isfinite(float(still))


@pytest.mark.parametrize("short", [{"n_expert_snapshots": 1}, {"n_student_steps": 1}])
def test_a_path_without_a_middle_has_no_shape(table, short):
    condenser = HoPTMCondenser(8, **{**SMALL, **short}, random_state=0)
    with pytest.warns(ConvergenceWarning, match="no middle point"):
        condenser.fit(*table)
    assert (condenser.history_["shape"] == 0).all()


# Guards.


def test_the_step_length_stays_positive_and_bounded(table):
    for rate in (50.0, 1e6):
        found = fitted(*table, step_length_rate=rate, max_iter=6, optimizer="sgd")
        lengths = found.history_["step_length"]
        assert (lengths >= 0.99e-5).all()
        assert (lengths <= 1.01).all()
        assert 0.99e-5 <= found.step_length_ <= 1.01


def test_a_batch_that_is_not_a_number_leaves_all_as_it_was(table, monkeypatch):
    before = fitted(*table, max_iter=0)
    monkeypatch.setattr(
        "skcondense.neural.path_loss.RatioOfSums.value",
        lambda self, errors, moves, kept: errors.sum() * math.nan,
    )
    with pytest.warns(ConvergenceWarning, match="3 of 3 steps were skipped"):
        after = fitted(*table)
    np.testing.assert_array_equal(after.X_condensed_, before.X_condensed_)
    assert after.step_length_ == before.step_length_


def test_steps_with_too_large_a_loss_are_skipped(table):
    start = fitted(*table, max_iter=0).X_condensed_
    found = fitted(*table, recipe=TrajectoryRecipe(largest_loss=1e-9))
    np.testing.assert_array_equal(found.X_condensed_, start)
    assert found.n_evals_ == 0
    assert np.isnan(found.history_["loss"]).all()
    assert (found.history_["distance"] > 1e-9).all()


def test_labels_of_a_class_that_no_expert_knows_are_finite(table):
    outputs = torch.tensor([[[3.0, 0.0], [3.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]])
    labels = LearnedLabels.of(None, outputs, torch.tensor([0, 1]))
    torch.testing.assert_close(labels.values.detach(), torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
    never = LearnedLabels.of(None, outputs[:1], torch.tensor([1, 1]))
    torch.testing.assert_close(never.values.detach(), outputs[0])
    # A class that experts of a few steps never predict.
    X, y = table
    rows = np.r_[np.flatnonzero(y == 0)[:100], np.flatnonzero(y == 1)[:4]]
    found = DATMCondenser(4, **SMALL, init="correct", random_state=0).fit(X[rows], y[rows])
    assert np.isfinite(found.sample_weight_).all()


STICKY = replace(HoPTMCondenser.RELEASED, mask=ThresholdMask(1e-6, 1.5, 0.1, sticky=True))


@pytest.mark.parametrize(
    ("kind", "params", "points"),
    [
        # Everywhere: experts are two of the ten rounds.
        (HoPTMCondenser, {"recipe": STICKY}, range(1, 11)),
        (BezierTrajectoryCondenser, {"recipe": CURVE}, (2, 9)),
        (DATMCondenser, {}, (2, 9)),
        (FTDCondenser, {"step_length": "auto"}, (2, 9)),
    ],
    ids=["sticky mask", "curve", "learned labels", "averaged rows"],
)
def test_a_run_that_is_cut_off_anywhere_ends_the_same(
    kind, params, points, table, tmp_path, monkeypatch
):
    monkeypatch.setattr(loop_module, "CHECKPOINT_EVERY", 0.0)
    whole = kind(6, **{**SMALL, "max_iter": 8, **params}, random_state=0)
    expected = clone(whole).fit(*table)

    class Cut(Exception):
        pass

    for point in points:
        folder = tmp_path / str(point)
        rounds = []

        def cut(progress, rounds=rounds, point=point):
            rounds.append(progress)
            if len(rounds) == point:
                raise Cut

        kept = {"checkpoint": folder / "run.npz", "expert_folder": folder / "experts"}
        with pytest.raises(Cut):
            clone(whole).set_params(**kept, callback=cut).fit(*table)
        resumed = clone(whole).set_params(**kept).fit(*table)
        assert resumed.X_condensed_.tobytes() == expected.X_condensed_.tobytes()
        assert resumed.sample_weight_.tobytes() == expected.sample_weight_.tobytes()
        for name, values in expected.history_.items():
            np.testing.assert_array_equal(resumed.history_[name], values)
    with pytest.raises(ValueError, match="max_iter"):
        clone(whole).set_params(**kept, max_iter=9).fit(*table)


# With epsilon.


def two_digits():
    # Few: every gradient of every row is taken by itself.
    X, y = (part[:40] for part in load_digits(n_class=2, return_X_y=True))
    image = ColumnSchema(name="image", kind="image", bounds=(0, 16), shape=(8, 8))
    digit = ColumnSchema(name="digit", kind="binary", categories=(0, 1))
    return X.reshape(-1, 8, 8), y, TableSchema((image,), outcome=digit)


class Fickle(Architecture):
    """Its outputs are no numbers."""

    def body(self, input_shape):
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2), NoNumbers())


class NoNumbers(torch.nn.Module):
    def forward(self, x):
        return x * float("nan")


class TwoForOne(SteepestDescent):
    """Takes more gradients than it says."""

    def direction(self, gradient, weights):
        return gradient(weights) + gradient(weights)


class HalfForOne(SteepestDescent):
    """Takes fewer gradients than it says."""

    n_gradients = 2


FEW_STEPS = replace(SHORT, n_snapshots=3, steps_per_snapshot=1)
PRIVATE = {
    **SMALL,
    "network": ConvNet(4),
    "private_experts": FEW_STEPS,
    "epsilon": 20.0,
    "random_state": 0,
}


@pytest.mark.parametrize("kind", [MTTCondenser, HoPTMCondenser, DATMCondenser])
def test_private_fits_replay_from_answers(kind):
    X, y, schema = two_digits()
    length = "auto" if kind is MTTCondenser else 0.01
    condenser = kind(6, **{**PRIVATE, "step_length": length}, schema=schema)
    found = condenser.condense(X, y, groups=np.arange(len(y)) // 2)
    assert found.privacy.epsilon == pytest.approx(20.0, rel=1e-3)
    n_gradients = 2 * 3 * (1 if kind is MTTCondenser else 2)
    asked = [spend.query for spend in condenser.privacy_.spends]
    assert asked == ["outcomes", "means", *["gradients"] * n_gradients]
    again = condenser.replay()
    np.testing.assert_array_equal(again.X, found.X)
    np.testing.assert_array_equal(again.y, found.y)
    np.testing.assert_array_equal(again.sample_weight, found.sample_weight)


@pytest.mark.parametrize("outcome", ["class", "amount"])
def test_no_patient_moves_a_gradient_by_more_than_it_says(outcome, monkeypatch):
    X, y, schema = two_digits()
    if outcome == "amount":
        y = y + np.linspace(0, 0.5, len(y))
        amount = ColumnSchema(name="amount", kind="numeric", bounds=(0, 2))
        schema = TableSchema(schema.columns, outcome=amount)
    asked = []
    ask = PrivateOracle.ask

    def listen(self, query):
        asked.append((query, self._patients._rows))
        return ask(self, query)

    monkeypatch.setattr(PrivateOracle, "ask", listen)
    condenser = MTTCondenser(6, **PRIVATE, schema=schema).fit(X, y)
    assert condenser.task_.name == ("regression" if outcome == "amount" else "classification")
    for query, rows in asked[2:]:
        assert query.bound == 1.0
        among = query.within_reach(query.function(rows))
        assert among.shape == (len(y), query.size)
        # Rows do not look at each other: alone, a row contributes what it does among others. The
        # door clips what a patient's rows add up to.
        for i in range(0, len(y), 8):
            alone = query.within_reach(query.function(rows.take(np.array([i]))))
            np.testing.assert_array_equal(alone[0], among[i])
        # Nor does it matter where a row stands.
        shifted = query.within_reach(query.function(rows.take(np.arange(1, 12))))
        np.testing.assert_array_equal(shifted, among[1:12])


def test_private_experts_learn_where_there_is_little_noise():
    X, y, schema = two_digits()
    experts = ExpertTraining(1, 6, 4, learning_rate=0.5)
    settings = {**PRIVATE, "epsilon": 1e4, "private_experts": experts, "max_iter": 20}
    settings["step_length"] = "auto"
    found = MTTCondenser(6, **settings, schema=schema).fit(X, y)
    assert found.history_["distance"][-5:].mean() < 0.6


def test_experts_that_wander_are_told_of():
    path, training = SnapshotPath(), ExpertTraining(1, 20)
    generator = np.random.default_rng(0)
    steps = generator.normal(size=(21, 500)).astype(np.float32)
    walk = steps.cumsum(axis=0)
    assert path.straightness(walk, training, 6) == pytest.approx(0, abs=0.1)
    # Half of the squared length of a step is the same for all: the cosine of long stretches.
    drift = walk + np.arange(21, dtype=np.float32)[:, None]
    assert path.straightness(drift, training, 6) == pytest.approx(0.75, abs=0.05)
    assert path.straightness(drift, training, 1) is None
    assert path.straightness(np.ones((21, 5), np.float32), training, 2) == 0
    X, y = load_digits(return_X_y=True)
    experts = ExpertTraining(3, 4, steps_per_snapshot=1, batch_size=16, learning_rate=3.0)
    settings = {**SMALL, "network": MLP(4), "experts": experts, "max_iter": 1}
    with pytest.warns(ConvergenceWarning, match="mostly noise"):
        MTTCondenser(10, **settings, random_state=0).fit(X, y)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"recipe": CURVE}, "fitted to real rows"),
        ({"expert_folder": "experts"}, "expert_folder=None"),
        ({"private_experts": replace(FEW_STEPS, steps_per_snapshot=None)}, "no epochs"),
        ({"n_expert_snapshots": 9}, "Train longer"),
        ({"early_stopping": True}, "no rows are held out"),
        ({"init": "real"}, "looks at real rows"),
        ({"n_prototypes": 1}, "n_prototypes"),
        ({"network": MLP(4), "factor": 20}, "factor"),
        ({"network": Fickle()}, "finite numbers"),
        ({"recipe": TrajectoryRecipe(descent=TwoForOne())}, "share of"),
        ({"recipe": TrajectoryRecipe(descent=HalfForOne())}, "not for all of it"),
    ],
)
def test_private_fits_refuse_before_anything_is_spent(params, message):
    X, y, schema = two_digits()
    ledger = PrivacyLedger(delta=1e-5)
    condenser = MTTCondenser(6, **PRIVATE, schema=schema, ledger=ledger).set_params(**params)
    with pytest.raises(ValueError, match=message):
        condenser.fit(X, y)
    assert not ledger.spends


def test_private_fits_without_gradients_cost_nothing():
    X, y, schema = two_digits()
    ledger = PrivacyLedger(delta=1e-5)
    condenser = MTTCondenser(6, **PRIVATE, schema=schema, ledger=ledger)
    with torch.no_grad(), pytest.raises(RuntimeError, match="grad"):
        condenser.fit(X, y)
    assert not ledger.spends


def test_mean_rows_that_nobody_needs_are_not_paid_for():
    X, y, schema = two_digits()
    condenser = MTTCondenser(6, **PRIVATE, schema=schema, init="noise").fit(X, y)
    asked = {spend.query for spend in condenser.privacy_.spends}
    assert asked == {"outcomes", "gradients"}
    assert condenser.budget_plan().shares["gradients"] == pytest.approx(0.98)


def test_curves_have_no_private_plan():
    schema = two_digits()[2]
    with pytest.raises(ValueError, match="fitted to real rows"):
        BezierTrajectoryCondenser(6, epsilon=1.0, schema=schema).budget_plan()


def test_callbacks_watch_private_fits_and_do_not_stop_them():
    X, y, schema = two_digits()
    seen = []
    condenser = MTTCondenser(
        6, **PRIVATE, schema=schema, callback=lambda p: seen.append(p.stage) or True
    )
    found = condenser.condense(X, y)
    assert seen.count("experts") == FEW_STEPS.n_snapshots * FEW_STEPS.n_experts
    assert seen.count("match") == condenser.n_iter_ == condenser.max_iter
    np.testing.assert_array_equal(condenser.replay().X, found.X)


def test_private_experts_that_diverge_are_refused_before_anything_is_spent():
    X, y, schema = two_digits()
    ledger = PrivacyLedger(delta=1e-5)
    experts = replace(FEW_STEPS, learning_rate=1e300)
    settings = {**PRIVATE, "private_experts": experts, "schema": schema, "ledger": ledger}
    with pytest.raises(ValueError, match="finite numbers"):
        DATMCondenser(6, **settings).fit(X, y)
    assert not ledger.spends


def test_noise_that_drowns_the_gradients_is_told():
    X, y, schema = two_digits()
    with pytest.warns(ConvergenceWarning, match="experts wander"):
        MTTCondenser(6, **{**PRIVATE, "epsilon": 0.1}, schema=schema).fit(X, y)


def test_estimate_cost_counts_experts(table, tmp_path):
    few = MTTCondenser(8, **SMALL).estimate_cost(*table)
    many = MTTCondenser(8, **{**SMALL, "experts": replace(SHORT, n_experts=500)})
    assert many.estimate_cost(*table).seconds > 5 * few.seconds > 0
    # Those that are there cost nothing more.
    folder = tmp_path / "experts"
    fitted(*table, expert_folder=folder)
    for number in range(len(list(folder.glob("*.npy"))), 500):
        (folder / f"expert_{number:05d}.npy").touch()
    made = clone(many).set_params(expert_folder=folder)
    assert made.estimate_cost(*table).seconds < many.estimate_cost(*table).seconds / 5
    # Memory is that of an iteration, however long experts are.
    long = MTTCondenser(8, **{**SMALL, "experts": replace(SHORT, n_snapshots=40)})
    assert long.estimate_cost(*table).memory == pytest.approx(few.memory, rel=0.01)


def test_callbacks_end_the_experts_early(table):
    seen = []

    def stop(progress):
        seen.append(progress)
        return progress.stage == "experts"

    found = fitted(*table, callback=stop)
    assert found.n_experts_ == 1
    assert [p.stage for p in seen] == ["experts", "match", "match", "match"]


def test_early_stopping_takes_scores(table, monkeypatch):
    monkeypatch.setattr(TrajectoryMatchingCondenser, "_score_every", 2)
    found = FTDCondenser(8, **{**SMALL, "max_iter": 4}, early_stopping=True, random_state=0)
    assert len(found.fit(*table).history_["score"]) == 2


def test_averaged_rows_lie_between_the_start_and_the_last(table):
    recipe = TrajectoryRecipe(averaging=0.9995)
    start = fitted(*table, max_iter=0).X_condensed_
    last = fitted(*table, max_iter=8).X_condensed_
    mean = fitted(*table, max_iter=8, recipe=recipe).X_condensed_
    assert np.linalg.norm(last - mean) < np.linalg.norm(last - start)
    assert not np.array_equal(last, mean)


def test_condensed_digits_beat_random_ones():
    X, y = load_digits(return_X_y=True)
    split = train_test_split(X.reshape(-1, 8, 8), y, test_size=0.4, stratify=y, random_state=0)
    X, X_test, y, y_test = split
    small = ExpertTraining(n_experts=1, n_snapshots=8, steps_per_snapshot=10)
    common = {"n_prototypes": 10, "allocation": "balanced", "random_state": 0}
    ours = MTTCondenser.preset(
        "fast", **common, experts=small, max_iter=20, n_student_steps=8, network=ConvNet(8),
        augmentation="digits",
    )  # fmt: skip
    scores = []
    for condenser in (ours, RandomCondenser(**common)):
        found = condenser.condense(X, y)
        network = NeuralClassifier(ConvNet(8), augmentation="digits", n_steps=60, random_state=0)
        network.fit(found.X, found.y, sample_weight=found.sample_weight)
        scores.append(network.score(X_test, y_test))
    assert scores[0] > scores[1] + 0.05
