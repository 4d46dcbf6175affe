"""Condensers inside pipelines: scikit-learn's own machinery with rows that change.

scikit-learn's Pipeline hands only X from step to step, so a step can change neither the number
of rows nor y nor weights. The three classes here do it through public interfaces.
"""

import warnings
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.pipeline import Pipeline as SklearnPipeline
from sklearn.pipeline import _name_estimators
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skcondense._sklearn import HasMethods, StrOptions
from skcondense.base import DatasetCondenser
from skcondense.exceptions import PrivacyLeakWarning
from skcondense.tasks import fit_weighted
from skcondense.tasks.weighting import Weights, replicate

__all__ = ["CondensedEstimator", "CondensingSampler", "Pipeline", "make_pipeline"]


class Pipeline(SklearnPipeline):
    """scikit-learn's Pipeline with one condenser among its steps.

    `fit` runs the steps before the condenser on the real rows, condenses, and fits the steps
    after it to the condensed rows with their outcomes and weights. `predict` and its kin send
    new rows through every step; the condenser's `transform` leaves their number unchanged.

    Parameters
    ----------
    steps : list of (str, estimator) tuples
        As in scikit-learn; at most one is a `DatasetCondenser`.
    transform_input : list of str, default=None
        As in scikit-learn.
    memory : str or object with the joblib.Memory interface, default=None
        As in scikit-learn for Pipelines without a condenser; with one, nothing is cached.
    verbose : bool, default=False
        As in scikit-learn.
    weights : {"condensed", "replicate", "uniform"}, default="condensed"
        What to do when the last step takes no ``sample_weight``: raise an error, repeat rows in
        proportion to their weights, or ignore weights.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skcondense import ClusterCondenser, make_pipeline
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = make_pipeline(
    ...     ClusterCondenser(30, random_state=0), StandardScaler(), LogisticRegression()
    ... )
    >>> model.fit(X, y).score(X, y) > 0.9
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **SklearnPipeline._parameter_constraints,
        "weights": [StrOptions({"condensed", "replicate", "uniform"})],
    }

    def __init__(
        self,
        steps: Any,
        *,
        transform_input: Any = None,
        memory: Any = None,
        verbose: bool = False,
        weights: Weights = "condensed",
    ) -> None:
        super().__init__(steps, transform_input=transform_input, memory=memory, verbose=verbose)
        self.weights = weights

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit the steps, condensing on the way.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_features)
            Real rows.
        y : array-like of shape (n_rows,)
            Outcomes.
        **params : dict
            ``sample_weight`` and ``groups`` go to the condenser. Without a condenser, everything
            goes where scikit-learn's Pipeline sends it.

        Returns
        -------
        self
        """
        at = [i for i, (_, step) in enumerate(self.steps) if isinstance(step, DatasetCondenser)]
        if not at:
            return super().fit(X, y, **params)
        if len(at) > 1:
            names = [self.steps[i][0] for i in at]
            raise ValueError(f"A Pipeline condenses at most once. Got the condensers {names}.")
        self._validate_params()
        unknown = set(params) - {"sample_weight", "groups"}
        if unknown:
            raise ValueError(
                f"A Pipeline with a condenser takes the fit parameters 'sample_weight' and "
                f"'groups', which go to the condenser. Got {sorted(unknown)}."
            )
        where = at[0]
        if where and self.steps[where][1].epsilon is not None:
            raise ValueError(
                f"The steps {[name for name, _ in self.steps[:where]]} would be fitted to real "
                "rows before they are condensed privately, and what they learn is not protected. "
                "Put them after the condenser, or inside its black box: "
                "ZeroOrderCondenser(make_pipeline(StandardScaler(), LogisticRegression()), ...)."
            )
        if where:
            X = self._part(0, where).fit_transform(X, y)
        condensed = self.steps[where][1].condense(X, y, **params)
        if where + 1 < len(self.steps):
            tail = self._part(where + 1, len(self.steps))
            fit_weighted(tail, condensed.X, condensed.y, condensed.sample_weight, self.weights)
        return self

    def _part(self, start: int, stop: int) -> SklearnPipeline:
        """A scikit-learn Pipeline of some steps, which are fitted in place."""
        return SklearnPipeline(self.steps[start:stop], verbose=self.verbose)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None, **params: Any) -> float:
        """Score of the last step on new rows.

        Warns
        -----
        PrivacyLeakWarning
            If the condenser is private: the score depends on the rows it is computed on, and no
            noise protects them.
        """
        for _, step in self.steps:
            _warn_of_score(step)
        return float(super().score(X, y, sample_weight=sample_weight, **params))

    def fit_transform(self, X: Any, y: Any = None, **params: Any) -> Any:
        """Fit, then transform the real rows as new ones."""
        return self.fit(X, y, **params).transform(X)

    def fit_predict(self, X: Any, y: Any = None, **params: Any) -> Any:
        """Fit, then predict the real rows as new ones."""
        return self.fit(X, y, **params).predict(X)


def _warn_of_score(step: Any) -> None:
    if isinstance(step, DatasetCondenser) and step.epsilon is not None:
        warnings.warn(
            "A score on real rows is not private: it depends on each of them, and the ledger does "
            "not count it. Tune on the condensed set, which costs nothing, and keep scores on "
            "real rows in the building.",
            PrivacyLeakWarning,
            stacklevel=3,
        )


def make_pipeline(*steps: Any, weights: Weights = "condensed") -> Pipeline:
    """Build a `Pipeline` whose steps are named after their classes.

    Parameters
    ----------
    *steps : estimators
        The steps in order.
    weights : {"condensed", "replicate", "uniform"}, default="condensed"
        As in `Pipeline`.

    Returns
    -------
    Pipeline
    """
    return Pipeline(_name_estimators(steps), weights=weights)


def _delegates(name: str) -> Any:
    """Method that exists where the inner estimator has it."""

    def has(self: "CondensedEstimator") -> bool:
        inner = getattr(self, "estimator_", self.estimator)
        getattr(inner, name)
        return True

    return available_if(has)


class CondensedEstimator(MetaEstimatorMixin, BaseEstimator):
    """Condense, then fit an estimator to the condensed rows; one object for both.

    For the last step of a plain scikit-learn Pipeline, and for anything else that takes an
    estimator. The caller's ``sample_weight`` goes to the condenser, the condenser's to the
    estimator.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Fitted to the condensed rows: a classifier, a regressor or a survival model.
    condenser : DatasetCondenser
        Condenses the real rows.
    weights : {"condensed", "replicate", "uniform"}, default="condensed"
        What to do when the estimator takes no ``sample_weight``: raise an error, repeat rows in
        proportion to their weights, or ignore weights.

    Attributes
    ----------
    condenser_ : DatasetCondenser
        The fitted condenser.
    estimator_ : estimator
        The estimator, fitted to condensed rows only.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skcondense import ClusterCondenser, CondensedEstimator
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = CondensedEstimator(DecisionTreeClassifier(), ClusterCondenser(30, random_state=0))
    >>> model.fit(X, y).score(X, y) > 0.85
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": [HasMethods(["fit"])],
        "condenser": [HasMethods(["condense"])],
        "weights": [StrOptions({"condensed", "replicate", "uniform"})],
    }

    def __init__(self, estimator: Any, condenser: Any, *, weights: Weights = "condensed") -> None:
        self.estimator = estimator
        self.condenser = condenser
        self.weights = weights

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags = inner.classifier_tags
        if tags.classifier_tags is not None:
            tags.classifier_tags.multi_label = False
        tags.regressor_tags = inner.regressor_tags
        tags.target_tags.required = True
        tags.input_tags.allow_nan = inner.input_tags.allow_nan
        return tags

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None, groups: Any = None) -> Self:
        """Condense, then fit.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_features)
            Real rows.
        y : array-like of shape (n_rows,)
            Outcomes.
        sample_weight, groups : array-like of shape (n_rows,), default=None
            Passed to the condenser.

        Returns
        -------
        self
        """
        self._validate_params()
        self.condenser_ = clone(self.condenser)
        condensed = self.condenser_.condense(X, y, sample_weight=sample_weight, groups=groups)
        self.estimator_ = fit_weighted(
            clone(self.estimator),
            condensed.X,
            condensed.y,
            condensed.sample_weight,
            self.weights,
        )
        self.n_features_in_ = self.condenser_.n_features_in_
        if hasattr(self.condenser_, "feature_names_in_"):
            self.feature_names_in_ = self.condenser_.feature_names_in_
        return self

    def _ask(self, method: str, X: Any, *args: Any, **kwargs: Any) -> Any:
        check_is_fitted(self)
        return getattr(self.estimator_, method)(self.condenser_.transform(X), *args, **kwargs)

    @property
    def classes_(self) -> NDArray[Any]:
        """Class labels of the inner classifier."""
        return np.asarray(self.estimator_.classes_)

    @_delegates("predict")
    def predict(self, X: Any) -> Any:
        """Predict new rows with the inner estimator."""
        return self._ask("predict", X)

    @_delegates("predict_proba")
    def predict_proba(self, X: Any) -> Any:
        """Class probabilities of new rows."""
        return self._ask("predict_proba", X)

    @_delegates("predict_log_proba")
    def predict_log_proba(self, X: Any) -> Any:
        """Logarithms of the class probabilities of new rows."""
        return self._ask("predict_log_proba", X)

    @_delegates("decision_function")
    def decision_function(self, X: Any) -> Any:
        """Decision values of new rows."""
        return self._ask("decision_function", X)

    @_delegates("predict_survival_function")
    def predict_survival_function(self, X: Any, **kwargs: Any) -> Any:
        """Survival functions of new rows."""
        return self._ask("predict_survival_function", X, **kwargs)

    @_delegates("predict_cumulative_hazard_function")
    def predict_cumulative_hazard_function(self, X: Any, **kwargs: Any) -> Any:
        """Cumulative hazard functions of new rows."""
        return self._ask("predict_cumulative_hazard_function", X, **kwargs)

    @_delegates("score")
    def score(self, X: Any, y: Any, **kwargs: Any) -> float:
        """Score of the inner estimator on new rows.

        Warns
        -----
        PrivacyLeakWarning
            If the condenser is private: the score is not.
        """
        _warn_of_score(self.condenser)
        return float(self._ask("score", X, y, **kwargs))


class CondensingSampler(BaseEstimator):
    """A condenser as a sampler of imbalanced-learn.

    imbalanced-learn's Pipeline takes steps with ``fit_resample`` and refuses those that also
    transform, so a condenser needs this adapter there. It passes two results on, X and y, and no
    weights: rows are therefore repeated in proportion to their weights.

    Parameters
    ----------
    condenser : DatasetCondenser
        Condenses the real rows.

    Attributes
    ----------
    condenser_ : DatasetCondenser
        The fitted condenser.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {"condenser": [HasMethods(["condense"])]}

    def __init__(self, condenser: Any) -> None:
        self.condenser = condenser

    def fit(self, X: Any, y: Any) -> Self:
        """Condense; the rows are then in ``condenser_``."""
        self._validate_params()
        self.condenser_ = clone(self.condenser).fit(X, y)
        return self

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Condense, and return rows and outcomes.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_features)
            Real rows.
        y : array-like of shape (n_rows,)
            Outcomes.

        Returns
        -------
        X_resampled, y_resampled
            Condensed rows, repeated in proportion to their weights.
        """
        condensed = self.fit(X, y).condenser_.condensed_set_
        rows = replicate(condensed.sample_weight)
        return condensed.take(rows)
