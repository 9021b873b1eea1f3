"""Records as columns of a table, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from operator import attrgetter
from typing import Any, Final

import numpy as np
import pyarrow as pa

from idembed.stores.collection.engine import EVERYTHING, Fields, Key, Record
from idembed.stores.records import Vector

__all__ = [
    "COLUMNS",
    "DOCUMENTS",
    "KEY",
    "chunks",
    "columns_of",
    "documents_table",
    "key_of",
    "records_of",
    "schema_of",
]

KEY: Final = "_key"
_UNIQUE: Final = {b"lance-schema:unenforced-primary-key:position": b"1"}
"""As LanceDB's set_unenforced_primary_key leaves it. Without it, writers at the same time write a key twice."""
_NAMES: Final = {
    "address": "_address",
    "row_hash": "_row_hash",
    "order": "_order",
    "place": "_place",
    "live": "_live",
    "seal": "_seal",
}
"""Of columns that are ours alone; the others are called as the fields are."""
COLUMNS: Final = {field: _NAMES.get(field, field) for field in sorted(EVERYTHING)}
_TYPES: Final = {
    "id": pa.string(),
    "part": pa.int64(),
    "scope": pa.string(),
    "text": pa.string(),
    "metadata": pa.string(),
    "start": pa.int64(),
    "end": pa.int64(),
    "tokens": pa.int64(),
    "truncated": pa.bool_(),
    "address": pa.binary(16),
    "row_hash": pa.binary(),
    "order": pa.int64(),
    "place": pa.int64(),
    "live": pa.bool_(),
    "seal": pa.binary(),
}
_ROW_BYTES: Final = 200
"""What a record takes beside its strings and its vector, about."""
DOCUMENTS: Final = pa.schema(
    [pa.field("name", pa.string(), nullable=False, metadata=_UNIQUE), pa.field("body", pa.string(), nullable=False)]
)


def key_of(key: Key) -> str:
    """The one string by which a record is known: digits have no space, so that no two keys have the same."""
    return f"{key.part} {key.id}"


def schema_of(dim: int) -> pa.Schema:
    """The columns of a collection."""
    return pa.schema(
        [
            pa.field(KEY, pa.string(), nullable=False, metadata=_UNIQUE),
            *(pa.field(COLUMNS[field], kind, nullable=False) for field, kind in _TYPES.items()),
            pa.field("vector", pa.list_(pa.field("item", pa.float32()), dim), nullable=False),
        ]
    )


def columns_of(records: Sequence[Record], schema: pa.Schema) -> pa.Table:
    """Records to write."""
    dim = schema.field("vector").type.list_size
    vectors = np.stack([record.vector for record in records if record.vector is not None]).astype(
        np.float32, copy=False
    )
    arrays = [pa.array([key_of(record.key) for record in records], pa.string())]
    arrays += [pa.array(list(map(attrgetter(field), records)), kind) for field, kind in _TYPES.items()]
    arrays.append(pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1), pa.float32()), dim))
    return pa.table(arrays, schema=schema)


def chunks(records: Sequence[Record], most: int) -> Iterator[Sequence[Record]]:
    """Runs of about ``most`` bytes or one row; the records of a row stay together."""
    begin, size = 0, 0
    for i, record in enumerate(records):
        if size > most and record.id != records[i - 1].id:
            yield records[begin:i]
            begin, size = i, 0
        size += _ROW_BYTES + len(record.text) + len(record.metadata)
        size += 0 if record.vector is None else record.vector.nbytes
    if begin < len(records):
        yield records[begin:]


def records_of(read: pa.RecordBatch | pa.Table, fields: Fields) -> list[Record]:
    """The records of what was read, with these fields: about 1 µs a field and record."""
    batches = read.to_batches() if isinstance(read, pa.Table) else [read]
    return [record for batch in batches if batch.num_rows for record in _records(batch, fields)]


def _records(batch: pa.RecordBatch, fields: Fields) -> Iterable[Record]:
    given: list[Iterable[Any]] = []
    for field in dataclasses.fields(Record):
        if field.name not in fields:
            given.append(repeat(field.default))
        elif field.name == "vector":
            given.append(_vectors(batch.column("vector")))
        else:
            given.append(batch.column(COLUMNS[field.name]).to_numpy(zero_copy_only=False).tolist())
    return map(Record, *given)


def _vectors(array: pa.FixedSizeListArray) -> Vector:
    numbers: Vector = array.flatten().to_numpy(zero_copy_only=False)
    return numbers.reshape(len(array), -1).copy()


def documents_table(documents: Mapping[str, str]) -> pa.Table:
    """Documents to write, by name."""
    return pa.table([list(documents), list(documents.values())], schema=DOCUMENTS)
