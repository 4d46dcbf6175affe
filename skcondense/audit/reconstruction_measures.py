"""How alike images and their reconstructions are: the six measures, where they are defined."""

from collections.abc import Callable
from typing import Any

from skcondense.audit.feature_similarity import feature_similarity
from skcondense.audit.image_similarity import (
    WINDOW_RADIUS,
    Floats,
    earth_movers_distance,
    image_pairs,
    normalised_cross_correlation,
    peak_signal_to_noise_ratio,
    structural_similarity,
)
from skcondense.condensed_set import CondensedSet

__all__ = ["FSIM", "GREY_LEVELS", "SIGNS", "Pairs", "measures_for"]

# Images are compared on one scale, whatever that of their pixels.
GREY_LEVELS = 255.0
SSIM, PSNR, NCC, FSIM, EMD, LPIPS = "SSIM", "PSNR", "NCC", "FSIM", "EMD", "LPIPS"
# Whether greater values are more alike.
SIGNS = {SSIM: 1, PSNR: 1, NCC: 1, FSIM: 1, EMD: -1, LPIPS: -1}

Pairs = Callable[[Floats, Floats], Floats]


def measures_for(
    condensed: CondensedSet, backbone: Any, heads: Any, device: str
) -> dict[str, Pairs]:
    """Measures that are defined for images of this shape."""
    height, width, *channels = condensed.X.shape[1:]
    found: dict[str, Pairs] = {
        PSNR: lambda a, b: peak_signal_to_noise_ratio(a, b, GREY_LEVELS),
        NCC: normalised_cross_correlation,
        EMD: earth_movers_distance,
    }
    if min(height, width) > 2 * WINDOW_RADIUS:
        found[SSIM] = lambda a, b: structural_similarity(a, b, GREY_LEVELS)
    if channels in ([], [1], [3]):
        found[FSIM] = lambda a, b: feature_similarity(a, b, GREY_LEVELS)
    if backbone is not None or heads is not None:
        found[LPIPS] = _lpips(backbone, heads, device)
    return {name: found[name] for name in SIGNS if name in found}


def _lpips(backbone: Any, heads: Any, device: str) -> Pairs:
    if backbone is None or heads is None:
        raise ValueError(
            "LPIPS needs two files, backbone and heads. Got one of them. Pass both, or none to "
            "leave it out."
        )
    from skcondense.neural.compute import Compute
    from skcondense.neural.perceptual import PerceptualNetwork

    network = PerceptualNetwork(backbone, heads, Compute(device))
    return lambda a, b: network.distances(*(x / GREY_LEVELS for x in image_pairs(a, b)))
