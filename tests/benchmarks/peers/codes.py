"""Tables as peers want them, from the declared schema alone."""

import numpy as np
import pandas as pd

from skcondense import TableEncoder, TableSchema
from skcondense.table import Container
from skcondense.table.bins import TableBins

# As many as our private condensers count in.
N_NUMBER_BINS = 16
TARGET = "target"
IS_MISSING = " is missing"


class PublicCodes:
    """Two forms of a table that use public facts only.

    In the form of `bins` every column is discrete: numbers are cut into 16 bins of equal width on
    the encoded axis, where the declared typical range takes four fifths; missing cells have a bin.
    In the form of `mixed` numbers stay numbers, between -1 and 1 on that axis, missing ones at 0
    with an indicator beside them.
    """

    def __init__(self, schema: TableSchema) -> None:
        self._encoder = TableEncoder(schema)
        self._bins = TableBins(self._encoder, N_NUMBER_BINS)
        self._names = list(schema.names)
        self._numbers = [j for j, column in enumerate(schema) if column.is_number]
        self._gappy = [j for j in self._numbers if self._bins.has_missing[j]]

    @property
    def lower(self) -> np.ndarray:
        return self._encoder.lower

    @property
    def upper(self) -> np.ndarray:
        """As `lower`, and above it also where a column has one value."""
        return np.maximum(self._encoder.upper, self._encoder.lower + 1e-6)

    @property
    def norm(self) -> float:
        """The longest that an encoded row can be: one category per column is on."""
        squares = np.maximum(np.abs(self._encoder.lower), np.abs(self._encoder.upper)) ** 2
        longest = 0.0
        for j, codes in enumerate(self._encoder.slices):
            own = squares[codes]
            gap = own[-1] if self._bins.has_missing[j] else 0.0
            longest += own[0] + gap
        return float(np.sqrt(longest))

    @property
    def bin_sizes(self) -> dict[str, int]:
        """Number of bins per column, the outcome's included."""
        return {**dict(zip(self._names, self._bins.sizes.tolist(), strict=True)), TARGET: 2}

    @property
    def nominal_sizes(self) -> dict[str, int]:
        """Number of codes of each column of the mixed form that is not a number."""
        sizes = self.bin_sizes
        listed = {n: sizes[n] for j, n in enumerate(self._names) if j not in self._numbers}
        return listed | {self._names[j] + IS_MISSING: 2 for j in self._gappy}

    @property
    def number_names(self) -> list[str]:
        return [self._names[j] for j in self._numbers]

    def encode(self, X: pd.DataFrame) -> np.ndarray:
        return self._encoder.encode(Container.of(X).read(X))

    def decode(self, Z: np.ndarray, like: pd.DataFrame) -> pd.DataFrame:
        """Legal rows nearest to codes, with the columns and dtypes of another table."""
        return Container.of(like).build(self._encoder.decode(Z))

    def bins(self, X: pd.DataFrame) -> pd.DataFrame:
        positions = self._bins.of(self.encode(X)) - self._bins.starts
        return pd.DataFrame(positions, columns=self._names)

    def mixed(self, X: pd.DataFrame) -> pd.DataFrame:
        Z, frame = self.encode(X), self.bins(X)
        for j in self._gappy:
            missing = frame[self._names[j]] == self._bins.sizes[j] - 1
            frame[self._names[j] + IS_MISSING] = missing.astype(int)
        for j in self._numbers:
            frame[self._names[j]] = Z[:, self._encoder.slices[j].start]
        return frame

    def from_bins(self, bins: pd.DataFrame, like: pd.DataFrame, seed: int) -> pd.DataFrame:
        """Rows with the columns and dtypes of another table; numbers are uniform in their bin."""
        positions = bins[self._names].to_numpy() + self._bins.starts
        return self.decode(self._bins.rows(positions, np.random.default_rng(seed)), like)

    def from_mixed(self, mixed: pd.DataFrame, like: pd.DataFrame) -> pd.DataFrame:
        bins = mixed[self._names].astype(float).assign(**dict.fromkeys(self.number_names, 0))
        for j in self._gappy:
            gone = mixed[self._names[j] + IS_MISSING].to_numpy() == 1
            bins[self._names[j]] = np.where(gone, self._bins.sizes[j] - 1, 0)
        positions = bins.to_numpy().astype(int) + self._bins.starts
        Z = self._bins.rows(positions, np.random.default_rng(0))
        for j in self._numbers:
            start = self._encoder.slices[j].start
            gone = positions[:, j] - self._bins.starts[j] == self._bins.sizes[j] - 1
            kept = ~gone if j in self._gappy else np.ones(len(Z), dtype=bool)
            Z[kept, start] = mixed.loc[kept, self._names[j]]
        return self.decode(Z, like)
