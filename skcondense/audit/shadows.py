"""Shadows: releases made again of other rows, to learn what a record's presence changes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.base import clone

from skcondense.audit.real_rows import Codes, Records
from skcondense.audit.releases import Floats, Release, Signal
from skcondense.base import DatasetCondenser

__all__ = ["Shadows", "again", "balanced_halves", "condensed_again"]

# From so many shadows on each record has spreads of its own (Carlini and others, section VI).
OWN_SPREAD = 64
# Confidences of a model that remembers have no spread at all.
LEAST_SPREAD = 1e-3

# Parameters that belong to one fit, and not to the method.
OF_ONE_FIT = ("callback", "callbacks", "checkpoint", "expert_folder", "ledger")


@dataclass(frozen=True)
class Shadows:
    """Releases of halves of a pool of records, each record in one half of them.

    Attributes
    ----------
    releases : list of Release
        What the same procedure makes of each half.
    is_in : ndarray of bool of shape (n_shadows, n_records)
        Which records a shadow was made of.
    """

    releases: list[Release]
    is_in: NDArray[np.bool_]

    def confidence(self, signal: Signal, records: Records) -> Floats:
        """What each shadow knows of each record, of shape (n_shadows, n_records)."""
        return np.stack([signal.of(release)(records) for release in self.releases])

    def rmia(self, signal: Signal, target: Floats, shadows: Floats) -> Floats:
        """Robust membership inference.

        Parameters
        ----------
        signal : Signal
            What the confidences are of.
        target, shadows : ndarray of shape (n_records,), ndarray of shape (n_shadows, n_records)
            What the target and the shadows know of each record.

        Returns
        -------
        ndarray of shape (n_records,)
            Logarithm of the likelihood by the target over its mean by the shadows. The share of a
            population whose own ratio is exceeded, which the paper counts, puts records in the
            same order.

        References
        ----------
        Zarifzadeh, Liu and Shokri (2024), Low-cost high-power membership inference attacks, ICML,
        arXiv:2312.03262, equations 2 to 4.
        """
        usual = logsumexp(signal.log_likelihood(shadows), axis=0) - np.log(len(shadows))
        return np.asarray(signal.log_likelihood(target) - usual)

    def lira(self, target: Floats, shadows: Floats) -> Floats:
        """Likelihood ratio attack.

        Parameters
        ----------
        target, shadows : ndarray of shape (n_records,), ndarray of shape (n_shadows, n_records)
            Confidences.

        Returns
        -------
        ndarray of shape (n_records,)
            Log-likelihood of the target's confidence among that of shadows with the record, over
            the same without it. Of fewer than 64 shadows all records share their spreads.

        References
        ----------
        Carlini and others (2022), Membership inference attacks from first principles, IEEE S&P,
        arXiv:2112.03570, algorithm 1.
        """
        with_it, without = (_normal(shadows, of) for of in (self.is_in, ~self.is_in))
        return np.asarray(with_it.logpdf(target) - without.logpdf(target))


def _normal(confidence: Floats, of: NDArray[np.bool_]) -> Any:
    """Normal distribution of each record's confidence over some of the shadows."""
    count = of.sum(axis=0)
    mean = (confidence * of).sum(axis=0) / count
    variance = ((confidence - mean) ** 2 * of).sum(axis=0) / (count - 1)
    if len(confidence) < OWN_SPREAD:
        variance = variance.mean()
    return norm(mean, np.maximum(np.sqrt(variance), LEAST_SPREAD))


def balanced_halves(
    units: NDArray[Any], n_shadows: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Random halves of the units and their complements: each unit is in one half of them.

    Parameters
    ----------
    units : ndarray of shape (n_records,)
        Patient of each record.
    n_shadows : int
        An even number.
    rng : Generator
        Draws.

    Returns
    -------
    ndarray of bool of shape (n_shadows, n_records)
    """
    names, unit = np.unique(units, return_inverse=True)
    halves = []
    for _ in range(n_shadows // 2):
        half = (rng.permutation(len(names)) < len(names) // 2)[unit]
        halves += [half, ~half]
    return np.stack(halves)


def again(
    make: Callable[[Records, int], Release],
    pool: Records,
    is_in: NDArray[np.bool_],
    rng: np.random.Generator,
    n_jobs: int | None,
    verbose: int,
) -> Shadows:
    """Make a release of each half of a pool."""
    seeds = rng.integers(2**31 - 1, size=len(is_in)).tolist()
    jobs = (delayed(make)(pool.take(half), seed) for half, seed in zip(is_in, seeds, strict=True))
    found = Parallel(n_jobs=n_jobs, return_as="generator")(jobs)
    releases = track(
        found, "Condensing again", total=len(is_in), console=Console(stderr=True),
        transient=True, disable=not verbose,
    )  # fmt: skip
    return Shadows(list(releases), is_in)


def condensed_again(condenser: DatasetCondenser, codes: Codes) -> Callable[[Records, int], Release]:
    """The whole condensation, of other rows.

    Spends of a shadow are written to no ledger: what a shadow finds stays with the auditor.
    """
    known = condenser.get_params(deep=False)
    settings: dict[str, Any] = {name: None for name in OF_ONE_FIT if name in known}
    settings["schema"] = condenser.schema or codes.condensed.schema

    def make(records: Records, seed: int) -> Release:
        one = clone(condenser).set_params(**settings, random_state=seed)
        made = one.condense(codes.rows(records.Z), records.y, groups=records.groups)
        return Release.of(replace(made, schema=codes.condensed.schema))

    return make
