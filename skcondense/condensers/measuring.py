"""Measure a private table through the door: what every private fit asks first.

Three queries. Outcomes are counted in their cells. Every row is counted in one bin per column,
within its stratum. And, where the table is not too wide, the normal scores of the bins are
multiplied pair by pair, within strata.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from skcondense.condensers.allocation import allocate
from skcondense.condensers.copula import Copula
from skcondense.condensers.marginals import Marginals, count_bins, count_outcomes
from skcondense.privacy import Oracle
from skcondense.private_table import PrivateTable
from skcondense.table import TableBins, TableSchema

__all__ = ["check_request", "measure", "shares_of"]

N_NUMBER_BINS = 16
# Wider tables are not measured pair by pair: the noise would drown every correlation.
WIDEST = 200


def measure(facts: PrivateTable, oracle: Oracle, shares: dict[str, float]) -> Copula:
    """Ask the three queries.

    Strata are those that the counted outcomes suggest: the facts of the answer know them, and the
    rows behind the door do not.

    Parameters
    ----------
    facts : PrivateTable
        Public facts; no rows.
    oracle : Oracle
        Answers.
    shares : dict of {str: float}
        Shares of the budget: "outcomes", "histograms" and "correlations".

    Returns
    -------
    Copula
    """
    cells = count_outcomes(facts, oracle, shares["outcomes"])
    facts = replace(facts, task=facts.task.informed(cells))
    bins = TableBins(facts.encoder, N_NUMBER_BINS)
    counts = count_bins(facts, oracle, shares["histograms"], bins, cells)
    return Copula(Marginals(facts, bins, cells, counts)).fit(oracle, shares["correlations"])


def check_request(
    allocation: Any, n_prototypes: int, facts: PrivateTable, most: int, smallest: int = 1
) -> None:
    """Refuse what cannot be done with any table of these columns, before anything is spent.

    Parameters
    ----------
    allocation, n_prototypes
        As asked for.
    facts : PrivateTable
        Public facts; no rows.
    most : int
        Largest number of prototypes.
    smallest : int, default=1
        Rows that each prototype stands for at least.
    """
    if n_prototypes > most:
        raise ValueError(
            f"With epsilon n_prototypes must not exceed {most}: prototypes are chosen among proxy "
            f"rows. Got {n_prototypes}."
        )
    # Strata as they may come out, each with room for all prototypes.
    cells = np.repeat(np.arange(facts.task.n_cells), n_prototypes * smallest)
    y = facts.task.from_cells(cells)
    allocate(allocation, n_prototypes, replace(facts, y=y, weight=np.ones(len(y))), smallest)


def shares_of(plan: dict[str, float], schema: TableSchema, unused: Iterable[str] = ()) -> Any:
    """Shares of a budget that add up to one.

    Parameters
    ----------
    plan : dict of {str: float}
        Shares of all stages.
    schema : TableSchema
        Wide tables are not measured pair by pair.
    unused : iterable of str, default=()
        Stages that the settings leave out; their shares go to the others.

    Returns
    -------
    dict of {str: float}
    """
    n_latents = sum(1 + column.missing for column in schema)
    idle = {*unused, *([] if 1 < n_latents <= WIDEST else ["correlations"])}
    active = {stage: 0.0 if stage in idle else share for stage, share in plan.items()}
    return {stage: share / sum(active.values()) for stage, share in active.items()}
