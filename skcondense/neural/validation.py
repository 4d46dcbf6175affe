"""Choosing among snapshots of a synthetic set by rows that were held out; never by test rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score

from skcondense.neural.problem import MatchingProblem
from skcondense.neural.settings import NetworkSettings
from skcondense.neural.synthetic import SyntheticSet
from skcondense.neural.training import TrainingRecipe, predict, train
from skcondense.private_table import PrivateTable
from skcondense.tasks import ClassificationTask

__all__ = ["HeldOutScore", "held_out_rows", "hold_out"]

# Training of the network that scores a snapshot: enough to rank snapshots, not to finish.
RECIPE = TrainingRecipe(n_steps=100)


def hold_out(
    table: PrivateTable, fraction: float, rng: np.random.Generator
) -> tuple[PrivateTable, PrivateTable]:
    """Split a table into rows to learn from and rows to score by; patients stay together.

    Parameters
    ----------
    table : PrivateTable
        Real rows.
    fraction : float
        Share to hold out of each stratum (of the patients, where groups are given).
    rng : Generator
        Draws.

    Returns
    -------
    learned, held_out : PrivateTable

    Raises
    ------
    ValueError
        If a stratum is left without rows on either side.
    """
    chosen = _chosen(table, fraction, rng)
    parts = table.take(np.flatnonzero(~chosen)), table.take(np.flatnonzero(chosen))
    present = [len(np.unique(part.strata)) for part in parts]
    if min(present) < len(np.unique(table.strata)):
        raise ValueError(
            "A class (or band of the outcome) has too few rows to hold some out for "
            "early_stopping. Merge it with another, or use early_stopping=False."
        )
    return parts


def held_out_rows(
    table: PrivateTable, fraction: float, least: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Which rows to hold out where a stratum need not be among them; patients stay together.

    Parameters
    ----------
    table : PrivateTable
        Real rows.
    fraction : float
        Share to hold out.
    least : int
        Rows (patients) to hold out at least, where that is no more than half.
    rng : Generator
        Draws.

    Returns
    -------
    ndarray of shape (n_rows,)
        Every stratum keeps rows that are not held out; where none can be spared, none are.
    """
    n_units = len(table) if table.groups is None else len(np.unique(table.groups))
    chosen = _chosen(table, min(max(fraction, least / n_units), 0.5), rng)
    for stratum in np.unique(table.strata):
        members = table.strata == stratum
        if chosen[members].all():
            back = members if table.groups is None else np.isin(table.groups, table.groups[members])
            chosen &= ~back
    return chosen


def _chosen(table: PrivateTable, fraction: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """A share of the rows of each stratum, or of the patients."""
    chosen = np.zeros(len(table), dtype=bool)
    if table.groups is not None:
        patients = np.unique(table.groups)
        n_held = max(1, round(fraction * len(patients)))
        return np.asarray(np.isin(table.groups, rng.choice(patients, n_held, replace=False)))
    for stratum in np.unique(table.strata):
        members = rng.permutation(np.flatnonzero(table.strata == stratum))
        chosen[members[: max(1, round(fraction * len(members)))]] = True
    return chosen


@dataclass(frozen=True)
class HeldOutScore:
    """Balanced accuracy (for regression, minus the mean squared error) on held-out rows.

    A fresh network is trained on the snapshot. All snapshots get the same network, batches and
    augmentations, so that their scores differ by the snapshots alone.

    Attributes
    ----------
    problem : MatchingProblem
        Held-out rows.
    settings : NetworkSettings
        Networks.
    seed : int
        Of the network.
    """

    problem: MatchingProblem
    settings: NetworkSettings
    seed: int

    def __call__(self, synthetic: SyntheticSet) -> float:
        """Score a snapshot."""
        problem, compute = self.problem, self.settings.compute
        generator = torch.Generator().manual_seed(self.seed)
        network = self.settings.network(generator)
        x = synthetic.all_images()
        targets = problem.objective.targets(synthetic.repeated(synthetic.y))
        rows = (x, targets, torch.ones(len(x)).to(x))
        augmentation = self.settings.augmentation
        train(network, rows, problem.objective, RECIPE, augmentation, generator, compute)
        outputs = predict(network, problem.x, compute)
        if isinstance(problem.task, ClassificationTask):
            guess: NDArray[Any] = outputs.argmax(dim=1).cpu().numpy()
            return float(balanced_accuracy_score(problem.strata, guess))
        return -float(problem.objective.losses(outputs, problem.targets).mean())
