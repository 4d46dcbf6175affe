"""Reconstruction: what an autoencoder learns of members, its controls, and LPIPS from files."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits

from skcondense import ClusterCondenser, RandomCondenser
from skcondense.audit.perceptual_similarity import learned_perceptual_similarity
from skcondense.audit.reconstruction import _gap, reconstruction_audit
from skcondense.exceptions import SchemaError
from skcondense.table import Container, infer_schema

torch = pytest.importorskip("torch")

from skcondense.neural.autoencoder import AutoencoderPlan, train_autoencoder  # noqa: E402
from skcondense.neural.compute import Compute  # noqa: E402

RNG = np.random.default_rng(0)
X, Y = load_digits(return_X_y=True)
ORDER = RNG.permutation(len(X))
X, Y = (X[ORDER] * 15.9).astype(np.uint8).reshape(-1, 8, 8), Y[ORDER]
MEMBERS, OTHERS = X[:24], X[200:280]
QUICK = {"n_steps": 2, "n_repeats": 2, "n_images": 20, "random_state": 0}


def pictures(shape, dtype, n=70):
    found = RNG.random((n, *shape))
    return (found * 200).astype(dtype) if np.dtype(dtype).kind == "u" else found.astype(dtype)


# The autoencoder.


def trained(images, n_steps, weight=None, seed=0, **plan):
    container = Container.of(images)
    return train_autoencoder(
        images,
        np.ones(len(images)) if weight is None else weight,
        infer_schema(container, container.read(images)),
        AutoencoderPlan(n_steps, **plan),
        np.random.default_rng(seed),
        Compute("cpu"),
    )


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((8, 8), "uint8"), ((9, 21, 3), "uint8"), ((17, 10, 1), "float32"), ((30, 12), "float64")],
)
def test_reconstructions_are_images_of_the_same_kind(shape, dtype):
    images = pictures(shape, dtype, n=5)
    found = trained(images, 3).reconstruct(images[:4])
    assert found.shape == (4, *shape)
    assert found.dtype == images.dtype
    assert found.min() >= 0
    assert found.max() <= (255 if dtype == "uint8" else 1)
    assert not np.array_equal(found, trained(images, 3, seed=1).reconstruct(images[:4]))


def test_pixels_of_any_range():
    images = pictures((8, 8), "float64", n=20) * 3000 - 1000
    found = trained(images, 100).reconstruct(images)
    assert images.min() <= found.min() < -500
    assert 1500 < found.max() <= images.max()
    assert np.corrcoef(found.ravel(), images.ravel())[0, 1] > 0.8


def test_what_has_no_weight_is_not_learned():
    weight = np.repeat([1.0, 0.0], 12)
    error = ((trained(MEMBERS, 80, weight).reconstruct(MEMBERS) * 1.0 - MEMBERS) ** 2).mean((1, 2))
    assert 3 * error[:12].mean() < error[12:].mean()


def test_small_images_and_diverging_training_are_refused():
    with pytest.raises(ValueError, match="Got 7 x 9"):
        trained(pictures((7, 9), "float64"), 1)
    with pytest.raises(ValueError, match="learning_rate"):
        trained(pictures((8, 8), "float64"), 9, learning_rate=1e30)


# The audit.


@pytest.fixture(scope="module")
def leak():
    """The members themselves, released, and learned by heart."""
    condensed = RandomCondenser(24, random_state=0).condense(MEMBERS, Y[:24])
    return reconstruction_audit(
        condensed, MEMBERS, OTHERS, n_steps=60, n_repeats=2, n_images=30, random_state=0
    )


def test_released_members_are_found(leak):
    measure, worst = leak.worst
    assert leak.has_evidence
    assert leak.has_power
    assert leak.are_alike
    assert worst.low > 0
    table = leak.table.set_index(["target", "measure"])
    # The set holds all members, so that all three sets of members are the same one.
    gain = table["difference"].loc[:, "PSNR"]
    assert gain["condensed"] > 3
    assert gain[["original", "random real"]].to_numpy() == pytest.approx(gain["condensed"], rel=0.2)
    assert table.loc[("condensed", measure), "p_value"] < 1e-4
    assert "There is evidence" in str(leak)
    assert "positive means leak" in str(leak)


def test_unrelated_images_are_a_negative_control(leak):
    unrelated = leak.table.query("target == 'unrelated'")
    assert (unrelated["low"] < 0).all()
    assert (unrelated["high"] > 0).all()
    assert leak.n_images == dict.fromkeys(["condensed", "original", "random real", "unrelated"], 24)
    assert (leak.n_members, leak.n_others) == (24, 30)


def test_all_measures_point_the_same_way(leak):
    assert set(leak.table["measure"]) == {"PSNR", "NCC", "FSIM", "EMD"}
    own = leak.table.query("target == 'condensed'").set_index("measure")
    assert (own["difference"] > 0).all()
    assert own.loc["EMD", "more_alike"] == "lower"
    assert own.loc["EMD", "members"] < own.loc["EMD", "others"]
    assert own.loc["PSNR", "members"] > own.loc["PSNR", "others"]


def test_a_set_of_other_images_gives_no_evidence_though_the_audit_has_power():
    condensed = RandomCondenser(24, random_state=0).condense(X[400:424], Y[400:424])
    found = reconstruction_audit(
        condensed, MEMBERS, OTHERS, n_steps=60, n_repeats=2, n_images=30, random_state=0
    )
    assert found.has_power
    assert not found.has_evidence
    text = str(found)
    assert "no evidence" in text
    assert "could have been missed" in text
    assert "private " not in text.replace("privacy", "")


def test_others_of_another_kind_are_called_so():
    condensed = RandomCondenser(10, random_state=0).condense(MEMBERS, Y[:24])
    found = reconstruction_audit(condensed, MEMBERS, 255 - OTHERS, **{**QUICK, "n_steps": 20})
    assert found.has_evidence
    assert not found.are_alike
    assert "differ in kind" in str(found)
    assert "There is evidence" not in str(found)


def test_training_too_short_is_called_so():
    condensed = RandomCondenser(10, random_state=0).condense(MEMBERS, Y[:24])
    found = reconstruction_audit(condensed, MEMBERS, OTHERS, **QUICK)
    assert not found.has_power
    assert "not tested" in str(found)


def test_every_set_gets_the_same_number_of_steps(monkeypatch):
    taken = []
    own = torch.optim.Adam.step
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self: (taken.append(self), own(self))[1])
    condensed = RandomCondenser(4, random_state=0).condense(X[:60], Y[:60] % 2)
    reconstruction_audit(condensed, X[:60], OTHERS, **{**QUICK, "n_steps": 7})
    counts = [taken.count(optimizer) for optimizer in dict.fromkeys(taken)]
    assert counts == [7] * 8


def test_a_seed_gives_the_same_audit_and_leaves_other_draws_alone():
    condensed = ClusterCondenser(8, random_state=0).condense(MEMBERS, Y[:24])
    before = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    one, two = (reconstruction_audit(condensed, MEMBERS, OTHERS, **QUICK) for _ in range(2))
    assert one == two
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert one != reconstruction_audit(condensed, MEMBERS, OTHERS, **{**QUICK, "random_state": 1})


@pytest.mark.parametrize(
    ("shape", "dtype", "measures"),
    [
        ((8, 8), "uint8", {"PSNR", "NCC", "FSIM", "EMD"}),
        ((12, 11, 3), "uint8", {"PSNR", "NCC", "FSIM", "EMD", "SSIM"}),
        ((11, 12, 1), "float32", {"PSNR", "NCC", "FSIM", "EMD", "SSIM"}),
        ((12, 12, 2), "float64", {"PSNR", "NCC", "EMD", "SSIM"}),
    ],
)
def test_images_of_all_kinds(shape, dtype, measures):
    images = pictures(shape, dtype)
    condensed = ClusterCondenser(6, random_state=0).condense(images[:20], np.arange(20) % 2)
    found = reconstruction_audit(condensed, images[:20], images[20:], **QUICK)
    assert set(found.table["measure"]) == measures
    assert np.isfinite(found.table.select_dtypes("number").to_numpy()).all()


def test_measures_do_not_hang_on_the_unit_of_pixels():
    images = X[:100]
    found = []
    for values in (images, images / 255.0 * 8 - 3):
        # Bounds of floats are learned, so both ends must be there.
        values = values.copy()
        values[0, 0, :2] = (0, 255) if values.dtype == np.uint8 else (-3, 5)
        condensed = RandomCondenser(20, random_state=0).condense(values[:20], Y[:20])
        found.append(reconstruction_audit(condensed, values[:20], values[20:], **QUICK))
    one, two = (audit.table.select_dtypes("number").to_numpy() for audit in found)
    np.testing.assert_allclose(one[:, :2], two[:, :2], rtol=0.02)


def test_a_prototype_with_a_soft_label_counts_once():
    y = np.arange(60) % 3
    condensed = ClusterCondenser(6, random_state=0).condense(X[:60], y)
    assert len(condensed) > condensed.n_prototypes
    found = reconstruction_audit(condensed, X[:60], OTHERS, **QUICK)
    assert found.n_images["condensed"] == condensed.n_prototypes
    assert found.n_images["original"] == 60


def test_patients_are_counted_and_stay_together():
    own, strange = np.arange(48) // 2, 1000 + np.arange(90) // 2
    condensed = RandomCondenser(10, random_state=0).condense(X[:48], Y[:48], groups=own)

    def audit(other_groups):
        groups = {"member_groups": own, "other_groups": other_groups}
        quick = {**QUICK, "n_images": 100}
        return reconstruction_audit(condensed, X[:48], X[200:290], **groups, **quick)

    found = audit(strange)
    # Ten images of five patients are trained on as unrelated ones.
    assert (found.n_members, found.n_others) == (24, 40)
    assert found.n_images["unrelated"] == 10
    with pytest.raises(ValueError, match="2 patients are among the members"):
        audit(strange - 978)
    with pytest.raises(ValueError, match="Got 24 and 9"):
        audit(1000 + np.arange(90) // 10)


def test_images_of_one_patient_are_no_independent_ones():
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(20), 5)
    values = [rng.normal(size=(1, 20)) + np.zeros((2, 1)) for _ in range(2)]
    by_patient = _gap(*values, sign=1)
    by_image = _gap(*(part[:, patient] for part in values), sign=1)
    assert by_image.difference == pytest.approx(by_patient.difference)
    assert by_image.error < 0.5 * by_patient.error


@pytest.mark.parametrize("n_repeats", [2, 4])
def test_intervals_hold_what_they_promise(n_repeats):
    rng = np.random.default_rng(0)
    hit, alarms, n_times = 0, 0, 400
    for _ in range(n_times):
        images = [rng.normal(loc, 1.0, n) for loc, n in [(0.3, 40), (0.0, 60)]]
        # Each training has a taste of its own for members, and noise on every image.
        tastes = [0.1 * rng.normal(size=(n_repeats, 1)), 0.0]
        values = [
            image + taste + 0.5 * rng.normal(size=(n_repeats, len(image)))
            for image, taste in zip(images, tastes, strict=True)
        ]
        found = _gap(*values, sign=1)
        assert _gap(*values, sign=-1).difference == pytest.approx(-found.difference)
        hit += found.low <= 0.3 <= found.high
        alarms += _gap(values[0] - 0.3, values[1], sign=1).p_value < 0.05
    # 95 % and 5 % of 400, with a standard deviation of 4.4.
    assert hit >= 366
    assert alarms <= 34


def test_refusals():
    condensed = RandomCondenser(10, random_state=0).condense(MEMBERS, Y[:24])
    table = RandomCondenser(10, random_state=0).condense(MEMBERS.reshape(24, -1), Y[:24])
    with pytest.raises(ValueError, match="membership_audit"):
        reconstruction_audit(table, MEMBERS, OTHERS)
    with pytest.raises(SchemaError, match=r"shape \(8, 8\)"):
        reconstruction_audit(condensed, MEMBERS[:, :, :7], OTHERS)
    with pytest.raises(ValueError, match="n_repeats must be 2 at least"):
        reconstruction_audit(condensed, MEMBERS, OTHERS, n_repeats=1)
    with pytest.raises(ValueError, match="Got 24 and 30"):
        reconstruction_audit(condensed, MEMBERS, OTHERS[:30])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        reconstruction_audit(condensed, MEMBERS, OTHERS, member_groups=np.arange(9))
    with pytest.raises(ValueError, match="two files"):
        reconstruction_audit(condensed, MEMBERS, OTHERS, backbone="alexnet.pth")


# LPIPS.

CONVOLUTIONS = {
    0: (64, 3, 11),
    3: (192, 64, 5),
    6: (384, 192, 3),
    8: (256, 384, 3),
    10: (256, 256, 3),
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Files of random weights, as torchvision and lpips have them."""
    draw = torch.Generator().manual_seed(0)
    state = {"classifier.6.bias": torch.zeros(3)}
    for number, (after, before, size) in CONVOLUTIONS.items():
        scale = (2 / (before * size**2)) ** 0.5
        drawn = scale * torch.randn(after, before, size, size, generator=draw)
        state[f"features.{number}.weight"] = drawn
        state[f"features.{number}.bias"] = 0.1 * torch.randn(after, generator=draw)
    heads = {
        f"lin{k}.model.1.weight": torch.rand(1, shape[0], 1, 1, generator=draw)
        for k, shape in enumerate(CONVOLUTIONS.values())
    }
    folder = tmp_path_factory.mktemp("weights")
    torch.save(state, folder / "alexnet.pth")
    torch.save(heads, folder / "heads.pth")
    write_safetensors(folder / "alexnet.safetensors", state)
    return {"backbone": folder / "alexnet.pth", "heads": folder / "heads.pth"}


def write_safetensors(path, state):
    table, numbers = {"__metadata__": {"format": "pt"}}, b""
    for name, values in state.items():
        raw = values.numpy().tobytes()
        offsets = [len(numbers), len(numbers) + len(raw)]
        table[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": offsets}
        numbers += raw
    head = json.dumps(table).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + numbers)


def by_hand(a, b, backbone, heads):
    """Layers of torch.nn, and the formula, for two images of 0 to 255 and three channels."""
    conv, relu, pool = torch.nn.Conv2d, torch.nn.ReLU, torch.nn.MaxPool2d
    layers = [conv(3, 64, 11, 4, 2), relu(), pool(3, 2), conv(64, 192, 5, 1, 2), relu(),
              pool(3, 2), conv(192, 384, 3, 1, 1), relu(), conv(384, 256, 3, 1, 1), relu(),
              conv(256, 256, 3, 1, 1), relu()]  # fmt: skip
    state, counts = (torch.load(path, weights_only=True) for path in (backbone, heads))
    total = 0.0
    sides = [
        [(image[..., c] / 127.5 - 1 - m) / s for c, (m, s) in enumerate(COLOURS)]
        for image in (a, b)
    ]
    x, y = (torch.from_numpy(np.stack(side)[None].astype(np.float32)) for side in sides)
    k = 0
    with torch.no_grad():
        for number, layer in enumerate(layers):
            if isinstance(layer, conv):
                layer.load_state_dict(
                    {part: state[f"features.{number}.{part}"] for part in ("weight", "bias")}
                )
            x, y = layer(x), layer(y)
            if isinstance(layer, relu):
                u, v = ((z / z.norm(dim=1, keepdim=True)).numpy()[0] for z in (x, y))
                count = counts[f"lin{k}.model.1.weight"].numpy().ravel()
                total += np.einsum("chw,c->hw", (u - v) ** 2, count).mean()
                k += 1
    assert k == 5
    return total


COLOURS = [(-0.030, 0.458), (-0.088, 0.448), (-0.188, 0.450)]


def test_lpips_is_what_the_formula_says(weights):
    a, b = (pictures((70, 66, 3), "uint8", n=2) for _ in range(2))
    found = learned_perceptual_similarity(a, b, 255, **weights)
    expected = [by_hand(x, y, **weights) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_lpips_is_a_distance(weights):
    a, b = (pictures((64, 64, 3), "uint8", n=3) for _ in range(2))
    one = learned_perceptual_similarity(a, b, 255, **weights)
    np.testing.assert_allclose(learned_perceptual_similarity(b, a, 255, **weights), one, rtol=1e-5)
    np.testing.assert_array_equal(learned_perceptual_similarity(a, a, 255, **weights), 0)
    nearer = learned_perceptual_similarity(a, (0.9 * a + 0.1 * b), 255, **weights)
    assert (nearer < one).all()
    np.testing.assert_allclose(
        learned_perceptual_similarity(a / 255, b / 255, 1.0, **weights), one, rtol=1e-4
    )
    safe = weights["backbone"].with_suffix(".safetensors")
    again = learned_perceptual_similarity(a, b, 255, backbone=safe, heads=weights["heads"])
    np.testing.assert_array_equal(again, one)


def test_lpips_of_small_and_grey_images(weights):
    a, b = (pictures((16, 32), "uint8", n=2) for _ in range(2))
    found = learned_perceptual_similarity(a, b, 255, **weights)
    colour = [np.repeat(side[..., None], 3, axis=-1) for side in (a, b)]
    np.testing.assert_allclose(
        found, learned_perceptual_similarity(*colour, 255, **weights), rtol=1e-5
    )
    assert (found > 0).all()
    with pytest.raises(ValueError, match="Got 2 channels"):
        learned_perceptual_similarity(colour[0][..., :2], colour[1][..., :2], 255, **weights)


def test_lpips_in_the_audit(weights):
    condensed = RandomCondenser(4, random_state=0).condense(MEMBERS, Y[:24] % 2)
    quick = {**QUICK, "n_steps": 1}
    found = reconstruction_audit(condensed, MEMBERS, OTHERS, **quick, **weights)
    assert "LPIPS" in set(found.table["measure"])
    without = reconstruction_audit(condensed, MEMBERS, OTHERS, **quick)
    assert found.table.query("measure != 'LPIPS'").reset_index(drop=True).equals(without.table)


def test_lpips_says_what_is_wrong_with_files(weights, tmp_path):
    a = pictures((64, 64, 3), "uint8", n=1)

    def measure(**changed):
        return learned_perceptual_similarity(a, a, 255, **{**weights, **changed})

    with pytest.raises(FileNotFoundError, match="Nothing is downloaded"):
        measure(backbone=tmp_path / "missing.pth")
    with pytest.raises(ValueError, match=r"features\.0\.weight of shape \(64, 3, 11, 11\)"):
        measure(backbone=weights["heads"])
    with pytest.raises(ValueError, match="5 of 5 weights are missing"):
        measure(heads=weights["backbone"])
    for name in ("noise.pth", "noise.safetensors"):
        (tmp_path / name).write_bytes(b"no weights at all, but some text")
        with pytest.raises(ValueError, match="cannot be read as weights"):
            measure(heads=tmp_path / name)
    torch.save(print, tmp_path / "code.pth")
    with pytest.raises(ValueError, match="cannot be read as weights"):
        measure(heads=tmp_path / "code.pth")
    wrong = torch.load(weights["heads"], weights_only=True)
    wrong["lin1.model.1.weight"] = torch.zeros(1, 64, 1, 1)
    torch.save(wrong, tmp_path / "wrong.pth")
    with pytest.raises(ValueError, match=r"lin1.*has \(1, 64, 1, 1\), and 1 of 5"):
        measure(heads=tmp_path / "wrong.pth")
