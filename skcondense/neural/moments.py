"""Rows are moved until their features have the moments of the real rows'."""

from collections.abc import Callable

import torch

from skcondense.neural.candidate_features import RealFeatures
from skcondense.neural.loop import Learned, Matcher
from skcondense.neural.synthetic import SyntheticSet

__all__ = ["MomentMatcher"]

# Weights of the difference of standard deviations, and of the way that a row has moved.
SPREAD_WEIGHT, ANCHOR_WEIGHT = 0.1, 0.01


class MomentMatcher(Matcher):
    """Match mean and spread of the features of each stratum, under one network at a time.

    Gradients are exact: features of all rows are computed first, and derived a piece at a
    time, so that memory is that of a piece.

    Parameters
    ----------
    features : RealFeatures
        Networks and real rows.
    generator : torch.Generator
        Draws the network of each iteration.
    """

    def __init__(self, features: RealFeatures, generator: torch.Generator) -> None:
        self.features, self._generator = features, generator
        self._moments = [features.moments(k) for k in range(len(features.maps))]

    def begin(self, synthetic: SyntheticSet) -> list[Learned]:
        """Remember where rows started."""
        self._start = synthetic.x.detach().clone()
        return []

    def origin(self) -> str:
        """A fingerprint of the networks, drawn, trained or given."""
        return self.features.origin()

    def iterate(self, synthetic: SyntheticSet, step: Callable[[float], None]) -> None:
        """One step under one network."""
        number = int(torch.randint(len(self._moments), (1,), generator=self._generator))
        network, moments = self.features.maps[number], self._moments[number]
        found = network.constant(synthetic.x.detach()).requires_grad_()
        total = torch.zeros_like(found[0, 0])
        for stratum, rows in synthetic.slices().items():
            mean, spread = moments[stratum]
            total = total + (found[rows].mean(dim=0) - mean).square().sum()
            own = found[rows].var(dim=0, correction=0)
            total = total + SPREAD_WEIGHT * ((own + 1e-12).sqrt() - spread).square().sum()
        total.backward()
        pieces = zip(network.pieces(synthetic.x), network.pieces(found.grad), strict=True)
        for piece, gradient in pieces:
            network(piece).backward(gradient)
        away = ANCHOR_WEIGHT * (synthetic.x - self._start).square().mean()
        away.backward()
        step(float(total.detach() + away.detach()))
