"""How alike two images are, pixel by pixel: descriptions, not measures of privacy.

That a synthetic image is unlike every real one neither shows nor refutes that it gives a patient
away. Compare the values of members with those of non-members, never alone.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

__all__ = [
    "earth_movers_distance",
    "image_pairs",
    "normalised_cross_correlation",
    "peak_signal_to_noise_ratio",
    "structural_similarity",
]

Images = NDArray[Any]
Floats = NDArray[np.float64]

# Identical images have an infinite ratio; means over images need a number.
LARGEST_DB = 100.0
# The window of the paper on structural similarity: 11 x 11 pixels, and its two constants.
WINDOW_SPREAD, WINDOW_RADIUS = 1.5, 5
K1, K2 = 0.01, 0.03


def peak_signal_to_noise_ratio(a: Images, b: Images, pixel_range: float) -> Floats:
    """Peak signal-to-noise ratio of each pair of images, in dB.

    Parameters
    ----------
    a, b : ndarray of shape (n_images, height, width) or (n_images, height, width, channels)
        Images.
    pixel_range : float
        Largest minus smallest possible pixel: 255 for uint8.

    Returns
    -------
    ndarray of shape (n_images,)
        At most 100, which identical images get.

    Raises
    ------
    ValueError
        If the shapes differ, or the range is not positive.
    """
    x, y = _as_rows(a, b, pixel_range)
    error = ((x - y) ** 2).mean(axis=1)
    least = pixel_range**2 / 10 ** (LARGEST_DB / 10)
    return np.asarray(10 * np.log10(pixel_range**2 / np.maximum(error, least)))


def normalised_cross_correlation(a: Images, b: Images) -> Floats:
    """Pearson correlation of the pixels of each pair, channels taken together.

    Blind to brightness and contrast.

    Parameters
    ----------
    a, b : ndarray of shape (n_images, height, width) or (n_images, height, width, channels)
        Images.

    Returns
    -------
    ndarray of shape (n_images,)
        0 where an image is constant, since nothing is defined there.
    """
    x, y = (rows - rows.mean(axis=1, keepdims=True) for rows in _as_rows(a, b))
    scale = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return np.asarray((x * y).sum(axis=1) / np.where(scale > 0, scale, np.inf))


def earth_movers_distance(a: Images, b: Images) -> Floats:
    """Wasserstein-1 distance between the pixel values of each pair, in the unit of pixels.

    Blind to where pixels are.

    Parameters
    ----------
    a, b : ndarray of shape (n_images, height, width) or (n_images, height, width, channels)
        Images.

    Returns
    -------
    ndarray of shape (n_images,)
    """
    x, y = (np.sort(rows, axis=1) for rows in _as_rows(a, b))
    return np.asarray(np.abs(x - y).mean(axis=1))


def structural_similarity(a: Images, b: Images, pixel_range: float) -> Floats:
    """Structural similarity (SSIM) of each pair of images: brightness, contrast and structure.

    Means, variances and the covariance are those of a Gaussian window of 11 x 11 pixels. Libraries
    differ in the window and at the border, and with small images by much; this is the definition
    of the paper.

    Parameters
    ----------
    a, b : ndarray of shape (n_images, height, width) or (n_images, height, width, channels)
        Images of 11 pixels a side or more. Channels are averaged.
    pixel_range : float
        Largest minus smallest possible pixel: 255 for uint8.

    Returns
    -------
    ndarray of shape (n_images,)
        At most 1, which identical images get; negative where structures are opposite.

    Raises
    ------
    ValueError
        If the shapes differ, the images are smaller than the window, or the range is not positive.

    Notes
    -----
    With *L* the range, *c1* = (0.01 L)**2 and *c2* = (0.03 L)**2, the mean over all windows that
    lie inside the image of ::

        (2 mean_a mean_b + c1) (2 cov_ab + c2)
        / ((mean_a**2 + mean_b**2 + c1) (var_a + var_b + c2))

    Weights of the window sum to one and have a standard deviation of 1.5 pixels; variances are
    not corrected for the size of the sample.

    References
    ----------
    Wang, Bovik, Sheikh and Simoncelli (2004), Image quality assessment: from error visibility to
    structural similarity, IEEE Transactions on Image Processing 13(4), equation 13.
    """
    x, y = image_pairs(a, b, pixel_range)
    side = 2 * WINDOW_RADIUS + 1
    if min(x.shape[1:3]) < side:
        raise ValueError(
            f"Structural similarity needs images of at least {side} x {side} pixels, the size of "
            f"its window. Got {x.shape[1]} x {x.shape[2]}. Enlarge them, or use another measure."
        )
    c1, c2 = (K1 * pixel_range) ** 2, (K2 * pixel_range) ** 2
    mean_x, mean_y = _windows(x), _windows(y)
    variances = _windows(x**2) - mean_x**2 + _windows(y**2) - mean_y**2
    covariance = _windows(x * y) - mean_x * mean_y
    brightness = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    found = brightness * (2 * covariance + c2) / (variances + c2)
    return np.asarray(found.mean(axis=(1, 2, 3)))


def _windows(x: Floats) -> Floats:
    """Mean of every window that lies inside its image."""
    means = gaussian_filter(x, WINDOW_SPREAD, radius=WINDOW_RADIUS, axes=(1, 2))
    inside = slice(WINDOW_RADIUS, -WINDOW_RADIUS)
    return np.asarray(means[:, inside, inside])


def image_pairs(a: Images, b: Images, pixel_range: float = 1.0) -> tuple[Floats, Floats]:
    """Both sides of pairs of images as numbers of shape (n_images, height, width, channels)."""
    if np.shape(a) != np.shape(b) or np.ndim(a) not in (3, 4):
        raise ValueError(
            "Pairs of images must have the same shape (n_images, height, width[, channels]). Got "
            f"{np.shape(a)} and {np.shape(b)}."
        )
    if not 0 < pixel_range < np.inf:
        raise ValueError(
            "pixel_range is the largest minus the smallest possible pixel, a positive number such "
            f"as 255 for uint8. Got {pixel_range!r}."
        )
    x, y = (np.asarray(images, dtype=np.float64) for images in (a, b))
    return (x[..., None], y[..., None]) if x.ndim == 3 else (x, y)


def _as_rows(a: Images, b: Images, pixel_range: float = 1.0) -> tuple[Floats, Floats]:
    x, y = image_pairs(a, b, pixel_range)
    return x.reshape(len(x), -1), y.reshape(len(y), -1)
