"""diffprivlib's exponential mechanism, imported around its models.

diffprivlib 0.6.6 imports its models on import, and they need private parts of scikit-learn that
1.9 removed. Its mechanisms need none of that.
"""

import importlib
import sys
import warnings
from types import ModuleType
from typing import Any

__all__ = ["Exponential"]

MODELS = "diffprivlib.models"


def _mechanisms() -> Any:
    try:
        return importlib.import_module("diffprivlib.mechanisms")
    except ImportError:
        sys.modules[MODELS] = ModuleType(MODELS)
        try:
            return importlib.import_module("diffprivlib.mechanisms")
        finally:
            del sys.modules[MODELS]


# diffprivlib adds a filter for a warning class of its own. scikit-learn sends all filters to its
# worker processes, and this one cannot be sent: the class's module is not importable.
with warnings.catch_warnings():
    Exponential: Any = _mechanisms().Exponential
