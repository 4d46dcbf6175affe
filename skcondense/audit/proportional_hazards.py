"""Hazard ratios of Cox regressions on condensed sets, beside those on real rows.

What is computed from real rows is exact: no epsilon covers it, so it stays with those rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm

from skcondense._threads import single_threaded
from skcondense.audit.outcomes import Floats, working_rows
from skcondense.models import WeightedCoxPH
from skcondense.table import Column, ColumnSchema, Container, TableSchema, check_table
from skcondense.tasks import Rows

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["hazard_ratios", "sign_agreement"]

# A covariate of which the others leave a smaller part than this unexplained is one too many.
NEGLIGIBLE = 1e-7


def hazard_ratios(
    condensed: Rows,
    real: Rows | None,
    schema: TableSchema,
    *,
    ties: str = "breslow",
    alpha: float = 0.1,
    level: float = 0.95,
) -> "pd.DataFrame":
    """Hazard ratios of a Cox regression on a condensed set, beside those on real rows.

    Parameters
    ----------
    condensed : Rows
        The condensed set, with weights in numbers of patients, as condensers return them.
    real : Rows or None
        Real rows. Without them, the columns about them are left out.
    schema : TableSchema
        What the columns of both may hold.
    ties : {"breslow", "efron"}, default="breslow"
        How tied event times are treated. With "breslow" a row of weight two is two patients.
    alpha : float, default=0.1
        Ridge penalty of both regressions: a normal prior of standard deviation
        ``1 / sqrt(alpha)`` for each log hazard ratio. At its default, 3.2, it matters only where
        the rows say next to nothing: levels without events, and covariates that a condensed set
        cannot tell apart.
    level : float, default=0.95
        Level of the intervals.

    Returns
    -------
    DataFrame of shape (n_covariates, 10)
        Index: the "covariate". "contrast": what the ratio compares. "real", "real_lower",
        "real_upper", "condensed", "condensed_lower", "condensed_upper": hazard ratios and limits.
        "significant_on_real": the real interval excludes 1. "same_sign": both ratios are on the
        same side of 1. "inside_interval": the condensed ratio is within the real interval. Without
        `real`: "contrast" and the three columns of the condensed set, shape (n_covariates, 4).

    Raises
    ------
    SchemaError
        If a table does not fit the schema.
    TargetError
        If an outcome is none, or has no event.
    ValueError
        If weights do not fit, no column varies, `level` is outside of (0, 1), or, with ``alpha=0``,
        the condensed set cannot tell covariates apart.

    Warnings
    --------
    The interval on the condensed set is no inference about patients. It treats each unit of weight
    as a patient who was observed, although the rows are synthetic and their labels estimated, so
    it says nothing about the error of condensing and is too narrow. It is there to show whether a
    reader of the condensed set alone would be misled. Inference needs the real rows.

    Notes
    -----
    Both sets are described by the same covariates, in units that come from the real rows (from the
    condensed ones without them):

    - numeric and integer columns: the value, per standard deviation;
    - ordinal columns: the rank, per level;
    - binary columns: the second category against the first;
    - categorical columns: each category against the commonest one in those rows;
    - columns that may be empty: an indicator of that. A gap counts as the mean, or the category
      that is compared with.

    A covariate that is constant in those rows, or follows exactly from the covariates before it (a
    stage from its parts), is left out of both regressions, as in R's ``coxph``. The condensed set
    may hold less: a covariate that is constant there has no ratio, NaN, and never the same sign;
    where covariates cannot be told apart there, the penalty shares their effect out, and their
    intervals get wide.

    The limits are exp(b ± z s), with s from the inverse of the penalised information.

    References
    ----------
    Cox (1972), Regression models and life-tables, JRSS B 34(2),
    doi:10.1111/j.2517-6161.1972.tb00899.x.
    Gray (1992), Flexible methods for analyzing survival data using splines, with applications to
    breast cancer prognosis, JASA 87(420), doi:10.1080/01621459.1992.10476248.
    """
    import pandas as pd

    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, such as 0.95. Got {level}.")
    sets = {} if real is None else {"real": working_rows(real)}
    sets["condensed"] = working_rows(condensed)
    cells = {name: _cells(rows.X, schema) for name, rows in sets.items()}
    reference = next(iter(sets))
    weight = sets[reference].weight
    covariates = _covariates(schema, cells[reference], weight)
    values = {name: _values(covariates, cells[name]) for name in sets}
    kept = _not_repeated(values[reference], weight)
    shown = [covariates[j] for j in kept]
    names = pd.Index([covariate.name for covariate in shown], name="covariate")
    table = pd.DataFrame({"contrast": [covariate.contrast for covariate in shown]}, names)
    cox = WeightedCoxPH(alpha, ties=ties)
    for name, rows in sets.items():
        coef, deviation = _coefficients(cox, values[name][:, kept], rows)
        reach = norm.ppf(0.5 + level / 2) * deviation
        table[name] = np.exp(coef)
        table[f"{name}_lower"], table[f"{name}_upper"] = np.exp(coef - reach), np.exp(coef + reach)
    table = table[table[list(sets)].notna().any(axis=1)]
    if not len(table):
        raise ValueError(
            "Hazard ratios need a column that varies. Got constant columns only. Check the rows."
        )
    return table if real is None else _with_verdicts(table)


def sign_agreement(table: "pd.DataFrame") -> float:
    """Share of the significant real hazard ratios that have the same direction when condensed.

    Parameters
    ----------
    table : DataFrame
        From `hazard_ratios`, with real rows.

    Returns
    -------
    float
        Between 0 and 1; NaN where no real ratio is significant. A ratio that the condensed set
        cannot estimate counts as a disagreement.

    Raises
    ------
    ValueError
        If the table was made without real rows.
    """
    if "significant_on_real" not in table:
        raise ValueError(
            "sign_agreement needs a table with real hazard ratios. Got one of the condensed set "
            "only. Pass real rows to hazard_ratios."
        )
    agreed = table.loc[table["significant_on_real"], "same_sign"]
    return float(agreed.mean()) if len(agreed) else float("nan")


@dataclass(frozen=True)
class _Covariate:
    """One number per row, in a unit that readers know."""

    name: str
    contrast: str
    column: str
    of: Callable[[Column], Floats]


def _cells(X: Any, schema: TableSchema) -> dict[str, Column]:
    X = check_table(X)
    container = Container.of(X)
    ordered = schema.for_container(container)
    cells = container.read(X)
    ordered.check(cells)
    return dict(zip(ordered.names, cells, strict=True))


def _covariates(schema: TableSchema, cells: dict[str, Column], weight: Floats) -> list[_Covariate]:
    found = []
    for column in schema:
        make = _numeric if column.is_number or column.kind == "ordinal" else _categorical
        found += make(column, cells[column.name], weight)
        if column.missing:
            name = f"{column.name} missing"
            found.append(_Covariate(name, "against recorded", column.name, _is_missing))
    return found


def _numeric(column: ColumnSchema, cells: Column, weight: Floats) -> list[_Covariate]:
    numbers = _numbers(cells, column.categories or ())
    present = ~cells.missing & (weight > 0)
    mean, scale = 0.0, 1.0
    if present.any():
        mean = float(np.average(numbers[present], weights=weight[present]))
        variance = np.average((numbers[present] - mean) ** 2, weights=weight[present])
        scale = float(np.sqrt(variance)) or 1.0
    contrast = f"per {scale:.3g} {column.unit or ''}".rstrip()
    if column.kind == "ordinal":
        scale, contrast = 1.0, "per level"
    of = partial(_scaled, categories=column.categories or (), mean=mean, scale=scale)
    return [_Covariate(column.name, contrast, column.name, of)]


def _categorical(column: ColumnSchema, cells: Column, weight: Floats) -> list[_Covariate]:
    categories = column.categories or ()
    common = categories[0]
    if column.kind == "categorical":
        common = max(categories, key=lambda category: weight @ _is_category(cells, category))
    return [
        _Covariate(
            f"{column.name}={category}",
            f"against {common}",
            column.name,
            partial(_is_category, category=category),
        )
        for category in categories
        if category != common
    ]


def _numbers(cells: Column, categories: tuple[Any, ...]) -> Floats:
    """Values of a numeric column, ranks of an ordinal one; NaN in gaps."""
    if not categories:
        return np.where(cells.missing, np.nan, cells.values).astype(np.float64)
    rank = {category: float(i) for i, category in enumerate(categories)}
    gaps = zip(cells.values.tolist(), cells.missing, strict=True)
    return np.array([np.nan if gap else rank[value] for value, gap in gaps])


def _scaled(cells: Column, categories: tuple[Any, ...], mean: float, scale: float) -> Floats:
    return (np.where(cells.missing, mean, _numbers(cells, categories)) - mean) / scale


def _is_category(cells: Column, category: Any) -> Floats:
    pairs = zip(cells.values.tolist(), cells.missing, strict=True)
    return np.array([float(not gap and value == category) for value, gap in pairs])


def _is_missing(cells: Column) -> Floats:
    return cells.missing.astype(np.float64)


def _values(covariates: list[_Covariate], cells: dict[str, Column]) -> Floats:
    n_rows = len(next(iter(cells.values())).missing)
    columns = [covariate.of(cells[covariate.column]) for covariate in covariates]
    return np.column_stack([np.empty((n_rows, 0)), *columns])


def _not_repeated(Z: Floats, weight: Floats) -> list[int]:
    """Positions of columns that vary and are no sums of multiples of those before them."""
    Z = np.sqrt(weight)[:, np.newaxis] * (Z - np.average(Z, axis=0, weights=weight))
    kept: list[int] = []
    basis = np.empty((len(Z), 0))
    for j, column in enumerate(Z.T):
        rest = column
        # Once more, because the first projection leaves rounding errors.
        for _ in range(2):
            rest = rest - basis @ (basis.T @ rest)
        length = np.linalg.norm(rest)
        if length > NEGLIGIBLE * np.linalg.norm(column):
            kept.append(j)
            basis = np.column_stack([basis, rest / length])
    return kept


def _coefficients(cox: WeightedCoxPH, Z: Floats, rows: Rows) -> tuple[Floats, Floats]:
    """Log hazard ratios and their standard errors; NaN for what does not vary."""
    coef, deviation = np.full((2, Z.shape[1]), np.nan)
    varies = np.ptp(Z[rows.weight > 0], axis=0) > 0
    if varies.any():
        with single_threaded():
            cox.fit(Z[:, varies], rows.y, rows.weight)
        coef[varies], deviation[varies] = cox.coef_, np.sqrt(np.diag(cox.covariance_))
    return coef, deviation


def _with_verdicts(table: "pd.DataFrame") -> "pd.DataFrame":
    lower, upper = table["real_lower"], table["real_upper"]
    signs = np.sign(np.log(table[["real", "condensed"]]))
    return table.assign(
        significant_on_real=(lower > 1) | (upper < 1),
        same_sign=signs["real"] == signs["condensed"],
        inside_interval=table["condensed"].between(lower, upper),
    )
