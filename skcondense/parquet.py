"""Condense a Parquet file that does not fit into memory: a random sample of it is condensed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skcondense.base import DatasetCondenser
from skcondense.condensed_set import CondensedSet, RealRowMatches
from skcondense.exceptions import SchemaError
from skcondense.privacy.noise import noise_source
from skcondense.private_fit import declared_schema, warn_of_large_delta
from skcondense.private_table import EXACT, ROUNDED, matching
from skcondense.table import Column, Container, TableEncoder, take_rows
from skcondense.table.declared import as_declared, outcome_as_declared
from skcondense.table.parquet_files import as_frame, common_schema, count_rows, read_pieces

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ParquetSample", "condense_parquet"]


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
        columns: Sequence[str] | None = None,
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
        columns : sequence of str, default=None
            Columns to read, `groups` among them; all when None. Others may differ among the files
            of a folder.
        random_state : int, default=None
            Seed of the coins. With `epsilon` leave it unset: coins then come from the operating
            system.

        Returns
        -------
        ParquetSample

        Raises
        ------
        SchemaError
            If the files lack a column, or those of a folder are not one table.
        ValueError
            If too few rows are in the sample.
        """
        path = Path(path)
        if rate is not None and not 0 < rate <= 1:
            raise ValueError(f"rate must be above 0 and at most 1. Got {rate!r}.")
        is_public = rate is not None and random_state is None
        if rate is None:
            rate = min(1.0, n_rows / max(1, count_rows(path)))
        coins = _Coins(rate, noise_source() if random_state is None else _seeded(random_state))
        schema = common_schema(path, columns)
        if groups is not None and groups not in schema.names:
            raise SchemaError(f"The file has no column {groups!r}. Got {schema.names}.")
        kept = [piece.filter(coins.of(piece, groups)) for piece in read_pieces(path, schema)]
        frame = as_frame(kept, schema)
        if frame.empty:
            # With epsilon the size of the sample is private, so the message shows no number.
            raise ValueError(
                f"Too few rows of {path} are in the sample. Got rate={rate:.4g}. Raise it, or "
                "check that the file is the right one."
            )
        return cls(path, frame, rate, is_public)

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
            If the set is private, but the rate or the coins are not what privacy needs, or if it
            was scaled up before.

        Warns
        -----
        PrivacyLeakWarning
            If delta is no smaller than one in the (noised) number of rows of the file.
        """
        if condensed.privacy is None:
            return self._counted(condensed)
        if not self.is_public:
            raise ValueError(
                "With epsilon the sampling rate must be declared, since the number of rows is "
                "private, and its coins must be secret. Got a sample drawn without rate=, or "
                "with random_state=. Draw it with rate=0.01, for example, and no random_state."
            )
        if condensed.privacy.sampling_rate != 1:
            raise ValueError(
                "The weights are those of a file already: sampling_rate="
                f"{condensed.privacy.sampling_rate}. Scale up what was condensed from the sample."
            )
        weight = condensed.sample_weight / self.rate
        # The fit has warned by the sample's size, but a delta is small or large beside the file's.
        warn_of_large_delta(condensed.privacy.delta, float(weight.sum()), stacklevel=3)
        return replace(
            condensed,
            sample_weight=weight,
            privacy=replace(condensed.privacy, sampling_rate=self.rate),
        )

    def _counted(self, condensed: CondensedSet) -> CondensedSet:
        total = condensed.sample_weight.sum()
        encoder, container = TableEncoder(condensed.schema), Container.of(condensed.X)
        schema = common_schema(self.path, container.names)
        first = np.unique(condensed.prototype, return_index=True)[1]
        exact, rounded = matching(
            encoder.encode(container.read(take_rows(condensed.X, first))),
            (_codes(encoder, container, piece) for piece in read_pieces(self.path, schema)),
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
        `rate` says. If it has a schema, other columns are not read.
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
    names = [target] if isinstance(target, str) else list(target)
    others = [*names, *([] if groups is None else [groups])]
    columns = None if condenser.schema is None else [*condenser.schema.names, *others]
    if condenser.epsilon is None:
        sample = ParquetSample.draw(
            path,
            rate=rate,
            n_rows=condenser.subsample or count_rows(Path(path)),
            groups=groups,
            columns=columns,
            random_state=condenser._draw_seed(),
        )
    elif rate is None:
        raise ValueError(
            "With epsilon the sampling rate must be declared: one that follows from the number of "
            "rows would show it. Pass rate=0.01, for example; rate=1 reads everything."
        )
    else:
        sample = ParquetSample.draw(path, rate=rate, groups=groups, columns=columns)
    lost = [name for name in names if name not in sample.frame.columns]
    if lost:
        raise ValueError(f"The file has no column {lost}. Got {list(sample.frame.columns)}.")
    y = sample.frame[target] if isinstance(target, str) else sample.frame[names]
    patient = None if groups is None else sample.frame[groups]
    X = sample.frame.drop(columns=others)
    if condenser.epsilon is not None:
        # Whole numbers become floats where a gap occurs, and that must not show.
        schema = declared_schema(condenser)
        X, y = as_declared(X, schema), outcome_as_declared(y, schema.outcome)
    return sample.scaled_up(condenser.condense(X, y, groups=patient))


def _seeded(seed: int) -> np.random.Generator:
    # A child of the seed: a fit with the same one must not draw the same numbers again.
    return np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])


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
    columns = container.read(piece.to_pandas())
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
