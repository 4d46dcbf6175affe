"""Where candidate rows come from: a diffusion model, or normal distributions."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch.nn import functional

from skcondense._sklearn import at_least, between
from skcondense.condensers.grouping import GROUP_SIZE
from skcondense.neural.checkpoint import Checkpoint
from skcondense.neural.compute import Compute
from skcondense.neural.diffusion import (
    DenoisingData,
    DenoisingPlan,
    DenoisingTraining,
    Progress,
)
from skcondense.neural.inputs import InputSpace, Normaliser, input_shape
from skcondense.neural.randomness import torch_generator
from skcondense.neural.validation import held_out_rows
from skcondense.private_table import PrivateTable

__all__ = [
    "SOURCES",
    "CandidateSource",
    "DiffusionSource",
    "FittedSource",
    "GaussianSource",
    "SourceByInput",
]

Matrix = NDArray[Any]

# Rows below which a diffusion model learns its images by heart whatever one does.
FEWEST_FOR_DIFFUSION = 100
# Held-out share of the images that stop training, and least number of them.
HELD_OUT, LEAST_HELD_OUT = 0.1, 20
# Steps from which a cost is estimated.
N_TRIED = 8
# Images from which the denoiser is wider, if its width is left to us.
MANY = 500


class FittedSource(ABC):
    """Draws candidates."""

    @abstractmethod
    def draw(self, stratum: int, n_rows: int, rng: np.random.Generator) -> Matrix:
        """Codes of candidates of a stratum, of shape (n_rows, n_codes)."""

    @property
    def is_complete(self) -> bool:
        """Whether it was made to the end: one that was stopped must not be found again."""
        return True

    def traces(self) -> dict[str, NDArray[np.float64]]:
        """What `history_` is to say of how the source was made."""
        return {}


class CandidateSource(ABC):
    """A way to learn where rows of each stratum lie."""

    @abstractmethod
    def fitted(
        self,
        table: PrivateTable,
        compute: Compute,
        rng: np.random.Generator,
        checkpoint: Checkpoint | None = None,
        progress: Progress | None = None,
    ) -> FittedSource:
        """Learn from real rows."""

    def n_rounds(self, n_rows: int, *, is_image: bool) -> int:
        """How often progress is told for as many rows."""
        return 1

    def shortened(self) -> "CandidateSource":
        """The same with the fewest rounds from which its cost can be told."""
        return self


@dataclass(frozen=True)
class GaussianSource(CandidateSource):
    """A normal distribution for each stratum, in the directions in which rows differ most.

    For tables, and for fewer than a hundred images. A stratum of fewer than three patients has the
    distribution of all rows.

    Parameters
    ----------
    n_components : int, default=32
        Directions (principal components), at most a third of the number of rows; what they leave
        over is noise of equal spread.

    References
    ----------
    Tipping and Bishop (1999), Probabilistic principal component analysis, JRSS-B 61,
    doi:10.1111/1467-9868.00196.
    """

    n_components: int = 32

    def __post_init__(self) -> None:
        _check(self, {"n_components": at_least(1)})

    def fitted(
        self,
        table: PrivateTable,
        compute: Compute,
        rng: np.random.Generator,
        checkpoint: Checkpoint | None = None,
        progress: Progress | None = None,
    ) -> FittedSource:
        """See `CandidateSource`."""
        models = {}
        for stratum in np.unique(table.strata):
            rows = table.take(np.flatnonzero(table.strata == stratum)).one_row_per_patient(rng)
            rows = rows if len(rows) >= GROUP_SIZE else table.one_row_per_patient(rng)
            if len(rows) < GROUP_SIZE:
                raise ValueError(
                    f"A normal distribution needs {GROUP_SIZE} patients at least. Got {len(rows)}."
                )
            models[int(stratum)] = self._model(rows, rng)
        if progress is not None:
            progress(1, 1, math.nan)
        return _Gaussians(models)

    def _model(self, rows: PrivateTable, rng: np.random.Generator) -> "_Normal":
        # Rows count by their weights: as many are drawn as there are.
        share = rows.weight / rows.weight.sum()
        is_equal = bool((share == share[0]).all())
        chosen = np.arange(len(rows)) if is_equal else rng.choice(len(rows), len(rows), p=share)
        most = max(1, min(self.n_components, len(rows) // 3, rows.Z.shape[1] - 1))
        seed = int(rng.integers(2**31 - 1))
        Z = rows.Z[chosen]
        found = PCA(most, svd_solver="randomized", random_state=seed).fit(Z)
        rest = Z.var(axis=0, ddof=1).sum() - found.explained_variance_.sum()
        # Equation 8: shared by all other directions, of which scikit-learn counts those within the
        # rows only.
        noise = max(float(rest), 0.0) / max(Z.shape[1] - most, 1)
        spread = np.sqrt(np.maximum(found.explained_variance_ - noise, 0))
        return _Normal(found.mean_, spread[:, np.newaxis] * found.components_, math.sqrt(noise))


@dataclass(frozen=True)
class _Normal:
    """Mean, directions times their standard deviations, and that of the noise in all others."""

    mean: Matrix
    directions: Matrix
    noise: float


@dataclass(frozen=True)
class _Gaussians(FittedSource):
    models: dict[int, _Normal]

    def draw(self, stratum: int, n_rows: int, rng: np.random.Generator) -> Matrix:
        model = self.models[stratum]
        along = rng.normal(size=(n_rows, len(model.directions))) @ model.directions
        return model.mean + along + model.noise * rng.normal(size=along.shape)


@dataclass(frozen=True)
class DiffusionSource(CandidateSource):
    """A diffusion model of images that is told their stratum.

    Training holds a tenth of the images (patients) out and stops when they are denoised no better:
    a model that goes on learns its images by heart.

    Parameters
    ----------
    width : int or "auto", default="auto"
        Channels of the first level of the network, a multiple of 8; "auto" is 16, and 32 from 500
        images on.
    n_steps : int or "auto", default="auto"
        Training steps at most; "auto" is 3000, or 300 per batch of images where there are few.
    batch_size : int, default=32
        Images per step.
    learning_rate : float, default=5e-4
        Of AdamW.
    n_sampling_steps : int, default=25
        Steps from noise to an image.
    stochasticity : float, default=0.5
        Fresh noise on the way: 0 for none, 1 for as much as in training.
    guidance : float, default=1.0
        More than 1 exaggerates what is of the stratum, with less diversity and more copies.
    """

    width: int | str = "auto"
    n_steps: int | str = "auto"
    batch_size: int = 32
    learning_rate: float = 5e-4
    n_sampling_steps: int = 25
    stochasticity: float = 0.5
    guidance: float = 1.0

    def __post_init__(self) -> None:
        allowed = {
            "width": at_least(8),
            "n_steps": at_least(1),
            "batch_size": at_least(1),
            "learning_rate": between(0, None),
            "n_sampling_steps": at_least(1),
            "stochasticity": between(0, 1, "both"),
            "guidance": between(0, None),
        }
        _check(self, {k: v for k, v in allowed.items() if vars(self)[k] != "auto"})
        if self.width != "auto" and int(self.width) % 8:
            raise ValueError(f"width of DiffusionSource is a multiple of 8. Got {self.width}.")

    def fitted(
        self,
        table: PrivateTable,
        compute: Compute,
        rng: np.random.Generator,
        checkpoint: Checkpoint | None = None,
        progress: Progress | None = None,
    ) -> FittedSource:
        """See `CandidateSource`.

        Raises
        ------
        ValueError
            If rows are no images.
        """
        size = input_shape(table.encoder)[0]
        # Pixels as they are, from -1 to 1: noise is added on that scale.
        space = InputSpace(table.encoder, Normaliser(np.zeros(size), np.ones(size)), compute)
        if not space.is_image:
            raise ValueError(
                'A diffusion model draws images. Got a table. Use generator="auto" or "gaussian".'
            )
        held_out = held_out_rows(table, HELD_OUT, LEAST_HELD_OUT, rng)
        # Where no image can be spared, the loss is that of the images themselves.
        scored = held_out if held_out.any() else ~held_out
        parts = [table.take(np.flatnonzero(~held_out)), table.take(np.flatnonzero(scored))]
        n_strata = int(table.strata.max()) + 1
        learned, kept = (_as_data(part, space, n_strata, compute) for part in parts)
        plan = self.plan(len(table))
        generator = torch_generator(rng)
        training = DenoisingTraining(plan, learned, kept, compute, generator, checkpoint, progress)
        return _Diffusion(self, training.run(), space, training)

    def n_rounds(self, n_rows: int, *, is_image: bool) -> int:
        """See `CandidateSource`."""
        return self.plan(n_rows).n_steps

    def shortened(self) -> CandidateSource:
        """See `CandidateSource`."""
        return replace(self, n_steps=N_TRIED)

    def plan(self, n_images: int) -> DenoisingPlan:
        """Numbers for as many images."""
        width = (16 if n_images < MANY else 32) if self.width == "auto" else int(self.width)
        most = min(3000, math.ceil(300 * n_images / self.batch_size))
        n_steps = most if self.n_steps == "auto" else int(self.n_steps)
        return DenoisingPlan(width, n_steps, self.batch_size, self.learning_rate)


@dataclass(frozen=True)
class _Diffusion(FittedSource):
    source: DiffusionSource
    model: Any
    space: InputSpace
    training: DenoisingTraining

    def draw(self, stratum: int, n_rows: int, rng: np.random.Generator) -> Matrix:
        source = self.source
        images = self.model.draw(
            stratum,
            n_rows,
            source.n_sampling_steps,
            source.stochasticity,
            source.guidance,
            torch_generator(rng),
        )
        return self.space.codes(images)

    @property
    def is_complete(self) -> bool:
        return self.training.is_complete

    def traces(self) -> dict[str, NDArray[np.float64]]:
        return {
            "generator_loss": np.array(self.training.losses),
            "generator_score": np.array(self.training.scores),
        }


def _as_data(
    table: PrivateTable, space: InputSpace, n_strata: int, compute: Compute
) -> DenoisingData:
    told = functional.one_hot(torch.from_numpy(table.strata.astype(np.int64)), n_strata)
    x = space.inputs(table.Z)
    return DenoisingData(x, compute.tensor(told.double()).to(x), torch.from_numpy(table.weight))


def _check(source: Any, allowed: dict[str, Any]) -> None:
    """Refuse parameters that are out of range."""
    for name, constraint in allowed.items():
        value = getattr(source, name)
        if not constraint.is_satisfied_by(value):
            raise ValueError(
                f"{name} of {type(source).__name__} must be {constraint}. Got {value!r}."
            )


@dataclass(frozen=True)
class SourceByInput(CandidateSource):
    """One source for images and another for what a diffusion model is not made for.

    Parameters
    ----------
    image : CandidateSource, default=DiffusionSource()
        For a hundred images or more.
    other : CandidateSource, default=GaussianSource()
        For tables, and for fewer images.
    """

    image: CandidateSource = field(default_factory=DiffusionSource)
    other: CandidateSource = field(default_factory=GaussianSource)

    def fitted(
        self,
        table: PrivateTable,
        compute: Compute,
        rng: np.random.Generator,
        checkpoint: Checkpoint | None = None,
        progress: Progress | None = None,
    ) -> FittedSource:
        """See `CandidateSource`."""
        source = self._chosen(len(table), table.encoder.schema.columns[0].is_image)
        return source.fitted(table, compute, rng, checkpoint, progress)

    def n_rounds(self, n_rows: int, *, is_image: bool) -> int:
        """See `CandidateSource`."""
        return self._chosen(n_rows, is_image).n_rounds(n_rows, is_image=is_image)

    def shortened(self) -> CandidateSource:
        """See `CandidateSource`."""
        return SourceByInput(self.image.shortened(), self.other.shortened())

    def _chosen(self, n_rows: int, is_image: bool) -> CandidateSource:
        return self.image if is_image and n_rows >= FEWEST_FOR_DIFFUSION else self.other


SOURCES: dict[str, Callable[[], CandidateSource]] = {
    "auto": SourceByInput,
    "diffusion": DiffusionSource,
    "gaussian": GaussianSource,
}
