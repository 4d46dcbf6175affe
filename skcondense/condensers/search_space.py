"""A condensed set as a vector of numbers, for the optimisers."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcondense.condensers.objective import Candidate
from skcondense.private_table import PrivateTable

__all__ = ["SearchSpace"]

Vector = NDArray[np.float64]

# Labels and log-weights stay this close to where they start (logits; outcomes in tenths of
# their range): a search on one table must not talk itself into extreme labels.
TRUST = 1.5


@dataclass(frozen=True)
class SearchSpace:
    """Which parts of a starting set may move, and how far.

    Parameters
    ----------
    table : PrivateTable
        Real rows, for the task and the encoder.
    Z : ndarray of shape (n_prototypes, n_codes)
        Encoded rows of the starting set.
    labels : ndarray of shape (n_prototypes, n_label_columns)
        Its labels.
    weight : ndarray of shape (n_prototypes,)
        Its weights.
    optimize : collection of {"features", "labels", "weights"}
        Parts that move.
    radii : dict of {str: float}
        Smoothing radius of each part.
    """

    table: PrivateTable
    Z: NDArray[Any]
    labels: Vector
    weight: Vector
    optimize: Collection[str]
    radii: dict[str, float]

    @cached_property
    def _parts(self) -> dict[str, tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
        """Start, lower and upper bound of each part that moves."""
        free = self.table.task.to_free(self.labels)
        log_weight = np.log(self.weight)
        encoder = self.table.encoder
        lower, upper = (np.tile(b, (len(self.Z), 1)) for b in (encoder.lower, encoder.upper))
        parts = {
            "features": (self.Z, lower, upper),
            "labels": (free, free - TRUST, free + TRUST),
            "weights": (log_weight, log_weight - TRUST, log_weight + TRUST),
        }
        return {name: parts[name] for name in parts if name in self.optimize}

    def _stack(self, which: int) -> Vector:
        return np.concatenate([part[which].ravel() for part in self._parts.values()])

    @property
    def start(self) -> Vector:
        """The starting set."""
        return self._stack(0)

    @property
    def box(self) -> tuple[Vector, Vector]:
        """Lower and upper bounds."""
        return self._stack(1), self._stack(2)

    @property
    def radius(self) -> Vector:
        """Smoothing radius of each coordinate."""
        return np.concatenate(
            [np.full(part[0].size, self.radii[name]) for name, part in self._parts.items()]
        )

    def unpack(self, point: Vector) -> tuple[NDArray[Any], Vector, Vector]:
        """Encoded rows, labels and weights at a point."""
        Z, labels, weight = (np.array(part[0]) for part in self._unpack(point[np.newaxis]))
        return Z, labels, weight

    def _unpack(self, points: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Encoded rows, labels and weights at several points, one after the other."""
        n_points = len(points)
        values = {"features": self.Z, "labels": self.labels, "weights": self.weight}
        found = {name: np.broadcast_to(v, (n_points, *v.shape)) for name, v in values.items()}
        start = 0
        for name, (part, _, _) in self._parts.items():
            stop = start + part.size
            found[name] = points[:, start:stop].reshape(n_points, *part.shape)
            start = stop
        if "labels" in self.optimize:
            free = found["labels"].reshape(-1, found["labels"].shape[-1])
            found["labels"] = self.table.task.from_free(free).reshape(n_points, len(self.Z), -1)
        if "weights" in self.optimize:
            weight = np.exp(found["weights"])
            found["weights"] = weight * (self.weight.sum() / weight.sum(axis=1, keepdims=True))
        return found["features"], found["labels"], found["weights"]

    @cached_property
    def _rows(self) -> Any:
        return self.table.decode(self.Z)

    def candidates(self, points: NDArray[Any]) -> list[Candidate]:
        """Condensed sets at several points, of shape (n_points, n_dimensions)."""
        Z, labels, weight = self._unpack(points)
        moves = "features" in self.optimize
        # One decoding of all rows is many times faster than one per candidate.
        rows = self.table.decode(np.concatenate(Z)) if moves else self._rows
        found = []
        for i in range(len(points)):
            prototype, y, row_weight = self.table.task.deliver(labels[i], weight[i])
            index = prototype + i * len(self.Z) if moves else prototype
            found.append(Candidate(rows, index, y, row_weight))
        return found
