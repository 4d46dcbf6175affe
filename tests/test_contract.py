"""The contract: scikit-learn's checks and our own, for every public estimator."""

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from skcondense import (
    ClusterCondenser,
    CondensedEstimator,
    DatasetCondenser,
    HerdingCondenser,
    RandomCondenser,
    ZeroOrderCondenser,
)
from skcondense.testing import check_condenser, expected_failed_checks

TREE = DecisionTreeClassifier(max_depth=2, random_state=0)


def cheap_zero_order(estimator=TREE, **params):
    settings = {"n_candidates": 2, "n_exchanges": 1, "max_iter": 2, "n_directions": 2}
    return ZeroOrderCondenser(estimator, teacher=LogisticRegression(), **settings, **params)


CONDENSERS = [
    RandomCondenser(8),
    # The checks use tables of nine rows and more, and a cell needs three.
    ClusterCondenser(3, teacher=LogisticRegression()),
    HerdingCondenser(8, n_components=20, n_pool=50),
    cheap_zero_order(n_prototypes=8, task="classification"),
]


def failures(estimator):
    if isinstance(estimator, DatasetCondenser):
        return expected_failed_checks(estimator)
    return {
        "check_sample_weight_equivalence_on_dense_data": (
            "random draws differ between one row of weight two and the same row twice"
        )
    }


@pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::sklearn.exceptions.ConvergenceWarning"
)
@parametrize_with_checks(
    [
        *CONDENSERS,
        CondensedEstimator(TREE, HerdingCondenser(9, allocation="balanced", random_state=0)),
    ],
    expected_failed_checks=failures,
)
def test_scikit_learn(estimator, check):
    check(estimator)


MIXED = make_pipeline(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), TREE)


@pytest.mark.parametrize(
    "condenser",
    [
        CONDENSERS[0],
        ClusterCondenser(8),
        CONDENSERS[2],
        cheap_zero_order(n_prototypes=8, estimator=MIXED),
    ],
    ids=lambda c: type(c).__name__,
)
def test_condenser(condenser):
    check_condenser(condenser, copies_real_rows=isinstance(condenser, RandomCondenser))


class Leaky(ClusterCondenser):
    def _condense(self, table, rng):
        self.rows_ = table.y
        return super()._condense(table, rng)


def test_check_condenser_finds_kept_rows():
    with pytest.raises(AssertionError, match="entry per real row"):
        check_condenser(Leaky(8, labels="mean"))


def test_check_condenser_finds_real_rows():
    with pytest.raises(AssertionError, match="contains_real_rows"):
        check_condenser(RandomCondenser(8))
