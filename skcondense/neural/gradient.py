"""`GradientMatchingCondenser`: rows on which networks get the gradients of the real rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from skcondense._sklearn import StrOptions, at_least
from skcondense.neural.base import NeuralCondenser
from skcondense.neural.convnet import ConvNet
from skcondense.neural.loop import Matcher
from skcondense.neural.network import Network, initialise
from skcondense.neural.passes import Passes
from skcondense.neural.problem import MatchingProblem
from skcondense.neural.settings import ByInput, NetworkSettings
from skcondense.neural.synthetic import SyntheticSet
from skcondense.neural.training import TrainingRecipe, train

__all__ = ["GradientMatcher", "GradientMatchingCondenser", "gradient_distance"]

# Keeps the cosine of a vanishing gradient finite.
TINY = 1e-6
# Training between two steps, on the learned rows: epochs at one row per stratum, and at most.
N_EPOCHS, MAX_EPOCHS = 500, 50
MAX_OUTER = 50
BATCH = 256


def gradient_distance(real: list[Any], synthetic: list[Any]) -> Any:
    """Sum over weight tensors and output units of one minus the cosine of two gradients.

    Equation 10 of the paper: gradients of a linear layer are compared row by row, those of a
    convolution by output channel. Tensors of one dimension (biases, scales) are ignored.

    Parameters
    ----------
    real, synthetic : list of Tensor
        Gradients by the same weights.

    Returns
    -------
    Tensor of shape ()
    """
    distances = []
    for one, two in zip(real, synthetic, strict=True):
        if one.ndim < 2:
            continue
        one, two = one.flatten(1), two.flatten(1)
        norms = one.norm(dim=1) * two.norm(dim=1)
        distances.append((1 - (one * two).sum(dim=1) / (norms + TINY)).sum())
    return torch.stack(distances).sum()


@dataclass(frozen=True)
class _Loops:
    """How often rows and networks are updated within an iteration."""

    n_outer: int
    n_inner: int

    @classmethod
    def of(cls, n_outer: Any, n_inner: Any, per_stratum: float) -> "_Loops":
        """The published numbers follow these rules at 1, 10 and 50 rows per class."""
        outer = min(round(per_stratum), MAX_OUTER) if n_outer == "auto" else n_outer
        inner = round(N_EPOCHS / per_stratum) if n_inner == "auto" else n_inner
        return cls(max(outer, 1), min(max(inner, 1), MAX_EPOCHS) if n_inner == "auto" else inner)


class GradientMatcher(Matcher):
    """Match gradients along the training of fresh networks on the learned rows.

    Parameters
    ----------
    problem : MatchingProblem
        Real rows.
    settings : NetworkSettings
        Networks.
    generator : torch.Generator
        Draws networks, batches and augmentations.
    batch_size : int
        Real rows of each stratum.
    n_outer, n_inner : int or "auto"
        Steps of the rows per network, and epochs of the network between two of them.
    """

    def __init__(
        self,
        problem: MatchingProblem,
        settings: NetworkSettings,
        generator: torch.Generator,
        batch_size: int,
        n_outer: Any,
        n_inner: Any,
    ) -> None:
        self._problem = problem
        self._settings = settings
        self._generator = generator
        self._batch_size = batch_size
        self._repeats = (n_outer, n_inner)
        self.objective = problem.objective
        self._network = settings.network(generator)
        length = settings.compute.piece_length(settings.space.shape, batch_size)
        self._passes = Passes(settings.compute, length)

    def iterate(self, synthetic: SyntheticSet, step: Callable[[float], None]) -> None:
        """Train a fresh network on the rows, and step the rows along the way."""
        loops = _Loops.of(*self._repeats, len(synthetic.x) / len(synthetic.slices()))
        targets = self.objective.targets(synthetic.repeated(synthetic.y))
        initialise(self._network, self._generator)
        for k in range(loops.n_outer):
            # Stratum by stratum: the same sum, and one stratum's graph in memory at a time.
            total = torch.zeros((), device=synthetic.x.device, dtype=synthetic.x.dtype)
            for stratum, rows in synthetic.slices().items():
                loss = self.loss(self._network, synthetic, stratum, rows, targets)
                loss.backward(inputs=[synthetic.x])
                total += loss.detach()
            step(float(total))
            if k + 1 < loops.n_outer:
                self._train(synthetic, targets, loops.n_inner)

    def loss(
        self, network: Network, synthetic: SyntheticSet, stratum: int, rows: slice, targets: Any
    ) -> Any:
        """Distance of the gradients of one stratum, under one draw."""
        draw = self._settings.augmentation.draw(self._generator)
        batch = self._problem.draw(stratum, self._batch_size, self._generator)
        weights = [p for p in network.parameters() if p.ndim > 1]
        tiles = synthetic.factor**2
        own = targets[rows.start * tiles : rows.stop * tiles]
        real = self._real_gradients(network, weights, draw(self._problem.x[batch]), batch)
        learned = self._learned_gradients(network, weights, draw(synthetic.images(rows)), own)
        return gradient_distance(real, learned)

    def _real_gradients(
        self, network: Network, weights: list[Any], x: Any, batch: Any
    ) -> list[Any]:
        """Gradients of the mean loss of real rows, added up piece by piece."""
        passes = self._passes
        parts = passes.split(self._problem.targets[batch])
        total = [torch.zeros_like(p) for p in weights]
        for piece, targets in zip(passes.split(x), parts, strict=True):
            losses = self.objective.losses(passes.outputs(network, piece), targets)
            found = torch.autograd.grad(losses.sum() / len(x), weights)
            total = [t.add_(g) for t, g in zip(total, found, strict=True)]
        return total

    def _learned_gradients(
        self, network: Network, weights: list[Any], x: Any, targets: Any
    ) -> list[Any]:
        """Gradients of the mean loss of learned rows, which can be derived once more."""
        compute = self._settings.compute
        with compute.precision():
            outputs = network(x).to(compute.storage)
        loss = self.objective.losses(outputs, targets).mean()
        return list(torch.autograd.grad(loss, weights, create_graph=True))

    def _train(self, synthetic: SyntheticSet, targets: Any, n_epochs: int) -> None:
        x = synthetic.all_images()
        n_steps = n_epochs * int(np.ceil(len(x) / BATCH))
        recipe = TrainingRecipe(n_steps, BATCH, momentum=0.0, weight_decay=0.0, decay=False)
        rows = (x, targets, torch.ones(len(x)).to(x))
        settings = self._settings
        train(
            self._network,
            rows,
            self.objective,
            recipe,
            settings.augmentation,
            self._generator,
            settings.compute,
        )


class GradientMatchingCondenser(NeuralCondenser):
    """Learn rows on which networks get the gradients that they get on real rows (DC, DSA).

    Every iteration draws a network and trains it on the learned rows; before each stretch of
    training the rows are moved so that the gradients of the loss by the network's weights agree
    with those on a batch of real rows, stratum by stratum. With an augmentation this is DSA,
    without it DC.

    For classification (cross-entropy) and regression (squared error).

    Parameters
    ----------
    n_prototypes : int, default=100
        Rows (images) to learn.
    n_outer : int or "auto", default="auto"
        Steps of the rows per network: as many as there are rows per stratum, at most 50.
    n_inner : int or "auto", default="auto"
        Epochs of the network between two steps: 500 divided by the rows per stratum, at most 50.
    network, augmentation, labels, teacher, init, factor, normalisation, batch_size
        As in `NeuralCondenser`.
    max_iter : int, default=100
        Iterations, each with a fresh network and `n_outer` steps.
    optimizer, learning_rate, early_stopping, validation_fraction, n_iter_no_change
        As in `NeuralCondenser`.
    max_time, callback, checkpoint, device, dtype, compile
        As in `NeuralCondenser`.
    allocation, task, schema, subsample, epsilon, delta, ledger, neighbors, random_state
        As in `DatasetCondenser`; `allocation` is "balanced" by default. `epsilon` is refused.

    Attributes
    ----------
    X_condensed_, y_condensed_, sample_weight_, prototype_, schema_, task_, real_row_matches_
        As in `RandomCondenser`.
    n_iter_, n_evals_, n_skipped_, history_, n_stored_, n_effective_, recipe_
        As in `DistributionMatchingCondenser`.

    References
    ----------
    Zhao, Mopuri and Bilen (2021), Dataset condensation with gradient matching, ICLR,
    arXiv:2006.05929, algorithm 1; Zhao and Bilen (2021), Dataset condensation with differentiable
    Siamese augmentation, ICML, arXiv:2102.08259.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skcondense.neural import GradientMatchingCondenser
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> GradientMatchingCondenser(4, max_iter=2, random_state=0).condense(X, y).n_prototypes
    4
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **NeuralCondenser._parameter_constraints,
        "n_outer": [at_least(1), StrOptions({"auto"})],
        "n_inner": [at_least(1), StrOptions({"auto"})],
    }

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {"max_iter": 40, "batch_size": 64, "n_outer": 6, "n_inner": 10,
                 "network": ByInput(ConvNet(width=16))},
        "cpu": {"max_iter": 200, "n_outer": 5, "n_inner": 10},
        "gpu": {"max_iter": 1000, "batch_size": 256, "network": ByInput(ConvNet(width=128))},
        "paper": {
            "max_iter": 1000,
            "batch_size": 256,
            "network": ByInput(ConvNet(width=128)),
            "augmentation": "dsa",
            "init": "real",
            "optimizer": "sgd",
            "learning_rate": 0.1,
        },
    }  # fmt: skip

    _score_every = 5

    _not_private_because = (
        "the gradients of real rows at networks that depend on the learned rows would have to be "
        "asked for, with noise, at every step. Use DistributionMatchingCondenser, which asks once"
    )

    def __init__(
        self,
        n_prototypes: int = 100,
        *,
        n_outer: Any = "auto",
        n_inner: Any = "auto",
        network: Any = "auto",
        augmentation: Any = "auto",
        labels: str = "hard",
        teacher: Any = None,
        init: Any = "auto",
        factor: int = 1,
        normalisation: Any = "fit",
        batch_size: int = 128,
        max_iter: int = 100,
        optimizer: str = "adam",
        learning_rate: float = 0.02,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        max_time: float | None = None,
        callback: Any = None,
        checkpoint: Any = None,
        device: str = "auto",
        dtype: str = "float32",
        compile: bool = False,
        allocation: Any = "balanced",
        task: str = "auto",
        schema: Any = None,
        subsample: int | None = 50_000,
        epsilon: float | None = None,
        delta: float = 1e-5,
        ledger: Any = None,
        neighbors: str = "add_remove",
        random_state: Any = None,
    ) -> None:
        super().__init__(
            n_prototypes,
            network=network,
            augmentation=augmentation,
            labels=labels,
            teacher=teacher,
            init=init,
            factor=factor,
            normalisation=normalisation,
            batch_size=batch_size,
            max_iter=max_iter,
            optimizer=optimizer,
            learning_rate=learning_rate,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            max_time=max_time,
            callback=callback,
            checkpoint=checkpoint,
            device=device,
            dtype=dtype,
            compile=compile,
            allocation=allocation,
            task=task,
            schema=schema,
            subsample=subsample,
            epsilon=epsilon,
            delta=delta,
            ledger=ledger,
            neighbors=neighbors,
            random_state=random_state,
        )
        self.n_outer = n_outer
        self.n_inner = n_inner

    def _matcher(
        self, problem: MatchingProblem, settings: NetworkSettings, generator: torch.Generator
    ) -> Matcher:
        return GradientMatcher(
            problem, settings, generator, self.batch_size, self.n_outer, self.n_inner
        )
