"""Rows as records of a collection, and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np

from idembed.space import checksum
from idembed.stores.collection.engine import NOT_HEAD, UNSETTLED, Key, Record
from idembed.stores.collection.seal import Seal
from idembed.stores.records import PartRecord, RowRecord, StoredPart, StoredRow, Vector

__all__ = [
    "Content",
    "content_of",
    "head",
    "keys_of",
    "order_of",
    "place_of",
    "records",
    "rewritten",
    "said_of",
    "stored",
]

_HALF: Final = 8
"""Bytes of a hash that make a number; its lowest bit is left away, as databases' integers have a sign."""


class Content(NamedTuple):
    """All of a row but its vectors."""

    id: str
    scope: str
    text: str
    text_hash: bytes
    metadata: str
    metadata_hash: bytes
    row_hash: bytes


def order_of(row_hash: bytes) -> int:
    """Where a row stands in a plan: as its hash does, the bucket being its upper 12 bits."""
    return int.from_bytes(row_hash[:_HALF], "big") >> 1 if row_hash else UNSETTLED


def place_of(row_id: str) -> int:
    """A number that spreads rows evenly."""
    return int.from_bytes(hashlib.sha256(row_id.encode()).digest()[:_HALF], "big") >> 1


def head(row_id: str) -> Key:
    """The key of a row's head."""
    return Key(row_id, 0)


def keys_of(row_id: str, last: int) -> list[Key]:
    """Every key that a row's records may have."""
    return [Key(row_id, part) for part in range(max(last, 1))]


def content_of(row: RowRecord) -> Content:
    """A row to write, text and all."""
    return Content(
        row.id, row.scope, row.text or "", row.text_hash, row.metadata, row.metadata_hash, row.row_hash or b""
    )


def said_of(record: Record, row_hash: bytes) -> Content:
    """All that a head, all fields given, says of its row, with another row hash."""
    seal = Seal.read(record.seal)
    return Content(record.id, record.scope, record.text, seal.text_hash, record.metadata, seal.metadata_hash, row_hash)


def records(content: Content, parts: Sequence[PartRecord], dim: int) -> list[Record]:
    """The records of a row, its head first: a bare one where there is no part 0."""
    zeros = np.zeros(dim, np.float32)
    by_number = {part.part: _record(content, part, zeros) for part in parts}
    first = by_number.pop(0, Record(content.id, vector=zeros, seal=Seal().packed()))
    return _of_row([first, *(by_number[number] for number in sorted(by_number))], content)


def rewritten(found: Iterable[Record], content: Content) -> list[Record]:
    """The records of a row, all fields given, with what is said of the row replaced."""
    return _of_row(sorted(found, key=lambda record: record.part), content)


def _of_row(found: Sequence[Record], content: Content) -> list[Record]:
    """Records of which the first is the head, as those of the row."""
    made = []
    for record in found:
        seal = Seal.read(record.seal)
        is_head = record.part == 0
        if is_head:
            size = len(content.text.encode()) + len(content.metadata.encode())
            seal = replace(
                seal,
                text_hash=content.text_hash,
                metadata_hash=content.metadata_hash,
                last=found[-1].part + 1,
                size=size,
            )
        made.append(
            replace(
                record,
                scope=content.scope,
                text=content.text if is_head else "",
                metadata=content.metadata,
                row_hash=content.row_hash if is_head else b"",
                order=order_of(content.row_hash) if is_head else NOT_HEAD,
                place=place_of(content.id) if is_head else NOT_HEAD,
                live=bool(content.text_hash) and seal.made_of == content.text_hash and not seal.empty,
                seal=seal.packed(),
            )
        )
    return made


def _record(content: Content, part: PartRecord, zeros: Vector) -> Record:
    raw = b"" if part.vector is None else part.vector.astype("<f4", copy=False).tobytes()
    tokens, truncated = int(part.tokens), bool(part.truncated)
    seal = Seal(content.text_hash, checksum(part.address, raw, tokens, truncated), part.vector is None)
    return Record(
        content.id,
        int(part.part),
        start=int(part.span[0]),
        end=int(part.span[1]),
        tokens=tokens,
        truncated=truncated,
        address=part.address,
        seal=seal.packed(),
        vector=zeros if part.vector is None else part.vector,
    )


def stored(first: Record, parts: Iterable[Record], *, vectors: bool) -> StoredRow:
    """The row whose head, all fields but the vector given, is ``first``, with ``parts`` of some generation."""
    seal = Seal.read(first.seal)
    return StoredRow(
        first.id,
        first.scope,
        first.text,
        _object(first.metadata),
        first.metadata,
        seal.text_hash,
        seal.metadata_hash,
        first.row_hash,
        tuple(
            _stored_part(part, Seal.read(part.seal), vectors)
            for part in sorted(parts, key=lambda record: record.part)
            if not Seal.read(part.seal).is_bare
        ),
    )


def _stored_part(record: Record, seal: Seal, vectors: bool) -> StoredPart:
    return StoredPart(
        record.part,
        (record.start, record.end),
        record.address,
        record.tokens,
        record.truncated,
        seal.made_of,
        seal.checksum,
        seal.empty,
        record.vector if vectors and not seal.empty else None,
    )


def _object(metadata: str) -> dict[str, Any]:
    """Metadata in which another program put something else reads as empty."""
    try:
        value = json.loads(metadata)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
