"""Networks, augmentation, kernels and the loop, against what is known of them."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from skcondense import TableEncoder
from skcondense.neural import (
    AUGMENTATIONS,
    MLP,
    NTK,
    VGG11,
    AlexNet,
    Augmentation,
    ConvNet,
    GaussianKernel,
    LaplaceKernel,
    RandomFeatureKernel,
    ResidualMLP,
    ResNet18,
    solve_labels,
)
from skcondense.neural.augmentation import Draw
from skcondense.neural.checkpoint import Checkpoint
from skcondense.neural.compute import Compute
from skcondense.neural.gradient import gradient_distance
from skcondense.neural.inputs import InputSpace, Normaliser
from skcondense.neural.kernel_points import kernel_weights
from skcondense.neural.layers import Halving
from skcondense.neural.network import initialise, make_network, n_parameters
from skcondense.neural.problem import Objective
from skcondense.neural.settings import NetworkSettings
from skcondense.neural.synthetic import expand, mosaic
from skcondense.neural.training import TrainingRecipe, train
from skcondense.table import Container, infer_schema
from skcondense.tasks import ClassificationTask, RegressionTask


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


SHAPES = [(1, 28, 28), (3, 28, 28), (1, 20, 33), (3, 64, 64), (1, 8, 8)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "architecture",
    [ConvNet(8), VGG11(4), AlexNet(4), ResNet18(4), MLP(16), ConvNet(8, norm="group")],
    ids=lambda a: type(a).__name__,
)
def test_any_image_trains_a_step(architecture, shape):
    network = make_network(architecture, shape, 3, generator())
    x = torch.randn(4, *shape, generator=generator(1))
    loss = network(x).square().mean()
    loss.backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())
    # Dead feature maps would be the same for every image.
    assert network.features(x).std(dim=0).max() > 1e-4


@pytest.mark.parametrize("architecture", [MLP(16, norm="layer"), ResidualMLP(16)])
def test_any_row_trains_a_step(architecture):
    network = make_network(architecture, (7,), 2, generator())
    network(torch.randn(5, 7, generator=generator(1))).square().mean().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())


def test_convnet_refuses_rows():
    with pytest.raises(ValueError, match="takes images"):
        make_network(ConvNet(), (7,), 2, generator())


@pytest.mark.parametrize(
    ("shape", "width", "n_classes", "expected"),
    [
        ((3, 32, 32), 128, 10, 320_010),
        ((3, 32, 32), 128, 9, 317_961),
        ((1, 28, 28), 128, 2, 301_314),
        ((3, 64, 64), 128, 2, 451_458),
        ((3, 32, 32), 32, 10, 24_714),
        ((3, 32, 32), 64, 9, 85_257),
    ],
)
def test_convnet_has_the_published_size(shape, width, n_classes, expected):
    network = make_network(ConvNet(width), shape, n_classes, generator())
    assert n_parameters(network) == expected


def test_weights_come_from_the_generator_only():
    before = torch.get_rng_state()
    network = make_network(ConvNet(8), (1, 8, 8), 2, generator(3))
    again = make_network(ConvNet(8), (1, 8, 8), 2, generator(3))
    assert torch.equal(torch.get_rng_state(), before)
    pairs = list(zip(network.parameters(), again.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    initialise(again, generator(4))
    assert not torch.equal(network.head.weight, again.head.weight)
    # torch's own rule: uniform within 1 / sqrt(fan in).
    assert float(network.head.weight.detach().abs().max()) <= 1 / math.sqrt(network.n_features)


def test_unknown_layers_are_refused():
    with pytest.raises(TypeError, match="BatchNorm2d"):
        initialise(torch.nn.BatchNorm2d(3), generator())


@pytest.mark.parametrize(
    "transform", sorted({t for a in AUGMENTATIONS.values() for t in a.transforms})
)
def test_draws_are_siamese_and_differentiable(transform):
    before = torch.get_rng_state()
    augmentation = Augmentation(transforms=(transform,))
    draw = augmentation.draw(generator(5))
    x = torch.randn(3, 2, 12, 12, generator=generator(1), requires_grad=True)
    y = torch.cat([x, x.detach()[:1] * 2])
    out = draw(x)
    assert out.shape == x.shape
    # The same place in every image comes from the same place: geometry does not depend on pixels.
    if transform != "color":
        torch.testing.assert_close(draw(y)[:3], out)
        torch.testing.assert_close(draw(y)[3], out[0] * 2)
    out.sum().backward()
    assert x.grad.isfinite().all()
    assert x.grad.abs().sum() > 0
    each = augmentation.draw(generator(6), 3)
    torch.testing.assert_close(each(x.detach()).shape, x.shape)
    assert torch.equal(torch.get_rng_state(), before)


def test_per_image_crop_agrees_with_siamese_crop():
    augmentation = Augmentation(transforms=("crop",))
    one = augmentation.draw(generator(7))
    many = type(one)(augmentation, "crop", one.uniforms.expand(4, -1))
    x = torch.randn(4, 3, 9, 16, generator=generator(1))
    torch.testing.assert_close(one(x), many(x))


def test_unknown_transform():
    with pytest.raises(ValueError, match="Unknown transforms"):
        Augmentation(transforms=("sharpen",))


def test_gradient_distance():
    rows = torch.randn(5, 4, generator=generator())
    convolution = torch.randn(3, 2, 3, 3, generator=generator(1))
    bias = torch.randn(5, generator=generator(2))
    same = [rows, convolution, bias]
    assert float(gradient_distance(same, same)) == pytest.approx(0, abs=1e-5)
    opposite = [-rows, -convolution, bias]
    assert float(gradient_distance(same, opposite)) == pytest.approx(2 * (5 + 3), abs=1e-4)
    assert float(gradient_distance(same, [rows, convolution, -bias])) == pytest.approx(0, abs=1e-5)
    zeros = [torch.zeros_like(p) for p in same]
    assert float(gradient_distance(same, zeros)) == pytest.approx(8)


@pytest.mark.parametrize("factor", [2, 3])
def test_mosaics(factor):
    flat = torch.arange(2 * factor**2, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 1, 7, 8)
    stored = mosaic(flat, factor)
    assert stored.shape == (2, 1, 7, 8)
    torch.testing.assert_close(expand(stored, factor), flat.contiguous())


def space_of(X):
    container = Container.of(X)
    encoder = TableEncoder(infer_schema(container, container.read(X)))
    Z = encoder.encode(container.read(X))
    channels = X.shape[3] if X.ndim == 4 else 1
    size = channels if X.ndim > 2 else encoder.n_codes
    normaliser = Normaliser.fitted(Z, size, np.ones(len(Z)))
    return InputSpace(encoder, normaliser, Compute("cpu")), Z


def test_images_become_normalised_inputs_and_back():
    X = np.random.default_rng(0).integers(0, 256, (40, 6, 5, 3)).astype(np.uint8)
    X[..., 2] //= 4
    space, Z = space_of(X)
    x = space.inputs(Z)
    assert x.shape == (40, 3, 6, 5)
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.std((0, 2, 3)), torch.ones(3), atol=1e-3, rtol=0)
    np.testing.assert_allclose(space.codes(x), Z, atol=1e-6)
    space.project(x.mul_(100))
    assert np.abs(space.codes(x)).max() <= 1 + 1e-6


def test_categories_stay_on_the_simplex():
    frame = pd.DataFrame({"age": np.arange(30.0), "stage": ["I", "II", "III"] * 10})
    space, Z = space_of(frame)
    x = space.inputs(Z)
    legal = x.clone()
    space.project(legal)
    torch.testing.assert_close(legal, x)
    moved = x + 3 * torch.randn(x.shape, generator=generator())
    space.project(moved)
    shares = space.codes(moved)[:, 1:] * math.sqrt(2)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    assert shares.min() >= -1e-6


KERNELS = [NTK(), NTK(depth=3), GaussianKernel(), LaplaceKernel()]


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_kernels(kernel):
    a = torch.randn(12, 5, dtype=torch.float64, generator=generator()).requires_grad_()
    K = kernel.within(a)
    torch.testing.assert_close(K, K.T)
    assert torch.linalg.eigvalsh(K.detach()).min() > 0
    # The analytic diagonal is the limit of the formula for different rows.
    torch.testing.assert_close(
        kernel.between(a, a).diagonal(), kernel.diagonal(a), rtol=3e-3, atol=0
    )
    (gradient,) = torch.autograd.grad(K.sum(), a)
    assert gradient.isfinite().all()


def test_random_features_stand_for_a_kernel():
    images = torch.randn(5, 1, 16, 16, dtype=torch.float64, generator=generator())
    images = images.cumsum(dim=2).cumsum(dim=3) / 10
    encoder = TableEncoder(image_schema(images))
    compute = Compute("cpu", "float64")
    space = InputSpace(encoder, Normaliser.declared(1), compute)
    settings = NetworkSettings(ConvNet(), AUGMENTATIONS["none"], space, 2, compute)

    def matrix(n_networks, x, seed):
        kernel = RandomFeatureKernel(n_networks=n_networks).drawn(settings, generator(seed))
        return kernel.within(kernel.rows(x))

    before = torch.get_rng_state()
    K = matrix(100, images, 0)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.linalg.eigvalsh(K).min() > 0
    assert torch.equal(matrix(2, images, 1), matrix(2, images, 1))
    # Other networks say the same, the more of them the closer.
    other = matrix(100, images, 1)
    torch.testing.assert_close(K, other, rtol=0.05, atol=0.02 * float(K.max()))
    assert torch.dist(K, other) < torch.dist(matrix(2, images, 2), matrix(2, images, 3))
    # Unlike kernels in closed form they know which pixels are neighbours.
    order = torch.randperm(256, generator=generator())
    shuffled = images.flatten(1)[:, order].reshape(images.shape)
    plain = NTK()
    torch.testing.assert_close(plain.within(plain.rows(images)), plain.within(shuffled.flatten(1)))
    assert torch.dist(matrix(100, shuffled, 0), K) > 5 * torch.dist(K, other)


def image_schema(images):
    pictures = images[:, 0].numpy()
    container = Container.of(pictures)
    return infer_schema(container, container.read(pictures))


class WideNetwork(torch.nn.Module):
    """One hidden layer in the parametrisation in which the kernel is that of training."""

    def __init__(self, n_inputs, width, kernel):
        super().__init__()
        drawn = generator()
        self.w1, self.b1, self.w2, self.b2 = (
            torch.nn.Parameter(torch.randn(shape, dtype=torch.float64, generator=drawn))
            for shape in [(width, n_inputs), (width,), (width,), ()]
        )
        self.scales = kernel.weight_variance**0.5, kernel.bias_variance**0.5

    def forward(self, x):
        weight, bias = self.scales
        hidden = torch.relu(weight * x @ self.w1.T / x.shape[1] ** 0.5 + bias * self.b1)
        return weight * hidden @ self.w2 / len(self.w2) ** 0.5 + bias * self.b2


def test_ntk_is_that_of_a_wide_network():
    kernel = NTK(depth=1)
    x = torch.randn(4, 6, dtype=torch.float64, generator=generator(1))
    network = WideNetwork(6, 40_000, kernel)
    rows = []
    for row in x:
        grads = torch.autograd.grad(network(row[None])[0], list(network.parameters()))
        rows.append(torch.cat([g.flatten() for g in grads]))
    empirical = torch.stack(rows) @ torch.stack(rows).T
    torch.testing.assert_close(kernel.within(x), empirical, rtol=0.05, atol=0.02)


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_solved_labels_reproduce_targets_among_the_support(kernel):
    support = torch.randn(10, 5, dtype=torch.float64, generator=generator())
    labels = torch.randn(6, 2, dtype=torch.float64, generator=generator(1))
    solved = solve_labels(kernel, support[:6], labels, support, 1e-6)
    predicted = kernel_weights(kernel, support[:6], support, 1e-6) @ solved
    torch.testing.assert_close(predicted, labels, atol=1e-6, rtol=0)


def test_checkpoints(tmp_path):
    path = tmp_path / "run" / "state.npz"
    checkpoint = Checkpoint(path, {"n_prototypes": "10"})
    assert checkpoint.load() is None
    checkpoint.save({"x": np.arange(3.0)}, {"n_iter": 7})
    arrays, numbers = checkpoint.load()
    np.testing.assert_array_equal(arrays["x"], np.arange(3.0))
    assert numbers == {"n_iter": 7}
    assert [p.name for p in path.parent.iterdir()] == ["state.npz"]
    with pytest.raises(ValueError, match="n_prototypes"):
        Checkpoint(path, {"n_prototypes": "20"}).load()
    path.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="not a checkpoint"):
        checkpoint.load()


def test_compute_names_the_remedy():
    with pytest.raises(ValueError, match='device="cpu"'):
        Compute("nowhere")


def test_double_precision_stays_off_apple_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert Compute("auto", "float64").torch_device.type == "cpu"
    # The check that the device exists.
    monkeypatch.setattr(Compute, "__post_init__", lambda self: None)
    assert Compute("auto").torch_device.type == "mps"
    assert Compute("auto").exact_device.type == "cpu"
    assert Compute("cuda").exact_device.type == "cuda"


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 8, 12), (3, 10, 4)])
def test_halving_is_average_pooling(channels, height, width):
    x = torch.randn(2, channels, height, width, generator=generator(), requires_grad=True)
    weight = torch.randn(2, channels, height // 2, width // 2, generator=generator(1))
    for layout in (torch.contiguous_format, torch.channels_last):
        found = Halving()(x.contiguous(memory_format=layout))
        expected = torch.nn.functional.avg_pool2d(x, 2)
        torch.testing.assert_close(found, expected)
        one, two = (torch.autograd.grad((y * weight).sum(), x)[0] for y in (found, expected))
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize("channels", [1, 3])
def test_maps_lie_channel_by_channel_however_images_do(channels):
    array = torch.randn(4, 12, 12, channels, generator=generator())
    x = array.permute(0, 3, 1, 2)
    network = make_network(ConvNet(4), (channels, 12, 12), 2, generator())
    maps = network.body[1](network.body[0](x))
    assert maps.stride() == (4 * 12 * 12, 12 * 12, 12, 1)
    torch.testing.assert_close(network(x), network(x.clone(memory_format=torch.contiguous_format)))


def test_rotation_of_an_oblong_image_keeps_distances():
    # A dot two pixels below the centre goes two pixels to the side.
    x = torch.zeros(1, 1, 9, 17)
    x[0, 0, 6, 8] = 1.0
    quarter = Draw(Augmentation(transforms=("rotate",), rotate=90.0), "rotate", torch.ones(1, 3))
    turned = quarter(x)[0, 0]
    assert turned.argmax() in (4 * 17 + 6, 4 * 17 + 10)
    assert float(turned.max()) == pytest.approx(1, abs=1e-4)


class Numbers(TorchDispatchMode):
    """Counts how often a tensor is asked for its number."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


def test_training_asks_for_no_number_per_step():
    task = ClassificationTask.of(np.arange(8) % 2)
    compute = Compute("cpu")
    rows = (torch.randn(8, 3, generator=generator()), torch.arange(8) % 2, torch.ones(8))
    asked = []
    for n_steps in (2, 6):
        network = make_network(MLP(4), (3,), 2, generator())
        drawing = Augmentation(transforms=())
        with Numbers() as numbers:
            recipe = TrainingRecipe(n_steps, batch_size=4)
            right = train(
                network, rows, Objective(task, compute), recipe, drawing, generator(), compute
            )
        assert 0 <= right <= 1
        # One number of each step is the draw's, which is made on the CPU.
        asked.append(numbers.count - n_steps)
    assert asked[0] == asked[1]


def test_labels_meet_the_total_and_keep_their_order():
    rng = np.random.default_rng(0)
    weight = rng.random(40) + 0.1
    columns = rng.dirichlet([0.3, 0.3, 0.3], size=40)
    # Labels without doubt as well.
    columns[:5] = [1.0, 0.0, 0.0]
    overall = np.array([0.05, 0.25, 0.7])
    task = ClassificationTask.of(np.arange(3))
    found = task.calibrated(columns, weight, overall)
    np.testing.assert_allclose(weight @ found / weight.sum(), overall, atol=1e-8)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    odds, before = (np.log(np.maximum(x, 1e-3)) for x in (found, columns))
    shift = (odds[5:, 0] - odds[5:, 1]) - (before[5:, 0] - before[5:, 1])
    inside = (columns[5:, :2] > 1e-3).all(axis=1) & (found[5:, :2] > 1e-3).all(axis=1)
    np.testing.assert_allclose(shift[inside], shift[inside][0], atol=1e-6)
    numbers = RegressionTask.of(np.array([0.0, 10.0]))
    low = numbers.calibrated(rng.normal(size=(40, 1)) * 9, weight, np.array([1.5]))
    assert weight @ low[:, 0] / weight.sum() == pytest.approx(1.5)
    assert low.min() >= 0
    assert low.max() <= 10


def test_pooling_serves_later_fits_after_inference_mode():
    pool = Halving()
    with torch.inference_mode():
        pool(torch.rand(2, 3, 10, 14))
    x = torch.rand(2, 3, 10, 14, requires_grad=True)
    pool(x).sum().backward()
    assert torch.allclose(x.grad, torch.full_like(x, 0.25))
