"""Tab-PE of private-evolution: numbers within public bounds, all other columns as codes.

Iterations, mutation and populations are those of the library's own examples.
"""

import json
import tempfile
from pathlib import Path

import pandas as pd
from exchange import serve
from pe.api import TabularAPI
from pe.constant.data import (
    LABEL_ID_COLUMN_NAME,
    TABULAR_DATA_COLUMN_NAME,
    VARIATION_API_FOLD_ID_COLUMN_NAME,
)
from pe.data import TabularCSV
from pe.embedding import TabularEmbedding
from pe.histogram import NearestNeighbors
from pe.population import CompositePopulation, PEPopulation
from pe.runner import PE

N_ITERATIONS = 20
N_EXPLORING = 5


def synthesise(config, train, test):
    return {name: _run(config, train, n) for name, n in config["samples"].items()}


def _run(config, train, n_rows):
    numbers, nominal = config["numbers"], config["nominal_sizes"]
    with tempfile.TemporaryDirectory() as folder:
        data = _read(Path(folder), train, numbers, list(nominal))
        info = data.get_tab_info()
        # What the library learned from the private rows gives way to what is public.
        for name in numbers:
            info[name].update(min=-1.0, max=1.0)
        for name, size in nominal.items():
            info[name].update(categories=list(range(size)))
        api = TabularAPI(info=info, num_iterations=N_ITERATIONS)
        runner = PE(
            priv_data=data,
            population=_population(api),
            histogram=NearestNeighbors(
                embedding=TabularEmbedding(info=info), mode="L2", lookahead_degree=0
            ),
        )
        found = runner.run(
            num_samples_schedule=[n_rows] * N_ITERATIONS,
            epsilon=config["epsilon"],
            delta=config["delta"],
            checkpoint_path=str(Path(folder) / "checkpoint"),
        )
        # Fold -1 holds the selected rows; the others are their untested variations.
        kept = found.filter({VARIATION_API_FOLD_ID_COLUMN_NAME: -1}).data_frame
        rows = pd.DataFrame(
            kept[TABULAR_DATA_COLUMN_NAME].tolist(), columns=list(data.metadata.feature_columns)
        )
        return rows.assign(target=kept[LABEL_ID_COLUMN_NAME].to_numpy())


def _read(folder, train, numbers, nominal):
    train.to_csv(folder / "rows.csv", index=False)
    metadata = {
        "cat_columns": nominal,
        "int_columns": [],
        "float_columns": numbers,
        "label_columns": ["target"],
    }
    (folder / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    return TabularCSV(str(folder / "rows.csv"), str(folder / "metadata.json"))


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
