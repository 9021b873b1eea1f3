"""Reading rows, states and vectors from SQLite: streaming, and with no cursor open while the caller has the turn."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

import numpy as np

from idembed.rows import BUCKETS, bucket_of
from idembed.space import Kept
from idembed.stores.base import RowState, StoredPart, StoredRow, Vector
from idembed.stores.sqlite_write import chunks

__all__ = ["Reading", "get", "scan", "state", "vectors_at"]

Reading = Callable[[], AbstractContextManager[sqlite3.Connection]]
"""Gives the connection within one read transaction."""

_STATE_ROWS: Final = 8192
"""Rows that one step of ``state`` aims at."""
_SCAN_ROWS: Final = 512
_SCAN_CHARACTERS: Final = 8 << 20
_ROW: Final = "r.key, r.id, r.scope, coalesce(t.text, ''), r.metadata, r.text_hash, r.metadata_hash"
_Row = tuple[int, str, str, str, str, bytes | None, bytes | None]


def state(reading: Reading, buckets: range, generations: Sequence[int]) -> Iterator[RowState]:
    """States by bucket, some thousand rows at a time however many a bucket has on average."""
    yield from _foreign(reading, buckets)
    current = " AND ".join(
        ["r.text_hash IS NOT NULL"]
        + [
            f"(SELECT min(p.text_hash = r.text_hash) FROM parts_{int(n)} AS p WHERE p.key = r.key) IS 1"
            for n in generations
        ]
    )
    sql = (
        f"SELECT r.id, r.scope, coalesce(r.text_hash, x''), coalesce(r.metadata_hash, x''), {current} "
        "FROM rows AS r INDEXED BY rows_state WHERE r.bucket BETWEEN ? AND ? ORDER BY r.bucket, r.key"
    )
    new = tuple.__new__
    width, begin = 1, max(0, buckets.start)
    end = min(BUCKETS, buckets.stop)
    while begin < end:
        with reading() as connection:
            rows = connection.execute(sql, (begin, min(begin + width, end) - 1)).fetchall()
        begin += width
        width = min(2 * width, BUCKETS) if len(rows) < _STATE_ROWS // 2 else max(1, width // 2)
        yield from [new(RowState, (a, b, c, d, e == 1)) for a, b, c, d, e in rows]


def _foreign(reading: Reading, buckets: range) -> Iterator[RowState]:
    """Rows that another program inserted or renamed: their bucket is not known to SQL, and nothing is current."""
    after = -1
    while True:
        with reading() as connection:
            rows = connection.execute(
                "SELECT key, id, scope FROM rows WHERE bucket IS NULL AND key > ? ORDER BY key LIMIT ?",
                (after, _STATE_ROWS),
            ).fetchall()
        if not rows:
            return
        after = rows[-1][0]
        yield from [RowState(id_, scope, b"", b"", False) for _, id_, scope in rows if bucket_of(id_) in buckets]


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


def scan(reading: Reading, generation: int | None, after: str | None, scope: str | None) -> Iterator[StoredRow]:
    """Rows in order of id; each page begins after the last id of the one before."""
    sql = (
        f"SELECT {_ROW} FROM rows AS r LEFT JOIN texts AS t USING (key) "
        f"WHERE r.id > ? {'' if scope is None else 'AND r.scope = ?'} ORDER BY r.id LIMIT ?"
    )
    last = after or ""
    while True:
        bound = (last, _SCAN_ROWS) if scope is None else (last, scope, _SCAN_ROWS)
        with reading() as connection:
            page = _up_to(connection.execute(sql, bound), _SCAN_CHARACTERS)
            rows = _complete(connection, page, generation)
        if not rows:
            return
        yield from rows
        last = rows[-1].id


def _up_to(cursor: sqlite3.Cursor, characters: int) -> list[_Row]:
    """Rows until their texts and metadata exceed ``characters``, at least one."""
    rows: list[_Row] = []
    for row in cursor:
        rows.append(row)
        characters -= len(row[3]) + len(row[4])
        if characters < 0:
            break
    cursor.close()
    return rows


def _complete(
    connection: sqlite3.Connection, rows: Sequence[_Row], generation: int | None, vectors: bool = True
) -> list[StoredRow]:
    parts = {} if generation is None else _parts(connection, [row[0] for row in rows], generation, vectors)
    return [
        StoredRow(
            row_id,
            scope,
            text,
            _object(metadata),
            text_hash or b"",
            metadata_hash or b"",
            tuple(parts.get(key, ())),
        )
        for key, row_id, scope, text, metadata, text_hash, metadata_hash in rows
    ]


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
    vector, join = ("v.vector", f"LEFT JOIN vectors_{n} AS v USING (vid)") if vectors else ("NULL", "")
    found: dict[int, list[StoredPart]] = {}
    for marks, piece in chunks(keys):
        for key, part, start, end, address, tokens, truncated, text_hash, raw in connection.execute(
            'SELECT p.key, p.part, p."start", p."end", p.address, p.tokens, p.truncated, p.text_hash, '
            f"{vector} FROM parts_{n} AS p {join} WHERE p.key IN ({marks}) ORDER BY p.key, p.part",
            tuple(piece),
        ):
            found.setdefault(key, []).append(
                StoredPart(part, (start, end), address, tokens, bool(truncated), text_hash, _vector(raw))
            )
    return found


def vectors_at(
    connection: sqlite3.Connection, generation: int, dim: int, addresses: Sequence[bytes]
) -> dict[bytes, Kept]:
    """Vectors by address; one whose bytes are not ``dim`` floats is as good as absent."""
    n = int(generation)
    found: dict[bytes, Kept] = {}
    for marks, piece in chunks(addresses):
        for address, tokens, truncated, raw in connection.execute(
            f"SELECT p.address, p.tokens, p.truncated, v.vector FROM parts_{n} AS p "
            f"JOIN vectors_{n} AS v USING (vid) WHERE p.address IN ({marks})",
            tuple(piece),
        ):
            vector = _vector(raw)
            if vector is not None and len(vector) == dim:
                found[address] = Kept(vector, tokens, bool(truncated))
    return found


def _vector(raw: bytes | None) -> Vector | None:
    """Read-only float32 [dim]; None when another program removed or broke it."""
    if not isinstance(raw, bytes) or len(raw) % 4:
        return None
    return np.frombuffer(raw, "<f4").astype(np.float32, copy=False)
