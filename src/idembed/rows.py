"""What the user has (Row) and what a search gives back (Hit), validated at the edge and hashed once."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from idembed.canonical import JSON, NotCanonicalError, canonical_json, check_text
from idembed.errors import RowError

__all__ = [
    "MAX_ID_BYTES",
    "RESERVED",
    "CheckedRow",
    "Hit",
    "Row",
    "bucket_of",
    "check_id",
    "check_row",
    "text_hash",
]

MAX_ID_BYTES = 512
BUCKETS = 4096
RESERVED = frozenset({"$id", "$scope", "$tokens", "$truncated"})
"""Names a filter uses for what idembed knows about a vector; metadata may not use them."""
_NO_METADATA = hashlib.sha256(b"{}").digest()


@dataclass(frozen=True, slots=True)
class Row:
    """One thing to find: ``id`` (1 to 512 bytes of UTF-8), ``text``, and a JSON object of ``metadata``."""

    id: str
    text: str
    metadata: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer: the part of the row that matched, its inner product with the query, and the row.

    ``span`` is the part's [start, end) in characters of the row's whole text; ``text`` is that part.
    """

    id: str
    score: float
    text: str
    metadata: dict[str, Any]
    part: int = 0
    span: tuple[int, int] = (0, 0)
    truncated: bool = False


class CheckedRow(NamedTuple):
    """A row that passed every check: canonical metadata, SHA-256 of text and of metadata (32 bytes each).

    There are millions of them: a named tuple is made in 0.3 µs, a frozen dataclass in 0.5 µs.
    """

    id: str
    text: str
    metadata: str
    text_hash: bytes
    metadata_hash: bytes


def text_hash(text: str) -> bytes:
    """SHA-256 of the text's UTF-8 bytes; text is never normalised."""
    return hashlib.sha256(text.encode("utf-8")).digest()


def bucket_of(row_id: str) -> int:
    """The upper 12 bits of the id's CRC-32, by which plans are joined in bounded memory (0.2 µs)."""
    return zlib.crc32(row_id.encode("utf-8")) >> 20


def check_id(value: object, where: str) -> str:
    """``value`` as an id, or a RowError that says what is wrong with it and ``where`` it stands."""
    if value is None:
        raise RowError(f"{where} has no id", hint="every row needs an id that stays the same between syncs")
    if not isinstance(value, str):
        raise RowError(f"{where}: the id {value!r} is not a string but {type(value).__name__}", where=where)
    reason = check_text(value)
    if reason:
        raise RowError(f"{where}: the id {value!a} {reason}", where=where)
    size = len(value.encode("utf-8"))
    if not 1 <= size <= MAX_ID_BYTES:
        raise RowError(f"{where}: an id has 1 to {MAX_ID_BYTES} bytes of UTF-8, this one {size}", where=where)
    return str.__str__(value)  # str() of an enum member would be its name


def check_row(row_id: object, text: object, metadata: object, where: str) -> CheckedRow:
    """The row, checked and hashed. ``where`` says where it came from, such as ``cats.jsonl, line 7``.

    Raises RowError naming the row and what to do.
    """
    name = check_id(row_id, where)
    if text is None:
        raise RowError(f"{where}: row {name!r} has no text", hint="leave the row out, or give it a text", id=name)
    if not isinstance(text, str):
        raise RowError(f"{where}: the text of row {name!r} is {type(text).__name__}, not a string", id=name)
    reason = check_text(text)
    if not text or text.isspace():
        reason = "is empty" if not text else "has nothing but white space"
    if reason:
        raise RowError(f"{where}: the text of row {name!r} {reason}", hint="mend or leave out this row", id=name)
    if type(metadata) is not dict and not isinstance(metadata, Mapping):
        raise RowError(f"{where}: the metadata of row {name!r} is {type(metadata).__name__}, not an object", id=name)
    if not metadata:
        return CheckedRow(name, str.__str__(text), "{}", text_hash(text), _NO_METADATA)
    if not RESERVED.isdisjoint(metadata):
        taken = ", ".join(sorted(RESERVED.intersection(metadata)))
        raise RowError(f"{where}: row {name!r} has metadata named {taken}", hint="the name is ours: choose another")
    try:
        canonical = canonical_json(metadata)
    except NotCanonicalError as error:
        raise RowError(f"{where}: metadata of row {name!r}: {error}", id=name, path=error.path) from None
    return CheckedRow(name, str.__str__(text), canonical, text_hash(text), text_hash(canonical))
