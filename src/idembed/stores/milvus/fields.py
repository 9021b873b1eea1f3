"""Records as rows of a Milvus collection, and back in every bit.

Other programs read the plain names; what begins with an underscore is ours. Each field costs some microseconds a row,
so what nobody asks Milvus about is one string (collection/packed.py). Metadata with floats is kept twice: as JSON, and
at the end of that string as it was given.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from pymilvus import CollectionSchema, DataType, MilvusClient

from idembed.canonical import canonical_json
from idembed.stores.collection.engine import KEYS, Fields, Key, Record
from idembed.stores.collection.packed import PACKED, is_exact, pack, unpack
from idembed.stores.milvus.wire import Columns

__all__ = [
    "INDEXED",
    "KEY",
    "MAX_METADATA",
    "MAX_STRING",
    "VECTOR",
    "columns_of",
    "dim_of",
    "document_schema",
    "holds_documents",
    "is_ours",
    "key_of",
    "number_of",
    "records_of",
    "schema_of",
    "size_of",
    "state_in",
    "written",
]

KEY: Final = "_key"
"""The primary key: the first 16 bytes of the SHA-256 of id and part, so that keys are spread evenly."""
VECTOR: Final = "vector"
MAX_STRING: Final = 65_535
"""Bytes of UTF-8 in one string, the most that Milvus takes."""
INDEXED: Final = ("_order", "_place", "_address", "_state", "scope", "id")
"""What is asked about, and has an index of its own."""
_PADDED: Final = "_padded"
"""A field that collections for vectors of one number have: Milvus takes two at least, so these get a zero."""
_STRINGS: Final = {
    "id": 512,
    "scope": MAX_STRING,
    "text": MAX_STRING,
    "_packed": MAX_STRING,
}
_NUMBERS: Final = ("part", "tokens", "_order", "_place", "_address", "_state")
MAX_METADATA: Final = MAX_STRING - 535
"""So that it fits beside the rest in ``_packed``."""
_LIVE, _TRUNCATED = 1, 2
"""Bits of ``_state``."""
_PLAIN: Final[Mapping[str, str]] = {
    **{name: name for name in ("id", "part", "scope", "text", "tokens", "vector")},
    "order": "_order",
}
"""Of the fields of a record that are in one of a collection as they are, the name there."""
_TYPICAL: Final = {"text": 8192, "metadata": 4096}
"""Bytes by which is reckoned how many records are read at once, where strings are mostly shorter."""


def key_of(key: Key) -> str:
    """An id has no NUL, so that no two keys are written alike."""
    return hashlib.sha256(f"{key.part}\0{key.id}".encode()).hexdigest()[:32]


def state_in(*, live: bool | None = None, truncated: bool | None = None) -> list[int]:
    """The values of ``_state`` of records that are so."""
    return [
        state
        for state in range(4)
        if live in (None, bool(state & _LIVE)) and truncated in (None, bool(state & _TRUNCATED))
    ]


def number_of(address: bytes) -> int:
    """Half of an address, by which it is found: numbers take Milvus less than strings."""
    return int.from_bytes(address[:8], "big") >> 1


def schema_of(dim: int) -> CollectionSchema:
    """The fields of a collection for vectors of ``dim`` numbers."""
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field(KEY, DataType.VARCHAR, is_primary=True, max_length=32)
    for name, most in _STRINGS.items():
        schema.add_field(name, DataType.VARCHAR, max_length=most)
    schema.add_field("metadata", DataType.JSON)
    for name in _NUMBERS:
        schema.add_field(name, DataType.INT64)
    if dim == 1:
        schema.add_field(_PADDED, DataType.BOOL)
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
    columns: dict[str, Any] = {
        KEY: [key_of(record.key) for record in records],
        "id": [record.id for record in records],
        "part": [record.part for record in records],
        "scope": [record.scope for record in records],
        "text": [record.text for record in records],
        "metadata": [record.metadata.encode() for record in records],
        "tokens": [record.tokens for record in records],
        "_state": [record.live * _LIVE | record.truncated * _TRUNCATED for record in records],
        "_address": [number_of(record.address) for record in records],
        "_order": [record.order for record in records],
        "_place": [record.place for record in records],
        "_packed": [_packed(record) for record in records],
        VECTOR: vectors,
    }
    if vectors.shape[1] == 1:
        columns[_PADDED] = [True] * len(records)
        columns[VECTOR] = np.pad(vectors, ((0, 0), (0, 1)))
    return columns


def columns_of(fields: Fields) -> list[str]:
    """What Milvus is asked for."""
    names = [KEY, *(_PLAIN[name] for name in sorted(fields | KEYS) if name in _PLAIN)]
    if "metadata" in fields:
        names.append("metadata")
    return [*names, "_packed"] if fields & {"metadata", *PACKED} else names


def size_of(fields: Fields, dim: int) -> int:
    """About how many bytes a record has in an answer."""
    return 500 + sum(_TYPICAL.get(name, 0) for name in fields) + (4 * dim if "vector" in fields else 0)


def records_of(columns: Columns, fields: Fields, dim: int) -> list[Record]:
    """The records with these fields, as ``columns_of`` asked for them."""
    read: dict[str, Iterable[Any]] = {name: columns[_PLAIN[name]] for name in fields | KEYS if name in _PLAIN}
    if "metadata" in fields:
        read["metadata"] = map(_metadata, columns["metadata"], columns["_packed"])
    if packed := fields & PACKED:
        unpacked = [unpack(said.partition(" ")[0]) for said in columns["_packed"]]
        read |= {name: [getattr(one, name) for one in unpacked] for name in packed}
    if "vector" in fields:
        read["vector"] = np.ascontiguousarray(columns[VECTOR], np.float32)[:, :dim] if len(columns[KEY]) else ()
    return [Record(**dict(zip(read, values, strict=True))) for values in zip(*read.values(), strict=True)]


def _packed(record: Record) -> str:
    """Base64 has no spaces."""
    return pack(record) if is_exact(record.metadata) else f"{pack(record)} {record.metadata}"


def _metadata(value: bytes, packed: str) -> str:
    return packed.partition(" ")[2] or canonical_json(json.loads(value))
