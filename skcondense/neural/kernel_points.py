"""`KernelInducingPointsCondenser`: rows from which kernel regression predicts the real rows."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from skcondense._sklearn import StrOptions, between
from skcondense.neural.base import NeuralCondenser
from skcondense.neural.kernels import KERNELS, Kernel
from skcondense.neural.loop import Learned, Matcher
from skcondense.neural.problem import MatchingProblem
from skcondense.neural.random_features import RandomFeatureKernel
from skcondense.neural.settings import NetworkSettings
from skcondense.neural.synthetic import SyntheticSet
from skcondense.tasks import RegressionTask

__all__ = ["KernelInducingPointsCondenser", "KernelPointsMatcher", "kernel_weights", "solve_labels"]

_SOURCES: dict[str, Kernel | RandomFeatureKernel] = {
    **KERNELS,
    "random_features": RandomFeatureKernel(),
}
# Real rows of each stratum from which labels are solved: more change them little.
N_SOLVED = 2000


def kernel_weights(kernel: Kernel, target: Any, support: Any, regularisation: float) -> Any:
    """What kernel ridge regression makes of labels: predictions are this matrix times them.

    Parameters
    ----------
    kernel : Kernel
        Kernel.
    target : Tensor of shape (n_target, n_columns)
        Rows to predict.
    support : Tensor of shape (n_support, n_columns)
        Rows with labels.
    regularisation : float
        Ridge, as a share of the mean diagonal of the support's kernel.

    Returns
    -------
    Tensor of shape (n_target, n_support)
        NaN where the support's kernel is numerically singular.
    """
    K = kernel.within(support)
    ridge = regularisation * K.trace() / len(K)
    factor, failed = torch.linalg.cholesky_ex(K + ridge * torch.eye(len(K)).to(K))
    if int(failed):
        return torch.full((len(target), len(support)), torch.nan).to(K) * K.sum()
    return torch.cholesky_solve(kernel.between(support, target), factor).T


def solve_labels(
    kernel: Kernel, target: Any, labels: Any, support: Any, regularisation: float
) -> Any:
    """Labels of the support that predict those of the targets best, by least squares.

    Parameters
    ----------
    kernel : Kernel
        Kernel.
    target : Tensor of shape (n_target, n_columns)
        Rows with known labels.
    labels : Tensor of shape (n_target, n_label_columns)
        Their labels.
    support : Tensor of shape (n_support, n_columns)
        Rows to label.
    regularisation : float
        Ridge, as in `kernel_weights`.

    Returns
    -------
    Tensor of shape (n_support, n_label_columns)

    References
    ----------
    Nguyen, Chen and Lee (2021), Dataset meta-learning from kernel ridge-regression, ICLR,
    arXiv:2011.00050, section 3 ("label solve").
    """
    weights = kernel_weights(kernel, target, support, regularisation)
    # On the CPU, where there is a driver for rank-deficient weights.
    found = torch.linalg.lstsq(weights.cpu(), labels.cpu(), driver="gelsd").solution
    return found.to(labels)


class KernelPointsMatcher(Matcher):
    """Steps along the gradient of kernel regression's error on real rows.

    Parameters
    ----------
    problem : MatchingProblem
        Real rows.
    settings : NetworkSettings
        Networks, for kernels of random features.
    generator : torch.Generator
        Draws batches and kernels.
    kernel : Kernel or RandomFeatureKernel
        Kernel.
    regularisation : float
        Ridge.
    batch_size : int
        Real rows of each stratum per step.
    labels : {"fixed", "learned", "solved", "teacher"}
        What becomes of labels; a teacher is the condenser's business.
    """

    def __init__(
        self,
        problem: MatchingProblem,
        settings: NetworkSettings,
        generator: torch.Generator,
        kernel: Kernel | RandomFeatureKernel,
        regularisation: float,
        batch_size: int,
        labels: str,
    ) -> None:
        self._problem = problem
        self._settings = settings
        self._generator = generator
        self._kernel = kernel
        self._regularisation = regularisation
        self._batch_size = batch_size
        self._mode = labels
        self._learned: Any = None

    def begin(self, synthetic: SyntheticSet) -> list[Learned]:
        """Labels start as those of the rows' outcomes."""
        y = synthetic.repeated(synthetic.y)
        self._learned = self._columns(self._problem.objective.targets(y))
        if self._mode != "learned":
            return []
        return [Learned(self._learned.requires_grad_())]

    def iterate(self, synthetic: SyntheticSet, step: Callable[[float], None]) -> None:
        """One step on half the mean squared error of a batch."""
        kernel = self._kernel.drawn(self._settings, self._generator)
        x, labels = self._batch(kernel, self._batch_size)
        support = kernel.rows(synthetic.images(slice(None)))
        weights = kernel_weights(kernel, x, support, self._regularisation)
        loss = ((weights @ self._learned - labels) ** 2).mean() / 2
        loss.backward()
        step(float(loss.detach()))

    def labels(self, synthetic: SyntheticSet) -> NDArray[np.float64] | None:
        """Learned labels as the task delivers them."""
        if self._mode not in ("learned", "solved"):
            return None
        found = self._learned.detach()
        if self._mode == "solved":
            kernel = self._kernel.drawn(self._settings, self._generator)
            x, labels = self._batch(kernel, N_SOLVED)
            support = kernel.rows(synthetic.all_images())
            found = solve_labels(kernel, x, labels, support, self._regularisation)
        return self._as_task_labels(found.cpu().numpy())

    def _batch(self, kernel: Kernel, size: int) -> tuple[Any, Any]:
        problem = self._problem
        rows = torch.cat([problem.draw(s, size, self._generator) for s in problem.members])
        return kernel.rows(problem.x[rows]), self._columns(problem.targets[rows])

    def _columns(self, targets: Any) -> Any:
        """Targets as columns of numbers: centred indicators of classes, or the number itself."""
        storage = self._problem.compute.storage
        if isinstance(self._problem.task, RegressionTask):
            return targets[:, None].to(storage)
        n_classes = self._problem.objective.n_outputs
        return functional.one_hot(targets, n_classes).to(storage) - 1 / n_classes

    def _as_task_labels(self, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        task = self._problem.task
        if isinstance(task, RegressionTask):
            low, high = task.bounds
            return (low + high) / 2 + columns * (high - low) / 2
        shares = np.maximum(columns + 1 / columns.shape[1], 0)
        # A row of nothing but negative numbers says nothing.
        shares[shares.sum(axis=1) == 0] = 1.0
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))


class KernelInducingPointsCondenser(NeuralCondenser):
    """Learn rows from which kernel ridge regression predicts the real rows (KIP).

    Kernel ridge regression has a closed form, so the error that a model fitted to the learned
    rows makes on real rows can be differentiated exactly, without any inner loop. With the
    neural tangent kernel that model is an infinitely wide fully connected network. The cheapest
    strong method for tables and small images.

    For classification (on centred indicators of the classes) and regression.

    Parameters
    ----------
    n_prototypes : int, default=100
        Rows (images) to learn.
    kernel : {"auto", "random_features", "ntk", "rbf", "laplace"}, Kernel or RandomFeatureKernel, \
            default="auto"
        Kernel on normalised inputs, or an object such as ``NTK(depth=3)``. "random_features" draws
        random networks in every iteration; the others are in closed form and take images as rows
        of pixels. "auto" is "random_features" for images and "ntk" for tables.
    labels : {"fixed", "learned", "solved", "teacher"}, default="fixed"
        Labels stay those of the rows' outcomes, are learned with the rows, are solved for in
        closed form at the end, or are given by a teacher at the end. All but the first are soft,
        delivered as weighted rows.
    teacher : estimator or list of estimators, default=None
        As in `NeuralCondenser`.
    regularisation : float, default=1e-6
        Ridge, as a share of the mean diagonal of the learned rows' kernel.
    init, factor, normalisation
        As in `NeuralCondenser`.
    batch_size : int, default=500
        Real rows of each stratum per step.
    max_iter : int, default=300
        Iterations. With 0 and "solved", rows stay where they start and labels are solved.
    optimizer : {"adam", "sgd"}, default="adam"
        Of the learned rows.
    learning_rate : float, default=0.04
        In units of normalised inputs.
    early_stopping, validation_fraction, n_iter_no_change
        As in `NeuralCondenser`.
    max_time, callback, checkpoint, device
        As in `NeuralCondenser`. Numbers are in double precision, but for the networks of random
        features.
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
    Nguyen, Chen and Lee (2021), Dataset meta-learning from kernel ridge-regression, ICLR,
    arXiv:2011.00050, algorithm 1.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skcondense.neural import KernelInducingPointsCondenser
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> KernelInducingPointsCondenser(10, max_iter=20, random_state=0).condense(X, y).n_prototypes
    10
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **NeuralCondenser._parameter_constraints,
        "kernel": [StrOptions({"auto", *_SOURCES}), Kernel, RandomFeatureKernel],
        "labels": [StrOptions({"fixed", "learned", "solved", "teacher"})],
        "regularisation": [between(0, None)],
    }

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {"max_iter": 300, "batch_size": 64},
        "cpu": {"max_iter": 1000},
        "gpu": {"max_iter": 5000, "batch_size": 2500},
        "paper": {"max_iter": 300, "batch_size": 500, "init": "real"},
    }

    _not_private_because = (
        "it would have to ask for the errors of real rows, with noise, at every step. Use "
        "DistributionMatchingCondenser, which asks once"
    )

    def __init__(
        self,
        n_prototypes: int = 100,
        *,
        kernel: Any = "auto",
        labels: str = "fixed",
        regularisation: float = 1e-6,
        teacher: Any = None,
        init: Any = "auto",
        factor: int = 1,
        normalisation: Any = "fit",
        batch_size: int = 500,
        max_iter: int = 300,
        optimizer: str = "adam",
        learning_rate: float = 0.04,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        max_time: float | None = None,
        callback: Any = None,
        checkpoint: Any = None,
        device: str = "auto",
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
            # The base trains no network of its own but for init="correct"; kernels see the
            # images as they are.
            augmentation="none",
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
            dtype="float64",
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
        self.kernel = kernel
        self.regularisation = regularisation

    def _matcher(
        self, problem: MatchingProblem, settings: NetworkSettings, generator: torch.Generator
    ) -> Matcher:
        kernel = self.kernel
        if kernel == "auto":
            kernel = "random_features" if problem.space.is_image else "ntk"
        if isinstance(kernel, str):
            kernel = _SOURCES[kernel]
        return KernelPointsMatcher(
            problem, settings, generator, kernel, self.regularisation, self.batch_size, self.labels
        )
