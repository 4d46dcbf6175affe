"""How alike two images are in their edges and corners: a description, not a measure of privacy."""

import warnings
from dataclasses import dataclass
from math import log, pi, sqrt

import numpy as np
from scipy.ndimage import convolve

from skcondense.audit.image_similarity import Floats, Images, image_pairs

__all__ = ["feature_similarity"]

# Constants of the paper, for pixels from 0 to 255.
C_CONGRUENCY, C_GRADIENT, C_CHROMA = 0.85, 160.0, 200.0
CHROMA_POWER = 0.03
SCHARR = np.array([[-3, 0, 3], [-10, 0, 10], [-3, 0, 3]]) / 16
# Brightness and two axes of colour, of red, green and blue.
YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])

# Log-Gabor filters.
N_SCALES, N_ORIENTATIONS = 4, 4
SHORTEST_WAVE, WAVE_RATIO = 6, 2
RADIAL_SPREAD = 0.55
ANGULAR_SPREAD = pi / (N_ORIENTATIONS * 1.2)
# Corners of the spectrum are cut off smoothly, since waves there have no orientation.
CUT_OFF, CUT_OFF_ORDER = 0.45, 15
# Energy that noise would have, in units of its scale: mean and two standard deviations of a
# Rayleigh variable, by an empirical factor of the authors.
NOISE_LEVEL = (sqrt(pi / 2) + 2 * sqrt(2 - pi / 2)) / 1.7
# Far below a grey level: keeps flat regions from dividing rounding errors by each other.
TINY = 1e-4

# Sides to which larger images are reduced, and below which the longest waves do not fit.
USUAL_SIDE, SMALL_SIDE = 256, 64


def feature_similarity(a: Images, b: Images, pixel_range: float) -> Floats:
    """Feature similarity (FSIM, of colour images FSIMc) of each pair of images.

    Compares where edges and corners are (phase congruency, which is blind to contrast) and how
    strong they are (gradients).

    Parameters
    ----------
    a, b : ndarray of shape (n_images, height, width) or (n_images, height, width, channels)
        Images of one channel or three (red, green, blue), from 0 to `pixel_range`.
    pixel_range : float
        Largest possible pixel: 255 for uint8.

    Returns
    -------
    ndarray of shape (n_images,)
        1 for identical images, and seldom above. Unlike images do not get 0.

    Raises
    ------
    ValueError
        If the shapes differ, there are not one or three channels, a side is shorter than the
        shortest wave (6 pixels), or the range is not positive.

    Warns
    -----
    UserWarning
        If a side is shorter than 64 pixels: the longest wave has 48, so values mean little.

    Notes
    -----
    With *p* the phase congruency of the brightness, *g* the length of its gradient (Scharr), and
    ``alike(u, v, c) = (2 u v + c) / (u**2 + v**2 + c)``, the mean over pixels, weighted by
    max(p_a, p_b), of ::

        alike(p_a, p_b, 0.85) * alike(g_a, g_b, 160)

    and for colour images times ``|alike(i_a, i_b, 200) alike(q_a, q_b, 200)| ** 0.03``, with *i*
    and *q* the two axes of colour. Phase congruency uses log-Gabor filters of four orientations and
    four scales, of waves of 6, 12, 24 and 48 pixels, and a threshold for noise. From 384 pixels a
    side on, images are first reduced by averaging. A flat region has no phase congruency; where
    neither image has any, all pixels count alike.

    References
    ----------
    Zhang, Zhang, Mou and Zhang (2011), FSIM: a feature similarity index for image quality
    assessment, IEEE Transactions on Image Processing 20(8), equations 4 to 10.
    """
    x, y = (_reduced(255 / pixel_range * side) for side in image_pairs(a, b, pixel_range))
    _check_form(x.shape)
    bank = _FilterBank.of(x.shape[1], x.shape[2])
    return np.array([_similarity(one, other, bank) for one, other in zip(x, y, strict=True)])


def _check_form(shape: tuple[int, ...]) -> None:
    _, height, width, channels = shape
    if channels not in (1, 3) or min(height, width) < SHORTEST_WAVE:
        raise ValueError(
            f"Feature similarity needs one channel or three, and {SHORTEST_WAVE} pixels a side or "
            f"more. Got {height} x {width} pixels and {channels} channel(s). Choose channels, "
            "enlarge the images, or use another measure."
        )
    if min(height, width) < SMALL_SIDE:
        warnings.warn(
            f"Feature similarity of images of {height} x {width} pixels means little: the longest "
            f"of its waves has 48. Use it from {SMALL_SIDE} pixels a side on.",
            stacklevel=3,
        )


def _reduced(x: Floats) -> Floats:
    """Means of blocks of pixels, so that features have the size for which filters were made."""
    n, height, width, channels = x.shape
    block = max(1, round(min(height, width) / USUAL_SIDE))
    rows, columns = height // block, width // block
    whole = x[:, : rows * block, : columns * block]
    return np.asarray(whole.reshape(n, rows, block, columns, block, channels).mean(axis=(2, 4)))


@dataclass(frozen=True)
class _FilterBank:
    """Log-Gabor filters for images of one size, and how much noise passes them.

    Attributes
    ----------
    filters : ndarray of shape (n_orientations, n_scales, height, width)
        Transfer functions, frequency zero first.
    noise_gain : ndarray of shape (n_orientations,)
        Power of noise behind all scales together, relative to that behind the finest.
    """

    filters: Floats
    noise_gain: Floats

    @classmethod
    def of(cls, height: int, width: int) -> "_FilterBank":
        """Filters for images of `height` x `width` pixels."""
        down, right = np.meshgrid(_frequencies(height), _frequencies(width), indexing="ij")
        radius, angle = np.hypot(down, right), np.arctan2(-down, right)
        radius[0, 0] = 1.0  # its logarithm is taken; the filters pass no mean anyway
        low_pass = 1 / (1 + (radius / CUT_OFF) ** (2 * CUT_OFF_ORDER))
        waves = SHORTEST_WAVE * WAVE_RATIO ** np.arange(N_SCALES)[:, None, None]
        radial = np.exp(-(np.log(radius * waves) ** 2) / (2 * log(RADIAL_SPREAD) ** 2)) * low_pass
        radial[:, 0, 0] = 0.0
        centres = pi / N_ORIENTATIONS * np.arange(N_ORIENTATIONS)[:, None, None]
        away = np.angle(np.exp(1j * (angle - centres)))
        angular = np.exp(-(away**2) / (2 * ANGULAR_SPREAD**2))
        filters = angular[:, None] * radial
        together = np.fft.ifft2(filters.sum(axis=1)).real * sqrt(height * width)
        finest = (filters[:, 0] ** 2).sum(axis=(1, 2))
        return cls(filters, (together**2).sum(axis=(1, 2)) / finest)


def _frequencies(size: int) -> Floats:
    """Waves per pixel; as in the authors' code they reach one half with odd sizes too."""
    found = np.fft.fftfreq(size)
    return np.asarray(found * size / (size - 1) if size % 2 else found)


def _phase_congruency(brightness: Floats, bank: _FilterBank) -> Floats:
    """How far waves of all lengths are in phase at a pixel, between 0 and 1."""
    waves = np.fft.ifft2(np.fft.fft2(brightness) * bank.filters)
    together = waves.sum(axis=1, keepdims=True)
    turned = waves * np.conj(together) / (np.abs(together) + TINY)
    energy = (turned.real - np.abs(turned.imag)).sum(axis=1)
    # The finest scale is mostly noise, and the median of its power is that of noise alone.
    noise = np.median(np.abs(waves[:, 0]) ** 2, axis=(1, 2)) / log(2)
    threshold = NOISE_LEVEL * np.sqrt(noise * bank.noise_gain)
    above = np.maximum(energy - threshold[:, None, None], 0).sum(axis=0)
    return np.asarray(above / (np.abs(waves).sum(axis=(0, 1)) + TINY))


def _gradient(brightness: Floats) -> Floats:
    across, down = (convolve(brightness, k, mode="constant") for k in (SCHARR, SCHARR.T))
    return np.hypot(across, down)


def _alike(x: Floats, y: Floats, constant: float) -> Floats:
    return (2 * x * y + constant) / (x**2 + y**2 + constant)


def _features(image: Floats, bank: _FilterBank) -> tuple[Floats, Floats, Floats]:
    """Phase congruency, gradient and axes of colour of an image, channels last."""
    parts = image @ YIQ.T if image.shape[-1] == 3 else image
    brightness, chroma = parts[..., 0], parts[..., 1:]
    return _phase_congruency(brightness, bank), _gradient(brightness), chroma


def _similarity(x: Floats, y: Floats, bank: _FilterBank) -> float:
    (p_x, g_x, c_x), (p_y, g_y, c_y) = _features(x, bank), _features(y, bank)
    # Grey images have no axes of colour, and the product over none of them is one.
    chroma = _alike(c_x, c_y, C_CHROMA).prod(axis=-1)
    alike = _alike(p_x, p_y, C_CONGRUENCY) * _alike(g_x, g_y, C_GRADIENT)
    weight = np.maximum(p_x, p_y)
    score = alike * np.abs(chroma) ** CHROMA_POWER
    return float(np.average(score, weights=weight if weight.any() else None))
