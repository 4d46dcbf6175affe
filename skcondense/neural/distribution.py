"""`DistributionMatchingCondenser`: rows whose mean features are those of the real rows."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch

from skcondense._sklearn import at_least
from skcondense.neural.base import NeuralCondenser
from skcondense.neural.convnet import ConvNet
from skcondense.neural.loop import Matcher
from skcondense.neural.network import Network, initialise
from skcondense.neural.problem import MatchingProblem
from skcondense.neural.settings import NetworkSettings
from skcondense.neural.synthetic import SyntheticSet

__all__ = ["DistributionMatcher", "DistributionMatchingCondenser", "mean_feature_loss"]

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


class DistributionMatcher(Matcher):
    """Match mean features under fresh random networks.

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
    n_networks : int
        Networks per step.
    """

    def __init__(
        self,
        problem: MatchingProblem,
        settings: NetworkSettings,
        generator: torch.Generator,
        batch_size: int,
        n_networks: int,
    ) -> None:
        self._problem = problem
        self._settings = settings
        self._generator = generator
        self._batch_size = batch_size
        self._n_networks = n_networks
        # One network whose weights are drawn again and again; no gradient flows into them.
        self._network = settings.network(generator).requires_grad_(False)

    def iterate(self, synthetic: SyntheticSet, step: Callable[[float], None]) -> None:
        """One step on the sum over strata, averaged over networks."""
        total = 0.0
        for _ in range(self._n_networks):
            initialise(self._network, self._generator)
            loss = self.loss(self._network, synthetic) / self._n_networks
            loss.backward()
            total += float(loss.detach())
        step(total)

    def loss(self, network: Network, synthetic: SyntheticSet) -> Any:
        """Equation 4 of the paper, for one network and one draw of rows and augmentations."""
        real, learned = [], []
        for stratum, rows in synthetic.slices().items():
            draw = self._settings.augmentation.draw(self._generator)
            batch = self._problem.draw(stratum, self._batch_size, self._generator)
            real.append(draw(self._problem.x[batch]))
            learned.append(draw(synthetic.images(rows)))
        target = real_mean_features(network, real, self._settings)
        with self._settings.compute.precision():
            features = network.features(torch.cat(learned))
        means = means_of_parts(features.to(target.dtype), learned)
        return mean_feature_loss(target, means).sum()


def real_mean_features(network: Network, parts: list[Any], settings: NetworkSettings) -> Any:
    """Mean features of each part, without gradients, of shape (n_parts, n_features)."""
    with torch.no_grad(), settings.compute.precision():
        pieces = settings.compute.pieces(pooled_fast(torch.cat(parts)))
        features = torch.cat([network.features(piece) for piece in pieces])
    return means_of_parts(features.to(settings.compute.storage), parts)


def pooled_fast(x: Any) -> Any:
    """Images in the layout in which pooling is ten times as fast on a CPU, if not its gradient."""
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def means_of_parts(features: Any, parts: list[Any]) -> Any:
    """Mean of the rows that belong to each part."""
    return torch.stack([p.mean(dim=0) for p in features.split([len(p) for p in parts])])


class DistributionMatchingCondenser(NeuralCondenser):
    """Learn rows whose mean features equal those of the real rows, under random networks (DM).

    Every iteration draws a fresh random network and moves the rows of each stratum so that their
    mean feature vector approaches that of a batch of real rows; real and learned images are
    augmented alike. No network is trained, so this is the fastest of the neural methods.

    Strata are classes, bands of a numeric outcome, or censored rows and thirds of the event
    times; so all tasks can be condensed.

    Parameters
    ----------
    n_prototypes : int, default=100
        Rows (images) to learn.
    n_networks : int, default=1
        Random networks per iteration.
    network, augmentation, init, factor, normalisation, batch_size
        As in `NeuralCondenser`.
    max_iter : int, default=1000
        Iterations.
    optimizer, learning_rate, max_time, callback, checkpoint, device, dtype
        As in `NeuralCondenser`.
    allocation, task, schema, subsample, epsilon, delta, ledger, neighbors, random_state
        As in `DatasetCondenser`; `allocation` is "balanced" by default.

    Attributes
    ----------
    X_condensed_, y_condensed_, sample_weight_, prototype_, schema_, task_, real_row_matches_
        As in `RandomCondenser`.
    n_iter_, n_evals_, n_skipped_ : int
        Iterations, steps, and steps skipped since a number was not finite.
    history_ : dict of {str: ndarray}
        "loss" per iteration.
    n_stored_, n_effective_ : int
        Learned rows, and rows that networks see; they differ by factor**2.
    recipe_ : dict
        Network, augmentation and normalisation under which rows were learned.

    References
    ----------
    Zhao and Bilen (2023), Dataset condensation with distribution matching, WACV,
    arXiv:2110.04181, equation 4.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcondense.neural import DistributionMatchingCondenser
    >>> X, y = load_digits(return_X_y=True)
    >>> condenser = DistributionMatchingCondenser(20, max_iter=5, random_state=0)
    >>> condenser.condense(X.reshape(-1, 8, 8), y).X.shape
    (20, 8, 8)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **NeuralCondenser._parameter_constraints,
        "n_networks": [at_least(1)],
    }

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {"max_iter": 300, "batch_size": 64, "network": ConvNet(width=16)},
        "cpu": {"max_iter": 2000},
        "gpu": {"max_iter": 10_000, "batch_size": 256, "network": ConvNet(width=128)},
        "paper": {
            "max_iter": 20_000,
            "batch_size": 256,
            "network": ConvNet(width=128),
            "augmentation": "dsa",
            "init": "real",
            "optimizer": "sgd",
            "learning_rate": 1.0,
        },
    }

    def __init__(
        self,
        n_prototypes: int = 100,
        *,
        n_networks: int = 1,
        network: Any = "auto",
        augmentation: Any = "auto",
        init: Any = "kmeans",
        factor: int = 1,
        normalisation: Any = "fit",
        batch_size: int = 128,
        max_iter: int = 1000,
        optimizer: str = "adam",
        learning_rate: float = 0.02,
        max_time: float | None = None,
        callback: Any = None,
        checkpoint: Any = None,
        device: str = "auto",
        dtype: str = "float32",
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
            init=init,
            factor=factor,
            normalisation=normalisation,
            batch_size=batch_size,
            max_iter=max_iter,
            optimizer=optimizer,
            learning_rate=learning_rate,
            max_time=max_time,
            callback=callback,
            checkpoint=checkpoint,
            device=device,
            dtype=dtype,
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
        self.n_networks = n_networks

    def _matcher(
        self, problem: MatchingProblem, settings: NetworkSettings, generator: torch.Generator
    ) -> Matcher:
        return DistributionMatcher(problem, settings, generator, self.batch_size, self.n_networks)
