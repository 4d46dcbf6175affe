"""A private fit from its checks to its statement, and the same fit again from its answers."""

import warnings
from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skcondense.border import read_private_table
from skcondense.exceptions import SPENT, LedgerError, PrivacyLeakWarning, SchemaError
from skcondense.privacy import (
    PrivacyLedger,
    PrivacyStatement,
    PrivateOracle,
    ReplayedOracle,
    compose,
    epsilon_of,
    mu_of,
)
from skcondense.private_table import PrivateTable
from skcondense.table import Container, TableEncoder, TableSchema, take_rows
from skcondense.tasks import TargetContainer

if TYPE_CHECKING:
    from skcondense.base import DatasetCondenser

__all__ = [
    "check_possible",
    "declared_schema",
    "fit_privately",
    "ledger_for",
    "replayed",
    "warn_of_large_delta",
]

SCHEMA_NEEDED = (
    "With epsilon nothing may be learned from the table but through noise, so its columns and its "
    "outcome must be declared. Got no {}. Write what is possible, not what occurs: "
    "TableSchema((ColumnSchema(name='age', kind='integer', bounds=(18, 110)), ...), "
    "outcome=ColumnSchema(name='death', kind='binary', categories=(0, 1))), and pass it as "
    "schema=. `skcondense schema` or TableSchema.from_frame write a first version to correct."
)


def fit_privately(
    condenser: "DatasetCondenser", X: Any, y: Any, sample_weight: Any, groups: Any
) -> None:
    """Everything after validation sees the table through a `PrivateOracle` only."""
    check_possible(condenser)
    declared_schema(condenser)
    ledger = ledger_for(condenser.ledger, condenser.delta, condenser.neighbors)
    assert condenser.epsilon is not None
    mu = mu_of(condenser.epsilon, condenser.delta)
    table, target = read_private_table(condenser, X, y, sample_weight, groups)
    if table.weight.max() > 1:
        raise ValueError(
            "With epsilon, sample_weight must not exceed 1: a patient counts as one at most. "
            "Divide the weights by the largest weight that the design allows."
        )
    oracle = PrivateOracle(table, mu=mu, ledger=ledger, by=type(condenser).__name__)
    condenser.seed_ = condenser._draw_seed()
    facts = table.take(np.arange(0))
    try:
        found = condenser._condense_privately(facts, oracle, np.random.default_rng(condenser.seed_))
    except BaseException as error:
        spent = epsilon_of(compose(spend.mu for spend in oracle.spends), condenser.delta)
        error.add_note(f"{SPENT}{spent:.4g}.")
        raise
    condenser.answers_ = oracle.answers
    condenser.privacy_ = PrivacyStatement.of(
        oracle.spends,
        delta=condenser.delta,
        neighbors=condenser.neighbors,
        unit=oracle.unit,
        seeded_noise=oracle.is_seeded,
    )
    total = float(found.weight.sum())
    condenser._keep(found, facts, target, total)
    condenser.real_row_matches_ = None
    warn_of_large_delta(condenser.delta, total, stacklevel=5)


def warn_of_large_delta(delta: float, total: float, stacklevel: int) -> None:
    """Warn if delta allows to release one of `total` records as it is."""
    if delta * total >= 1:
        warnings.warn(
            f"delta={delta:.3g} is no smaller than one in the (noised) number of rows: a "
            "release of one whole record would satisfy it. Set delta to a tenth of that at "
            "most.",
            PrivacyLeakWarning,
            stacklevel=stacklevel,
        )


def check_possible(condenser: "DatasetCondenser") -> None:
    """Refuse condensers that publish rows, or have no private method."""
    if condenser._not_private_because is not None:
        raise ValueError(
            f"{type(condenser).__name__} cannot be differentially private: "
            f"{condenser._not_private_because}."
        )


def declared_schema(condenser: "DatasetCondenser") -> TableSchema:
    """The schema, with its outcome, or an error that shows how to write one."""
    if condenser.schema is None or condenser.schema.outcome is None:
        raise SchemaError(SCHEMA_NEEDED.format("schema" if condenser.schema is None else "outcome"))
    return condenser.schema


def ledger_for(ledger: PrivacyLedger | None, delta: float, neighbors: str) -> PrivacyLedger:
    """The caller's ledger, if it counts in the same terms, or a new one in memory."""
    if ledger is None:
        return PrivacyLedger(delta=delta, neighbors=neighbors)
    if ledger.terms.neighbors != neighbors:
        raise LedgerError(
            f"The ledger counts spends for neighbors={ledger.terms.neighbors!r}. Got "
            f"neighbors={neighbors!r}. Use the same for all fits on the same patients."
        )
    return ledger


def replayed(condenser: "DatasetCondenser") -> "DatasetCondenser":
    """A condenser that was fitted to the recorded answers."""
    check_is_fitted(condenser, "X_condensed_")
    if not condenser.answers_:
        raise ValueError("Only fits with epsilon can be replayed. This one had none.")
    container = Container.of(condenser.X_condensed_)
    target = TargetContainer.of(condenser.y_condensed_)
    none = np.arange(0)
    facts = PrivateTable(
        X=take_rows(condenser.X_condensed_, none),
        y=condenser.task_.from_cells(none),
        weight=np.zeros(0),
        groups=None,
        task=condenser.task_,
        container=container,
        encoder=TableEncoder(condenser.schema_),
    )
    oracle = ReplayedOracle(condenser.answers_)
    again = copy(condenser)
    found = condenser._condense_privately(facts, oracle, np.random.default_rng(condenser.seed_))
    again._keep(found, facts, target, float(found.weight.sum()))
    return again
