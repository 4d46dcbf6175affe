"""Where synthetic rows start.

===========  ======================================================  ==================
start        what it is                                              publishes real rows
===========  ======================================================  ==================
"noise"      normal noise                                            no
"mean"       the stratum's mean plus noise                           no
"kmeans"     means of k-means cells of at least three rows           no
"real"       random real rows                                        yes
"herding"    real rows whose kernel mean is the stratum's            yes
"correct"    real rows that a trained network predicts well          yes
an array     rows of the caller, ordered by stratum                  as the caller says
===========  ======================================================  ==================

Matching moves rows that started as real ones only a little: membership of a patient shows in them.
So such starts are refused with `epsilon`, and are no default.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.kernel_approximation import RBFSampler

from skcondense.condensers.grouping import GROUP_SIZE, cluster, means_of
from skcondense.condensers.herding import herd
from skcondense.neural.augmentation import Augmentation
from skcondense.neural.network import Architecture, make_network
from skcondense.neural.problem import MatchingProblem
from skcondense.neural.randomness import torch_generator
from skcondense.neural.training import TrainingRecipe, predict, train
from skcondense.private_table import PrivateTable

__all__ = ["JITTER", "STARTS", "Start", "given_start"]

Matrix = NDArray[Any]

# Standard deviation of what is added to a mean, in units of normalised inputs.
JITTER = 0.1
# Rows that are clustered or herded; more make no better start.
N_CONSIDERED = 5000
# Steps of the network that says which rows are easy, and their size.
N_STEPS, BATCH = 300, 64
N_HERDING_FEATURES = 500


@dataclass(frozen=True)
class Start:
    """What a start may look at.

    Attributes
    ----------
    table : PrivateTable
        Real rows.
    problem : MatchingProblem
        The same as tensors.
    architecture : Architecture
        For "correct".
    rng : Generator
        Draws.
    """

    table: PrivateTable
    problem: MatchingProblem
    architecture: Architecture
    rng: np.random.Generator

    def codes(self, name: str, counts: dict[int, int]) -> Matrix:
        """Codes of the rows to start from.

        Parameters
        ----------
        name : str
            Which start.
        counts : dict of {int: int}
            Rows per stratum.

        Returns
        -------
        ndarray of shape (n_rows, n_codes)
            Ordered by stratum.
        """
        parts = []
        score = self._losses() if name == "correct" else None
        for stratum, count in counts.items():
            members = np.flatnonzero(self.table.strata == stratum)
            mass = self.table.weight[members]
            if name != "correct" and len(members) > max(N_CONSIDERED, count):
                members = self.rng.choice(
                    members, max(N_CONSIDERED, count), False, mass / mass.sum()
                )
            if score is not None:
                # Well predicted rows only, where there are enough of them.
                order = members[np.argsort(score[members], kind="stable")]
                members = order[: max(count, len(order) // 2)]
            parts.append(STARTS[name](self, members, count))
        return np.concatenate(parts)

    def noise(self, shape: tuple[int, ...]) -> Matrix:
        """Small noise in units of codes, with the spread of each."""
        spread = self.problem.space.normaliser.spread
        n_times = shape[1] // len(spread)
        return JITTER * np.tile(spread, n_times) * self.rng.normal(size=shape)

    def _losses(self) -> NDArray[np.float64]:
        """Loss of each row under a network trained on all of them."""
        problem, generator = self.problem, torch_generator(self.rng)
        network = make_network(
            self.architecture,
            problem.space.shape,
            problem.objective.n_outputs,
            generator,
            problem.compute.torch_device,
            problem.compute.storage,
        )
        rows = (problem.x, problem.targets, problem.compute.tensor(problem.weight))
        recipe = TrainingRecipe(N_STEPS, BATCH)
        plain = Augmentation(transforms=())
        train(network, rows, problem.objective, recipe, plain, generator, problem.compute)
        outputs = predict(network, problem.x, problem.compute)
        losses = problem.objective.losses(outputs, problem.targets)
        return losses.to("cpu", torch.float64).numpy()


def _mean(start: Start, members: NDArray[np.intp], count: int) -> Matrix:
    table = start.table
    groups = table.groups
    n_patients = len(members) if groups is None else len(np.unique(groups[members]))
    if n_patients < GROUP_SIZE:
        # The mean of so few would be a patient's row.
        members = np.arange(len(table))
    mean = np.average(table.Z[members], axis=0, weights=table.weight[members])
    return mean + start.noise((count, table.Z.shape[1]))


def _kmeans(start: Start, members: NDArray[np.intp], count: int) -> Matrix:
    if len(members) < GROUP_SIZE * count:
        return _mean(start, members, count)
    rows = start.table.take(members).one_row_per_patient(start.rng)
    if len(rows) < GROUP_SIZE * count:
        return _mean(start, members, count)
    cell = cluster(rows.Z, count, start.rng, rows.weight)
    return means_of(rows.Z, cell, rows.weight)


def _real(start: Start, members: NDArray[np.intp], count: int) -> Matrix:
    mass = start.table.weight[members]
    chosen = start.rng.choice(members, min(count, len(members)), replace=False, p=mass / mass.sum())
    return _filled(start, start.table.Z[chosen], count)


def _herding(start: Start, members: NDArray[np.intp], count: int) -> Matrix:
    rows = start.table.take(members)
    seed = int(start.rng.integers(2**31 - 1))
    features = RBFSampler(
        gamma=1 / (2 * rows.Z.shape[1]), n_components=N_HERDING_FEATURES, random_state=seed
    ).fit_transform(rows.Z)
    goal = np.average(features, axis=0, weights=rows.weight)
    return _filled(start, rows.Z[herd(features, goal, min(count, len(rows)))], count)


def _noise(start: Start, members: NDArray[np.intp], count: int) -> Matrix:
    shape = (count, start.table.Z.shape[1])
    normaliser = start.problem.space.normaliser
    mean = np.tile(normaliser.mean, shape[1] // len(normaliser.mean))
    return mean + start.noise(shape) / JITTER


def _filled(start: Start, Z: Matrix, count: int) -> Matrix:
    """Repeat rows, with noise, where a stratum has too few."""
    missing = count - len(Z)
    if not missing:
        return Z
    again = Z[start.rng.integers(len(Z), size=missing)]
    return np.concatenate([Z, again + start.noise(again.shape)])


def given_start(table: PrivateTable, rows: Any, count: int) -> Matrix:
    """Codes of rows that the caller gives.

    Raises
    ------
    ValueError
        If there are too few or too many.
    """
    columns = table.container.read(rows)
    table.encoder.schema.check(columns)
    if len(columns[0].values) != count:
        raise ValueError(
            f"The start must have {count} rows, ordered by stratum: n_prototypes, times factor**2. "
            f"Got {len(columns[0].values)}."
        )
    return table.encoder.encode(columns)


STARTS: dict[str, Callable[[Start, NDArray[np.intp], int], Matrix]] = {
    "noise": _noise,
    "mean": _mean,
    "kmeans": _kmeans,
    "real": _real,
    "herding": _herding,
    "correct": _real,
}
