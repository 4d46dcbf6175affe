"""Checks that every condenser must pass, for those in the package and for yours."""

import pickle
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone

from skcondense.base import DatasetCondenser
from skcondense.condensed_set import CondensedSet
from skcondense.table import Container

__all__ = ["check_condenser", "expected_failed_checks"]


def expected_failed_checks(condenser: DatasetCondenser) -> dict[str, str]:
    """Checks of scikit-learn that a condenser cannot pass, with the reason.

    Parameters
    ----------
    condenser : DatasetCondenser
        Anything that is one.

    Returns
    -------
    dict of {str: str}
        For ``expected_failed_checks`` of ``sklearn.utils.estimator_checks``.
    """
    rows = "fit_transform returns the condensed rows, whose number is not that of the real rows"
    return {
        "check_transformer_data_not_an_array": rows,
        "check_transformer_general": rows,
    }


def check_condenser(condenser: DatasetCondenser, *, copies_real_rows: bool = False) -> None:
    """Check the contract of a condenser on small tables of every kind.

    Parameters
    ----------
    condenser : DatasetCondenser
        A cheap configuration that can take classification with mixed columns.
    copies_real_rows : bool, default=False
        Whether the method says that its prototypes are real rows.

    Raises
    ------
    AssertionError
        If a property does not hold.
    """
    condenser = clone(condenser).set_params(random_state=0)
    for make in (_array, _pandas):
        X, y = make()
        _check_result(condenser, X, y, copies_real_rows)
    X, y = _array()
    _check_same_result(clone(condenser).condense(X, y), clone(condenser).condense(X, y))
    if "n_jobs" in condenser.get_params():
        parallel = clone(condenser).set_params(n_jobs=2)
        _check_same_result(clone(condenser).condense(X, y), parallel.condense(X, y))
    _check_object(condenser, X, y)


def _array() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 4))
    return X, np.where(X[:, 0] + rng.normal(size=150) > 0, "ill", "well")


def _pandas() -> tuple[Any, Any]:
    import pandas as pd

    X, y = _array()
    frame = pd.DataFrame(
        {
            "lab": X[:, 0],
            "age": (50 + 10 * X[:, 1]).round().astype(int),
            "sex": pd.Categorical(np.where(X[:, 2] > 0, "f", "m")),
            "stage": np.array(["I", "II", "III"])[np.digitize(X[:, 3], [-0.5, 0.5])],
        }
    )
    frame.loc[::7, "lab"] = np.nan
    return frame, pd.Series(y, name="state")


def _check_result(condenser: DatasetCondenser, X: Any, y: Any, copies: bool) -> None:
    condensed = clone(condenser).condense(X, y)
    assert type(condensed.X) is type(X), "rows must come back in the container that came in"
    assert type(condensed.y) is type(y), "outcomes must come back in the container that came in"
    if hasattr(X, "dtypes"):
        assert list(condensed.X.columns) == list(X.columns), "column order must not change"
        assert (condensed.X.dtypes == X.dtypes).all(), "dtypes must not change"
    assert set(np.unique(condensed.y)) == set(np.unique(y)), "every class must be present"
    assert np.isclose(condensed.sample_weight.sum(), len(y)), "weights must sum to n"
    assert (condensed.sample_weight > 0).all(), "weights must be positive"
    container = Container.of(condensed.X)
    condensed.schema.check(container.read(condensed.X))
    _check_bounds(condensed, container)
    assert condensed.contains_real_rows == copies, (
        f"contains_real_rows is {condensed.contains_real_rows}; the method says {copies}"
    )
    with tempfile.TemporaryDirectory() as directory:
        condensed.save(directory)
        _check_same_result(condensed, CondensedSet.load(directory))


def _check_bounds(condensed: CondensedSet, container: Container) -> None:
    for column, cells in zip(condensed.schema, container.read(condensed.X), strict=True):
        if column.bounds is None:
            continue
        numbers = cells.values[~cells.missing]
        low, high = column.bounds
        assert ((numbers >= low) & (numbers <= high)).all(), f"{column.name} leaves its bounds"


def _check_same_result(one: CondensedSet, two: CondensedSet) -> None:
    frames = [s.to_frame() for s in (one, two)]
    assert frames[0].equals(frames[1]), "the same seed must give the same set"


def _check_object(condenser: DatasetCondenser, X: Any, y: Any) -> None:
    """Parameters survive, pickling works, and nothing with an entry per real row is kept."""
    before = repr(condenser.get_params())
    fitted = clone(condenser).fit(X, y)
    assert repr(condenser.get_params()) == before, "fit must not change parameters"
    again = pickle.loads(pickle.dumps(fitted))
    _check_same_result(fitted.condensed_set_, again.condensed_set_)
    assert len(fitted.transform(X)) == len(X), "transform must keep the number of rows"
    _check_nothing_kept(vars(fitted), len(y), "")


def _check_nothing_kept(value: Any, n_rows: int, where: str) -> None:
    walk: Callable[[Any, str], None] = lambda v, w: _check_nothing_kept(v, n_rows, w)  # noqa: E731
    if isinstance(value, np.ndarray) or hasattr(value, "iloc"):
        assert n_rows not in np.shape(value), f"{where} has an entry per real row"
    elif isinstance(value, dict):
        for key, entry in value.items():
            walk(entry, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        assert len(value) != n_rows, f"{where} has an entry per real row"
        for entry in value:
            walk(entry, where)
    elif hasattr(value, "__dict__"):
        walk(vars(value), where)
