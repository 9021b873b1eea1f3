"""What a plan reads of a SQLite file: the hashes of settled rows, and the states of the others."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from idembed.rows import BUCKETS, ROW_HASH_BYTES
from idembed.stores.records import RowHashes, RowState
from idembed.stores.sqlite_order import check_order
from idembed.stores.sqlite_read import Reading, chunks, lacks

__all__ = [
    "Counted",
    "count_lacking",
    "ids_at",
    "lacking",
    "lacking_since",
    "lost",
    "row_hashes",
    "sample",
    "states",
    "unsettled",
]

_KEYS: Final = 8192
"""Keys that are looked at in one transaction."""


def row_hashes(connection: sqlite3.Connection, scope: str, buckets: range) -> RowHashes:
    """Ascending. SQLite joins them within one value, which the binding hands over at once: 0.14 µs each, fetched one by
    one 0.33. (The cast back to a blob changes no byte: ``group_concat`` of blobs is their bytes as they are.)"""
    bounds = [value << 4 for value in (max(0, buckets.start), min(BUCKETS, buckets.stop))]
    begin, end = bounds[0].to_bytes(2, "big"), bounds[1].to_bytes(3, "big")[-2:]
    before = "" if bounds[1] >> 16 else "AND row_hash < ?"
    joined = connection.execute(
        "SELECT CAST(group_concat(row_hash, '') AS BLOB) FROM (SELECT row_hash FROM rows INDEXED BY rows_settled "
        f"WHERE scope = ? AND row_hash >= ? {before} AND length(row_hash) = {ROW_HASH_BYTES} ORDER BY row_hash)",
        (scope, begin, end) if before else (scope, begin),
    ).fetchone()[0]
    return np.frombuffer(joined or b"", f"S{ROW_HASH_BYTES}")


def ids_at(connection: sqlite3.Connection, scope: str, hashes: Sequence[bytes]) -> dict[bytes, str]:
    """Ids by row hash."""
    found: dict[bytes, str] = {}
    for marks, piece in chunks(hashes):
        sql = (
            "SELECT row_hash, id FROM rows INDEXED BY rows_settled "
            f"WHERE scope = ? AND row_hash IN ({marks}) AND typeof(id) = 'text'"
        )
        found.update(connection.execute(sql, (scope, *piece)))
    return found


def unsettled(reading: Reading, scope: str | None) -> Iterator[str]:
    """Ids of rows without a row hash."""
    after = -1
    condition = "" if scope is None else "AND scope = ?"
    while True:
        bound = (after, _KEYS) if scope is None else (after, scope, _KEYS)
        with reading() as connection:
            rows = connection.execute(
                "SELECT key, id FROM rows INDEXED BY rows_unsettled "
                f"WHERE row_hash IS NULL AND key > ? AND typeof(id) = 'text' {condition} ORDER BY key LIMIT ?",
                bound,
            ).fetchall()
            if not rows:
                return
            check_order(after, rows[-1][0])
        after = rows[-1][0]
        yield from [row_id for _, row_id in rows]


def lost(connection: sqlite3.Connection, scope: str | None) -> list[str]:
    """Ids of rows that another program removed or renamed, in order."""
    if scope is None:
        found = connection.execute("SELECT id FROM lost WHERE typeof(id) = 'text' ORDER BY id")
    else:
        found = connection.execute("SELECT id FROM lost WHERE scope = ? AND typeof(id) = 'text' ORDER BY id", (scope,))
    return [row_id for (row_id,) in found]


def states(connection: sqlite3.Connection, ids: Sequence[str], generations: Sequence[int]) -> dict[str, RowState]:
    """The state of each row that exists."""
    current = " AND ".join(["r.text_hash IS NOT NULL", *(f"NOT {lacks('r', n)}" for n in generations)])
    found: dict[str, RowState] = {}
    for marks, piece in chunks(ids):
        for row_id, scope, text_hash, metadata_hash, row_hash, is_current in connection.execute(
            f"SELECT r.id, r.scope, coalesce(r.text_hash, x''), coalesce(r.metadata_hash, x''), "
            f"coalesce(r.row_hash, x''), {current} FROM rows AS r WHERE r.id IN ({marks})",
            tuple(piece),
        ):
            found[row_id] = RowState(row_id, scope, text_hash, metadata_hash, row_hash, is_current == 1)
    return found


def lacking(reading: Reading, generation: int) -> Iterator[str]:
    """Ids of rows without current vectors, by key, some thousand keys a transaction."""
    after = -1
    while True:
        with reading() as connection:
            last = connection.execute(
                "SELECT max(key) FROM (SELECT key FROM rows WHERE key > ? ORDER BY key LIMIT ?)", (after, _KEYS)
            ).fetchone()[0]
            if last is None:
                return
            check_order(after, last)
            rows = connection.execute(
                f"SELECT id FROM rows AS r WHERE key > ? AND key <= ? AND typeof(id) = 'text' "
                f"AND {lacks('r', generation)} ORDER BY key",
                (after, last),
            ).fetchall()
        after = last
        yield from [row_id for (row_id,) in rows]


class Counted(NamedTuple):
    """How many rows lacked current vectors in a generation, and when: the last change of vectors, and the greatest key,
    that were there."""

    rows: int
    change: int
    key: int


def count_lacking(connection: sqlite3.Connection, generation: int, complete: bool) -> Counted:
    """Where the generation is known to be ``complete``, only unsettled rows can lack vectors, and only they are looked
    at."""
    among = "rows AS r INDEXED BY rows_unsettled WHERE r.row_hash IS NULL AND" if complete else "rows AS r WHERE"
    rows = connection.execute(f"SELECT count(*) FROM {among} {lacks('r', generation)}").fetchone()[0]
    return Counted(rows, *_newest(connection))


def lacking_since(connection: sqlite3.Connection, generation: int, before: Counted) -> bool | None:
    """Whether, among the rows that changed since, there is one that lacks current vectors; None when it is not known
    any more which these are."""
    oldest = connection.execute("SELECT coalesce(min(number), 0) FROM changes").fetchone()[0]
    if _newest(connection)[0] > before.change and oldest > before.change + 1:
        return None
    changed = "key > ?1 OR key IN (SELECT c.key FROM changes AS c WHERE c.number > ?2)"
    sql = f"SELECT EXISTS (SELECT 1 FROM rows AS r WHERE ({changed}) AND {lacks('r', generation)})"
    return bool(connection.execute(sql, (before.key, before.change)).fetchone()[0])


def _newest(connection: sqlite3.Connection) -> tuple[int, int]:
    found: tuple[int, int] = connection.execute(
        "SELECT (SELECT coalesce(max(number), 0) FROM changes), (SELECT coalesce(max(key), 0) FROM rows)"
    ).fetchone()
    return found


def sample(connection: sqlite3.Connection, count: int) -> list[str]:
    """Ids at even steps of the keys; keys of deleted rows are stepped over."""
    first, last = connection.execute("SELECT coalesce(min(key), 0), coalesce(max(key), -1) FROM rows").fetchone()
    found: dict[str, None] = {}
    for n in range(min(count, last - first + 1)):
        at = first + n * (last - first + 1) // min(count, last - first + 1)
        sql = "SELECT id FROM rows WHERE key >= ? AND typeof(id) = 'text' ORDER BY key LIMIT 1"
        if row := connection.execute(sql, (at,)).fetchone():
            found[row[0]] = None
    return list(found)
