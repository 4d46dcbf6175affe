"""Errors and warnings. Every message says what was wrong, what was got and what to do."""

import warnings

__all__ = [
    "BlackBoxError",
    "BudgetExceededError",
    "LedgerError",
    "PrivacyLeakWarning",
    "ReleaseError",
    "SchemaError",
    "TargetError",
    "WeightsNotSupportedError",
    "missing_extra",
]


# Added to an error on which a private fit ended.
SPENT = "Before this error the fit spent epsilon="


class SchemaError(ValueError):
    """A table does not fit its schema, or a schema contradicts itself."""


class TargetError(ValueError):
    """The outcome `y` cannot be condensed for the requested task."""


class WeightsNotSupportedError(TypeError):
    """An estimator takes no ``sample_weight`` although weights must reach it."""


class BlackBoxError(RuntimeError):
    """A black box cannot be fitted to a candidate condensed set."""


class BudgetExceededError(ValueError):
    """A query would cost more privacy than the budget has left; it was not asked."""


class LedgerError(ValueError):
    """A privacy ledger or statement is damaged, or its terms contradict what is asked."""


class ReleaseError(ValueError):
    """A set should not be released, or a release is not what its manifest says."""


class PrivacyLeakWarning(UserWarning):
    """Something is about to be derived from private values without protection."""


# A privacy warning that Python shows once per location is a warning that is missed.
warnings.simplefilter("always", PrivacyLeakWarning)


def missing_extra(caller: str, package: str, extra: str) -> ImportError:
    """Build the error for an optional dependency that is not installed."""
    return ImportError(
        f"{caller} needs {package}, which is not installed. "
        f'Install it with: pip install "skcondense[{extra}]"'
    )
