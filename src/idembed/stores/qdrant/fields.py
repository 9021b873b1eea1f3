"""A record as a point: its id, a payload with plain names for other programs, and what only we read beside it."""

from __future__ import annotations

import hashlib
import json
import uuid
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any, Final

from idembed.stores.collection.engine import KEYS, Fields, Key, Record
from idembed.stores.qdrant.points import IndexKind, Point

__all__ = ["INDEXES", "document_id", "document_name", "payload_fields", "point_id", "point_of", "record_of", "uuid_of"]

INDEXES: Final[dict[str, IndexKind]] = {
    "scope": "tenant",
    "_address": "uuid",
    "_live": "number",
    "_order": "integer",
    "_place": "range",
}
"""The fields that records are found by, and the kind of index for each."""
_NAMES: Final = {
    "id": "id",
    "part": "part",
    "scope": "scope",
    "text": "text",
    "metadata": "_metadata",
    "start": "start",
    "end": "end",
    "tokens": "tokens",
    "truncated": "truncated",
    "address": "_address",
    "row_hash": "_row_hash",
    "order": "_order",
    "place": "_place",
    "live": "_live",
    "seal": "_seal",
}
"""Of each field of a record, its name in the payload; ``metadata`` there is the same as ``_metadata``, as an object."""


def point_id(key: Key) -> str:
    """The UUID of a record: of version 8, made of the SHA-256 of its key; an id has no NUL."""
    return _uuid8(f"{key.id}\0{key.part}")


def document_id(name: str) -> str:
    return _uuid8(f"\0{name}")


def document_name(point: Point) -> str | None:
    """The name of the document that is this point; None where another program made it."""
    name = point.payload.get("name")
    return name if isinstance(name, str) and name.isascii() and point.id == document_id(name) else None


def uuid_of(raw: bytes | bytearray) -> str:
    """16 bytes as Qdrant writes and indexes them."""
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _uuid8(name: str) -> str:
    raw = bytearray(hashlib.sha256(name.encode()).digest()[:16])
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    return uuid_of(raw)


def point_of(record: Record) -> Point:
    payload = {
        "id": record.id,
        "part": record.part,
        "scope": record.scope,
        "text": record.text,
        "metadata": json.loads(record.metadata),
        "start": record.start,
        "end": record.end,
        "tokens": record.tokens,
        "truncated": record.truncated,
        "_metadata": record.metadata,
        "_address": uuid_of(record.address),
        "_row_hash": record.row_hash.hex(),
        "_order": record.order,
        "_place": record.place,
        "_live": int(record.live),  # the embedded engine cannot match booleans
        "_seal": b64encode(record.seal).decode(),
    }
    return Point(point_id(record.key), payload, record.vector)


def payload_fields(fields: Fields) -> list[str]:
    """The names in the payload of these fields of a record."""
    return [_NAMES[field] for field in sorted(fields | KEYS) if field != "vector"]


def record_of(point: Point, fields: Fields) -> Record | None:
    """The record with these fields; None where another program made the point, or broke its payload: a sync writes
    what is missing again, to the same point."""
    payload = point.payload
    try:
        known = {field: _TYPES[field](payload[_NAMES[field]]) for field in fields | KEYS if field != "vector"}
    except (KeyError, TypeError, ValueError):
        return None
    return Record(**known, vector=point.vector) if "vector" in fields else Record(**known)


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError
    return value


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


_TYPES: Final[dict[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(("id", "scope", "text", "metadata"), _string),
    **dict.fromkeys(("part", "start", "end", "tokens", "order", "place"), _whole),
    "truncated": _truth,
    "live": lambda value: _whole(value) == 1,
    "address": lambda value: uuid.UUID(value).bytes,
    "row_hash": bytes.fromhex,
    "seal": b64decode,
}
