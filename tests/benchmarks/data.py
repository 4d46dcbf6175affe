"""Real tables for benchmarks, from the folder that SKCONDENSE_DATA names."""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel

TABLES = {
    "support2_death": "tabular/support2_hospital_death.csv",
    "framingham": "tabular/framingham_chd10y.csv",
    "cardio70k": "tabular/cardio70k.csv",
    "thyroid": "tabular/thyroid_any_disease.csv",
    "diabetes130": "tabular/diabetes130_readmission.csv.gz",
}
# Smaller ones, of which the other benchmarks' private parts can say little.
PEER_TABLES = {
    **TABLES,
    "uci_heart": "tabular/uci_heart_4hospitals.csv",
    "covid_icu": "tabular/covid_sirio_libanes_icu.csv",
    "alzheimer_proteomics": "tabular/alzheimer_proteomics.csv",
}
# Where a patient was treated is no feature.
DROPPED = {"uci_heart": ["site"]}
SURVIVAL = {
    "seer_breast": "survival/seer_breast.csv",
    "support2": "survival/support2.csv",
    "flchain": "survival/flchain.csv",
    "nafld_mayo": "survival/nafld_mayo.csv",
    "framingham_incident_diabetes": "survival/framingham_incident_diabetes.csv",
    "rotterdam_breast": "survival/rotterdam_breast.csv",
}


def gather(jobs, n_jobs: int, output: Path | None) -> pd.DataFrame:
    """Run jobs that return lists of rows; write what there is after each, in case of a crash."""
    found: list[dict] = []
    for rows in Parallel(n_jobs=n_jobs, return_as="generator_unordered")(jobs):
        found.extend(rows)
        if output:
            pd.DataFrame(found).to_csv(output, index=False)
    pd.options.display.width = 200
    return pd.DataFrame(found)


def folder() -> Path:
    """Return the data folder, or stop with a sentence that says how to name it."""
    path = os.environ.get("SKCONDENSE_DATA")
    if not path:
        sys.exit("Set SKCONDENSE_DATA to the folder with the benchmark tables.")
    return Path(path)


def load(name: str):
    """Return features as a pandas frame and the outcome as an array."""
    frame = pd.read_csv(folder() / {**PEER_TABLES, **SURVIVAL}[name])
    frame = frame.drop(columns=DROPPED.get(name, []))
    if name in PEER_TABLES:
        return frame, frame.pop("target").to_numpy()
    y = np.empty(len(frame), dtype=[("event", bool), ("time", float)])
    y["event"], y["time"] = frame.pop("event"), frame.pop("time")
    return frame, y
