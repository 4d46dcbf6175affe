"""Image similarity against definitions and known cases."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from skcondense.audit import (
    earth_movers_distance,
    feature_similarity,
    normalised_cross_correlation,
    peak_signal_to_noise_ratio,
    structural_similarity,
)

RNG = np.random.default_rng(0)
A = RNG.integers(0, 256, (5, 9, 8, 3)).astype(np.uint8)
B = RNG.integers(0, 256, (5, 9, 8, 3)).astype(np.uint8)


def test_peak_signal_to_noise_ratio():
    error = ((A.astype(float) - B) ** 2).reshape(5, -1).mean(axis=1)
    expected = 10 * np.log10(255**2 / error)
    np.testing.assert_allclose(peak_signal_to_noise_ratio(A, B, 255), expected)
    np.testing.assert_allclose(peak_signal_to_noise_ratio(A, A, 255), 100)


def test_normalised_cross_correlation():
    expected = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(A, B, strict=True)]
    np.testing.assert_allclose(normalised_cross_correlation(A, B), expected)
    np.testing.assert_allclose(normalised_cross_correlation(A, 0.3 * A + 7), 1)
    np.testing.assert_array_equal(normalised_cross_correlation(A, np.full_like(A, 9)), 0)


def test_earth_movers_distance():
    expected = [wasserstein_distance(a.ravel(), b.ravel()) for a, b in zip(A, B, strict=True)]
    np.testing.assert_allclose(earth_movers_distance(A, B), expected)
    shuffled = RNG.permuted(A.reshape(5, -1), axis=1).reshape(A.shape)
    np.testing.assert_array_equal(earth_movers_distance(A, shuffled), 0)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="same shape"):
        normalised_cross_correlation(A, B[:, :4])


def picture(height, width, phase, channels=None):
    """Waves whose length changes over the image, from 0 to 255."""
    row, column = np.mgrid[:height, :width]
    layers = [
        127.5 * (1 + np.sin(row * column / 40 + phase + k) * np.cos(column / 3 - phase - k))
        for k in range(channels or 1)
    ]
    return np.stack(layers, axis=-1) if channels else layers[0]


def pair(shape):
    return picture(*shape[:2], 0.0, *shape[2:])[None], picture(*shape[:2], 0.7, *shape[2:])[None]


# Of `picture` with phases 0 and 0.7: structural_similarity of scikit-image 0.26 with the settings
# of the paper, and fsim of piq 0.8 in double precision.
REFERENCES = [
    ((28, 28), 0.7090886843280361, 0.8740455017230178),
    ((28, 28, 3), 0.694330302139825, 0.8976739849761042),
    ((64, 64), 0.5768884509689477, 0.7849949758000819),
    ((80, 96, 3), 0.5555273258787662, 0.8192646823530674),
    ((65, 71), 0.5647215245318892, 0.7809017098069768),
    ((101, 64, 3), 0.5591276021637633, 0.8259439210606822),
    ((600, 520), 0.5312488921873665, 0.7856373379572995),
]


@pytest.mark.parametrize(("shape", "expected", "_"), REFERENCES)
def test_structural_similarity(shape, expected, _):
    a, b = pair(shape)
    np.testing.assert_allclose(structural_similarity(a, b, 255), expected, atol=1e-7)
    np.testing.assert_allclose(structural_similarity(a / 255, b / 255, 1), expected, atol=1e-7)


@pytest.mark.filterwarnings("ignore:Feature similarity of images")
@pytest.mark.parametrize(("shape", "_", "expected"), REFERENCES)
def test_feature_similarity(shape, _, expected):
    a, b = pair(shape)
    np.testing.assert_allclose(feature_similarity(a, b, 255), expected, atol=1e-4)
    np.testing.assert_allclose(feature_similarity(a / 255, b / 255, 1), expected, atol=1e-4)


def test_structural_similarity_against_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    a = RNG.integers(0, 256, (4, 21, 16, 3)).astype(np.uint8)
    b = np.clip(a + RNG.normal(0, 40, a.shape), 0, 255).astype(np.uint8)
    wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = [
        metrics.structural_similarity(x, y, data_range=255, channel_axis=-1, **wang)
        for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(structural_similarity(a, b, 255), expected, atol=1e-7)


@pytest.mark.parametrize("measure", [structural_similarity, feature_similarity])
def test_similarity_of_known_pairs(measure):
    a, b = pair((64, 70, 3))
    np.testing.assert_allclose(measure(a, a, 255), 1)
    np.testing.assert_allclose(measure(a, b, 255), measure(b, a, 255))
    several = measure(np.concatenate([a, b, a]), np.concatenate([a, a, b]), 255)
    np.testing.assert_allclose(several, [1, measure(a, b, 255)[0], measure(a, b, 255)[0]])
    one_channel = measure(a[..., :1], b[..., :1], 255)
    np.testing.assert_array_equal(one_channel, measure(a[..., 0], b[..., 0], 255))
    noise = RNG.normal(0, 1, a.shape)
    near, far = (measure(a, a + spread * noise, 255) for spread in (5, 50))
    assert far < near < 1


def test_structural_similarity_sees_places_and_direction():
    a, _ = pair((32, 32))
    assert structural_similarity(a, 255 - a, 255) < 0
    shuffled = RNG.permuted(a.reshape(1, -1), axis=1).reshape(a.shape)
    assert structural_similarity(a, shuffled, 255) < 0.2


def test_similarity_of_flat_images():
    """Constants decide where nothing varies; rounding errors must not."""
    grey = np.full((1, 64, 64), 90.1)
    brighter = grey + 50
    c1 = (0.01 * 255) ** 2
    expected = (2 * 90.1 * 140.1 + c1) / (90.1**2 + 140.1**2 + c1)
    np.testing.assert_allclose(structural_similarity(grey, brighter, 255), expected)
    np.testing.assert_allclose(feature_similarity(grey, grey, 255), 1)
    assert 0.9 < feature_similarity(grey, brighter, 255)[0] < 1
    assert 0 < feature_similarity(pair((64, 64))[0], grey, 255)[0] < 0.5


def test_feature_similarity_warns_of_small_images():
    with pytest.warns(UserWarning, match="28 x 64 pixels means little"):
        feature_similarity(*pair((28, 64)), 255)


def test_similarity_says_what_is_wrong():
    a, b = pair((10, 64))
    with pytest.raises(ValueError, match=r"at least 11 x 11 pixels.*Got 10 x 64"):
        structural_similarity(a, b, 255)
    with pytest.raises(ValueError, match="Got 5 x 64 pixels and 1 channel"):
        feature_similarity(a[:, :5], b[:, :5], 255)
    with pytest.raises(ValueError, match="Got 64 x 64 pixels and 2 channel"):
        feature_similarity(*pair((64, 64, 2)), 255)
    for measure in (peak_signal_to_noise_ratio, structural_similarity, feature_similarity):
        with pytest.raises(ValueError, match="same shape"):
            measure(a, b[:, :9], 255)
        with pytest.raises(ValueError, match=r"positive number.*Got 0"):
            measure(a, b, 0)
