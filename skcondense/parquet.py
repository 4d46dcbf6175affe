"""Condense a Parquet file that does not fit into memory: a random sample of it is condensed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skcondense.base import DatasetCondenser
from skcondense.condensed_set import CondensedSet, RealRowMatches
from skcondense.exceptions import missing_extra
from skcondense.privacy.noise import noise_source
from skcondense.private_fit import declared_schema
from skcondense.private_table import EXACT, ROUNDED, matching
from skcondense.table import Column, Container, TableEncoder, take_rows
from skcondense.table.storage import as_declared

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ParquetSample", "condense_parquet", "count_rows"]

# Rows that are read at a time.
PIECE = 50_000


@dataclass(frozen=True)
class ParquetSample:
    """A random part of the rows of a Parquet file, and how it was drawn.

    Whether a row is in the sample is decided by a coin, which looks at no cell but the patient's
    identifier: a patient's rows are all in the sample or all out of it.

    Attributes
    ----------
    path : Path
        A Parquet file, or a folder of some.
    frame : pandas.DataFrame
        The sampled rows, with all columns.
    rate : float
        Probability of each patient (of each row, without `groups`) to be in the sample.
    is_public : bool
        Whether the rate was declared, and the coins are secret: what a private fit needs.
    """

    path: Path
    frame: Any
    rate: float
    is_public: bool

    @classmethod
    def draw(
        cls,
        path: str | Path,
        *,
        rate: float | None = None,
        n_rows: int = 50_000,
        groups: str | None = None,
        random_state: Any = None,
    ) -> "ParquetSample":
        """Read a file piece by piece and keep a random part.

        Parameters
        ----------
        path : str or Path
            A Parquet file, or a folder of some.
        rate : float, default=None
            Probability of each patient to be in the sample. By default it follows from `n_rows`
            and the number of rows in the file, which is private: with `epsilon`, declare it.
        n_rows : int, default=50_000
            Rows that the sample has on average, where no `rate` is given.
        groups : str, default=None
            Column with the patient of each row.
        random_state : int, default=None
            Seed of the coins. With `epsilon` leave it unset: coins then come from the operating
            system.

        Returns
        -------
        ParquetSample
        """
        path = Path(path)
        if rate is not None and not 0 < rate <= 1:
            raise ValueError(f"rate must be above 0 and at most 1. Got {rate!r}.")
        is_public = rate is not None and random_state is None
        if rate is None:
            rate = min(1.0, n_rows / max(1, count_rows(path)))
        coins = _Coins(rate, noise_source() if random_state is None else _seeded(random_state))
        kept = [piece.filter(coins.of(piece, groups)) for piece in _pieces(path)]
        return cls(path, _as_frame(kept), rate, is_public)

    def scaled_up(self, condensed: CondensedSet) -> CondensedSet:
        """What was condensed from the sample, as a condensed set of the file.

        Parameters
        ----------
        condensed : CondensedSet
            Condensed from `frame`.

        Returns
        -------
        CondensedSet
            Weights sum to the number of rows in the file, and coincidences are counted with all
            of its rows. Of a private set neither may be: its weights are divided by the public
            rate, and its statement says so.

        Raises
        ------
        ValueError
            If the set is private, but the rate or the coins are not what privacy needs.
        """
        if condensed.privacy is None:
            return self._counted(condensed)
        if not self.is_public:
            raise ValueError(
                "With epsilon the sampling rate must be declared, since the number of rows is "
                "private, and its coins must be secret. Got a sample drawn without rate=, or "
                "with random_state=. Draw it with rate=0.01, for example, and no random_state."
            )
        return replace(
            condensed,
            sample_weight=condensed.sample_weight / self.rate,
            privacy=replace(condensed.privacy, sampling_rate=self.rate),
        )

    def _counted(self, condensed: CondensedSet) -> CondensedSet:
        total = condensed.sample_weight.sum()
        encoder, container = TableEncoder(condensed.schema), Container.of(condensed.X)
        first = np.unique(condensed.prototype, return_index=True)[1]
        exact, rounded = matching(
            encoder.encode(container.read(take_rows(condensed.X, first))),
            (_codes(encoder, container, piece) for piece in _pieces(self.path)),
            (EXACT, ROUNDED),
        ).sum(axis=1)
        return replace(
            condensed,
            sample_weight=condensed.sample_weight * (count_rows(self.path) / total),
            real_row_matches=RealRowMatches(int(exact), int(rounded)),
        )


def condense_parquet(
    condenser: DatasetCondenser,
    path: str | Path,
    *,
    target: str | tuple[str, str],
    groups: str | None = None,
    rate: float | None = None,
) -> CondensedSet:
    """Condense a Parquet file without ever holding it.

    Parameters
    ----------
    condenser : DatasetCondenser
        It is fitted to a random sample of the file: of ``subsample`` rows on average, or as
        `rate` says.
    path : str or Path
        A Parquet file, or a folder of some.
    target : str or tuple of (str, str)
        Column of the outcome; for survival the event's and the time's.
    groups : str, default=None
        Column with the patient of each row. A patient's rows are all in the sample or none is.
    rate : float, default=None
        Probability of each patient to be in the sample. With `epsilon` it must be given, since
        one that follows from the number of rows would show it.

    Returns
    -------
    CondensedSet
        Of the whole file: see `ParquetSample.scaled_up`. The condenser itself, when fitted, knows
        the sample only.

    Raises
    ------
    ValueError
        If the condenser has an `epsilon` and no `rate` is given. Nothing is read then.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skcondense import ClusterCondenser, condense_parquet
    >>> load_breast_cancer(as_frame=True).frame.to_parquet("big.parquet")  # doctest: +SKIP
    >>> condense_parquet(ClusterCondenser(20), "big.parquet", target="target")  # doctest: +SKIP
    """
    if condenser.epsilon is None:
        n_rows = condenser.subsample or count_rows(Path(path))
        sample = ParquetSample.draw(
            path, rate=rate, n_rows=n_rows, groups=groups, random_state=condenser._draw_seed()
        )
    elif rate is None:
        raise ValueError(
            "With epsilon the sampling rate must be declared: one that follows from the number of "
            "rows would show it. Pass rate=0.01, for example; rate=1 reads everything."
        )
    else:
        sample = ParquetSample.draw(path, rate=rate, groups=groups)
    names = [target] if isinstance(target, str) else list(target)
    lost = [name for name in names if name not in sample.frame.columns]
    if lost:
        raise ValueError(f"The file has no column {lost}. Got {list(sample.frame.columns)}.")
    y = sample.frame[target] if isinstance(target, str) else sample.frame[names]
    patient = None if groups is None else sample.frame[groups]
    X = sample.frame.drop(columns=[*names, *([] if groups is None else [groups])])
    if condenser.epsilon is not None:
        # Whole numbers become floats where a gap occurs, and that must not show.
        X = as_declared(X, declared_schema(condenser))
    return sample.scaled_up(condenser.condense(X, y, groups=patient))


def _seeded(seed: int) -> np.random.Generator:
    # A child of the seed: a fit with the same one must not draw the same numbers again.
    return np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])


def count_rows(path: Path) -> int:
    """Number of rows, as the files' footers say."""
    return sum(file.metadata.num_rows for file in _files(path))


def _files(path: Path) -> Iterator[Any]:
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise missing_extra("Reading Parquet", "pyarrow", "parquet") from error
    paths = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not paths:
        raise FileNotFoundError(f"There is no Parquet file in {path}.")
    for part in paths:
        # A buffer in place of whole column chunks: these may be as long as the file.
        yield pq.ParquetFile(part, buffer_size=1 << 20, pre_buffer=False)


def _pieces(path: Path) -> "Iterator[pa.RecordBatch]":
    for file in _files(path):
        yield from file.iter_batches(PIECE, use_threads=False)


def _as_frame(kept: "list[pa.RecordBatch]") -> Any:
    import pyarrow as pa

    # Pieces have dictionaries of their own, and a column needs one.
    frame = pa.Table.from_batches(kept).unify_dictionaries().to_pandas()
    return frame.reset_index(drop=True)


class _Coins:
    """A coin for each patient, the same wherever in the file their rows are.

    Parameters
    ----------
    rate : float
        Probability of heads.
    source : object with ``bytes(n)``
        Source of randomness. With epsilon it must be secret: without `groups` a row's coin is
        known by the row's position, and one row less moves all later ones.
    """

    def __init__(self, rate: float, source: Any) -> None:
        self._rate = rate
        self._source = source
        self._key = source.bytes(8).hex()

    def of(self, piece: "pa.RecordBatch", groups: str | None) -> NDArray[np.bool_]:
        """Which rows of a piece are in the sample."""
        if groups is None:
            words = np.frombuffer(self._source.bytes(8 * len(piece)), dtype=np.uint64)
        else:
            words = self._words_of(_patients(piece, groups))
        return words / 2.0**64 < self._rate if self._rate < 1 else np.ones(len(piece), bool)

    def _words_of(self, patients: NDArray[Any]) -> NDArray[np.uint64]:
        """64 bits for each patient: SipHash, whose outcomes look random to all but the key."""
        import pandas as pd

        return pd.util.hash_array(patients, hash_key=self._key, categorize=False)


def _patients(piece: "pa.RecordBatch", groups: str) -> NDArray[Any]:
    if groups not in piece.schema.names:
        raise ValueError(f"The file has no column {groups!r}. Got {piece.schema.names}.")
    column = piece.column(groups)
    if column.null_count:
        raise ValueError(
            f"groups must name the patient of every row. The column {groups!r} has missing "
            "values. Give those rows patients of their own, or drop them."
        )
    return np.array(column.cast("string").to_pylist(), dtype=object)


def _codes(
    encoder: TableEncoder, container: Container, piece: "pa.RecordBatch"
) -> NDArray[np.floating[Any]]:
    """Encoded rows of a piece, without those that no row of the schema can equal."""
    columns = container.read(piece.select(list(container.names)).to_pandas())
    legal = np.ones(len(piece), dtype=bool)
    for column, cells in zip(encoder.schema, columns, strict=True):
        # The sample, from which a schema may be learned, need not show every category or gap.
        known = cells.missing & column.missing
        if column.is_number:
            known |= ~cells.missing
        else:
            listed = set(column.categories or ())
            known |= np.fromiter((v in listed for v in cells.values.tolist()), bool, len(piece))
        legal &= known
    return encoder.encode([Column(cells.values[legal], cells.missing[legal]) for cells in columns])
