"""skcondense: condense private clinical tables into tiny synthetic ones that train models.

The names below are the public interface; everything else may change.
"""

from skcondense.base import DatasetCondenser
from skcondense.callbacks import FitProgress, ProgressBar
from skcondense.condensed_set import CondensedSet
from skcondense.condensers import (
    ClusterCondenser,
    HerdingCondenser,
    RandomCondenser,
    ZeroOrderCondenser,
)
from skcondense.life_table import LifeTable, private_life_table
from skcondense.model_selection import EventStratifiedKFold, event_stratified_split
from skcondense.models import WeightedCoxPH
from skcondense.parquet import ParquetSample, condense_parquet
from skcondense.pipeline import CondensedEstimator, CondensingSampler, Pipeline, make_pipeline
from skcondense.privacy import PrivacyLedger, PrivacyStatement
from skcondense.table import (
    ColumnSchema,
    SchemaVectorizer,
    SurvivalSchema,
    TableEncoder,
    TableSchema,
)
from skcondense.tasks import fit_weighted, to_bounds, to_signed_time

__version__ = "0.1.0"

__all__ = [
    "ClusterCondenser",
    "ColumnSchema",
    "CondensedEstimator",
    "CondensedSet",
    "CondensingSampler",
    "DatasetCondenser",
    "EventStratifiedKFold",
    "FitProgress",
    "HerdingCondenser",
    "LifeTable",
    "ParquetSample",
    "Pipeline",
    "PrivacyLedger",
    "PrivacyStatement",
    "ProgressBar",
    "RandomCondenser",
    "SchemaVectorizer",
    "SurvivalSchema",
    "TableEncoder",
    "TableSchema",
    "WeightedCoxPH",
    "ZeroOrderCondenser",
    "condense_parquet",
    "event_stratified_split",
    "fit_weighted",
    "make_pipeline",
    "private_life_table",
    "to_bounds",
    "to_signed_time",
]
