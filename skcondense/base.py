"""`DatasetCondenser`: the contract of everything that turns private rows into condensed ones."""

from abc import ABCMeta, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from skcondense._sklearn import StrOptions, at_least
from skcondense.condensed_set import CondensedSet, RealRowMatches
from skcondense.private_table import EXACT, ROUNDED, PrivateTable
from skcondense.table import (
    Column,
    Container,
    TableEncoder,
    TableSchema,
    check_table,
    clip_to_bounds,
    infer_schema,
    take_rows,
)
from skcondense.tasks import TargetContainer, resolve_task

__all__ = ["DatasetCondenser", "Prototypes"]


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
    random_state : int, RandomState instance or None, default=None
        Seed.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_prototypes": [at_least(1)],
        "allocation": [StrOptions({"balanced", "proportional"}), dict],
        "task": [StrOptions({"auto", "classification", "regression", "survival"})],
        "schema": [TableSchema, None],
        "subsample": [at_least(2), None],
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
        random_state: Any = None,
    ) -> None:
        self.n_prototypes = n_prototypes
        self.allocation = allocation
        self.task = task
        self.schema = schema
        self.subsample = subsample
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    @abstractmethod
    def _condense(self, table: PrivateTable, rng: np.random.Generator) -> Prototypes:
        """Compute prototypes; `table` has passed every check."""

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None, groups: Any = None) -> Self:
        """Condense a table.

        Parameters
        ----------
        X : array-like or data frame of shape (n_rows, n_features)
            Private rows: numpy, pandas or polars.
        y : array-like, series or frame of shape (n_rows,)
            Outcomes; for survival a structured array or an (event, time) frame.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the real rows, such as design weights.
        groups : array-like of shape (n_rows,), default=None
            Patient of each row. Rows of one patient are kept together when labels are learned
            out of fold, and no prototype is the mean of one patient's rows.

        Returns
        -------
        self

        Raises
        ------
        SchemaError
            If cells are not what the schema allows. The message never shows a cell.
        TargetError
            If `y` cannot be condensed for the task.
        """
        self._validate_params()
        table, target = self._private_table(X, y, sample_weight, groups)
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
        part = table.subsample(self.subsample, rng)
        if self.n_prototypes > len(part):
            raise ValueError(
                f"n_prototypes={self.n_prototypes} must not exceed the number of rows with a "
                f"positive weight. Got n_samples = {len(part)}. Ask for fewer prototypes."
            )
        self._keep(self._condense(part, rng), table, target)
        return self

    def _private_table(
        self, X: Any, y: Any, sample_weight: Any, groups: Any
    ) -> tuple[PrivateTable, TargetContainer]:
        """Check everything once, at the border."""
        if y is None:
            raise ValueError(
                f"{self.__class__.__name__} requires y to be passed, but the target y is None."
            )
        X = check_table(X)
        validate_data(self, X, skip_check_array=True)
        task, values = resolve_task(self.task, y)
        check_consistent_length(X, values, groups)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        groups = None if groups is None else column_or_1d(groups)
        if not weight.any():
            raise ValueError("sample_weight must have at least one non-zero entry. Got zeros only.")
        if not weight.all():
            # A row without weight must not even shape the schema.
            rows = np.flatnonzero(weight)
            X, values, weight = take_rows(X, rows), values[rows], weight[rows]
            groups = None if groups is None else groups[rows]
            task = type(task).of(values)
        container = Container.of(X)
        columns = container.read(X)
        schema = self._resolve_schema(container, columns)
        schema.check(columns)
        encoder = TableEncoder(schema.restricted_to(container))
        table = PrivateTable(X, values, weight, groups, task, container, encoder)
        return table, TargetContainer.of(y)

    def _resolve_schema(self, container: Container, columns: list[Column]) -> TableSchema:
        if self.schema is None:
            return infer_schema(container, columns)
        return self.schema.for_container(container)

    def _keep(self, found: Prototypes, table: PrivateTable, target: TargetContainer) -> None:
        """Set the fitted attributes; none of them has an entry per real row."""
        self.task_ = table.task
        self.schema_ = table.encoder.schema
        self.X_condensed_ = take_rows(found.X, found.prototype)
        self.y_condensed_ = target.build(found.y)
        self.sample_weight_ = found.weight * (table.weight.sum() / found.weight.sum())
        self.prototype_ = found.prototype
        self.real_row_matches_ = _match_real_rows(table, found.X)
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
        check_is_fitted(self)
        # The schema has a place of its own; a running callback could not be copied.
        settings = {**self.get_params(deep=False), "schema": None}
        return CondensedSet(
            X=self.X_condensed_,
            y=self.y_condensed_,
            sample_weight=self.sample_weight_,
            prototype=self.prototype_,
            schema=self.schema_,
            task=self.task_.name,
            method=" ".join(repr(type(self)(**settings)).split()),
            real_row_matches=self.real_row_matches_,
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
            the real outcomes, as scikit-learn's Pipeline does, would not notice.
        """
        self.fit(X, y, sample_weight=sample_weight, groups=groups)
        if len(self.sample_weight_) == len(y):
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
        check_is_fitted(self)
        X = check_table(X)
        validate_data(self, X, reset=False, skip_check_array=True)
        if self.schema is not None:
            self.schema_.check(Container.of(X).read(X))
        return clip_to_bounds(X, self.schema_)


def _match_real_rows(table: PrivateTable, prototypes: Any) -> RealRowMatches:
    """Count prototypes that coincide with any real row, before subsampling."""
    Z = table.encoder.encode(table.container.read(prototypes))
    exact, rounded = (int(table.matches(Z, precision).sum()) for precision in (EXACT, ROUNDED))
    return RealRowMatches(exact, rounded)
