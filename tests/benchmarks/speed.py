"""Overhead of ZeroOrderCondenser over its black box alone, and what a second worker brings.

Run: python -m tests.benchmarks.speed [tree] [logistic] [frame] [forest] [workers]
"""

import sys
import time
import warnings

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from skcondense import SchemaVectorizer, TableSchema, ZeroOrderCondenser

N_ROWS, BATCH, REPEATS = 4000, 2000, 5


class Timed(ClassifierMixin, BaseEstimator):
    """A black box that adds up the seconds spent inside it."""

    seconds = 0.0

    def __init__(self, inner):
        self.inner = inner

    def fit(self, X, y, sample_weight=None):
        start = time.perf_counter()
        self.inner_ = clone(self.inner).fit(X, y, sample_weight)
        self.classes_ = self.inner_.classes_
        Timed.seconds += time.perf_counter() - start
        return self

    def predict_proba(self, X):
        start = time.perf_counter()
        proba = self.inner_.predict_proba(X)
        Timed.seconds += time.perf_counter() - start
        return proba

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class FiftyMilliseconds(DecisionTreeClassifier):
    """A tree whose fit takes 50 ms of processor time."""

    def fit(self, X, y, sample_weight=None):
        stop = time.process_time() + 0.05
        super().fit(X, y, sample_weight)
        while time.process_time() < stop:
            pass
        return self


def search(estimator, n_jobs=None, max_iter=30):
    # One candidate and a plain teacher: what is timed is the search, not the start.
    return ZeroOrderCondenser(
        estimator, n_candidates=2, n_exchanges=5, max_iter=max_iter, batch_size=BATCH,
        teacher=LogisticRegression(), n_jobs=n_jobs, random_state=0,
    )  # fmt: skip


class Clock:
    """A callback that knows how long the search took between its first and its last round."""

    def __init__(self):
        self.readings = []

    def __call__(self, progress):
        self.readings.append((time.perf_counter(), Timed.seconds))

    @property
    def ratio(self):
        (start, bare), (stop, more) = self.readings[0], self.readings[-1]
        return (stop - start) / (more - bare)


def overhead(name, estimator, X, y):
    evaluating, fitting = [], []
    for _ in range(REPEATS):
        clock = Clock()
        condenser = search(estimator).set_params(callbacks=[clock])
        Timed.seconds = 0.0
        start = time.perf_counter()
        condenser.fit(X, y)
        fitting.append((time.perf_counter() - start) / Timed.seconds)
        evaluating.append(clock.ratio)
    # The same fits and predictions, without the search: what the black box itself took.
    print(
        f"{name:10s} {1000 * Timed.seconds / condenser.n_evals_:6.2f} ms in the black box per "
        f"evaluation; all over black box: evaluating {np.median(evaluating):.3f} "
        f"({min(evaluating):.3f} to {max(evaluating):.3f}), whole fit {np.median(fitting):.3f}; "
        f"{condenser.n_evals_} evaluations"
    )


def workers(X, y):
    # Starting worker processes takes seconds once per session, so they are started first.
    search(FiftyMilliseconds(max_depth=4), n_jobs=2, max_iter=1).fit(X, y)
    seconds = []
    for n_jobs in (1, 2):
        start = time.perf_counter()
        search(FiftyMilliseconds(max_depth=4), n_jobs=n_jobs).fit(X, y)
        seconds.append(time.perf_counter() - start)
    print(f"50 ms fits: one worker {seconds[0]:.1f} s, two {seconds[1]:.1f} s, "
          f"speed-up {seconds[0] / seconds[1]:.2f}")  # fmt: skip


def main():
    warnings.simplefilter("ignore")
    X, y = make_classification(N_ROWS, 20, random_state=0)
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(20)])
    for j in range(5):
        frame[f"x{j}"] = np.array(["low", "middle", "high"])[np.digitize(X[:, j], [-0.5, 0.5])]
    with warnings.catch_warnings():
        schema = TableSchema.from_frame(frame)
    cases = {
        "tree": (Timed(DecisionTreeClassifier(max_depth=5)), X),
        "logistic": (Timed(LogisticRegression()), X),
        # Encoding counts as overhead here, though it belongs to the black box.
        "frame": (make_pipeline(SchemaVectorizer(schema), Timed(LogisticRegression())), frame),
        "forest": (Timed(RandomForestClassifier(50)), X),
    }
    asked = sys.argv[1:] or [*cases, "workers"]
    for name in asked:
        if name == "workers":
            workers(X, y)
        else:
            overhead(name, *cases[name], y)


if __name__ == "__main__":
    main()
