"""Experts that see private rows through noised gradients only.

Every step asks the door for the sum over patients of the gradients of their rows, clipped to
length one, and goes against the noised mean: gradient descent with all rows, without any sampling
to account for. The paths, and all that is matched to them, are computed from those answers.

References
----------
Abadi, Chu, Goodfellow, McMahan, Mironov, Talwar and Zhang (2016), Deep learning with differential
privacy, CCS, arXiv:1607.00133: clipped and noised gradients; Dong, Roth and Su (2022), Gaussian
differential privacy, JRSS-B, arXiv:1905.02383: how steps add up.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from torch.nn.utils import vector_to_parameters

from skcondense.neural.experts import Descent, ExpertTraining, stored
from skcondense.neural.private_features import OutcomeCounts
from skcondense.neural.problem import Objective
from skcondense.neural.settings import NetworkSettings
from skcondense.neural.single_rows import of_single_rows
from skcondense.neural.unroll import FlatNetwork
from skcondense.privacy import Oracle, SumQuery
from skcondense.private_table import PrivateTable

__all__ = ["PRIVATE_TRAINING", "SHARES", "PrivateExperts"]

# Shares of the budget of a private fit, in units of mu squared.
SHARES = {"outcomes": 0.02, "means": 0.18, "gradients": 0.80}
# Largest length of the sum of a patient's gradients.
CLIP = 1.0
# One expert of few, long steps: each step is paid for, and the noise of all of them adds up.
PRIVATE_TRAINING = ExpertTraining(
    n_experts=1, n_snapshots=12, steps_per_snapshot=4, learning_rate=0.5
)


@dataclass(frozen=True)
class PrivateExperts:
    """How experts are trained by answers.

    Attributes
    ----------
    counts : OutcomeCounts
        Noised counts of the outcomes, and public facts.
    oracle : Oracle
        The door.
    settings : NetworkSettings
        Networks.
    objective : Objective
        What they learn.
    training : ExpertTraining
        Steps; `batch_size` is without meaning.
    descent : Descent
        Their direction; one that takes two gradients pays for two.
    share : float
        Share of the budget of all gradients.
    tell : callable
        Told of the number of snapshots that are done.
    """

    counts: OutcomeCounts
    oracle: Oracle
    settings: NetworkSettings
    objective: Objective
    training: ExpertTraining
    descent: Descent
    share: float
    tell: Callable[[int], None]

    def snapshots(self, generator: torch.Generator) -> NDArray[np.float32]:
        """Weights of an expert at its start and after every stretch.

        Returns
        -------
        ndarray of shape (n_snapshots + 1, n_weights)
        """
        device = self.settings.compute.exact_device
        weights = FlatNetwork(self.settings.network(generator)).weights().to(device).double()
        found = [stored(weights)]
        for _ in range(self.training.n_snapshots):
            for _ in range(self.training.n_steps(0)):
                step = self.descent.direction(self.gradient, weights)
                weights = weights - self.training.learning_rate * step
            found.append(stored(weights))
            self.tell(len(found) - 1)
        if not np.isfinite(found[-1]).all():
            raise ValueError(
                "An expert's weights are no finite numbers any more: its steps were too long. Got "
                f"learning_rate={self.training.learning_rate} of private_experts; lower it."
            )
        return np.stack(found)

    def gradient(self, weights: Any) -> Any:
        """Noised mean of the clipped gradients of all rows."""
        query = SumQuery("gradients", self._share(), len(weights), CLIP, self._by_row(weights))
        total = self.oracle.ask(query).value
        return torch.from_numpy(total / self.counts.sizes.sum()).to(weights)

    def _share(self) -> float:
        """Share of one gradient."""
        training = self.training
        n_steps = training.n_experts * training.n_snapshots * training.n_steps(0)
        return self.share / (n_steps * self.descent.n_gradients)

    def warn_of_noise(self, mu: float, reach: float) -> None:
        """Warn where noise is longer than any mean gradient; looks at noised counts only.

        Parameters
        ----------
        mu : float
            Gaussian-DP parameter of the fit.
        reach : float
            How far a sum moves for a neighbouring table, in units of `CLIP`.
        """
        n_weights = len(FlatNetwork(self.settings.network(torch.Generator())))
        deviation = CLIP * reach / (mu * math.sqrt(self._share()))
        noise = deviation * math.sqrt(n_weights) / float(self.counts.sizes.sum())
        if noise > CLIP:
            warnings.warn(
                f"Noise on each gradient of the experts is {noise:.1f} long, and the mean gradient "
                f"at most {CLIP:g}: experts wander. Use a smaller network (it has {n_weights} "
                "weights), fewer steps of private_experts, more patients or a larger epsilon; or "
                "DistributionMatchingCondenser, which asks once.",
                ConvergenceWarning,
                stacklevel=2,
            )

    def _by_row(self, weights: Any) -> Any:
        """The function of a query: gradients of rows, each by itself."""
        space, objective = self.settings.space, self.objective
        # Its own weights are of no account.
        network = self.settings.network(torch.Generator()).to(weights.device).double()
        vector_to_parameters(weights, network.parameters())
        parameters = list(network.parameters())

        def gradient(x: Any, target: Any) -> Any:
            found = torch.autograd.grad(objective.losses(network(x), target).sum(), parameters)
            return torch.cat([part.flatten() for part in found])

        def gradients(rows: PrivateTable) -> NDArray[np.float64]:
            x = space.inputs(rows.Z).to(weights.device).double()
            targets = objective.targets(rows.y).to(weights.device)
            targets = targets.double() if targets.is_floating_point() else targets
            found = of_single_rows(gradient, x, targets)
            return np.asarray(found.cpu().numpy(), dtype=np.float64)

        return gradients
