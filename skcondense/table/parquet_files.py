"""Parquet files read piece by piece, those of a folder as one table."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skcondense.exceptions import SchemaError, missing_extra

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["as_frame", "common_schema", "count_rows", "read_pieces"]

# Rows that are read at a time.
PIECE = 50_000


def count_rows(path: Path) -> int:
    """Number of rows, as the files' footers say."""
    return sum(file.metadata.num_rows for file in _files(path))


def _files(path: Path) -> Iterator[Any]:
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise missing_extra("Reading Parquet", "pyarrow", "parquet") from error
    for part in _parts(path):
        # A buffer in place of whole column chunks: these may be as long as the file.
        yield pq.ParquetFile(part, buffer_size=1 << 20, pre_buffer=False)


def _parts(path: Path) -> list[Path]:
    parts = [path]
    if path.is_dir():
        found = path.rglob("*.parquet")
        parts = sorted(p for p in found if p.is_file() and _is_data(p.relative_to(path)))
    if not parts:
        raise FileNotFoundError(f"There is no Parquet file in {path}.")
    return parts


def _is_data(part: Path) -> bool:
    """Writers keep logs and unfinished files under names with a dot or an underscore in front."""
    return not any(name.startswith((".", "_")) for name in part.parts)


def read_pieces(path: Path, schema: "pa.Schema") -> "Iterator[pa.RecordBatch]":
    """Rows of all parts, some at a time, in the columns and types of a schema."""
    for file in _files(path):
        for piece in file.iter_batches(PIECE, columns=schema.names, use_threads=False):
            yield _cast(piece, schema)


def common_schema(path: Path, columns: Sequence[str] | None = None) -> "pa.Schema":
    """What all parts can be read as: a gap in one may have made floats of its whole numbers."""
    import pyarrow as pa

    schemas = [file.schema_arrow for file in _files(path)]
    names = list(columns or _named(schemas[0]))
    for part, schema in zip(_parts(path), schemas, strict=True):
        _check_names(part, schema, names, may_have_others=columns is not None)
    types = {name: [schema.field(name).type for schema in schemas] for name in names}
    common = pa.schema([(name, _common_type(name, types[name])) for name in names])
    agreed = {name for name in names if len(set(types[name])) == 1}
    return common.with_metadata(_pandas_facts(schemas[0], agreed))


def _named(schema: "pa.Schema") -> list[str]:
    """Columns without row numbers, which pandas writes as an index without a name."""
    return [name for name in schema.names if not name.startswith("__index_level_")]


def _check_names(
    part: Path, schema: "pa.Schema", names: list[str], *, may_have_others: bool
) -> None:
    twice = sorted({name for name in names if schema.names.count(name) > 1})
    if twice:
        raise SchemaError(f"Column names must be unique. Got twice: {twice} in {part}. Rename.")
    lost = [name for name in names if name not in schema.names]
    if lost:
        raise SchemaError(f"{part} has no column {lost}. Got {_named(schema)}.")
    others = [name for name in _named(schema) if name not in names]
    if others and not may_have_others:
        raise SchemaError(
            f"All files of a folder must have the same columns. Got {others} in {part}, but not "
            "in the first one. Remove them, or declare a schema without them."
        )


def _common_type(name: str, types: "list[pa.DataType]") -> "pa.DataType":
    import pyarrow as pa

    if len(set(types)) == 1:
        return types[0]
    plain = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in types]
    schemas = [pa.schema([(name, kind)]) for kind in plain]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        raise SchemaError(
            f"Column {name!r} has types in the files of the folder that have none in common, such "
            "as numbers and text. Write all files with one type."
        ) from None


def _pandas_facts(schema: "pa.Schema", names: set[str]) -> dict[bytes, bytes]:
    """What pandas noted of its own dtypes, but for its index: its columns are columns here."""
    noted = (schema.metadata or {}).get(b"pandas")
    if noted is None:
        return {}
    facts = json.loads(noted)
    columns = [c for c in facts["columns"] if c.get("field_name", c["name"]) in names]
    facts |= {"columns": columns, "index_columns": [], "column_indexes": []}
    return {b"pandas": json.dumps(facts).encode()}


def _cast(piece: "pa.RecordBatch", schema: "pa.Schema") -> "pa.RecordBatch":
    import pyarrow as pa

    columns = []
    for field in schema:
        try:
            columns.append(piece.column(field.name).cast(field.type))
        except pa.ArrowInvalid:
            # Arrow's own message quotes the cell.
            raise SchemaError(
                f"Column {field.name!r} has other types in other files of the folder, and cannot "
                f"be read as {field.type} without loss. Write all files with one type."
            ) from None
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def as_frame(kept: "list[pa.RecordBatch]", schema: "pa.Schema") -> Any:
    """Pieces as one pandas frame."""
    import pyarrow as pa

    # Pieces have dictionaries of their own, and a column needs one.
    return pa.Table.from_batches(kept, schema).unify_dictionaries().to_pandas()
