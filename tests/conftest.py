"""Tests of the neural room need torch, an optional dependency; built-in teachers are small."""

from importlib.util import find_spec

import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from skcondense.condensers import private_teacher
from skcondense.tasks import classification, regression

collect_ignore_glob = [] if find_spec("torch") else ["test_neural*"]


def _boost_less(patch):
    """Let built-in teachers boost for a tenth of the rounds.

    No property hangs on the number of rounds, and a fit spends nine tenths of its time on them.
    Other processes do not know: a test that compares with one names its teacher.
    """
    for module, kind in (
        (classification, HistGradientBoostingClassifier),
        (regression, HistGradientBoostingRegressor),
    ):
        patch.setattr(
            module,
            kind.__name__,
            lambda max_iter, kind=kind, **settings: kind(max_iter=max_iter // 10, **settings),
        )


@pytest.fixture(scope="module", autouse=True)
def _small_teachers(request):
    with pytest.MonkeyPatch.context() as patch:
        # Docstrings and notebooks show numbers, and run with the teachers that a reader gets.
        if request.module.__name__.rpartition(".")[2] != "test_docs":
            _boost_less(patch)
        yield


@pytest.fixture
def small_teachers(monkeypatch):
    """Make private teachers small too: where code is tested, and not what comes out of it."""
    _boost_less(monkeypatch)
    monkeypatch.setattr(private_teacher, "N_ROWS", 1500)
    monkeypatch.setattr(private_teacher, "N_TREES", 6)
