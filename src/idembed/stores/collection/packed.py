"""What only we read of a record, as one string: each field of a database of its own costs some microseconds a record,
so that what nobody asks a database about has none."""

from __future__ import annotations

import re
import struct
from base64 import b64decode, b64encode
from typing import Final, NamedTuple

from idembed.stores.collection.engine import Fields, Record

__all__ = ["PACKED", "Packed", "is_exact", "pack", "unpack"]

PACKED: Final[Fields] = frozenset({"start", "end", "truncated", "address", "row_hash", "place", "live", "seal"})
"""The fields of a record that are in the string."""
_FORM: Final = struct.Struct("<BQQq16s16s")
_FLOAT: Final = re.compile("[0-9][.e]")
_TRUNCATED, _LIVE, _HAS_ROW_HASH = 1, 2, 4


class Packed(NamedTuple):
    """As the fields of ``Record``."""

    start: int
    end: int
    truncated: bool
    address: bytes
    row_hash: bytes
    place: int
    live: bool
    seal: bytes


def pack(record: Record) -> str:
    """Base64 of the fields in ``PACKED``."""
    row_hash = record.row_hash
    flags = record.truncated * _TRUNCATED | record.live * _LIVE | bool(row_hash) * _HAS_ROW_HASH
    fixed = _FORM.pack(flags, record.start, record.end, record.place, record.address, row_hash)
    return b64encode(fixed + record.seal).decode()


def unpack(said: str) -> Packed:
    """What ``pack`` was given. Raises ValueError for a string that it did not make."""
    raw = b64decode(said, validate=True)
    if len(raw) < _FORM.size:
        raise ValueError("it is cut off")
    flags, start, end, place, address, row_hash = _FORM.unpack_from(raw)
    return Packed(
        start,
        end,
        bool(flags & _TRUNCATED),
        address,
        row_hash if flags & _HAS_ROW_HASH else b"",
        place,
        bool(flags & _LIVE),
        raw[_FORM.size :],
    )


def is_exact(metadata: str) -> bool:
    """Whether an object says the same as this canonical JSON of it once a database had it: of floats that is not
    certain. What only looks like one, in a string, counts as well."""
    return _FLOAT.search(metadata) is None
