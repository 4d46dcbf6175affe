"""Real rows beside a condensed set, as numbers on the set's own scale."""

from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from skcondense.condensed_set import CondensedSet
from skcondense.table import Container, TableEncoder, check_table, is_frame, is_images

__all__ = ["Codes"]

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

    def of_prototypes(self) -> tuple[Floats, Floats]:
        """Codes and weights of the prototypes, each once."""
        _, first, row = np.unique(self.condensed.prototype, return_index=True, return_inverse=True)
        weight = np.bincount(row, self.condensed.sample_weight).astype(np.float64)
        return self.of(self.condensed.take(first)[0]), weight
