"""Reading rows and vectors from SQLite: streaming, and with no cursor open while the caller has the turn."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any, Final, TypeVar

import numpy as np

from idembed.errors import DamagedError
from idembed.space import Kept, checksum
from idembed.stores.records import RESTORE, StoredPart, StoredRow, Vector
from idembed.stores.sqlite_order import check_order
from idembed.stores.sqlite_vectors import has_sum

__all__ = ["Reading", "chunks", "get", "lacks", "scan", "settings", "vectors_at"]

Reading = Callable[[], AbstractContextManager[sqlite3.Connection]]
"""Gives the connection within one read transaction."""

_SCAN_ROWS: Final = 512
_SCAN_BYTES: Final = 8 << 20
_MOST: Final = (1 << 31) - 1
_ROW: Final = (
    "r.key, CAST(r.id AS BLOB), r.scope, CAST(t.text AS BLOB), CAST(r.metadata AS BLOB), "
    "r.text_hash, r.metadata_hash, r.row_hash"
)
"""Bytes where damage or another program may have left what is not UTF-8, which Python's sqlite3 refuses to read."""
_Row = tuple[int, bytes, str, bytes | None, bytes, bytes | None, bytes | None, bytes | None]
_T = TypeVar("_T")


def chunks(values: Sequence[_T], size: int = 500) -> Iterator[tuple[str, Sequence[_T]]]:
    """Pieces of ``values`` with as many placeholders for an ``IN``."""
    for begin in range(0, len(values), size):
        piece = values[begin : begin + size]
        yield ", ".join("?" * len(piece)), piece


def lacks(row: str, generation: int) -> str:
    """SQL that is 1 when the row of the table ``row`` lacks current vectors in the generation, else 0. One whose text
    another program edited does not: it has no text that vectors could be of until it is synced."""
    n = int(generation)
    current = f"(SELECT min(p.text_hash = {row}.text_hash) FROM parts_{n} AS p WHERE p.key = {row}.key)"
    return f"({row}.text_hash IS NOT NULL AND {current} IS NOT 1)"


def get(
    connection: sqlite3.Connection, ids: Sequence[str], generation: int | None, vectors: bool
) -> dict[str, StoredRow]:
    """The rows that exist among ``ids``, with the parts of ``generation`` and, if asked, their vectors."""
    found: list[StoredRow] = []
    for marks, piece in chunks(ids):
        rows = connection.execute(
            f"SELECT {_ROW} FROM rows AS r LEFT JOIN texts AS t USING (key) WHERE r.id IN ({marks})",
            tuple(piece),
        ).fetchall()
        found.extend(_complete(connection, rows, generation, vectors))
    return {row.id: row for row in found}


def settings(connection: sqlite3.Connection, path: str) -> tuple[int, dict[str, Any]]:
    """What the index records about itself, and the version of that. Raises DamagedError where it cannot be read."""
    version, raw = connection.execute("SELECT version, settings FROM meta").fetchone() or (0, None)
    found: Any = None
    if isinstance(raw, str):
        with suppress(ValueError):
            found = json.loads(raw)
    if not isinstance(found, dict):
        raise DamagedError(
            f"{path}: the settings of the index cannot be read",
            hint=RESTORE,
            path=path,
        )
    return version, found


def scan(
    reading: Reading, generation: int | None, after: str | None, scope: str | None, vectors: bool
) -> Iterator[StoredRow]:
    """Rows in order of id; each page begins after the last id of the one before."""
    sql = (
        f"SELECT {_ROW} FROM rows AS r LEFT JOIN texts AS t USING (key) "
        "WHERE r.id > CAST(? AS TEXT) AND typeof(r.id) = 'text' "
        f"{'' if scope is None else 'AND r.scope = ?'} ORDER BY r.id LIMIT ?"
    )
    last = (after or "").encode()
    while True:
        bound = (last, _SCAN_ROWS) if scope is None else (last, scope, _SCAN_ROWS)
        with reading() as connection:
            page = _up_to(connection.execute(sql, bound), _SCAN_BYTES)
            rows = _complete(connection, page, generation, vectors)
            for row in page:
                check_order(last, row[1])
                last = row[1]  # as it is in the file, UTF-8 or not
        if not rows:
            return
        yield from rows


def _up_to(cursor: sqlite3.Cursor, size: int) -> list[_Row]:
    """Rows until their texts and metadata exceed ``size`` bytes, at least one."""
    rows: list[_Row] = []
    for row in cursor:
        rows.append(row)
        size -= len(row[3] or b"") + len(row[4])
        if size < 0:
            break
    cursor.close()
    return rows


def _complete(
    connection: sqlite3.Connection, rows: Sequence[_Row], generation: int | None, vectors: bool
) -> list[StoredRow]:
    parts = {} if generation is None else _parts(connection, [row[0] for row in rows], generation, vectors)
    return [
        StoredRow(
            _text(row_id),
            scope,
            _text(text or b""),
            _object(_text(metadata)),
            _text(metadata),
            text_hash or b"",
            metadata_hash or b"",
            row_hash or b"",
            tuple(parts.get(key, ())),
        )
        for key, row_id, scope, text, metadata, text_hash, metadata_hash, row_hash in rows
    ]


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _object(metadata: str) -> dict[str, Any]:
    """Metadata that another program broke reads as empty; its hash is empty, so the next sync repairs it."""
    try:
        value = json.loads(metadata)
    except (TypeError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _parts(
    connection: sqlite3.Connection, keys: Sequence[int], generation: int, vectors: bool
) -> dict[int, list[StoredPart]]:
    n = int(generation)
    join = f"LEFT JOIN vectors_{n} AS v USING (vid)" if vectors else ""
    columns = "v.vector, v.sum" if vectors else "NULL, NULL"
    found: dict[int, list[StoredPart]] = {}
    for marks, piece in chunks(keys):
        rows = connection.execute(
            'SELECT p.key, p.part, p."start", p."end", p.address, p.tokens, p.truncated, p.text_hash, p.checksum, '
            f"p.vid IS NULL, {columns} FROM parts_{n} AS p {join} WHERE p.key IN ({marks}) ORDER BY p.key, p.part",
            tuple(piece),
        )
        for key, part, start, end, address, tokens, truncated, text_hash, check, empty, raw, total in rows:
            stored = StoredPart(
                _number(part),
                (_number(start), _number(end)),
                _bytes(address),
                _number(tokens) if truncated in (0, 1) else -1,
                truncated == 1,
                _bytes(text_hash),
                _bytes(check),
                bool(empty),
                _vector(raw),
                total is None or has_sum(raw, total),
            )
            found.setdefault(key, []).append(stored)
    return found


def _number(value: Any) -> int:
    """-1 for what is none of ours: a cell may have any type, whatever its column says."""
    return value if isinstance(value, int) and 0 <= value <= _MOST else -1


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else b""


def vectors_at(
    connection: sqlite3.Connection, generation: int, dim: int, addresses: Sequence[bytes]
) -> dict[bytes, Kept]:
    """Vectors by address; one that is not as it was written is as good as absent."""
    n = int(generation)
    found: dict[bytes, Kept] = {}
    for marks, piece in chunks(addresses):
        for address, tokens, truncated, check, raw in connection.execute(
            f"SELECT p.address, p.tokens, p.truncated, p.checksum, v.vector FROM parts_{n} AS p "
            f"JOIN vectors_{n} AS v USING (vid) WHERE p.address IN ({marks})",
            tuple(piece),
        ):
            vector = _vector(raw)
            if vector is None or len(vector) != dim:
                continue
            if checksum(address, raw, _number(tokens), truncated == 1) == check:
                found[address] = Kept(vector, tokens, truncated == 1)
    return found


def _vector(raw: bytes | None) -> Vector | None:
    """Read-only float32 [n], as many as there are whole ones; None when there is nothing, or no bytes."""
    if not isinstance(raw, bytes):
        return None
    return np.frombuffer(raw[: len(raw) // 4 * 4], "<f4").astype(np.float32, copy=False)
