"""Reading rows and vectors from Postgres: streaming, and with no cursor open while the caller has the turn."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, Protocol, TypeVar

import numpy as np

from idembed.errors import DamagedError
from idembed.space import Kept, checksum
from idembed.stores.postgres_schema import Db
from idembed.stores.records import RESTORE, StoredPart, StoredRow, Vector

__all__ = ["Read", "fetch", "get", "lacks", "scan", "settings", "vector_of", "vectors_at"]

_T = TypeVar("_T")


class Read(Protocol):
    """Does something with the connection within one read transaction, once more where the connection breaks."""

    def __call__(self, query: Callable[[Db], _T], /) -> _T: ...


_SCAN_ROWS: Final = 512
_SCAN_BYTES: Final = 8 << 20
_ROW: Final = "r.key, r.id, r.scope, t.text, r.metadata, r.text_hash, r.metadata_hash, r.row_hash"
_Row = tuple[int, str, str, str | None, str, bytes | None, bytes | None, bytes | None]


def fetch(connection: Db, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """All rows of an answer in binary form: every bit of a float is kept, and bytes are not written as hex digits."""
    with connection.cursor(binary=True) as cursor:
        return cursor.execute(query.encode(), parameters or None).fetchall()


def lacks(row: str, generation: int) -> str:
    """SQL that is true when the row of the table ``row`` lacks current vectors in the generation, else false. One whose
    text another program edited does not: it has no text that vectors could be of until it is synced."""
    n = int(generation)
    current = f"(SELECT bool_and(p.text_hash = {row}.text_hash) FROM vectors_{n} AS p WHERE p.key = {row}.key)"
    return f"({row}.text_hash IS NOT NULL AND {current} IS NOT TRUE)"


def get(connection: Db, ids: Sequence[str], generation: int | None, vectors: bool) -> dict[str, StoredRow]:
    """The rows that exist among ``ids``, with the parts of ``generation`` and, if asked, their vectors."""
    rows = fetch(
        connection,
        f"SELECT {_ROW} FROM rows AS r LEFT JOIN texts AS t USING (key) WHERE r.id = ANY(%b::text[])",
        (list(ids),),
    )
    return {row.id: row for row in _complete(connection, rows, generation, vectors)}


def settings(connection: Db, url: str) -> tuple[int, dict[str, Any]]:
    """What the index records about itself, and the version of that. Raises DamagedError where it cannot be read."""
    version, raw = connection.execute("SELECT version, settings FROM meta").fetchone() or (0, "")
    found: Any = None
    with suppress(ValueError):
        found = json.loads(raw)
    if not isinstance(found, dict):
        raise DamagedError(f"{url}: the settings of the index cannot be read", hint=RESTORE, url=url)
    return version, found


def scan(
    read: Read, generation: int | None, after: str | None, scope: str | None, vectors: bool
) -> Iterator[StoredRow]:
    """Rows in order of id; each page begins after the last id of the one before, and has texts and metadata of no more
    than some megabytes, at least one row."""
    wanted = "" if scope is None else "AND r.scope = %s"
    sizes = (
        "SELECT r.key, r.id, sum(octet_length(r.metadata) + coalesce(octet_length(t.text), 0)) OVER (ORDER BY r.id) "
        f"AS size FROM rows AS r LEFT JOIN texts AS t USING (key) WHERE r.id > %s {wanted} ORDER BY r.id LIMIT %s"
    )
    sql = (
        f"WITH page AS ({sizes}) SELECT {_ROW} FROM page JOIN rows AS r USING (key) LEFT JOIN texts AS t USING (key) "
        "WHERE page.size <= %s OR r.id = (SELECT min(id) FROM page) ORDER BY r.id"
    )
    last = after or ""
    while True:
        bound = [last, *(() if scope is None else (scope,)), _SCAN_ROWS, _SCAN_BYTES]
        rows = read(partial(_page, sql=sql, bound=bound, generation=generation, vectors=vectors))
        if not rows:
            return
        last = rows[-1].id
        yield from rows


def _page(connection: Db, sql: str, bound: Sequence[Any], generation: int | None, vectors: bool) -> list[StoredRow]:
    return list(_complete(connection, fetch(connection, sql, bound), generation, vectors))


def _complete(
    connection: Db, rows: Sequence[tuple[Any, ...]], generation: int | None, vectors: bool
) -> Iterator[StoredRow]:
    parts = {} if generation is None else _parts(connection, [row[0] for row in rows], generation, vectors)
    for key, row_id, scope, text, metadata, text_hash, metadata_hash, row_hash in rows:
        yield StoredRow(
            row_id,
            scope,
            text or "",
            _object(metadata),
            metadata,
            text_hash or b"",
            metadata_hash or b"",
            row_hash or b"",
            tuple(parts.get(key, ())),
        )


def _object(metadata: str) -> dict[str, Any]:
    """Metadata in which another program put something else reads as empty; the next sync repairs it."""
    value = json.loads(metadata)
    return value if isinstance(value, dict) else {}


def _parts(connection: Db, keys: Sequence[int], generation: int, vectors: bool) -> dict[int, list[StoredPart]]:
    found: dict[int, list[StoredPart]] = {}
    for key, part, start, end, address, tokens, truncated, text_hash, check, empty, raw in fetch(
        connection,
        'SELECT key, part, start, "end", address, tokens, truncated, text_hash, checksum, vector IS NULL, '
        f"{'vector' if vectors else 'NULL'} FROM vectors_{int(generation)} "
        "WHERE key = ANY(%b::bigint[]) ORDER BY key, part",
        (list(keys),),
    ):
        vector = None if raw is None else vector_of(raw)
        stored = StoredPart(part, (start, end), address, tokens, truncated, text_hash, check, empty, vector)
        found.setdefault(key, []).append(stored)
    return found


def vectors_at(connection: Db, generation: int, addresses: Sequence[bytes]) -> dict[bytes, Kept]:
    """Vectors by address; one that is not as it was written is as good as absent."""
    found: dict[bytes, Kept] = {}
    for address, tokens, truncated, check, raw in fetch(
        connection,
        f"SELECT address, tokens, truncated, checksum, vector FROM vectors_{int(generation)} "
        "WHERE address = ANY(%b::bytea[]) AND vector IS NOT NULL",
        (list(addresses),),
    ):
        vector = vector_of(raw)
        if checksum(address, vector.astype("<f4", copy=False).tobytes(), tokens, truncated) == check:
            found[address] = Kept(vector, tokens, truncated)
    return found


def vector_of(raw: bytes) -> Vector:
    """float32 [dim] of pgvector's binary form: dimension and zero as int16, then the floats, high bytes first."""
    vector = np.frombuffer(raw, ">f4", offset=4).astype(np.float32)
    vector.flags.writeable = False
    return vector
