"""Rows as records of a collection, and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np

from idembed.space import CHECKSUM_BYTES, checksum
from idembed.stores.collection.engine import NO_ADDRESS, NOT_HEAD, UNSETTLED, Key, Record
from idembed.stores.collection.seal import Seal, packed
from idembed.stores.records import PartRecord, RowRecord, StoredPart, StoredRow

__all__ = [
    "Content",
    "content_of",
    "head",
    "keys_of",
    "opened",
    "order_of",
    "place_of",
    "records",
    "rewritten",
    "said_of",
    "stored",
]

_NO_CHECKSUM: Final = bytes(CHECKSUM_BYTES)
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
    """The records of a row, its head last: a bare one where there is no part 0."""
    if len(parts) == 1 and parts[0].part == 0:  # as of nearly all rows
        return [_record(content, 0, parts[0], 1, dim)]
    by_number: dict[int, PartRecord | None] = {0: None}
    by_number.update((int(part.part), part) for part in parts)
    last = max(by_number) + 1
    return [_record(content, number, by_number[number], last, dim) for number in sorted(by_number, reverse=True)]


def _record(content: Content, number: int, part: PartRecord | None, last: int, dim: int) -> Record:
    """One of them, made in one go: this is done for every row that is written."""
    is_head = number == 0
    vector = None if part is None else part.vector
    start, end, tokens, truncated = 0, 0, 0, False
    address, check, made_of = NO_ADDRESS, _NO_CHECKSUM, b""
    if part is not None:
        start, end = map(int, part.span)
        tokens, truncated = int(part.tokens), bool(part.truncated)
        raw = b"" if vector is None else vector.astype("<f4", copy=False).tobytes()
        address, made_of = part.address, content.text_hash
        check = checksum(address, raw, tokens, truncated)
    empty = part is not None and vector is None
    seal = (
        packed(made_of, check, empty, content.text_hash, content.metadata_hash, last, _size(content))
        if is_head
        else packed(made_of, check, empty, b"", b"", 0, 0)
    )
    return Record(
        content.id,
        number,
        content.scope,
        content.text if is_head else "",
        content.metadata,
        start,
        end,
        tokens,
        truncated,
        address,
        content.row_hash if is_head else b"",
        order_of(content.row_hash) if is_head else NOT_HEAD,
        place_of(content.id) if is_head else NOT_HEAD,
        vector is not None and bool(content.text_hash),
        seal,
        np.zeros(dim, np.float32) if vector is None else vector,
    )


def rewritten(found: Iterable[Record], content: Content) -> list[Record]:
    """The records of a row, all fields given, with what is said of the row replaced; its head last."""
    parts = sorted(found, key=lambda record: -record.part)
    return [_rewritten(record, content, parts[0].part + 1) for record in parts]


def opened(first: Record) -> Record:
    """A head, all fields given, of a row that is neither settled nor current, and not found by its first part."""
    seal = replace(Seal.read(first.seal), made_of=b"")
    return replace(first, row_hash=b"", order=UNSETTLED, live=False, seal=seal.packed())


def _rewritten(record: Record, content: Content, last: int) -> Record:
    seal = Seal.read(record.seal)
    is_live = bool(content.text_hash) and seal.made_of == content.text_hash and not seal.empty
    if record.part:
        return replace(record, scope=content.scope, metadata=content.metadata, live=is_live)
    said = replace(
        seal, text_hash=content.text_hash, metadata_hash=content.metadata_hash, last=last, size=_size(content)
    )
    return replace(
        record,
        scope=content.scope,
        text=content.text,
        metadata=content.metadata,
        row_hash=content.row_hash,
        order=order_of(content.row_hash),
        live=is_live,
        seal=said.packed(),
    )


def _size(content: Content) -> int:
    return _bytes(content.text) + _bytes(content.metadata)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


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
