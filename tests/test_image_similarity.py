"""Image similarity against definitions and known cases."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from skcondense.audit import (
    earth_movers_distance,
    normalised_cross_correlation,
    peak_signal_to_noise_ratio,
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
