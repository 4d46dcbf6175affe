"""A condensed set as a vector of numbers, for the optimisers."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcondense.private_table import PrivateTable
from skcondense.table import take_rows
from skcondense.tasks import Rows

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
        Z, labels, weight = self.Z, self.labels, self.weight
        start = 0
        for name, (part, _, _) in self._parts.items():
            values = point[start : start + part.size].reshape(part.shape)
            start += part.size
            if name == "features":
                Z = values
            elif name == "labels":
                labels = self.table.task.from_free(values)
            else:
                weight = np.exp(values)
        return Z, labels, weight * (self.weight.sum() / weight.sum())

    @cached_property
    def _rows(self) -> Any:
        return self.table.decode(self.Z)

    def candidates(self, points: NDArray[Any]) -> list[Rows]:
        """Condensed sets at several points, of shape (n_points, n_dimensions)."""
        unpacked = [self.unpack(point) for point in points]
        rows, size = self._rows, 0
        if "features" in self.optimize:
            # One decoding of all rows is many times faster than one per candidate.
            rows = self.table.decode(np.concatenate([Z for Z, _, _ in unpacked]))
            size = len(self.Z)
        found = []
        for i, (_, labels, weight) in enumerate(unpacked):
            prototype, y, row_weight = self.table.task.deliver(labels, weight)
            found.append(Rows(take_rows(rows, prototype + i * size), y, row_weight))
        return found
