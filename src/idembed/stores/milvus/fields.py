"""Records as rows of a Milvus collection, and back in every bit.

Other programs read the plain names; what begins with an underscore is ours. Bytes are hexadecimal or base64, metadata
is kept twice: as JSON for filters, and as the very string that was given.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from pymilvus import CollectionSchema, DataType, MilvusClient

from idembed.stores.collection.engine import Fields, Key, Record
from idembed.stores.milvus.wire import Columns

__all__ = [
    "INDEXED",
    "KEY",
    "MAX_STRING",
    "VECTOR",
    "columns_of",
    "dim_of",
    "document_schema",
    "holds_documents",
    "is_ours",
    "key_of",
    "records_of",
    "schema_of",
    "size_of",
    "written",
]

KEY: Final = "_key"
"""The primary key: the first 16 bytes of the SHA-256 of id and part, so that keys are spread evenly."""
VECTOR: Final = "vector"
MAX_STRING: Final = 65_535
"""Bytes of UTF-8 in one string, the most that Milvus takes."""
INDEXED: Final = ("_order", "_place", "_address", "_live", "scope", "id")
"""What is asked about, and has an index of its own."""
_PADDED: Final = "_padded"
"""A field that collections for vectors of one number have: Milvus takes two at least, so these get a zero."""
_STRINGS: Final = {
    "id": 512,
    "scope": MAX_STRING,
    "text": MAX_STRING,
    "_metadata": MAX_STRING,
    "_address": 32,
    "_row_hash": 32,
    "_seal": 344,
}
_NUMBERS: Final = ("part", "start", "end", "tokens", "_order", "_place")
_COLUMNS: Final[Mapping[str, str]] = {
    **{name: name for name in ("id", "part", "scope", "text", "start", "end", "tokens", "truncated", "vector")},
    **{name: f"_{name}" for name in ("metadata", "address", "row_hash", "order", "place", "live", "seal")},
}
"""Where each field of a record is."""
_TYPICAL: Final = {"text": 8192, "metadata": 4096}
"""Bytes by which is reckoned how many records are read at once, where strings are mostly shorter."""


def key_of(key: Key) -> str:
    """An id has no NUL, so that no two keys are written alike."""
    return hashlib.sha256(f"{key.part}\0{key.id}".encode()).hexdigest()[:32]


def schema_of(dim: int) -> CollectionSchema:
    """The fields of a collection for vectors of ``dim`` numbers."""
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field(KEY, DataType.VARCHAR, is_primary=True, max_length=32)
    for name, most in _STRINGS.items():
        schema.add_field(name, DataType.VARCHAR, max_length=most)
    schema.add_field("metadata", DataType.JSON)
    for name in _NUMBERS:
        schema.add_field(name, DataType.INT64)
    for name in ("truncated", "_live", *([_PADDED] if dim == 1 else [])):
        schema.add_field(name, DataType.BOOL)
    schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=max(dim, 2))
    return schema


def document_schema() -> CollectionSchema:
    """The fields of the collection of documents: Milvus wants a vector, which says nothing there."""
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("name", DataType.VARCHAR, is_primary=True, max_length=200)
    schema.add_field("body", DataType.VARCHAR, max_length=MAX_STRING)
    schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=2)
    return schema


def dim_of(described: Mapping[str, Any]) -> int:
    """The dimension of the vectors of a collection that Milvus describes."""
    fields = {field["name"]: field for field in described["fields"]}
    return 1 if _PADDED in fields else int(fields[VECTOR]["params"]["dim"])


def is_ours(described: Mapping[str, Any]) -> bool:
    """Whether a collection that Milvus describes holds records of ours: it has every field, of the same type."""
    there = {field["name"]: field["type"] for field in described["fields"]}
    ours = {field.name: field.dtype for field in schema_of(dim=2).fields}
    return ours.items() <= there.items() and there.keys() <= ours.keys() | {_PADDED}


def holds_documents(described: Mapping[str, Any]) -> bool:
    """Whether a collection that Milvus describes is for documents of ours."""
    there = {field["name"]: field["type"] for field in described["fields"]}
    return there == {field.name: field.dtype for field in document_schema().fields}


def written(records: Sequence[Record]) -> Columns:
    """Records, whose vectors are not None, as they are written."""
    vectors = np.stack([record.vector for record in records if record.vector is not None])
    metadata = [record.metadata for record in records]
    columns: dict[str, Any] = {
        KEY: [key_of(record.key) for record in records],
        "id": [record.id for record in records],
        "part": [record.part for record in records],
        "scope": [record.scope for record in records],
        "text": [record.text for record in records],
        "metadata": [text.encode() for text in metadata],
        "_metadata": metadata,
        "start": [record.start for record in records],
        "end": [record.end for record in records],
        "tokens": [record.tokens for record in records],
        "truncated": [record.truncated for record in records],
        "_address": [record.address.hex() for record in records],
        "_row_hash": [record.row_hash.hex() for record in records],
        "_order": [record.order for record in records],
        "_place": [record.place for record in records],
        "_live": [record.live for record in records],
        "_seal": [base64.b64encode(record.seal).decode() for record in records],
        VECTOR: vectors,
    }
    if vectors.shape[1] == 1:
        columns[_PADDED] = [True] * len(records)
        columns[VECTOR] = np.pad(vectors, ((0, 0), (0, 1)))
    return columns


def columns_of(fields: Fields) -> list[str]:
    """What Milvus is asked for."""
    return [KEY, "id", "part", *(_COLUMNS[name] for name in sorted(fields - {"id", "part"}))]


def size_of(fields: Fields, dim: int) -> int:
    """About how many bytes a record has in an answer."""
    return 500 + sum(_TYPICAL.get(name, 0) for name in fields) + (4 * dim if "vector" in fields else 0)


def records_of(columns: Columns, dim: int) -> list[Record]:
    """The records that have these columns of some fields."""
    known = {name: columns[column] for name, column in _COLUMNS.items() if column in columns}
    read: dict[str, Iterable[Any]] = {name: map(_READ.get(name, _same), values) for name, values in known.items()}
    if "vector" in known:
        read["vector"] = np.ascontiguousarray(known["vector"], np.float32)[:, :dim]
    return [Record(**dict(zip(read, values, strict=True))) for values in zip(*read.values(), strict=True)]


def _same(value: Any) -> Any:
    return value


_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    "address": bytes.fromhex,
    "row_hash": bytes.fromhex,
    "seal": base64.b64decode,
}
