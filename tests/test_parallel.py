"""Candidates in parallel: joblib's backends change where the work is done, and nothing else."""

import threading
from contextlib import contextmanager, nullcontext

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skcondense import ColumnSchema, SchemaVectorizer, TableSchema, ZeroOrderCondenser
from skcondense._threads import _Together
from skcondense.privacy import seeded_noise

SCHEMA = TableSchema(
    (
        ColumnSchema(name="age", kind="integer", bounds=(18, 100)),
        ColumnSchema(name="sex", kind="binary", categories=("f", "m")),
    ),
    outcome=ColumnSchema(name="ill", kind="binary", categories=(0, 1)),
)
draw = np.random.default_rng(0)
X = pd.DataFrame({"age": draw.integers(20, 95, 200), "sex": draw.choice(["f", "m"], 200)})
Y = (X["age"] + draw.normal(0, 15, 200) > 60).astype(int).to_numpy()


@contextmanager
def dask():
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 1, "threads_per_worker": 2, "dashboard_address": None}
    with (
        distributed.Client(processes=False, **options),
        parallel_config(backend="dask"),
    ):
        yield


@contextmanager
def ray():
    library = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    library.init(num_cpus=2, include_dashboard=False)
    register_ray()
    try:
        with parallel_config(backend="ray"):
            yield
    finally:
        library.shutdown()


BACKENDS = {
    "one worker": nullcontext,
    "loky": lambda: parallel_config(backend="loky"),
    "threading": lambda: parallel_config(backend="threading"),
    "dask": dask,
    "ray": ray,
}


def condense(n_jobs, **params):
    black_boxes = [
        # A generator as random state must not make candidates depend on their order.
        ExtraTreesClassifier(5, max_depth=3, random_state=np.random.RandomState(0)),
        LogisticRegression(),
    ]
    return ZeroOrderCondenser(
        [make_pipeline(SchemaVectorizer(SCHEMA), black_box) for black_box in black_boxes],
        n_prototypes=8,
        n_candidates=3,
        n_exchanges=2,
        max_iter=3,
        n_directions=2,
        n_jobs=n_jobs,
        random_state=0,
        **params,
    ).condense(X, Y)


@pytest.fixture(scope="module")
def alone():
    return condense(None, teacher=LogisticRegression()).to_frame()


@pytest.mark.parametrize(
    ("backend", "n_jobs"),
    [("one worker", 1), ("loky", 2), ("threading", 3), ("dask", None), ("ray", 2)],
)
def test_backends_agree(backend, n_jobs, alone):
    with BACKENDS[backend]():
        found = condense(n_jobs, teacher=LogisticRegression())
    assert found.to_frame().equals(alone)


def condense_privately(n_jobs):
    with seeded_noise(0):
        return condense(n_jobs, schema=SCHEMA, epsilon=2.0, delta=1e-4).to_frame()


@pytest.fixture(scope="module")
def privately_alone():
    return condense_privately(None)


@pytest.mark.parametrize("backend", ["threading", "dask"])
def test_backends_agree_with_epsilon(backend, privately_alone):
    with BACKENDS[backend]():
        assert condense_privately(2).equals(privately_alone)


def test_threads_share_a_state_of_the_process():
    # A state of its own, since threads of other tests may hold those of BLAS and of warnings.
    changes = []

    @contextmanager
    def state():
        changes.append("begins")
        yield
        changes.append("ends")

    together = _Together(state)
    inside, done = threading.Barrier(2), threading.Event()

    def first_in_first_out():
        with together():
            inside.wait()
        done.set()

    thread = threading.Thread(target=first_in_first_out)
    thread.start()
    with together():
        inside.wait()
        done.wait()
        # What the other thread found when it began must not be back while this one works.
        assert changes == ["begins"]
    thread.join()
    assert changes == ["begins", "ends"]
    with together():
        assert changes[2:] == ["begins"]
