"""The border: what a condenser is given becomes a `PrivateTable`, or an error that says why not."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from skcondense.private_table import PrivateTable
from skcondense.table import (
    Container,
    SurvivalSchema,
    TableEncoder,
    check_table,
    clip_to_bounds,
    infer_schema,
    take_rows,
)
from skcondense.tasks import SurvivalTask, TargetContainer, resolve_task

if TYPE_CHECKING:
    from skcondense.base import DatasetCondenser

__all__ = ["check_groups", "read_private_table", "takes_images"]

# Tables from this size on are encoded in single precision, which halves their memory; not with
# epsilon, where precision must not depend on the number of rows.
LARGE = 100_000


def read_private_table(
    condenser: "DatasetCondenser", X: Any, y: Any, sample_weight: Any, groups: Any
) -> tuple[PrivateTable, TargetContainer]:
    """Check everything once.

    Parameters
    ----------
    condenser : DatasetCondenser
        Its task, schema and epsilon say what to check; ``n_features_in_`` is set on it.
    X, y, sample_weight, groups
        As for `DatasetCondenser.fit`.

    Returns
    -------
    table : PrivateTable
    target : TargetContainer
    """
    if y is None:
        raise ValueError(
            f"{condenser.__class__.__name__} requires y to be passed, but the target y is None."
        )
    X = check_table(X, images=takes_images(condenser))
    validate_data(condenser, X, skip_check_array=True)
    outcome = _declared_outcome(condenser)
    task, values = resolve_task(condenser.task, y, outcome)
    check_consistent_length(X, values, groups)
    weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    groups = None if groups is None else check_groups(groups)
    if not weight.any():
        raise ValueError("sample_weight must have at least one non-zero entry. Got zeros only.")
    if not weight.all():
        # A row without weight must not even shape the schema.
        rows = np.flatnonzero(weight)
        X, values, weight = take_rows(X, rows), values[rows], weight[rows]
        groups = None if groups is None else groups[rows]
        if outcome is None:
            task = type(task).of(values)
    if isinstance(task, SurvivalTask) and outcome is not None and condenser.epsilon is None:
        task = task.seeing(values)
    container = Container.of(X)
    columns = container.read(X)
    if condenser.schema is None:
        schema = infer_schema(container, columns)
    else:
        schema = condenser.schema.for_container(container)
    schema.check(columns)
    schema.check_pixels(container)
    if condenser.epsilon is None:
        schema = schema.restricted_to(container)
    else:
        schema.check_container(container)
        X = clip_to_bounds(X, schema)
    encoder = TableEncoder(schema)
    is_large = condenser.epsilon is None and len(values) >= LARGE
    dtype = np.float32 if is_large else np.float64
    table = PrivateTable(X, values, weight, groups, task, container, encoder, dtype)
    return table, TargetContainer.of(y)


def takes_images(condenser: "DatasetCondenser") -> bool:
    """Whether arrays of images are tables for this condenser, by its scikit-learn tags."""
    return bool(condenser.__sklearn_tags__().input_tags.three_d_array)


def _declared_outcome(condenser: "DatasetCondenser") -> Any:
    """The declared outcome, with epsilon; a declared time grid always counts."""
    outcome = None if condenser.schema is None else condenser.schema.outcome
    is_read = condenser.epsilon is not None or isinstance(outcome, SurvivalSchema)
    return outcome if is_read else None


def check_groups(groups: Any) -> NDArray[Any]:
    """Patients of rows; a gap would make one patient of all rows whose patient is unknown."""
    import pandas as pd

    values = column_or_1d(groups)
    if pd.isna(values).any():
        raise ValueError(
            f"groups must name the patient of every row. Got {int(pd.isna(values).sum())} missing "
            "values (NaN). Give those rows patients of their own, or drop them."
        )
    return values
