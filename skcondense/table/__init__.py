"""Tables: what columns may hold, and rows as bounded float matrices."""

from skcondense.table.bins import TableBins
from skcondense.table.columns import ColumnSchema, SurvivalSchema
from skcondense.table.encoder import TableEncoder
from skcondense.table.frames import (
    Column,
    Container,
    check_table,
    is_frame,
    is_images,
    take_rows,
)
from skcondense.table.schema import (
    TableSchema,
    clip_to_bounds,
    infer_schema,
)
from skcondense.table.vectorizer import SchemaVectorizer, encode_once, take_encoded

__all__ = [
    "Column",
    "ColumnSchema",
    "Container",
    "SchemaVectorizer",
    "SurvivalSchema",
    "TableBins",
    "TableEncoder",
    "TableSchema",
    "check_table",
    "clip_to_bounds",
    "encode_once",
    "infer_schema",
    "is_frame",
    "is_images",
    "take_encoded",
    "take_rows",
]
