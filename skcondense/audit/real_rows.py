"""Real rows beside a condensed set, as numbers on the set's own scale."""

from dataclasses import dataclass, replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_consistent_length

from skcondense.border import check_groups
from skcondense.condensed_set import CondensedSet
from skcondense.table import Container, TableEncoder, check_table, is_frame, is_images
from skcondense.tasks import working_form

__all__ = ["Codes", "Records", "resampled"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Codes:
    """How rows of a condensed set's table become numbers.

    Attributes
    ----------
    condensed : CondensedSet
        The set, whose schema says what columns hold.
    """

    condensed: CondensedSet

    def of(self, X: Any) -> Floats:
        """Codes of real rows, of shape (n_rows, n_codes).

        Raises
        ------
        SchemaError
            If the columns are not those of the set, or hold categories that the set's schema does
            not know. Declare the schema before you condense.
        """
        X = check_table(X, images=is_images(X))
        schema = self.condensed.schema
        # Raises where columns differ; their order may, and codes must come in that of the set.
        schema.for_container(Container.of(X))
        if is_frame(X):
            X = nw.from_native(X, eager_only=True).select(*schema.names).to_native()
        columns = Container.of(X).read(X)
        # An unseen category has no code; the error names the column and not the cell.
        schema.check(columns)
        codes = TableEncoder(schema).encode(columns)
        return np.asarray(codes, dtype=np.float64)

    def rows(self, Z: Floats) -> Any:
        """Rows in the container of the set, from codes."""
        columns = TableEncoder(self.condensed.schema).decode(Z)
        return Container.of(self.condensed.X).build(columns)

    def of_prototypes(self) -> tuple[Floats, Floats]:
        """Codes and weights of the prototypes, each once."""
        _, first, row = np.unique(self.condensed.prototype, return_index=True, return_inverse=True)
        weight = np.bincount(row, self.condensed.sample_weight).astype(np.float64)
        return self.of(self.condensed.take(first)[0]), weight


@dataclass(frozen=True)
class Records:
    """Real rows as numbers, with their outcomes and patients.

    Attributes
    ----------
    Z : ndarray of shape (n_rows, n_codes)
        Codes.
    y : ndarray of shape (n_rows,)
        Outcomes; event and time are fields of one array.
    groups : ndarray of shape (n_rows,) or None
        Patient of each row.
    """

    Z: Floats
    y: NDArray[Any]
    groups: NDArray[Any] | None

    @classmethod
    def of(cls, codes: Codes, rows: tuple[Any, Any], groups: Any) -> "Records":
        """Encode rows (X, y) as the set has them."""
        # Not the task's own check: a set, or what a shadow makes, may have one outcome only.
        Z, y = codes.of(rows[0]), working_form(codes.condensed.task, rows[1])
        # Python objects as the numbers or texts that they are.
        y = np.array(y.tolist()) if y.dtype == object else y
        groups = None if groups is None else check_groups(groups)
        check_consistent_length(Z, y, groups)
        return cls(Z, y, groups)

    @property
    def units(self) -> NDArray[Any]:
        """Patient of each row, or the row itself where they are not grouped."""
        return np.arange(len(self.Z)) if self.groups is None else self.groups

    @property
    def n_units(self) -> int:
        """Number of patients, or of rows where they are not grouped."""
        return len(np.unique(self.units))

    def and_others(self, others: "Records") -> "Records":
        """These rows, then others of other patients."""
        own, strange = (np.unique(part.units, return_inverse=True)[1] for part in (self, others))
        is_grouped = self.groups is not None or others.groups is not None
        return Records(
            np.concatenate([self.Z, others.Z]),
            np.concatenate([self.y, others.y]),
            np.concatenate([own, len(own) + strange]) if is_grouped else None,
        )

    def take(self, rows: NDArray[Any]) -> "Records":
        """Some of the rows."""
        groups = None if self.groups is None else self.groups[rows]
        return replace(self, Z=self.Z[rows], y=self.y[rows], groups=groups)

    def chosen_units(self, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
        """A share of the rows, or of the patients."""
        names = np.unique(self.units)
        count = round(share * len(names))
        return np.asarray(np.isin(self.units, rng.choice(names, count, replace=False)))


def resampled(units: NDArray[Any], n_times: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """How often each row occurs in the sample itself, then in samples of as many of its patients.

    Parameters
    ----------
    units : ndarray of shape (n_rows,)
        Patient of each row.
    n_times : int
        Number of samples that are drawn with replacement.
    rng : numpy Generator
        Draws them.

    Returns
    -------
    ndarray of shape (n_times + 1, n_rows)
    """
    names, patient = np.unique(units, return_inverse=True)
    times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n_times)
    return np.vstack([np.ones(len(patient), dtype=np.intp), times[:, patient]])
