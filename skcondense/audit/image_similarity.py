"""How alike two images are, pixel by pixel: descriptions, not measures of privacy.

That a synthetic image is unlike every real one neither shows nor refutes that it gives a patient
away. Compare the values of members with those of non-members, never alone.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["earth_movers_distance", "normalised_cross_correlation", "peak_signal_to_noise_ratio"]

Images = NDArray[Any]
Floats = NDArray[np.float64]

# Identical images have an infinite ratio; means over images need a number.
LARGEST_DB = 100.0


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
        If the shapes differ.
    """
    x, y = _as_rows(a, b)
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


def _as_rows(a: Images, b: Images) -> tuple[Floats, Floats]:
    if np.shape(a) != np.shape(b) or np.ndim(a) not in (3, 4):
        raise ValueError(
            "Pairs of images must have the same shape (n_images, height, width[, channels]). Got "
            f"{np.shape(a)} and {np.shape(b)}."
        )
    x, y = (np.asarray(images, dtype=np.float64) for images in (a, b))
    return x.reshape(len(x), -1), y.reshape(len(y), -1)
