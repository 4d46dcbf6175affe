"""Tab-PE of private-evolution: numbers within public bounds, all other columns as codes.

Iterations, mutation and populations are those of the library's own examples.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from exchange import serve
from pe.api import TabularAPI
from pe.constant.data import (
    LABEL_ID_COLUMN_NAME,
    TABULAR_DATA_COLUMN_NAME,
    VARIATION_API_FOLD_ID_COLUMN_NAME,
)
from pe.data import TabularColumnType, TabularCSV
from pe.dp.gaussian import get_noise_multiplier
from pe.embedding import TabularEmbedding
from pe.histogram import NearestNeighbors
from pe.population import CompositePopulation, PEPopulation
from pe.runner import PE

N_ITERATIONS = 20
N_EXPLORING = 5
# No class may be left without a row.
MIN_FRACTION = 0.01


def synthesise(config, train, test):
    # The library draws from numpy's global state.
    np.random.seed(config["seed"])  # noqa: NPY002
    # The first entry of the schedule costs nothing: what it leaves pays for the class counts.
    noise = get_noise_multiplier(config["epsilon"], N_ITERATIONS, config["delta"])
    fractions = _class_fractions(train["target"], noise, config["seed"])
    found = _evolve(config, train, noise, fractions)
    return {name: _best(found, n, fractions) for name, n in config["samples"].items()}


def _class_fractions(target, noise, seed):
    """By itself the library takes the exact class counts to be public."""
    counts = np.bincount(target, minlength=2)
    counts = np.maximum(counts + np.random.default_rng(seed).normal(scale=noise, size=2), 1)
    return np.clip(counts / counts.sum(), MIN_FRACTION, 1 - MIN_FRACTION)


def _evolve(config, train, noise, fractions):
    nominal, numbers = config["nominal_sizes"], config["numbers"]
    # Public facts, in the place of those that the library would read off the private rows.
    info = {
        name: {"type": TabularColumnType.CATEGORICAL, "categories": list(range(size))}
        for name, size in nominal.items()
    } | {name: {"type": TabularColumnType.FLOAT, "min": -1.0, "max": 1.0} for name in numbers}
    api = TabularAPI(info=info, num_iterations=N_ITERATIONS)
    histogram = NearestNeighbors(
        embedding=TabularEmbedding(info=info), mode="L2", lookahead_degree=0, backend="torch"
    )
    data = _read(train, numbers, list(nominal))
    found = PE(priv_data=data, population=_population(api), histogram=histogram).run(
        num_samples_schedule=[max(config["samples"].values())] * N_ITERATIONS,
        delta=config["delta"],
        noise_multiplier=noise,
        save_checkpoint=False,
        fraction_per_label_id=list(fractions),
    )
    # Fold -1 holds the selected rows; the others are their untested variations.
    kept = found.filter({VARIATION_API_FOLD_ID_COLUMN_NAME: -1}).data_frame
    rows = pd.DataFrame(kept[TABULAR_DATA_COLUMN_NAME].tolist(), columns=list(info))
    return rows.assign(target=kept[LABEL_ID_COLUMN_NAME].to_numpy())


def _best(found, n_rows, fractions):
    """What the last iteration would have selected, had it been asked for so many rows.

    All samples are of one run, so that together they cost epsilon once.
    """
    n_positive = round(n_rows * fractions[1])
    # Rows of a class are in the order of their votes.
    negative, positive = (found[found["target"] == y] for y in (0, 1))
    return pd.concat([negative.head(n_rows - n_positive), positive.head(n_positive)])


def _read(train, numbers, nominal):
    metadata = {
        "cat_columns": nominal,
        "int_columns": [],
        "float_columns": numbers,
        "label_columns": ["target"],
    }
    with tempfile.TemporaryDirectory() as folder:
        rows, about = Path(folder, "rows.csv"), Path(folder, "metadata.json")
        train.to_csv(rows, index=False)
        about.write_text(json.dumps(metadata), encoding="utf-8")
        return TabularCSV(str(rows), str(about))


def _population(api):
    explore = PEPopulation(
        api=api,
        initial_variation_api_fold=0,
        next_variation_api_fold=1,
        keep_selected=False,
        selection_mode="sample",
        histogram_threshold=0,
    )
    refine = PEPopulation(
        api=api,
        initial_variation_api_fold=3,
        next_variation_api_fold=3,
        keep_selected=True,
        selection_mode="rank",
    )
    return CompositePopulation(
        populations=[explore] * N_EXPLORING + [refine] * (N_ITERATIONS - N_EXPLORING)
    )


if __name__ == "__main__":
    serve(synthesise)
