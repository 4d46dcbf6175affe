"""Where all noise comes from: the operating system, and exact rounding.

Noise drawn in floating point has holes by which single values can be told apart (Mironov 2012,
doi:10.1145/2382196.2382264). Here a sum is an integer, and the noise added to it is a normal
variable rounded to an integer *exactly*: the rounded sum is then post-processing of the ideal
Gaussian mechanism.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

__all__ = ["NoiseSource", "noise_source", "seeded_noise"]

Integers = NDArray[np.int64]

# Bits of entropy per draw besides the sign; and bits added when they do not decide.
BITS, MORE_BITS = 63, 64
# Bound on the error of the floating-point quantile, far above its actual error.
MARGIN = 1e-13


class NoiseSource:
    """Random bytes from the operating system.

    Attributes
    ----------
    is_seeded : bool
        Whether somebody else could draw the same noise.
    """

    is_seeded = False

    def bytes(self, size: int) -> bytes:
        """Draw random bytes."""
        return secrets.token_bytes(size)

    @property
    def random_state(self) -> Any:
        """Seed for diffprivlib; None stands for the operating system."""
        return None

    def words(self, size: int) -> NDArray[np.uint64]:
        """Draw 64-bit words."""
        return np.frombuffer(self.bytes(8 * size), dtype=np.uint64)

    def coin_flips(self, rate: float, size: int) -> NDArray[np.bool_]:
        """Draw independent coins.

        Parameters
        ----------
        rate : float
            Probability of True.
        size : int
            Number of coins.

        Returns
        -------
        ndarray of shape (size,)
        """
        return self.words(size) / 2.0**64 < rate

    def rounded_gaussian(self, scale: float, size: int) -> Integers:
        """Draw normal variables of mean 0, rounded to integers.

        Parameters
        ----------
        scale : float
            Standard deviation before rounding.
        size : int
            Number of draws.

        Returns
        -------
        ndarray of int64 of shape (size,)

        Notes
        -----
        64 random bits say in which of 2 ** 64 slices of equal probability a draw falls. Where
        both ends of the slice, widened by a bound on the floating-point error, round to the same
        integer, that integer is exact. Elsewhere, some once in a hundred thousand draws, more
        bits narrow the slice, in as high a precision as it takes.
        """
        words = self.words(size)
        sign = np.where(words >> np.uint64(BITS), -1, 1)
        depth = words & np.uint64(2**BITS - 1)
        # The quantile of depth / 2^64, below a half, is negative: its mirror image is drawn.
        with np.errstate(over="ignore"):
            low = -ndtri((depth.astype(np.float64) + 1) / 2.0 ** (BITS + 1))
            high = -ndtri(depth.astype(np.float64) / 2.0 ** (BITS + 1))
        smallest = np.rint(scale * (low - MARGIN * (1 + np.abs(low))))
        largest = np.rint(scale * (high + MARGIN * (1 + np.abs(high))))
        unsure = np.flatnonzero(smallest != largest)
        smallest[unsure] = [self._refined(int(depth[i]), scale) for i in unsure]
        return sign * smallest.astype(np.int64)

    def _refined(self, depth: int, scale: float) -> int:
        """The rounded magnitude of a draw whose first bits are known."""
        bits = BITS
        while True:
            depth = (depth << MORE_BITS) | int.from_bytes(self.bytes(MORE_BITS // 8), "big")
            bits += MORE_BITS
            with mpmath.workprec(2 * bits):
                ends = [_quantile(d, bits) * scale for d in (depth + 1, depth) if d]
                rounded = {int(mpmath.nint(end)) for end in ends}
            if len(ends) == 2 and len(rounded) == 1:
                return rounded.pop()


def _quantile(depth: int, bits: int) -> Any:
    """Upper quantile of depth / 2 ** (bits + 1), in mpmath's working precision."""
    return mpmath.sqrt(2) * mpmath.erfinv(1 - mpmath.mpf(depth) / 2**bits)


class _SeededSource(NoiseSource):
    is_seeded = True

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def bytes(self, size: int) -> bytes:
        return self._rng.bytes(size)

    @property
    def random_state(self) -> Any:
        return int(self._rng.integers(2**31 - 1))


_OPERATING_SYSTEM = NoiseSource()
_current: ContextVar[NoiseSource] = ContextVar("noise_source", default=_OPERATING_SYSTEM)


def noise_source() -> NoiseSource:
    """The source that queries draw from now."""
    return _current.get()


@contextmanager
def seeded_noise(seed: int) -> Iterator[None]:
    """Make noise repeatable, for tests: not private.

    Whoever knows or guesses the seed can subtract the noise. Statements of fits inside the block
    say so, and such fits must not be released.

    Parameters
    ----------
    seed : int
        Seed of the noise.

    Examples
    --------
    >>> from skcondense.privacy import seeded_noise
    >>> with seeded_noise(0):
    ...     pass  # fits here repeat their noise
    """
    token = _current.set(_SeededSource(seed))
    try:
        yield
    finally:
        _current.reset(token)
