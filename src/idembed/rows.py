"""What the user has (Row) and what a search gives back (Hit), validated at the edge and hashed once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from idembed.arguments import check_kind
from idembed.canonical import JSON, NotCanonicalError, canonical_json, check_text
from idembed.errors import OptionError, RowError

__all__ = [
    "BUCKETS",
    "MAX_ID_BYTES",
    "RESERVED",
    "ROW_HASH_BYTES",
    "CheckedRow",
    "Hit",
    "Row",
    "bucket_of",
    "check_id",
    "check_ids",
    "check_row",
    "row_hash",
    "text_hash",
]

MAX_ID_BYTES = 512
ROW_HASH_BYTES = 16
BUCKETS = 4096
RESERVED = frozenset({"$id", "$scope", "$tokens", "$truncated"})
"""Names a filter uses for what idembed knows about a vector; metadata may not use them."""
_new = tuple.__new__
_sha256 = hashlib.sha256


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
    """A row that passed every check: ``metadata`` as canonical JSON, ``row_hash`` over all three.

    There are millions of them: a named tuple is made in 0.3 µs, a frozen dataclass in 0.5 µs.
    """

    id: str
    text: str
    metadata: str
    row_hash: bytes

    @property
    def text_hash(self) -> bytes:
        """SHA-256 of the text (32 bytes)."""
        return text_hash(self.text)

    @property
    def metadata_hash(self) -> bytes:
        """SHA-256 of the canonical metadata (32 bytes)."""
        return text_hash(self.metadata)


def text_hash(text: str) -> bytes:
    """SHA-256 of the text's UTF-8 bytes; text is never normalised."""
    return hashlib.sha256(text.encode("utf-8")).digest()


def row_hash(row_id: str, text: str, metadata: str) -> bytes:
    """What a plan compares: the first 16 bytes of SHA-256 over the row, ``metadata`` as canonical JSON; the lengths
    of id and text in characters come first, so that no two rows are written alike."""
    joined = f"{len(row_id)},{len(text)},{row_id}{text}{metadata}"
    return _sha256(joined.encode()).digest()[:ROW_HASH_BYTES]


def bucket_of(row_hash: bytes) -> int:
    """The upper 12 bits of a row's hash, by which plans are joined in bounded memory."""
    return row_hash[0] << 4 | row_hash[1] >> 4


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


def check_ids(ids: Iterable[str | int], name: str = "ids") -> list[str]:
    """A list of ids as sources take them: whole numbers by their decimal digits. Raises OptionError for what is no
    list, a string too, and RowError for what is no id; ``name`` is the argument's."""
    if isinstance(ids, str):
        raise OptionError(f"{name}={ids!r}: a list of ids is needed")
    check_kind(name, ids, Iterable, "a list of ids")
    plain = [str(i) if isinstance(i, int) and not isinstance(i, bool) else i for i in ids]
    return [check_id(row_id, f"{name}[{position}]") for position, row_id in enumerate(plain)]


def check_row(row_id: object, text: object, metadata: object, where: str) -> CheckedRow:
    """The row, checked and hashed (2.7 µs). ``where`` says where it came from, such as ``cats.jsonl, line 7``.

    Raises RowError naming the row and what to do.
    """
    # What nearly all rows are; what is left over is right in another way, or wrong, and told so below.
    if type(row_id) is str and type(text) is str and type(metadata) is dict and 0 < len(row_id) <= MAX_ID_BYTES // 4:
        try:
            canonical = canonical_json(metadata) if metadata else "{}"
            raw = f"{len(row_id)},{len(text)},{row_id}{text}{canonical}".encode()
        except (NotCanonicalError, UnicodeEncodeError):
            return _check_row(row_id, text, metadata, where)
        if b"\0" not in raw and text and not text.isspace() and ("$" not in canonical or RESERVED.isdisjoint(metadata)):
            return _new(CheckedRow, (row_id, text, canonical, _sha256(raw).digest()[:ROW_HASH_BYTES]))
    return _check_row(row_id, text, metadata, where)


def _check_row(row_id: object, text: object, metadata: object, where: str) -> CheckedRow:
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
    if not isinstance(metadata, Mapping):
        raise RowError(f"{where}: the metadata of row {name!r} is {type(metadata).__name__}, not an object", id=name)
    if not RESERVED.isdisjoint(metadata):
        taken = ", ".join(sorted(RESERVED.intersection(metadata)))
        raise RowError(f"{where}: row {name!r} has metadata named {taken}", hint="the name is ours: choose another")
    try:
        canonical = canonical_json(metadata)
    except NotCanonicalError as error:
        raise RowError(f"{where}: metadata of row {name!r}: {error}", id=name, path=error.path) from None
    plain = str.__str__(text)
    return CheckedRow(name, plain, canonical, row_hash(name, plain, canonical))
