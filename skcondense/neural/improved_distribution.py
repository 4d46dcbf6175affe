"""`ImprovedDistributionMatchingCondenser`: mean features under networks in training (IDM)."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from skcondense._sklearn import StrOptions, at_least, between
from skcondense.exceptions import TargetError
from skcondense.neural.augmentation import Augmentation
from skcondense.neural.base import NeuralCondenser
from skcondense.neural.convnet import ConvNet
from skcondense.neural.loop import Matcher
from skcondense.neural.mean_features import mean_feature_loss, means_of_parts, real_mean_features
from skcondense.neural.network import Network, Shape
from skcondense.neural.problem import MatchingProblem
from skcondense.neural.settings import ByInput, NetworkSettings
from skcondense.neural.synthetic import SyntheticSet
from skcondense.neural.training import TrainingRecipe, train
from skcondense.tasks import ClassificationTask

__all__ = ["ImprovedDistributionMatcher", "ImprovedDistributionMatchingCondenser"]

# The queue: networks at the start, iterations between two new ones, and the most it holds.
N_FIRST, NEW_EVERY, LONGEST = 3, 30, 100
# Networks that are trained further in each iteration.
N_TRAINED = 2


class ImprovedDistributionMatcher(Matcher):
    """Match mean features and classify, under networks from a queue that are trained meanwhile.

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
    cross_entropy_weight : float
        Weight of the cross-entropy, times the accuracy of the network.
    n_train_steps : int
        Steps by which a network is trained in an iteration, each on `batch_size` rows.
    """

    def __init__(
        self,
        problem: MatchingProblem,
        settings: NetworkSettings,
        generator: torch.Generator,
        batch_size: int,
        cross_entropy_weight: float,
        n_train_steps: int,
    ) -> None:
        self._problem = problem
        self._settings = settings
        self._generator = generator
        self._batch_size = batch_size
        self._weight = cross_entropy_weight
        self._recipe = TrainingRecipe(n_train_steps, batch_size, decay=False)
        weight = problem.compute.tensor(problem.weight)
        self._rows = (problem.x, problem.targets, weight)
        self._queue = [settings.network(generator) for _ in range(N_FIRST)]
        self._accuracies = [0.0] * N_FIRST
        self._n_iter = 0

    def iterate(self, synthetic: SyntheticSet, step: Callable[[float], None]) -> None:
        """One step on all strata, then some training of some networks on real rows."""
        if self._n_iter and self._n_iter % NEW_EVERY == 0:
            self._queue = [*self._queue[-LONGEST + 1 :], self._settings.network(self._generator)]
            self._accuracies = [*self._accuracies[-LONGEST + 1 :], 0.0]
        self._n_iter += 1
        chosen = self._choose(1)[0]
        loss = self.loss(self._queue[chosen], self._accuracies[chosen], synthetic)
        loss.backward(inputs=[synthetic.x])
        step(float(loss.detach()))
        for k in self._choose(N_TRAINED):
            self._accuracies[k] = self._train(self._queue[k])

    def loss(self, network: Network, accuracy: float, synthetic: SyntheticSet) -> Any:
        """Distance of mean features, and what the network makes of the rows as far as it can."""
        real, learned = [], []
        for stratum, rows in synthetic.slices().items():
            draw = self._settings.augmentation.draw(self._generator)
            batch = self._problem.draw(stratum, self._batch_size, self._generator)
            real.append(draw(self._problem.x[batch]))
            learned.append(draw(synthetic.images(rows)))
        compute, objective = self._settings.compute, self._problem.objective
        target = real_mean_features(network, real, self._settings)
        with compute.precision():
            features = network.features(torch.cat(learned))
            outputs = network.head(features).to(compute.storage)
        means = means_of_parts(features.to(compute.storage), learned)
        targets = objective.targets(synthetic.repeated(synthetic.y))
        entropy = objective.losses(outputs, targets).mean()
        return mean_feature_loss(target, means).sum() + self._weight * accuracy * entropy

    def _choose(self, count: int) -> list[int]:
        order = torch.randperm(len(self._queue), generator=self._generator)
        return order[:count].tolist()

    def _train(self, network: Network) -> float:
        """Train a network; its accuracy meanwhile."""
        problem, plain = self._problem, Augmentation(transforms=())
        return train(
            network,
            self._rows,
            problem.objective,
            self._recipe,
            plain,
            self._generator,
            problem.compute,
        )

    def state(self) -> dict[str, NDArray[Any]]:
        """The queue."""
        weights = {
            f"{k}/{name}": values.detach().cpu().numpy()
            for k, network in enumerate(self._queue)
            for name, values in network.state_dict().items()
        }
        counts = {"accuracies": np.array(self._accuracies), "n_iter": np.array(self._n_iter)}
        return {**weights, **counts}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Rebuild the queue."""
        self._accuracies = state["accuracies"].tolist()
        self._n_iter = int(state["n_iter"])
        spare = torch.Generator()
        self._queue = [self._settings.network(spare) for _ in self._accuracies]
        for k, network in enumerate(self._queue):
            names = network.state_dict()
            network.load_state_dict({n: torch.from_numpy(state[f"{k}/{n}"]) for n in names})


class ImprovedDistributionMatchingCondenser(NeuralCondenser):
    """Learn rows whose mean features are right under networks in training, and which they classify.

    As in `DistributionMatchingCondenser`, but networks come from a queue that is trained on real
    rows meanwhile, a cross-entropy term asks that a network classifies the learned rows as far as
    it can classify at all, and every learned image is a mosaic of four. For classification.

    Parameters
    ----------
    n_prototypes : int, default=100
        Rows to learn; of images, mosaics.
    cross_entropy_weight : float, default=50.0
        Weight of the cross-entropy, times the network's accuracy between 0 and 1; the published
        0.5 multiplies an accuracy in per cent.
    n_train_steps : int, default=10
        Steps by which each of two networks is trained in an iteration, on `batch_size` real rows.
    network, augmentation, labels, teacher, init, normalisation, batch_size
        As in `NeuralCondenser`.
    factor : int or "auto", default="auto"
        Mosaics of factor x factor images; "auto" is 2 for images of 16 pixels and more a side,
        otherwise 1.
    max_iter : int, default=500
        Iterations.
    optimizer, learning_rate, early_stopping, validation_fraction, n_iter_no_change
        As in `NeuralCondenser`.
    max_time, callback, checkpoint, device, dtype, compile
        As in `NeuralCondenser`.
    allocation, task, schema, subsample, epsilon, delta, ledger, neighbors, random_state
        As in `DatasetCondenser`; `allocation` is "balanced" by default. `epsilon` is refused.

    Attributes
    ----------
    X_condensed_, y_condensed_, sample_weight_, prototype_, schema_, task_, real_row_matches_
        As in `RandomCondenser`; the images are those that networks see, factor**2 per mosaic.
    n_iter_, n_evals_, n_skipped_, history_, n_stored_, n_effective_, recipe_
        As in `DistributionMatchingCondenser`.

    References
    ----------
    Zhao, Li, Qin and Yu (2023), Improved distribution matching for dataset condensation, CVPR,
    arXiv:2307.09742.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcondense.neural import ImprovedDistributionMatchingCondenser
    >>> X, y = load_digits(return_X_y=True)
    >>> condenser = ImprovedDistributionMatchingCondenser(
    ...     10, factor=2, max_iter=2, random_state=0
    ... )
    >>> condenser.condense(X.reshape(-1, 8, 8), y).X.shape
    (40, 8, 8)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **NeuralCondenser._parameter_constraints,
        "cross_entropy_weight": [between(0, None, closed="left")],
        "n_train_steps": [at_least(1)],
        "factor": [at_least(1), StrOptions({"auto"})],
    }

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {
            "max_iter": 150,
            "batch_size": 64,
            "n_train_steps": 5,
            "network": ByInput(ConvNet(width=16)),
        },
        "cpu": {"max_iter": 1000},
        "gpu": {"max_iter": 10_000, "batch_size": 256, "network": ByInput(ConvNet(width=128))},
        "paper": {
            "max_iter": 20_000,
            "batch_size": 256,
            "network": ByInput(ConvNet(width=128)),
            "augmentation": "dsa",
            "init": "real",
            "optimizer": "sgd",
            "learning_rate": 0.2,
        },
    }

    _not_private_because = (
        "it trains networks on real rows. Use DistributionMatchingCondenser, whose networks never "
        "see any"
    )

    def __init__(
        self,
        n_prototypes: int = 100,
        *,
        cross_entropy_weight: float = 50.0,
        n_train_steps: int = 10,
        network: Any = "auto",
        augmentation: Any = "auto",
        labels: str = "hard",
        teacher: Any = None,
        init: Any = "auto",
        factor: Any = "auto",
        normalisation: Any = "fit",
        batch_size: int = 128,
        max_iter: int = 500,
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
        self.cross_entropy_weight = cross_entropy_weight
        self.n_train_steps = n_train_steps

    def _tiles_per_side(self, input_shape: Shape) -> int:
        if self.factor == "auto":
            # A tile of fewer than eight pixels a side shows little.
            return 2 if len(input_shape) == 3 and min(input_shape[1:]) >= 16 else 1
        return super()._tiles_per_side(input_shape)

    def _matcher(
        self, problem: MatchingProblem, settings: NetworkSettings, generator: torch.Generator
    ) -> Matcher:
        if not isinstance(problem.task, ClassificationTask):
            raise TargetError(
                f"{type(self).__name__} trains classifiers. Got task {problem.task.name!r}. Use "
                "GradientMatchingCondenser or KernelInducingPointsCondenser for regression."
            )
        return ImprovedDistributionMatcher(
            problem,
            settings,
            generator,
            self.batch_size,
            self.cross_entropy_weight,
            self.n_train_steps,
        )
