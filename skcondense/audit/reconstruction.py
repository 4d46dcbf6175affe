"""Reconstruction: whether a network that learned from a set draws the members' images better."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length

from skcondense._threads import without_warnings
from skcondense.audit.attack_scores import by_patient
from skcondense.audit.feature_similarity import SMALL_SIDE
from skcondense.audit.image_similarity import (
    Floats,
    Images,
)
from skcondense.audit.membership import check_units
from skcondense.audit.real_rows import Codes, Records
from skcondense.audit.reconstruction_measures import FSIM, GREY_LEVELS, SIGNS, Pairs, measures_for
from skcondense.audit.verdict import CONDENSED, SIGNIFICANT, AttackVerdict
from skcondense.border import check_groups
from skcondense.condensed_set import CondensedSet

__all__ = ["ReconstructionAudit", "ReconstructionGap", "reconstruction_audit"]

# What is trained on beside the set.
ORIGINAL, RANDOM, UNRELATED = "original", "random real", "unrelated"
# Patients that an audit needs; up to half of the others are trained on.
FEWEST_MEMBERS, FEWEST_OTHERS = 20, 40
# Of a single training nobody knows how much hangs on its beginning.
FEWEST_REPEATS = 2


@dataclass(frozen=True)
class ReconstructionGap:
    """One measure of how alike images and their reconstructions are, on members and on others.

    Attributes
    ----------
    members, others : float
        Mean of the measure.
    difference, low, high : float
        By how much members come out better, and the 95 % interval: positive means leak, whether
        or not greater values of the measure are more alike.
    error : float
        Standard error of the difference.
    p_value : float
        Probability of so large a difference if there were none.
    """

    members: float
    others: float
    difference: float
    low: float
    high: float
    error: float
    p_value: float


@dataclass(frozen=True)
class ReconstructionAudit(AttackVerdict[ReconstructionGap]):
    """How alike images and their reconstructions are, for the set and for three controls.

    Attributes
    ----------
    gaps : dict of {tuple of (str, str): ReconstructionGap}
        By what was trained on and measure. Targets: "condensed"; "original", all members;
        "random real", as many random members as the set has prototypes; "unrelated", as many
        images that are no members' and are not reconstructed.
    n_images : dict of {str: int}
        Images that each target was trained on.
    n_members, n_others : int
        Patients (or images, where they are not grouped) whose images were reconstructed.
    n_steps, n_repeats : int
        Gradient steps of each training, and trainings per target.
    height, width : int
        Size of the images in pixels.
    """

    gaps: dict[tuple[str, str], ReconstructionGap]
    n_images: dict[str, int]
    n_members: int
    n_others: int
    n_steps: int
    n_repeats: int
    height: int
    width: int

    @property
    def table(self) -> pd.DataFrame:
        """One row per target and measure."""
        return pd.DataFrame(
            [
                {
                    "target": target,
                    "measure": measure,
                    "more_alike": "higher" if SIGNS[measure] > 0 else "lower",
                    **{name: value for name, value in vars(gap).items() if name != "error"},
                }
                for (target, measure), gap in self.gaps.items()
            ]
        )

    @property
    def has_power(self) -> bool:
        """Whether a difference was found where all members were trained on."""
        return self._p_value(ORIGINAL) < SIGNIFICANT

    @property
    def are_alike(self) -> bool:
        """Whether members and others were drawn equally well from unrelated images."""
        own = self._of(UNRELATED).values()
        two_sided = min(2 * min(gap.p_value, 1 - gap.p_value) for gap in own)
        return len(own) * two_sided >= SIGNIFICANT

    def _of(self, target: str) -> dict[str, ReconstructionGap]:
        return {measure: gap for (of, measure), gap in self.gaps.items() if of == target}

    def __str__(self) -> str:
        measure, worst = self.worst
        controls = (
            f"{self.gaps[target, measure].difference:+.3g} on {which.format(self.n_images[target])}"
            for target, which in [
                (ORIGINAL, "all {} images of members"),
                (RANDOM, "{} random ones of them"),
                (UNRELATED, "{} unrelated images, where there is nothing to find"),
            ]
        )
        lines = [
            f"Images of {self.n_members} members and {self.n_others} others, drawn again by "
            f"autoencoders that were trained on {self.n_images[CONDENSED]} prototypes "
            f"({self.n_steps} steps, {self.n_repeats} times).",
            f"Strongest measure: {measure}, {worst.members:.4g} on members and {worst.others:.4g} "
            f"on others ({'higher' if SIGNS[measure] > 0 else 'lower'} is more alike). Members "
            f"came out better by {worst.difference:+.3g} ({worst.low:+.3g} to {worst.high:+.3g}; "
            "positive means leak, 0 is best).",
            f"After as many steps that difference was {', '.join(controls)}.",
            self._verdict(worst),
            "How alike images and reconstructions are shows nothing by itself: a network that "
            "was trained too little draws every image badly. Only members beside others count.",
        ]
        if FSIM in self._of(CONDENSED) and min(self.height, self.width) < SMALL_SIDE:
            lines.append(
                f"FSIM of images under {SMALL_SIDE} pixels a side means little but as a difference."
            )
        return "\n".join(lines)

    def _verdict(self, worst: ReconstructionGap) -> str:
        if self.has_evidence and not self.are_alike:
            return (
                f"Members are drawn better than others (p = {self.p_value:.2g}), but members and "
                "others differ in kind: unrelated images draw one of them better too. This need "
                "not be a leak; compare with others of the same kind."
            )
        if self.has_evidence:
            return (
                "There is evidence that the set gives away images of members "
                f"(p = {self.p_value:.2g})."
            )
        if not self.has_power:
            return (
                "Even from all members themselves no difference was learned: the set was not "
                "tested. Take more steps, or more images."
            )
        # What is found four times in five, after correcting for all measures.
        level = SIGNIFICANT / len(self._of(CONDENSED))
        n_free = min(self.n_members, self.n_others) - 1
        missed = worst.error * float(student.isf(level, n_free) + student.isf(0.2, n_free))
        return (
            "There is no evidence that the set gives away images of members "
            f"(p = {self.p_value:.2g}). At this power a difference up to {missed:.3g} could have "
            "been missed, and so could a few members among many. Stronger attacks exist; only a "
            "privacy statement bounds them."
        )


def reconstruction_audit(
    condensed: CondensedSet,
    members: Images,
    others: Images,
    *,
    member_groups: Any = None,
    other_groups: Any = None,
    n_steps: int = 500,
    n_repeats: int = 3,
    n_images: int = 200,
    backbone: str | Path | None = None,
    heads: str | Path | None = None,
    device: str = "auto",
    random_state: Any = None,
) -> ReconstructionAudit:
    """Train autoencoders on a set of images, and let them draw members' images and others'.

    What a network draws well it has learned. Images of the population are drawn well from any good
    set; if members' images are drawn better than fresh ones of the same kind, the set has taught
    the network about individuals. Autoencoders are also trained on three controls, each for the
    same number of steps: all members, as many random members as the set has prototypes, and as
    many unrelated images.

    Parameters
    ----------
    condensed : CondensedSet
        A set of images.
    members, others : ndarray of shape (n_images, height, width[, channels])
        Images that were condensed, and images of the same kind that were not; at least 20 and 40.
        Up to half of the others are trained on as the unrelated control, and not reconstructed.
        Pixels beyond the bounds of the set's schema are moved to them.
    member_groups, other_groups : array-like of shape (n_images,), default=None
        Patient of each image. Measures are averaged by patient, and patients are counted.
    n_steps : int, default=500
        Gradient steps of each training, whatever the number of images.
    n_repeats : int, default=3
        Trainings per target, each from fresh weights, 2 at least; they are the same for all
        targets.
    n_images : int, default=200
        Images of members, and of others, that are reconstructed at most; drawn at random.
    backbone, heads : str or Path, default=None
        Files of weights for LPIPS, see `learned_perceptual_similarity`. Without them LPIPS is
        left out.
    device : str, default="auto"
        A torch device; "auto" takes a GPU where there is one.
    random_state : int, RandomState instance or None, default=None
        Draws controls, images, weights and batches.

    Returns
    -------
    ReconstructionAudit
        Print it for sentences; `table` has all numbers.

    Raises
    ------
    ValueError
        If the set has no images, they are smaller than 8 pixels a side, there are too few images
        or patients, patients on both sides, or only one of the files of LPIPS is given.
    SchemaError
        If the images are not of the shape that the set has.
    FileNotFoundError
        If a file of LPIPS is missing.
    ImportError
        If torch is not installed.

    Notes
    -----
    Measures: SSIM (left out below 11 pixels a side, the size of its window), PSNR in dB, NCC, FSIM
    (of one channel or three only), EMD, and LPIPS, all of pixels on a scale from 0 to 255 between
    the bounds of the schema. Each image's measure is averaged over repeats, then by patient.
    The interval of the difference is Welch's, with a third component for the spread of the
    difference between repeats and Satterthwaite's degrees of freedom. Its test is one-sided, and
    corrected for the number of measures by Bonferroni.

    A mean over members hides a few that are given away: of a set of 20 members out of 2,000, one
    image in a hundred is drawn better. `membership_audit` looks at those.

    References
    ----------
    Diffusion and distribution matching for medical images (DDM) compares reconstructions by these
    six measures between sets: trained for numbers of steps that differ by the size of the set,
    and without images that were not condensed. Welch (1947), The generalization of 'Student's'
    problem when several different population variances are involved, Biometrika 34,
    doi:10.1093/biomet/34.1-2.28.
    """
    _check_parameters(condensed, n_steps, n_repeats, n_images)
    measures = measures_for(condensed, backbone, heads, device)
    rng = np.random.default_rng(int(check_random_state(random_state).randint(2**31 - 1)))
    codes = Codes(condensed)
    inside = _records(codes, members, member_groups)
    outside = _records(codes, others, other_groups)
    _check_counts(inside, outside)
    targets, outside = _targets(codes, inside, outside, rng)
    attacked = [part.take(rng.permutation(len(part.Z))[:n_images]) for part in (inside, outside)]
    originals = [codes.rows(part.Z) for part in attacked]
    seeds = rng.integers(2**32, size=n_repeats).tolist()
    gaps: dict[tuple[str, str], ReconstructionGap] = {}
    for target, released in targets.items():
        drawn = list(_reconstructions(codes, released, originals, n_steps, seeds, device))
        for name, measure in measures.items():
            of_members, of_others = (
                _by_repeat(measure, originals[k], [pair[k] for pair in drawn], codes, part.groups)
                for k, part in enumerate(attacked)
            )
            gaps[target, name] = _gap(of_members, of_others, SIGNS[name])
    height, width = originals[0].shape[1:3]
    n_members, n_others = (part.n_units for part in attacked)
    return ReconstructionAudit(
        gaps=gaps,
        n_images={target: len(released.Z) for target, released in targets.items()},
        n_members=n_members,
        n_others=n_others,
        n_steps=n_steps,
        n_repeats=n_repeats,
        height=height,
        width=width,
    )


def _check_parameters(condensed: CondensedSet, n_steps: int, n_repeats: int, n_images: int) -> None:
    if not condensed.schema.columns[0].is_image:
        raise ValueError(
            "A reconstruction audit needs a set of images. Got a table of columns: use "
            "membership_audit and attribute_audit."
        )
    least = {"n_steps": 1, "n_repeats": FEWEST_REPEATS, "n_images": FEWEST_MEMBERS}
    given = {"n_steps": n_steps, "n_repeats": n_repeats, "n_images": n_images}
    for name, value in given.items():
        if value < least[name]:
            raise ValueError(f"{name} must be {least[name]} at least. Got {value}.")


def _check_counts(inside: Records, outside: Records) -> None:
    if inside.n_units < FEWEST_MEMBERS or outside.n_units < FEWEST_OTHERS:
        raise ValueError(
            f"A reconstruction audit needs {FEWEST_MEMBERS} members and {FEWEST_OTHERS} others at "
            "least (patients, where images are grouped), since up to half of the others are "
            f"trained on. Got {inside.n_units} and {outside.n_units}."
        )
    check_units(inside, outside)


def _records(codes: Codes, images: Images, groups: Any) -> Records:
    Z = codes.of(images)
    groups = None if groups is None else check_groups(groups)
    check_consistent_length(Z, groups)
    # No outcome is looked at.
    return Records(Z, np.zeros(len(Z)), groups)


@dataclass(frozen=True)
class _Released:
    """Images that are trained on, as codes with weights."""

    Z: Floats
    weight: Floats


def _targets(
    codes: Codes, inside: Records, outside: Records, rng: np.random.Generator
) -> tuple[dict[str, _Released], Records]:
    """What is trained on, and the others that none of it holds."""
    own = _Released(*codes.of_prototypes())
    is_unrelated = _some_units(outside, len(own.Z), rng)
    parts = {ORIGINAL: inside, RANDOM: inside, UNRELATED: outside.take(is_unrelated)}
    counts = {ORIGINAL: len(inside.Z), RANDOM: len(own.Z), UNRELATED: len(own.Z)}
    drawn = {
        name: part.Z[rng.permutation(len(part.Z))[: counts[name]]] for name, part in parts.items()
    }
    controls = {name: _Released(Z, np.ones(len(Z))) for name, Z in drawn.items()}
    return {CONDENSED: own, **controls}, outside.take(~is_unrelated)


def _some_units(records: Records, n_images: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Images of as few patients as hold so many, but of no more than half of all patients."""
    names, unit = np.unique(records.units, return_inverse=True)
    order = rng.permutation(len(names))
    held = np.cumsum(np.bincount(unit)[order])
    n_units = min(int(np.searchsorted(held, n_images)) + 1, len(names) // 2)
    return np.asarray(np.isin(unit, order[:n_units]))


def _reconstructions(
    codes: Codes,
    released: _Released,
    originals: list[Images],
    n_steps: int,
    seeds: list[int],
    device: str,
) -> Iterator[list[Images]]:
    """Members and others as networks draw them that were trained on the same images."""
    from skcondense.neural.autoencoder import AutoencoderPlan, train_autoencoder
    from skcondense.neural.compute import Compute

    images, schema = codes.rows(released.Z), codes.condensed.schema
    plan, compute = AutoencoderPlan(n_steps), Compute(device)
    for seed in seeds:
        rng = np.random.default_rng(seed)
        trained = train_autoencoder(images, released.weight, schema, plan, rng, compute)
        yield [trained.reconstruct(part) for part in originals]


def _by_repeat(
    measure: Pairs, originals: Images, drawn: list[Images], codes: Codes, groups: Any
) -> Floats:
    """A measure by repeat and patient."""
    real = _grey_levels(originals, codes)
    with without_warnings():
        found = [measure(real, _grey_levels(images, codes)) for images in drawn]
    return np.stack([by_patient(values, groups) for values in found])


def _grey_levels(images: Images, codes: Codes) -> Floats:
    bounds = codes.condensed.schema.columns[0].bounds
    assert bounds is not None
    low, high = bounds
    return np.asarray(GREY_LEVELS * (images.astype(np.float64) - low) / (high - low or 1.0))


def _gap(members: Floats, others: Floats, sign: int) -> ReconstructionGap:
    """Difference of two groups of patients, from measures of shape (n_repeats, n_patients)."""
    by_repeat = sign * (members.mean(axis=1) - others.mean(axis=1))
    parts = [members.mean(axis=0), others.mean(axis=0), by_repeat]
    variance = np.array([values.var(ddof=1) / len(values) for values in parts])
    free = np.array([len(values) - 1 for values in parts])
    difference, error = float(by_repeat.mean()), float(np.sqrt(variance.sum()))
    # Without any spread nothing is left to chance.
    n_free = variance.sum() ** 2 / ((variance**2 / free).sum() or 1.0) or 1.0
    reach = float(student.ppf(0.975, n_free)) * error
    return ReconstructionGap(
        members=float(members.mean()),
        others=float(others.mean()),
        difference=difference,
        low=difference - reach,
        high=difference + reach,
        error=error,
        p_value=float(student.sf(difference / max(error, 1e-12), n_free)),
    )
