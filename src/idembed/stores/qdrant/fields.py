"""A record as a point: its id, a payload with plain names for other programs, and what only we read beside it.

Whatever is in the payload costs some microseconds a point, so it has what somebody asks about, and of that only what is
not so of nearly every record: ``part``, ``start`` and ``end`` where the vector is not of a whole text, ``truncated``
where it was, ``_hidden`` where a search does not find it. The rest is one string (collection/packed.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, Final

from idembed.canonical import canonical_json
from idembed.stores.collection.engine import KEYS, Fields, Key, Record
from idembed.stores.collection.packed import PACKED, is_exact, pack, unpack
from idembed.stores.qdrant.points import IndexKind, Point

__all__ = [
    "INDEXES",
    "SAMPLED",
    "document_id",
    "document_name",
    "number_of",
    "payload_fields",
    "point_id",
    "point_of",
    "record_of",
]

INDEXES: Final[dict[str, IndexKind]] = {
    "scope": "tenant",
    "_address": "number",
    "_hidden": "number",
    "_order": "range",
    "_place": "range",
}
"""The fields that records are found by, and the kind of index for each. Few records have ``_hidden`` and ``_place``, so
that these cost next to nothing."""
SAMPLED: Final = range(2**57)
"""The places that are in the payload, a 64th of all: a sample is taken of the lowest."""
_PLAIN: Final = {"id": "id", "part": "part", "scope": "scope", "text": "text", "tokens": "tokens", "order": "_order"}
"""Of the fields of a record that are in the payload as they are, the names there."""


def point_id(key: Key) -> str:
    """The UUID of a record: of version 8, made of the SHA-256 of its key; an id has no NUL."""
    return _uuid8(f"{key.id}\0{key.part}")


def document_id(name: str) -> str:
    return _uuid8(f"\0{name}")


def document_name(point: Point) -> str | None:
    """The name of the document that is this point; None where another program made it."""
    name = point.payload.get("name")
    return name if isinstance(name, str) and name.isascii() and point.id == document_id(name) else None


def number_of(address: bytes) -> int:
    """Half of an address, by which it is found: a number is written faster than a string."""
    return int.from_bytes(address[:8], "big") >> 1


def _uuid8(name: str) -> str:
    digits = hashlib.sha256(name.encode()).hexdigest()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def point_of(record: Record) -> Point:
    payload = {
        "id": record.id,
        "scope": record.scope,
        "text": record.text,
        "metadata": json.loads(record.metadata),
        "tokens": record.tokens,
        "_order": record.order,
        "_address": number_of(record.address),
        "_packed": pack(record),
    }
    if record.part:
        payload["part"] = record.part
    if record.part or record.start or record.end != len(record.text):
        payload["start"], payload["end"] = record.start, record.end
    if record.truncated:
        payload["truncated"] = True
    if not is_exact(record.metadata):
        payload["_metadata"] = record.metadata
    if not record.live:
        payload["_hidden"] = 1  # the embedded engine cannot match booleans
    if record.place in SAMPLED:
        payload["_place"] = record.place
    return Point(point_id(record.key), payload, record.vector)


def payload_fields(fields: Fields) -> list[str]:
    """The names in the payload of these fields of a record."""
    names = [_PLAIN[field] for field in sorted(fields | KEYS) if field in _PLAIN]
    if "metadata" in fields:
        names += ["metadata", "_metadata"]
    return [*names, "_packed"] if fields & PACKED else names


def record_of(point: Point, fields: Fields) -> Record | None:
    """The record with these fields; None where another program made the point, or broke its payload: a sync writes
    what is missing again, to the same point."""
    payload = point.payload
    try:
        known = {field: _TYPES[field](payload.get(_PLAIN[field])) for field in fields | KEYS if field in _PLAIN}
        if "metadata" in fields:
            known["metadata"] = _metadata(payload)
        if among := fields & PACKED:
            packed = unpack(payload["_packed"])
            known |= {field: getattr(packed, field) for field in among}
    except (KeyError, TypeError, ValueError):
        return None
    return Record(**known, vector=point.vector) if "vector" in fields else Record(**known)


def _metadata(payload: dict[str, Any]) -> str:
    return _string(payload["_metadata"]) if "_metadata" in payload else canonical_json(payload["metadata"])


def _part(value: object) -> int:
    return 0 if value is None else _whole(value)


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError
    return value


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


_TYPES: Final[dict[str, Callable[[Any], Any]]] = {
    "id": _string,
    "part": _part,
    "scope": _string,
    "text": _string,
    "tokens": _whole,
    "order": _whole,
}
