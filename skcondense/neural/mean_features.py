"""Mean features of groups of rows, and how far apart two sets of them are."""

from typing import Any

import torch

from skcondense.neural.network import Network
from skcondense.neural.passes import Passes
from skcondense.neural.settings import NetworkSettings

__all__ = ["mean_feature_loss", "means_of_parts", "real_mean_features"]

# Features of the literature's ConvNet on 32 x 32 images. Losses are brought to that number, so
# that published learning rates carry over to other widths and sizes.
REFERENCE_FEATURES = 2048


def mean_feature_loss(real: Any, synthetic: Any) -> Any:
    """Squared distance between mean features, scaled to 2048 of them.

    Parameters
    ----------
    real, synthetic : Tensor of shape (n_strata, n_features)
        Mean features of each stratum.

    Returns
    -------
    Tensor of shape (n_strata,)
    """
    return REFERENCE_FEATURES / real.shape[1] * ((real - synthetic) ** 2).sum(dim=1)


def real_mean_features(network: Network, parts: list[Any], settings: NetworkSettings) -> Any:
    """Mean features of each part, without gradients, of shape (n_parts, n_features)."""
    x = torch.cat(parts)
    length = settings.compute.piece_length(settings.space.shape, len(x))
    return means_of_parts(Passes(settings.compute, length).features(network, x), parts)


def means_of_parts(features: Any, parts: list[Any]) -> Any:
    """Mean of the rows that belong to each part."""
    return torch.stack([p.mean(dim=0) for p in features.split([len(p) for p in parts])])
