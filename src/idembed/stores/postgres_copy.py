"""Rows in the binary form of COPY, by which Postgres takes them fastest and every bit of a float stays.

Each is a count of fields, then for each field its length and its bytes, numbers with the high byte first (see the
documentation of COPY).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final

from idembed.stores.postgres_schema import Db
from idembed.stores.records import Vector

__all__ = ["Field", "binary", "boolean", "copy_in", "number4", "number8", "row_of", "text", "vector"]

Field = bytes
"""Its length and its bytes."""
_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END: Final = b"\xff\xff"
_NULL: Final = b"\xff\xff\xff\xff"
_PIECE: Final = 1 << 17
"""Bytes. Sockets hold about as much, so that the server is at work while the next piece is made."""
_length = struct.Struct(">i").pack
_int4 = struct.Struct(">ii").pack
_int8 = struct.Struct(">iq").pack


def copy_in(connection: Db, table: str, columns: Sequence[str], rows: Iterable[bytes]) -> None:
    """Add the rows (``row_of``, or many of these at once) to ``table``; both it and ``columns`` are names of ours."""
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        pieces, size = [_HEADER], 0
        for row in rows:
            pieces.append(row)
            size += len(row)
            if size > _PIECE:
                copy.write(b"".join(pieces))
                pieces, size = [], 0
        pieces.append(_END)
        copy.write(b"".join(pieces))


def row_of(*fields: Field) -> bytes:
    """One row."""
    return len(fields).to_bytes(2, "big") + b"".join(fields)


def binary(value: bytes | None) -> Field:
    """A ``bytea``, or NULL."""
    return _NULL if value is None else _length(len(value)) + value


def text(value: str) -> Field:
    """A ``text``."""
    raw = value.encode()
    return _length(len(raw)) + raw


def boolean(value: bool) -> Field:
    """A ``boolean``."""
    return b"\0\0\0\1\1" if value else b"\0\0\0\1\0"


def number4(value: int) -> Field:
    """An ``integer``."""
    return _int4(4, value)


def number8(value: int) -> Field:
    """A ``bigint``."""
    return _int8(8, value)


def vector(value: Vector | None) -> Field:
    """pgvector's ``vector``: dimension and zero as int16, then its floats; or NULL."""
    if value is None:
        return _NULL
    return struct.pack(">ihh", 4 + 4 * len(value), len(value), 0) + value.astype(">f4").tobytes()
