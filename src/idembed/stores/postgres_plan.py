"""What a plan reads of a Postgres schema: the hashes of settled rows, and the states of the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import numpy as np

from idembed.rows import BUCKETS, ROW_HASH_BYTES
from idembed.stores.postgres_read import Read, fetch, lacks
from idembed.stores.postgres_schema import Db
from idembed.stores.records import RowHashes, RowState

__all__ = ["ids_at", "lacking", "lost", "row_hashes", "sample", "states", "unsettled"]

_KEYS: Final = 8192
"""Keys that are looked at in one transaction."""


def row_hashes(connection: Db, scope: str, buckets: range) -> RowHashes:
    """Ascending. Postgres joins them within one value, which is handed over at once."""
    bounds = [value << 4 for value in (max(0, buckets.start), min(BUCKETS, buckets.stop))]
    begin, end = bounds[0].to_bytes(2, "big"), bounds[1].to_bytes(3, "big")[-2:]
    before = "" if bounds[1] >> 16 else "AND row_hash < %s"
    ((joined,),) = fetch(
        connection,
        "SELECT string_agg(row_hash, ''::bytea ORDER BY row_hash) FROM rows "
        f"WHERE scope = %s AND row_hash >= %s {before} AND length(row_hash) = {ROW_HASH_BYTES}",
        (scope, begin, end) if before else (scope, begin),
    )
    return np.frombuffer(joined or b"", f"S{ROW_HASH_BYTES}")


def ids_at(connection: Db, scope: str, hashes: Sequence[bytes]) -> dict[bytes, str]:
    """Ids by row hash."""
    sql = "SELECT row_hash, id FROM rows WHERE scope = %s AND row_hash = ANY(%b::bytea[])"
    return dict(fetch(connection, sql, (scope, list(hashes))))


def unsettled(read: Read, scope: str | None) -> Iterator[str]:
    """Ids of rows without a row hash."""
    condition = "" if scope is None else "AND scope = %s"
    sql = f"SELECT key, id FROM rows WHERE row_hash IS NULL AND key > %s {condition} ORDER BY key LIMIT %s"
    after = -1
    while True:
        bound = (after, _KEYS) if scope is None else (after, scope, _KEYS)
        rows = read(partial(fetch, query=sql, parameters=bound))
        if not rows:
            return
        after = rows[-1][0]
        yield from [row_id for _, row_id in rows]


def lost(connection: Db, scope: str | None) -> list[str]:
    """Ids of rows that another program removed or renamed, in order."""
    if scope is None:
        found = fetch(connection, "SELECT id FROM lost ORDER BY id")
    else:
        found = fetch(connection, "SELECT id FROM lost WHERE scope = %s ORDER BY id", (scope,))
    return [row_id for (row_id,) in found]


def states(connection: Db, ids: Sequence[str], generations: Sequence[int]) -> dict[str, RowState]:
    """The state of each row that exists."""
    current = " AND ".join(["r.text_hash IS NOT NULL", *(f"NOT {lacks('r', n)}" for n in generations)])
    found = fetch(
        connection,
        "SELECT r.id, r.scope, coalesce(r.text_hash, ''), coalesce(r.metadata_hash, ''), coalesce(r.row_hash, ''), "
        f"{current} FROM rows AS r WHERE r.id = ANY(%b::text[])",
        (list(ids),),
    )
    return {row[0]: RowState(*row) for row in found}


def lacking(read: Read, generation: int) -> Iterator[str]:
    """Ids of rows without current vectors, by key, some thousand keys a transaction."""
    after: int | None = -1
    while after is not None:
        after, found = read(partial(_lacking_after, after=after, generation=generation))
        yield from found


def _lacking_after(connection: Db, after: int, generation: int) -> tuple[int | None, list[str]]:
    """Those among the next keys, and the last of these; None at the end."""
    ((last,),) = fetch(
        connection,
        "SELECT max(key) FROM (SELECT key FROM rows WHERE key > %s ORDER BY key LIMIT %s) AS page",
        (after, _KEYS),
    )
    if last is None:
        return None, []
    sql = f"SELECT id FROM rows AS r WHERE key > %s AND key <= %s AND {lacks('r', generation)} ORDER BY key"
    return last, [row_id for (row_id,) in fetch(connection, sql, (after, last))]


def sample(connection: Db, count: int) -> list[str]:
    """Ids at even steps of the keys; keys of deleted rows are stepped over."""
    found = fetch(
        connection,
        "WITH ends AS (SELECT min(key) AS first, max(key) + 1 - min(key) AS size FROM rows) "
        "SELECT DISTINCT at.key, at.id FROM ends, generate_series(0, least(%s, ends.size) - 1) AS n, LATERAL ("
        "SELECT r.key, r.id FROM rows AS r WHERE r.key >= ends.first + n * ends.size / least(%s, ends.size) "
        "ORDER BY r.key LIMIT 1) AS at ORDER BY at.key",
        (count, count),
    )
    return [row_id for _, row_id in found]
