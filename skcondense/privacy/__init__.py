"""The door to private rows: queries, noise, accounting, ledger and statement.

Nowhere else in the package is noise drawn or epsilon computed.
"""

from skcondense.privacy.accountant import (
    AttackCaps,
    attack_caps,
    compose,
    delta_of,
    epsilon_of,
    mu_of,
)
from skcondense.privacy.ledger import PrivacyLedger, Spend, Terms
from skcondense.privacy.noise import seeded_noise
from skcondense.privacy.oracle import (
    Answer,
    Oracle,
    PrivateOracle,
    RehearsalOracle,
    ReplayedOracle,
)
from skcondense.privacy.planning import BudgetPlan, Feasibility, feasibility
from skcondense.privacy.queries import Query, SelectQuery, SumQuery
from skcondense.privacy.statement import PrivacyStatement

__all__ = [
    "Answer",
    "AttackCaps",
    "BudgetPlan",
    "Feasibility",
    "Oracle",
    "PrivacyLedger",
    "PrivacyStatement",
    "PrivateOracle",
    "Query",
    "RehearsalOracle",
    "ReplayedOracle",
    "SelectQuery",
    "Spend",
    "SumQuery",
    "Terms",
    "attack_caps",
    "compose",
    "delta_of",
    "epsilon_of",
    "feasibility",
    "mu_of",
    "seeded_noise",
]
