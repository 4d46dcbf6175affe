"""Tests of the neural room need torch, an optional dependency; built-in teachers are small."""

from importlib.util import find_spec

import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from skcondense.tasks import classification, regression

collect_ignore_glob = [] if find_spec("torch") else ["test_neural*"]


def _few_rounds(kind):
    return lambda max_iter, **settings: kind(max_iter=max_iter // 10, **settings)


@pytest.fixture(scope="module", autouse=True)
def _small_teachers(request):
    """Let built-in teachers boost for a tenth of the rounds.

    No property hangs on the number of rounds, and a fit spends nine tenths of its time on them.
    What the documentation shows runs with the teachers that a reader gets.
    """
    with pytest.MonkeyPatch.context() as patch:
        if request.module.__name__.rpartition(".")[2] != "test_docs":
            for module, kind in (
                (classification, HistGradientBoostingClassifier),
                (regression, HistGradientBoostingRegressor),
            ):
                patch.setattr(module, kind.__name__, _few_rounds(kind))
        yield
