"""Images from noise: training of a denoiser, and drawing with it.

References
----------
Ho, Jain and Abbeel (2020), Denoising diffusion probabilistic models, NeurIPS, arXiv:2006.11239;
Nichol and Dhariwal (2021), Improved denoising diffusion probabilistic models, ICML,
arXiv:2102.09672: the cosine schedule; Salimans and Ho (2022), Progressive distillation for fast
sampling of diffusion models, ICLR, arXiv:2202.00512: the velocity; Lin, Liu, Li and Yang (2024),
Common diffusion noise schedules and sample steps are flawed, WACV, arXiv:2305.08891: why a walk
must start at pure noise; Song, Meng and Ermon (2021), Denoising diffusion implicit models, ICLR,
arXiv:2010.02502: the sampler; Ho and Salimans (2022), Classifier-free diffusion guidance,
arXiv:2207.12598.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from skcondense.neural.checkpoint import Checkpoint, as_array
from skcondense.neural.compute import Compute
from skcondense.neural.denoiser import make_denoiser
from skcondense.neural.network import Shape
from skcondense.neural.randomness import choose_rows, generator_state, restore_generator
from skcondense.neural.unroll import FlatNetwork

__all__ = ["DenoisingData", "DenoisingPlan", "DenoisingTraining", "TrainedDenoiser"]

# Shift of the cosine schedule, so that noise does not start at nothing.
OFFSET = 0.008
# Least and largest noise level that is drawn or walked.
LEVELS = (1e-3, 1.0)
# Held-out images in an exam, whose levels and noise never change; where there are fewer, they come
# again with others.
N_EXAM = 128
# Held-out scores per training, steps between them at least, and seconds between checkpoints.
N_SCORES, LEAST_STEPS, CHECKPOINT_EVERY = 40, 20, 60.0
LARGEST_GRADIENT = 1.0
# While it learns, images are moved by up to this share of their sides (2 of 28 pixels), and made
# brighter or darker by so much.
FARTHEST, BRIGHTEST = 1 / 14, 0.05

Progress = Callable[[int, int, float], bool]


def signal(level: Any) -> Any:
    """Share of the variance that is signal at a noise level (cosine schedule)."""
    angle = (level + OFFSET) / (1 + OFFSET) * (math.pi / 2)
    share = torch.cos(angle).square() / math.cos(OFFSET / (1 + OFFSET) * math.pi / 2) ** 2
    return share.clamp(0, 1)


def noised(x: Any, level: Any, noise: Any) -> tuple[Any, Any]:
    """Images with noise of some levels, and the velocity at which noise takes their place.

    Velocity is what is learned. At the largest level nothing is left of an image, and from the
    noise alone nobody could tell how bright it is: from the velocity, which is the image there, one
    can.
    """
    kept = signal(level).view(-1, 1, 1, 1)
    of_image, of_noise = kept.sqrt(), (1 - kept).sqrt()
    return of_image * x + of_noise * noise, of_image * noise - of_noise * x


def moved(x: Any, generator: torch.Generator) -> Any:
    """Images shifted and brightened by a little: what turns or cuts them would be learned as well.

    What a shift uncovers is filled with the pixels of the edge.
    """
    reach = int(FARTHEST * min(x.shape[2:]))
    top, left = torch.randint(2 * reach + 1, (2,), generator=generator).tolist()
    lighter = BRIGHTEST * (2 * torch.rand(len(x), 1, 1, 1, generator=generator) - 1)
    padded = functional.pad(x, (reach, reach, reach, reach), mode="replicate")
    height, width = x.shape[2:]
    shifted = padded[:, :, top : top + height, left : left + width]
    return (shifted + lighter.to(x)).clamp(-1, 1)


@dataclass(frozen=True)
class DenoisingPlan:
    """How a denoiser is trained.

    Attributes
    ----------
    width : int
        Channels of its first level.
    n_steps : int
        Steps, at most.
    batch_size : int
        Images per step.
    learning_rate : float
        Of AdamW.
    weight_decay : float
        Of AdamW.
    averaging : float
        Decay of the moving average of the weights, which is what draws.
    untold : float
        Share of the images whose stratum is not told.
    patience : float
        Share of the steps without a better held-out loss after which training ends.
    """

    width: int
    n_steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.01
    averaging: float = 0.995
    untold: float = 0.1
    patience: float = 0.1


@dataclass(frozen=True)
class DenoisingData:
    """Images to learn from.

    Attributes
    ----------
    x : Tensor of shape (n, channels, height, width)
        Images whose pixels run from -1 to 1.
    strata : Tensor of shape (n, n_strata)
        Indicators of the stratum.
    weight : Tensor of shape (n,)
        Weights.
    """

    x: Any
    strata: Any
    weight: Any


@dataclass
class DenoisingTraining:
    """Train a denoiser, and stop when images that were held out are denoised no better.

    Stopping is what keeps a denoiser from learning its images by heart: the time until it does
    grows with their number.

    Attributes
    ----------
    plan : DenoisingPlan
        Steps.
    learned, held_out : DenoisingData
        Images.
    compute : Compute
        Device and precision.
    generator : torch.Generator
        Draws weights, batches, levels and noise.
    checkpoint : Checkpoint or None
        Where the state is kept.
    progress : callable or None
        Told of the step, the number of steps and the last mean loss; True ends training.
    losses, scores : list of float
        Mean training loss between scores, and held-out losses.
    is_complete : bool
        Whether training was not stopped by `progress`.
    """

    plan: DenoisingPlan
    learned: DenoisingData
    held_out: DenoisingData
    compute: Compute
    generator: torch.Generator
    checkpoint: Checkpoint | None = None
    progress: Progress | None = None
    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    is_complete: bool = True

    def __post_init__(self) -> None:
        shape: Shape = tuple(self.learned.x.shape[1:])
        n_strata = self.learned.strata.shape[1]
        network = make_denoiser(
            shape,
            n_strata,
            self.plan.width,
            self.generator,
            self.compute.torch_device,
            self.compute.storage,
        )
        self._network = FlatNetwork(network)
        self._weights = self._network.weights().requires_grad_()
        self._average = self._weights.detach().clone()
        self._best = self._average.clone()
        self._optimizer = torch.optim.AdamW(
            [self._weights], lr=self.plan.learning_rate, weight_decay=self.plan.weight_decay
        )
        self._exam = self._draw_exam()
        self._step = 0

    def run(self) -> "TrainedDenoiser":
        """Train to the end, or on from where the checkpoint says."""
        self._resume()
        saved, every = time.monotonic(), max(LEAST_STEPS, self.plan.n_steps // N_SCORES)
        pending: list[Any] = []
        while self._step < self.plan.n_steps and not self._is_patience_over(every):
            pending.append(self._take_step())
            self._step += 1
            if self._step % every == 0 or self._step == self.plan.n_steps:
                self.losses.append(float(torch.stack(pending).mean()))
                pending = []
                self._score()
                if self.checkpoint and time.monotonic() - saved > CHECKPOINT_EVERY:
                    self._save(self.checkpoint)
                    saved = time.monotonic()
            if self.progress and self.progress(self._step, self.plan.n_steps, self._last_loss()):
                self.is_complete = self._step == self.plan.n_steps
                break
        if not self.scores:
            self._score()
        if self.checkpoint and not pending:
            self._save(self.checkpoint)
        return TrainedDenoiser(self._network, self._best, self.learned, self.compute)

    def _last_loss(self) -> float:
        return self.losses[-1] if self.losses else math.nan

    def _take_step(self) -> Any:
        plan, generator = self.plan, self.generator
        rows = choose_rows(self.learned.weight, plan.batch_size, generator)
        x = moved(self.learned.x[rows], generator)
        told = torch.rand(len(rows), 1, generator=generator) >= plan.untold
        strata = self.learned.strata[rows] * told.to(x)
        levels = LEVELS[0] + (LEVELS[1] - LEVELS[0]) * torch.rand(len(rows), generator=generator)
        noise = torch.randn(x.shape, generator=generator)
        loss = self._losses(self._weights, x, strata, levels.to(x), noise.to(x)).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([self._weights], LARGEST_GRADIENT)
        self._optimizer.step()
        self._optimizer.zero_grad()
        decay = min(plan.averaging, (1 + self._step) / (10 + self._step))
        self._average.lerp_(self._weights.detach(), 1 - decay)
        return loss.detach()

    def _losses(self, weights: Any, x: Any, strata: Any, levels: Any, noise: Any) -> Any:
        """Squared error of the velocity that is found, per image."""
        noisy, velocity = noised(x, levels, noise)
        with self.compute.precision():
            found = self._network(weights, noisy, levels, strata)
        return (found.to(velocity) - velocity).square().flatten(1).mean(dim=1)

    def _draw_exam(self) -> tuple[Any, Any, Any, Any]:
        """Held-out images with levels that cover all, and noise."""
        order = torch.randperm(len(self.held_out.x), generator=self.generator)
        rows = order.repeat(math.ceil(N_EXAM / len(order)))[:N_EXAM]
        x, strata = self.held_out.x[rows], self.held_out.strata[rows]
        order = torch.randperm(len(x), generator=self.generator)
        levels = LEVELS[0] + (LEVELS[1] - LEVELS[0]) * (order + 0.5) / len(x)
        noise = torch.randn(x.shape, generator=self.generator)
        return x, strata, levels.to(x), noise.to(x)

    def _score(self) -> None:
        """Held-out loss of the averaged weights, which are kept if it is the best."""
        length = self.compute.piece_length(tuple(self.learned.x.shape[1:]), len(self._exam[0]))
        pieces = zip(*(part.split(length) for part in self._exam), strict=True)
        with torch.no_grad():
            losses = [self._losses(self._average, *piece) for piece in pieces]
        self.scores.append(float(torch.cat(losses).mean()))
        if not math.isfinite(self.scores[-1]):
            raise ValueError(
                "The denoiser's loss is no finite number. Lower its learning_rate, got "
                f"{self.plan.learning_rate}."
            )
        if int(np.argmin(self.scores)) == len(self.scores) - 1:
            self._best = self._average.clone()

    def _is_patience_over(self, every: int) -> bool:
        if not self.scores:
            return False
        without = len(self.scores) - 1 - int(np.argmin(self.scores))
        return without * every > max(self.plan.patience * self.plan.n_steps, every)

    def _save(self, checkpoint: Checkpoint) -> None:
        state = self._optimizer.state.get(self._weights, {})
        arrays = {
            "weights": as_array(self._weights),
            "average": as_array(self._average),
            "best": as_array(self._best),
            "generator": generator_state(self.generator),
            "losses": np.array(self.losses),
            "scores": np.array(self.scores),
            **{f"optimizer/{name}": as_array(values) for name, values in state.items()},
        }
        checkpoint.save(arrays, {"step": self._step})

    def _resume(self) -> None:
        found = self.checkpoint.load() if self.checkpoint else None
        if found is None:
            return
        arrays, numbers = found
        for name, kept in [
            ("weights", self._weights.data), ("average", self._average), ("best", self._best)
        ]:  # fmt: skip
            kept.copy_(torch.from_numpy(arrays[name]))
        restore_generator(self.generator, arrays["generator"])
        self.losses, self.scores = arrays["losses"].tolist(), arrays["scores"].tolist()
        self._step = numbers["step"]
        for name, values in arrays.items():
            if name.startswith("optimizer/"):
                key, value = name.removeprefix("optimizer/"), torch.from_numpy(values.copy())
                # Counts of steps stay on the CPU, as torch keeps them.
                value = value if key == "step" else value.to(self._weights)
                self._optimizer.state[self._weights][key] = value


@dataclass(frozen=True)
class TrainedDenoiser:
    """Draws images.

    Attributes
    ----------
    network : FlatNetwork
        The denoiser.
    weights : Tensor of shape (n_weights,)
        Its weights.
    like : DenoisingData
        For shapes and strata.
    compute : Compute
        Device and precision.
    """

    network: FlatNetwork
    weights: Any
    like: DenoisingData
    compute: Compute

    def draw(
        self,
        stratum: int,
        n_images: int,
        n_steps: int,
        stochasticity: float,
        guidance: float,
        generator: torch.Generator,
    ) -> Any:
        """Draw images of a stratum (equations 12 and 16 of Song et al.).

        The image in a noisy one is found from the velocity (appendix D of Salimans and Ho).

        Parameters
        ----------
        stratum : int
            Which.
        n_images : int
            How many.
        n_steps : int
            Steps from noise to images.
        stochasticity : float
            0 for none after the start, 1 for as much as in training.
        guidance : float
            1 for none; more exaggerates what is of the stratum.
        generator : torch.Generator
            Draws.

        Returns
        -------
        Tensor of shape (n_images, channels, height, width)
            Pixels run from -1 to 1.
        """
        shape = tuple(self.like.x.shape[1:])
        length = self.compute.piece_length(shape, n_images)
        parts = []
        with torch.no_grad():
            for start in range(0, n_images, length):
                count = min(length, n_images - start)
                noise = torch.randn(n_steps + 1, count, *shape, generator=generator)
                kinds = torch.full((count,), stratum)
                told = functional.one_hot(kinds, self.like.strata.shape[1]).to(self.like.x)
                parts.append(self._walk(noise.to(self.like.x), told, stochasticity, guidance))
        return torch.cat(parts)

    def _walk(self, noise: Any, told: Any, stochasticity: float, guidance: float) -> Any:
        n_steps = len(noise) - 1
        levels = torch.linspace(LEVELS[1], LEVELS[0], n_steps + 1).to(noise)
        kept = signal(levels)
        x = image = noise[0]
        for step in range(n_steps):
            now, then = kept[step], kept[step + 1]
            velocity = self._velocity(x, levels[step].expand(len(x)), told, guidance)
            image = (now.sqrt() * x - (1 - now).sqrt() * velocity).clamp(-1, 1)
            found = (x - now.sqrt() * image) / (1 - now).sqrt()
            fresh = stochasticity * ((1 - then) / (1 - now) * (1 - now / then)).sqrt()
            rest = (1 - then - fresh.square()).clamp(min=0).sqrt()
            x = then.sqrt() * image + rest * found + fresh * noise[step + 1]
        return image

    def _velocity(self, x: Any, level: Any, told: Any, guidance: float) -> Any:
        with self.compute.precision():
            found = self.network(self.weights, x, level, told).to(x)
            if guidance == 1.0:
                return found
            plain = self.network(self.weights, x, level, torch.zeros_like(told)).to(x)
        return plain + guidance * (found - plain)
