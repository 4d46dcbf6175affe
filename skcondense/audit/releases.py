"""What an attacker is given, and how well it knows a record: the parts of membership attacks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_expit
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.neighbors import KernelDensity

from skcondense.audit.real_rows import Codes, Records
from skcondense.condensed_set import CondensedSet
from skcondense.tasks import fit_weighted

__all__ = ["Attack", "Density", "Floats", "Release", "Signal", "signals_for"]

Floats = NDArray[np.float64]
Attack = Callable[[Records], Floats]

# Directions in which densities are estimated: kernels know nothing in many.
N_DIRECTIONS = 8
# Least probability that a loss is computed from.
SMALLEST = 1e-6


@dataclass(frozen=True)
class Release:
    """Rows that an attacker is given.

    Attributes
    ----------
    Z, weight : ndarray of shape (n_prototypes, n_codes), ndarray of shape (n_prototypes,)
        Prototypes, each once.
    rows, y, row_weight : ndarray
        What models are trained on: a prototype comes once per outcome.
    """

    Z: Floats
    weight: Floats
    rows: Floats
    y: NDArray[Any]
    row_weight: Floats

    @classmethod
    def of(cls, condensed: CondensedSet) -> "Release":
        """A condensed set."""
        codes = Codes(condensed)
        rows = Records.of(codes, (condensed.X, condensed.y), None)
        return cls(*codes.of_prototypes(), rows.Z, rows.y, condensed.sample_weight)

    @classmethod
    def published(cls, records: Records) -> "Release":
        """Real rows themselves."""
        weight = np.ones(len(records.Z))
        return cls(records.Z, weight, records.Z, records.y, weight)


class Signal(Protocol):
    """How well a release knows a record."""

    @property
    def name(self) -> str:
        """What is looked at."""

    def of(self, release: Release) -> Attack:
        """Confidence, on a scale on which it is about normal; greater for what is known."""

    def log_likelihood(self, confidence: Floats) -> Floats:
        """The same as the logarithm of a likelihood."""


@dataclass(frozen=True)
class Density:
    """Density of the release's rows at the record.

    Attributes
    ----------
    reduce : PCA
        Principal directions of the attacker's own rows.
    """

    reduce: PCA
    name: str = "density"

    @classmethod
    def seen_from(cls, reference: Floats) -> "Density":
        """In the directions in which the attacker's own rows vary most."""
        return cls(PCA(min(N_DIRECTIONS, *reference.shape)).fit(reference))

    def of(self, release: Release) -> Attack:
        """At the release's rows."""
        return self.around(release.Z, release.weight)

    def around(self, Z: Floats, weight: Floats) -> Attack:
        """Logarithm of a kernel density of Scott's width."""
        Z = self.reduce.transform(Z)
        n_effective = weight.sum() ** 2 / (weight**2).sum()
        width = max(Z.std(axis=0).mean(), 1e-3) * n_effective ** (-1 / (Z.shape[1] + 4))
        density = KernelDensity(bandwidth=width).fit(Z, sample_weight=weight)
        return lambda records: np.asarray(density.score_samples(self.reduce.transform(records.Z)))

    def log_likelihood(self, confidence: Floats) -> Floats:
        """It is one already."""
        return confidence


@dataclass(frozen=True)
class ClassLoss:
    """Log-odds of the right class, by a model trained on the release."""

    model: Any
    name: str = "loss"

    def of(self, release: Release) -> Attack:
        """Train the model."""
        fitted = _fitted(self.model, release)

        def confidence(records: Records) -> Floats:
            known = np.searchsorted(fitted.classes_, records.y).clip(max=len(fitted.classes_) - 1)
            right = fitted.classes_[known] == records.y
            share = fitted.predict_proba(records.Z)[np.arange(len(known)), known] * right
            share = share.clip(SMALLEST, 1 - SMALLEST)
            return np.asarray(np.log(share / (1 - share)))

        return confidence

    def log_likelihood(self, confidence: Floats) -> Floats:
        """Of the right class."""
        return np.asarray(log_expit(confidence))


@dataclass(frozen=True)
class NumberLoss:
    """Absolute error of a model trained on the release, as Laplace's density has it."""

    model: Any
    name: str = "loss"

    def of(self, release: Release) -> Attack:
        """Train the model."""
        fitted = _fitted(self.model, release)
        mean = np.average(release.y, weights=release.row_weight)
        scale = np.average(np.abs(release.y - mean), weights=release.row_weight) or 1.0
        return lambda records: -np.abs(fitted.predict(records.Z) - records.y) / scale

    def log_likelihood(self, confidence: Floats) -> Floats:
        """Up to a constant, it is one already."""
        return confidence


def signals_for(task: str, model: Any, reference: Floats) -> list[Signal]:
    """Signals of a task; no model is attacked by survival outcomes.

    The model that is attacked is, unless given, one that remembers its rows: a forest of deep
    trees.
    """
    density = Density.seen_from(reference)
    if task == "survival":
        return [density]
    if task == "regression":
        return [density, NumberLoss(model or RandomForestRegressor(100, random_state=0))]
    return [density, ClassLoss(model or RandomForestClassifier(100, random_state=0))]


def _fitted(model: Any, release: Release) -> Any:
    return fit_weighted(
        clone(model), release.rows, release.y, release.row_weight, weights="replicate"
    )
