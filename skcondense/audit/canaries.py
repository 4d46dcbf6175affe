"""Made-up patients: planted in a table by coin tosses, and looked for in what comes of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors

from skcondense.audit.closeness import nearest_distance
from skcondense.audit.real_rows import Codes
from skcondense.audit.releases import Floats
from skcondense.audit.shadows import OF_ONE_FIT
from skcondense.base import DatasetCondenser
from skcondense.condensed_set import CondensedSet
from skcondense.table import Container, TableEncoder, check_table, infer_schema, is_images
from skcondense.tasks import resolve_task

__all__ = ["Planted"]

Rows = NDArray[np.intp]

# Shares of the canaries whose coins are guessed, by each of two scores.
GUESSED = (0.1, 0.25, 0.5, 1.0)
# Cells of a canary lie close to an end of what its column allows: the smaller, the closer.
TOWARDS_ENDS = 0.1
# Known rows per cell of which nobody knows whether they were counted there.
MISPLACED = 3.0


@dataclass(frozen=True)
class Planted:
    """A table with some of the canaries, and what the auditor knows of it.

    Attributes
    ----------
    X, y, groups
        What is condensed.
    known : container of n_rows
        Rows that are in it for certain.
    known_weight : ndarray of shape (n_rows,)
        One for each patient, shared by the rows of the patient.
    canaries, decoys : container of n_canaries, the same or None
        With ``neighbors="replace"`` a decoy is in the table for each canary that is not.
    is_in : ndarray of bool of shape (n_canaries,)
        The coins.
    schema : TableSchema
        Of the table without canaries.
    """

    X: Any
    y: NDArray[Any]
    groups: NDArray[np.intp] | None
    known: Any
    known_weight: Floats
    canaries: Any
    decoys: Any
    is_in: NDArray[np.bool_]
    schema: Any

    @classmethod
    def into(
        cls,
        condenser: DatasetCondenser,
        X: Any,
        y: Any,
        groups: Any,
        n_canaries: int,
        rng: np.random.Generator,
    ) -> "Planted":
        """Toss the coins, and add the canaries that are in."""
        X = check_table(X, images=is_images(X))
        container = Container.of(X)
        columns = container.read(X)
        schema = (
            infer_schema(container, columns)
            if condenser.schema is None
            else condenser.schema.for_container(container)
        )
        encoder = TableEncoder(schema)
        canaries, decoys = (_unusual(encoder, n_canaries, rng) for _ in range(2))
        is_in = rng.random(n_canaries) < 0.5
        replaces = condenser.neighbors == "replace"
        added = np.where(is_in[:, np.newaxis], canaries, decoys) if replaces else canaries[is_in]
        outcome = condenser.schema.outcome if condenser.schema is not None else None
        _, values = resolve_task(condenser.task, y, outcome if condenser.epsilon else None)
        drawn = values[rng.integers(len(values), size=len(added))]
        names, weight = None, np.ones(len(values))
        if groups is not None:
            # Each canary is a patient of its own.
            _, own, size = np.unique(groups, return_inverse=True, return_counts=True)
            names = np.concatenate([own, len(size) + np.arange(len(added))])
            weight = 1 / size[own]
        return cls(
            X=container.build(encoder.decode(np.concatenate([encoder.encode(columns), added]))),
            y=np.concatenate([values, drawn]),
            groups=names,
            known=X,
            known_weight=weight,
            canaries=container.build(encoder.decode(canaries)),
            decoys=container.build(encoder.decode(decoys)) if replaces else None,
            is_in=is_in,
            schema=schema,
        )

    def condense(self, condenser: DatasetCondenser, seed: int) -> CondensedSet:
        """Fit a clone to the table with canaries; no ledger counts it."""
        known = condenser.get_params(deep=False)
        settings: dict[str, Any] = {name: None for name in OF_ONE_FIT if name in known}
        settings["schema"] = condenser.schema or self.schema
        one = clone(condenser).set_params(**settings, random_state=seed)
        return one.condense(self.X, self.y, groups=self.groups)

    def guesses(self, condensed: CondensedSet) -> Iterator[tuple[Rows, Rows]]:
        """Canaries that are guessed to be in, and to be out, by several plans.

        Any function of the set, the canaries and the known rows may guess the coins.
        """
        codes = Codes(condensed)
        canaries = codes.of(self.canaries)
        near = nearest_distance(canaries, codes.of_prototypes()[0]).argsort(kind="stable")
        most = (-self._shares_in(codes, canaries)).argsort(kind="stable")
        for share in GUESSED:
            half = round(share * len(near) / 2)
            # A canary that is far from all published rows may be in and not published.
            yield near[:half], near[:0]
            yield most[:half], most[len(most) - half :]

    def _shares_in(self, codes: Codes, canaries: Floats) -> Floats:
        """How much of each canary the set seems to hold."""
        Z, weight = codes.of_prototypes()
        known = codes.of(self.known)
        sums = _Sums(Z, known.mean(axis=0), float(known.std(axis=0).mean()))
        # Weights sum to the number of rows, also where each patient was counted once.
        total, n_units = weight.sum(), self.known_weight.sum()
        left = weight[:, np.newaxis] * (total - len(known) + n_units) / total * sums.extended(Z)
        left -= sums.of(known, self.known_weight)
        # A decoy that is out means a canary that is in.
        candidates = [(1, canaries)]
        if self.decoys is not None:
            candidates.append((-1, codes.of(self.decoys)))
        for _, rows in candidates:
            left -= sums.of(rows, np.full(len(rows), 0.5))
        # Coins vary by a quarter, sums by the rows that were counted in another cell.
        noise = 4 * MISPLACED * float(known.var(axis=0).mean())
        return sums.explained(left, candidates, noise)


@dataclass(frozen=True)
class _Sums:
    """Sums of the rows nearest to each prototype, and their number.

    Attributes
    ----------
    Z : ndarray of shape (n_prototypes, n_codes)
        Prototypes.
    centre : ndarray of shape (n_codes,)
        Taken from every row.
    one : float
        What a row adds to the column that counts rows.
    """

    Z: Floats
    centre: Floats
    one: float

    def extended(self, rows: Floats) -> Floats:
        """Centred rows, with the column that counts them."""
        return np.column_stack([rows - self.centre, np.full(len(rows), self.one)])

    def cell(self, rows: Floats) -> Rows:
        """Nearest prototype of each row."""
        nearest = NearestNeighbors(n_neighbors=1).fit(self.Z)
        return np.asarray(nearest.kneighbors(rows, return_distance=False)[:, 0])

    def of(self, rows: Floats, weight: Floats) -> Floats:
        """Sums of these rows, of shape (n_prototypes, n_codes + 1)."""
        found = np.zeros((len(self.Z), len(self.centre) + 1))
        np.add.at(found, self.cell(rows), weight[:, np.newaxis] * self.extended(rows))
        return found

    def explained(self, left: Floats, candidates: list[tuple[int, Floats]], noise: float) -> Floats:
        """Share of each candidate in what is left of the sums, by penalised least squares.

        Parameters
        ----------
        left : ndarray of shape (n_prototypes, n_codes + 1)
            Sums without known rows, and without the half of every candidate.
        candidates : list of (sign, ndarray of shape (n_candidates, n_codes))
            What each candidate adds if its coin falls so, in one or two rows.
        noise : float
            Variance of `left` in units of a coin's.

        Returns
        -------
        ndarray of shape (n_candidates,)
            Above zero for those that seem to be in.
        """
        cell = np.concatenate([self.cell(rows) for _, rows in candidates])
        adds = np.concatenate([sign * self.extended(rows) for sign, rows in candidates])
        shape = (len(candidates), len(cell) // len(candidates))
        products = (cell[:, np.newaxis] == cell) * (adds @ adds.T)
        gram = products.reshape(*shape, *shape).sum(axis=(0, 2))
        toward = (left[cell] * adds).sum(axis=1).reshape(shape).sum(axis=0)
        # Rows that do not vary leave no noise, and equations need some.
        return np.asarray(np.linalg.solve(gram + max(noise, 1e-9) * np.eye(len(gram)), toward))


def _unusual(encoder: TableEncoder, count: int, rng: np.random.Generator) -> Floats:
    """Codes of legal rows near the ends of what each column allows, all of them different."""
    # U-shaped: most cells are close to an end, and no two rows share a corner.
    where = rng.beta(TOWARDS_ENDS, TOWARDS_ENDS, size=(count, encoder.n_codes))
    codes = encoder.lower + where * (encoder.upper - encoder.lower)
    return np.asarray(encoder.project(codes), dtype=np.float64)
