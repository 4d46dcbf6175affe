"""`DatasetCondenser`: the contract of everything that turns private rows into condensed ones."""

from abc import ABCMeta, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    check_is_fitted,
    validate_data,
)

from skcondense._sklearn import StrOptions, at_least, between
from skcondense.border import read_private_table, takes_images
from skcondense.condensed_set import CondensedSet, RealRowMatches
from skcondense.privacy import (
    Answer,
    BudgetPlan,
    Oracle,
    PrivacyLedger,
    PrivacyStatement,
)
from skcondense.private_fit import check_possible, declared_schema, fit_privately, replayed
from skcondense.private_table import EXACT, ROUNDED, PrivateTable, matching
from skcondense.table import (
    Container,
    TableSchema,
    check_table,
    clip_to_bounds,
    take_rows,
)
from skcondense.tasks import TargetContainer

__all__ = ["DatasetCondenser", "Prototypes"]

# Parameters that do not say how a set was made: where things are kept, and who watches. The schema
# has a place of its own.
CIRCUMSTANCES = frozenset(
    {"schema", "ledger", "callbacks", "callback", "checkpoint", "expert_folder"}
)


@dataclass(frozen=True)
class Prototypes:
    """What a method hands back.

    Attributes
    ----------
    X : array or frame of shape (n_prototypes, n_features)
        Feature rows, decoded.
    prototype : ndarray of shape (n_rows,)
        Which feature row each delivered row repeats.
    y : ndarray of shape (n_rows,)
        Outcomes in the task's working form.
    weight : ndarray of shape (n_rows,)
        Weights, on any scale.
    facts : dict
        Further fitted attributes, such as ``n_iter_``.
    """

    X: Any
    prototype: NDArray[np.intp]
    y: NDArray[Any]
    weight: NDArray[np.float64]
    facts: dict[str, Any]


class DatasetCondenser(OneToOneFeatureMixin, TransformerMixin, BaseEstimator, metaclass=ABCMeta):
    """Abstract base of all condensers.

    A subclass writes `_condense`, which sees a `PrivateTable` and returns `Prototypes`.

    Parameters
    ----------
    n_prototypes : int, default=100
        Number of synthetic feature rows. With soft labels each is delivered as one weighted row
        per outcome.
    allocation : {"balanced", "proportional"} or dict, default="proportional"
        How prototypes are shared over strata (classes; bands of a numeric outcome; censored rows
        and thirds of the event times). A dict gives a count per class label, or per stratum
        number for other tasks. Weights restore the prevalence either way.
    task : {"auto", "classification", "regression", "survival"}, default="auto"
        What `y` is. "auto" takes a structured array or an (event, time) frame for survival, and
        numbers with more than 20 distinct values for regression.
    schema : TableSchema, default=None
        What the columns may hold. Learned from the table when None.
    subsample : int or None, default=50_000
        Largest number of rows to work on; longer tables are sampled at random within strata.
        With `epsilon` only the queries that fit black boxes read a sample, whose size is met up
        to chance, and no privacy is claimed for it.
    epsilon : float, default=None
        Makes the whole fit (epsilon, delta)-differentially private; needs a schema with its
        outcome. None promises nothing.
    delta : float, default=1e-5
        Should be far below one in the number of patients.
    ledger : PrivacyLedger, default=None
        Where spends are written, shared by all fits on the same patients. Without one, this fit
        is accounted for by itself.
    neighbors : {"add_remove", "replace"}, default="add_remove"
        Which tables must be hard to tell apart: with and without one patient, or with one
        patient's rows replaced by others. The second is twice as strict for the same epsilon.
    random_state : int, RandomState instance or None, default=None
        Seed of everything but noise, which always comes from the operating system.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_prototypes": [at_least(1)],
        "allocation": [StrOptions({"balanced", "proportional"}), dict],
        "task": [StrOptions({"auto", "classification", "regression", "survival"})],
        "schema": [TableSchema, None],
        "subsample": [at_least(2), None],
        "epsilon": [between(0, None), None],
        "delta": [between(0, 1)],
        "ledger": [PrivacyLedger, None],
        "neighbors": [StrOptions({"add_remove", "replace"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_prototypes: int = 100,
        *,
        allocation: Any = "proportional",
        task: str = "auto",
        schema: TableSchema | None = None,
        subsample: int | None = 50_000,
        epsilon: float | None = None,
        delta: float = 1e-5,
        ledger: PrivacyLedger | None = None,
        neighbors: str = "add_remove",
        random_state: Any = None,
    ) -> None:
        self.n_prototypes = n_prototypes
        self.allocation = allocation
        self.task = task
        self.schema = schema
        self.subsample = subsample
        self.epsilon = epsilon
        self.delta = delta
        self.ledger = ledger
        self.neighbors = neighbors
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = self._takes_images
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    # Whether arrays of images are tables for this method.
    _takes_images: ClassVar[bool] = False

    @abstractmethod
    def _condense(self, table: PrivateTable, rng: np.random.Generator) -> Prototypes:
        """Compute prototypes; `table` has passed every check."""

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None, groups: Any = None) -> Self:
        """Condense a table.

        Parameters
        ----------
        X : array-like or data frame of shape (n_rows, n_features)
            Private rows: numpy, pandas or polars. Condensers whose tags say so
            (``input_tags.three_d_array``) take arrays of images as well, of shape (n_images,
            height, width) or (n_images, height, width, channels).
        y : array-like, series or frame of shape (n_rows,)
            Outcomes; for survival a structured array or an (event, time) frame.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the real rows, such as design weights. With `epsilon` at most 1.
        groups : array-like of shape (n_rows,), default=None
            Patient of each row. Rows of one patient are kept together when labels are learned
            out of fold, and no prototype is the mean of one patient's rows. With `epsilon`,
            patients are what is protected; without groups, rows are.

        Returns
        -------
        self

        Raises
        ------
        SchemaError
            If cells are not what the schema allows, or `epsilon` is set and the schema or its
            outcome is missing. The message never shows a cell.
        TargetError
            If `y` cannot be condensed for the task.
        BudgetExceededError
            If the ledger has no room for the fit; nothing is spent then.

        Warns
        -----
        PrivacyLeakWarning
            If `delta` is no smaller than one in the (noised) number of patients.
        """
        self._validate_params()
        self._forget()
        if self.epsilon is not None:
            fit_privately(self, X, y, sample_weight, groups)
            return self
        table, target = read_private_table(self, X, y, sample_weight, groups)
        rng = np.random.default_rng(self._draw_seed())
        part = table.subsample(self.subsample, rng)
        if self.n_prototypes > len(part):
            raise ValueError(
                f"n_prototypes={self.n_prototypes} must not exceed the number of rows with a "
                f"positive weight. Got n_samples = {len(part)}. Ask for fewer prototypes."
            )
        found = self._condense(part, rng)
        self._keep(found, table, target, float(table.weight.sum()))
        self.real_row_matches_: RealRowMatches | None = _match_real_rows(table, found.X)
        self.privacy_: PrivacyStatement | None = None
        self.answers_: list[Answer] = []
        return self

    def _forget(self) -> None:
        """Drop what an earlier fit found, so that a failed fit leaves nothing half old."""
        for name in [n for n in vars(self) if n.endswith("_") and not n.startswith("_")]:
            delattr(self, name)

    def _draw_seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def budget_plan(self) -> BudgetPlan:
        """How a private fit will divide its budget; touches no data.

        Returns
        -------
        BudgetPlan
            Print it for a table.

        Raises
        ------
        ValueError
            If `epsilon` or the schema is not set, or the condenser cannot be private.
        """
        self._validate_params()
        if self.epsilon is None:
            raise ValueError("Only a fit with epsilon has a budget. Got epsilon=None.")
        check_possible(self)
        return BudgetPlan(self.epsilon, self.delta, self._shares(declared_schema(self)))

    def _shares(self, schema: TableSchema) -> dict[str, float]:
        """Share of the budget of each stage of a private fit; they add up to one.

        For condensers whose `_not_private_because` is None, as `_condense_privately` is.
        """
        raise NotImplementedError

    def _condense_privately(
        self, facts: PrivateTable, oracle: Oracle, rng: np.random.Generator
    ) -> Prototypes:
        """Compute prototypes from answers; `facts` has no rows, only what is public about them."""
        raise NotImplementedError

    # Why epsilon is refused; a condenser with a private method says None.
    _not_private_because: ClassVar[str | None] = "it has no private method. Leave epsilon=None"

    def replay(self) -> CondensedSet:
        """Compute the condensed set again from public facts and the recorded answers alone.

        It takes no table. That it returns the same set shows that nothing of the private rows
        entered it but the noised answers that the statement lists.

        Returns
        -------
        CondensedSet

        Raises
        ------
        ValueError
            If the condenser was fitted without `epsilon`.
        """
        return replayed(self).condensed_set_

    def _keep(
        self, found: Prototypes, table: PrivateTable, target: TargetContainer, total: float
    ) -> None:
        """Set the fitted attributes; none of them has an entry per real row."""
        self.task_ = table.task
        self.schema_ = table.encoder.schema
        self.X_condensed_ = take_rows(found.X, found.prototype)
        self.y_condensed_ = target.build(found.y)
        self.sample_weight_ = found.weight * (total / found.weight.sum())
        self.prototype_ = found.prototype
        for name, value in found.facts.items():
            setattr(self, name, value)

    def condense(
        self, X: Any, y: Any, *, sample_weight: Any = None, groups: Any = None
    ) -> CondensedSet:
        """Fit, and return rows, labels, weights and facts in one object.

        Parameters
        ----------
        X, y, sample_weight, groups
            As for `fit`.

        Returns
        -------
        CondensedSet
        """
        return self.fit(X, y, sample_weight=sample_weight, groups=groups).condensed_set_

    @property
    def condensed_set_(self) -> CondensedSet:
        """The fitted result as one object."""
        check_is_fitted(self, "X_condensed_")
        return CondensedSet(
            X=self.X_condensed_,
            y=self.y_condensed_,
            sample_weight=self.sample_weight_,
            prototype=self.prototype_,
            schema=self.schema_,
            task=self.task_.name,
            method=method_of(self),
            real_row_matches=self.real_row_matches_,
            privacy=self.privacy_,
        )

    def fit_transform(
        self, X: Any, y: Any = None, *, sample_weight: Any = None, groups: Any = None
    ) -> Any:
        """Fit, and return the condensed rows.

        On purpose not ``fit(X, y).transform(X)``, which maps new rows and keeps their number.

        Parameters
        ----------
        X, y, sample_weight, groups
            As for `fit`.

        Returns
        -------
        array or frame of shape (n_condensed_rows, n_features)
            ``X_condensed_``; its outcomes are ``y_condensed_`` and ``sample_weight_``.

        Raises
        ------
        ValueError
            If there happen to be as many condensed rows as real ones: whoever pairs them with
            the real outcomes, as scikit-learn's Pipeline does, would not notice. Not with
            `epsilon`, since the error would show the number of real rows.
        """
        self.fit(X, y, sample_weight=sample_weight, groups=groups)
        # With epsilon the number of rows is private, so this must not depend on it.
        if self.epsilon is None and len(self.sample_weight_) == len(y):
            raise ValueError(
                f"Got as many condensed rows as real rows ({len(y)}), which a plain Pipeline "
                "would pair with the wrong outcomes. Use skcondense.Pipeline or "
                "CondensedEstimator, or change n_prototypes."
            )
        return self.X_condensed_

    def transform(self, X: Any) -> Any:
        """Map new rows onto the schema; their number does not change.

        Parameters
        ----------
        X : array-like or data frame of shape (n_rows, n_features)
            New rows, such as the patients to predict.

        Returns
        -------
        array or frame of shape (n_rows, n_features)
            Numbers clipped to their bounds. With a declared schema, cells that it forbids are an
            error; with a learned one, categories and gaps that were not seen pass unchanged.
        """
        check_is_fitted(self, "X_condensed_")
        X = check_table(X, images=takes_images(self))
        validate_data(self, X, reset=False, skip_check_array=True)
        if self.schema is not None:
            self.schema_.check(Container.of(X).read(X))
        return clip_to_bounds(X, self.schema_)


def _match_real_rows(table: PrivateTable, prototypes: Any) -> RealRowMatches:
    """Count prototypes that coincide with any real row, before subsampling."""
    Z = table.encoder.encode(table.container.read(prototypes))
    exact, rounded = matching(Z, table.pieces(), (EXACT, ROUNDED)).sum(axis=1)
    return RealRowMatches(int(exact), int(rounded))


def method_of(condenser: DatasetCondenser) -> str:
    """How a condenser makes sets, on one line: its repr without `CIRCUMSTANCES`."""
    known = condenser.get_params(deep=False).items()
    plain = type(condenser)(**{name: value for name, value in known if name not in CIRCUMSTANCES})
    return " ".join(repr(plain).split())
