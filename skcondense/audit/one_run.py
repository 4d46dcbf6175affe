"""One run: a lower bound of epsilon from a single fit with made-up patients."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binom
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state

from skcondense.audit.closeness import nearest_distance
from skcondense.audit.real_rows import Codes
from skcondense.audit.releases import Floats
from skcondense.audit.shadows import OF_ONE_FIT
from skcondense.base import DatasetCondenser
from skcondense.condensed_set import CondensedSet
from skcondense.table import Container, TableEncoder, check_table, infer_schema, is_images
from skcondense.tasks import resolve_task

__all__ = ["OneRunAudit", "epsilon_lower_bound", "one_run_audit"]

Rows = NDArray[np.intp]

# Shares of the canaries whose coins are guessed, by each of two scores; the best plan is corrected
# for the choice.
GUESSED, N_SCORES = (0.1, 0.25, 0.5, 1.0), 2
# Beyond this no number of canaries that anybody would plant can tell.
LARGEST_EPSILON = 50.0
FEWEST_CANARIES = 20
# Cells of a canary lie close to an end of what its column allows: the smaller, the closer.
TOWARDS_ENDS = 0.1
# Known rows per cell of which nobody knows whether they were counted there.
MISPLACED = 3.0


@dataclass(frozen=True)
class OneRunAudit:
    """What canaries showed.

    Attributes
    ----------
    epsilon_low : float
        With this confidence, the fit is not (epsilon, delta)-differentially private for any
        smaller epsilon.
    confidence, delta : float
        Of the bound.
    n_canaries, n_guesses, n_correct : int
        Canaries that were planted or not, guesses of the best plan, and how many were right.
    most : float
        The bound had all guesses of some plan been right: what this audit could show at most.
    stated : float or None
        What the fit's privacy statement says; None without one.
    """

    epsilon_low: float
    confidence: float
    delta: float
    n_canaries: int
    n_guesses: int
    n_correct: int
    most: float
    stated: float | None

    @property
    def has_evidence(self) -> bool:
        """Whether the bound contradicts the statement, or exceeds 1 where there is none."""
        return self.epsilon_low > (1.0 if self.stated is None else self.stated)

    @property
    def table(self) -> pd.DataFrame:
        """All numbers in one row."""
        return pd.DataFrame([asdict(self)])

    def __str__(self) -> str:
        said = "The fit states no epsilon." if self.stated is None else (
            f"The fit states epsilon={self.stated:.4g}."
        )  # fmt: skip
        verdict = (
            "No contradiction: a small bound shows little, since better attacks exist."
            if self.stated is not None
            else "No evidence of a leak at this power; without a statement nothing bounds attacks."
        )
        if self.has_evidence and self.stated is not None:
            verdict = "THE BOUND CONTRADICTS THE STATEMENT: do not release this set."
        elif self.has_evidence:
            verdict = "Made-up patients could be found in the set, so real ones can."
        return (
            f"{self.n_canaries} made-up patients, each in the table by the toss of a coin; "
            f"{self.n_correct} of {self.n_guesses} guesses from the set were right. With "
            f"{self.confidence:.0%} confidence epsilon is at least {self.epsilon_low:.3g} (lower "
            f"is better; with all guesses right the bound would be {self.most:.3g}). "
            f"{said} {verdict}"
        )


def epsilon_lower_bound(
    n_canaries: int, n_guesses: int, n_correct: int, *, delta: float, significance: float
) -> float:
    """Least epsilon with which so many right guesses are no surprise.

    Parameters
    ----------
    n_canaries : int
        Records that were included by independent fair coins.
    n_guesses, n_correct : int
        Coins that were guessed from the output, and right guesses.
    delta : float
        Of (epsilon, delta)-differential privacy.
    significance : float
        Probability that the bound is too large.

    Returns
    -------
    float
        0 where the guesses show nothing.

    References
    ----------
    Steinke, Nasr and Jagielski (2023), Privacy auditing with one (1) training run, NeurIPS,
    arXiv:2305.08846, theorem 5.2: for every epsilon-DP fit right guesses are at most binomial with
    e^epsilon / (1 + e^epsilon), and delta adds 2 m delta max_i P[v - i <= guesses < v] / i.
    """
    if n_correct == 0:
        return 0.0
    steps = np.arange(1, n_correct + 1)

    def excess(epsilon: float) -> float:
        right = 1 / (1 + np.exp(-epsilon))
        tail = binom.sf(n_correct - 1, n_guesses, right)
        below = binom.cdf(n_correct - 1, n_guesses, right)
        near = below - binom.cdf(n_correct - 1 - steps, n_guesses, right)
        return float(tail + 2 * n_canaries * delta * (near / steps).max() - significance)

    if excess(0.0) > 0:
        return 0.0
    if excess(LARGEST_EPSILON) < 0:
        return LARGEST_EPSILON
    return float(brentq(excess, 0.0, LARGEST_EPSILON))


def one_run_audit(
    condenser: DatasetCondenser,
    X: Any,
    y: Any,
    *,
    groups: Any = None,
    n_canaries: int = 100,
    confidence: float = 0.95,
    random_state: Any = None,
) -> OneRunAudit:
    """Plant made-up patients by coin tosses, condense once, and guess the coins from the set.

    A made-up patient (a canary) is a random row with most cells near the ends of what the schema
    allows, and an outcome drawn from `y`. The auditor knows all rows but the coins, and takes
    prototypes, times their weights, for sums of the rows nearest to them: what known rows do not
    explain of a sum is explained by least squares as canaries that are in.

    Parameters
    ----------
    condenser : DatasetCondenser
        It is cloned and fitted once; no ledger counts this fit, which stays with the auditor.
    X, y, groups
        Rows, as for `DatasetCondenser.fit`.
    n_canaries : int, default=100
        20 at least. More show more, and disturb the table more.
    confidence : float, default=0.95
        Probability that the bound holds.
    random_state : int, RandomState instance or None, default=None
        Draws canaries and coins.

    Returns
    -------
    OneRunAudit
        Print it for sentences.

    Raises
    ------
    ValueError
        If there are too few canaries, or the confidence is no probability.

    Notes
    -----
    The fit that is audited is one of the table with canaries, not the one that is released. With
    ``neighbors="replace"`` another made-up patient takes the place of each that the coin leaves
    out. Canaries with the largest share in the sums are guessed to be in, and those with the
    smallest to be out; or, for published rows, those nearest to a prototype to be in. The best of
    these plans is corrected for the choice. No plan looks at labels, and sets that are neither
    means nor rows are attacked badly: a small bound proves nothing.

    References
    ----------
    Steinke, Nasr and Jagielski (2023), Privacy auditing with one (1) training run, NeurIPS,
    arXiv:2305.08846.
    """
    if n_canaries < FEWEST_CANARIES or not 0 < confidence < 1:
        raise ValueError(
            f"n_canaries must be {FEWEST_CANARIES} at least and confidence between 0 and 1. Got "
            f"{n_canaries} and {confidence}."
        )
    rng = np.random.default_rng(int(check_random_state(random_state).randint(2**31 - 1)))
    planted = _Planted.into(condenser, X, y, groups, n_canaries, rng)
    condensed = planted.condense(condenser, int(rng.integers(2**31 - 1)))
    delta, significance = condenser.delta, (1 - confidence) / (N_SCORES * len(GUESSED))
    plans = []
    for inside, outside in planted.guesses(condensed):
        n_guesses = len(inside) + len(outside)
        n_correct = int(planted.is_in[inside].sum() + (~planted.is_in[outside]).sum())
        low, most = (
            epsilon_lower_bound(
                n_canaries, n_guesses, right, delta=delta, significance=significance
            )
            for right in (n_correct, n_guesses)
        )
        plans.append((low, n_guesses, n_correct, most))
    low, n_guesses, n_correct, _ = max(plans)
    return OneRunAudit(
        epsilon_low=low,
        confidence=confidence,
        delta=delta,
        n_canaries=n_canaries,
        n_guesses=n_guesses,
        n_correct=n_correct,
        most=max(most for *_, most in plans),
        stated=None if condensed.privacy is None else condensed.privacy.epsilon,
    )


@dataclass(frozen=True)
class _Planted:
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
    ) -> "_Planted":
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
