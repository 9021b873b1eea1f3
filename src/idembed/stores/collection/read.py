"""Reading rows and vectors from collections."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from typing import Final

from idembed.chunks import chunks
from idembed.errors import DiskFullError
from idembed.space import Kept, checksum
from idembed.stores.collection.engine import EVERYTHING, HEADS, STATE, WHOLE, Among, Engine, Fields, Record
from idembed.stores.collection.forms import head, keys_of, stored
from idembed.stores.collection.seal import Seal
from idembed.stores.records import StoredRow

__all__ = ["get", "heads", "rows_of", "scan", "vectors_at"]

_AT_ONCE: Final = 500
"""Rows or addresses that are asked for in one request."""
_SCAN_BYTES: Final = 8 << 20
_IN_MEMORY: Final = 200_000
"""Ids that are put in order in memory; of more, on disk."""


def heads(engine: Engine, number: int, ids: Sequence[str], fields: Fields = STATE) -> dict[str, Record]:
    """The heads that are there, by id."""
    return {key.id: record for key, record in engine.fetch(number, [head(name) for name in ids], fields).items()}


def rows_of(engine: Engine, number: int, ids: Sequence[str], fields: Fields = EVERYTHING) -> dict[str, list[Record]]:
    """All records of the rows that are there, by id, in order of part."""
    found = {name: [record] for name, record in heads(engine, number, ids, fields).items()}
    others = [key for name, (first,) in found.items() for key in keys_of(name, Seal.read(first.seal).last)[1:]]
    for key, record in sorted(engine.fetch(number, others, fields).items()) if others else ():
        found[key.id].append(record)
    return found


def get(
    engine: Engine, home: int | None, ids: Sequence[str], generation: int | None, vectors: bool
) -> dict[str, StoredRow]:
    """The rows that exist among ``ids``, with the parts of ``generation`` and, if asked, their vectors."""
    if home is None:
        return {}
    found: dict[str, StoredRow] = {}
    fields = EVERYTHING if vectors else WHOLE
    for some in chunks(ids, _AT_ONCE):
        if generation == home:
            rows = rows_of(engine, home, some, fields)
            found |= {name: stored(parts[0], parts, vectors=vectors) for name, parts in rows.items()}
            continue
        firsts = heads(engine, home, some, WHOLE)
        parts_there = {} if generation is None else rows_of(engine, generation, list(firsts), fields)
        found |= {name: stored(first, parts_there.get(name, ()), vectors=vectors) for name, first in firsts.items()}
    return found


def scan(
    engine: Engine, home: int | None, generation: int | None, after: str | None, scope: str | None, vectors: bool
) -> Iterator[StoredRow]:
    """Rows in order of id. Which there are is read first; a row that comes later may be missed, one that goes is not
    given."""
    if home is None:
        return
    among = Among(scope=scope, orders=HEADS.orders)
    every = (record for page in engine.find(home, among, STATE) for record in page)
    sizes = ((record.id, Seal.read(record.seal).size) for record in every if after is None or record.id > after)
    page: list[str] = []
    total = 0
    for row_id, size in _in_order(sizes):
        if page and (len(page) == _AT_ONCE or total + size > _SCAN_BYTES):
            yield from _rows(engine, home, page, generation, vectors)
            page, total = [], 0
        page.append(row_id)
        total += size
    yield from _rows(engine, home, page, generation, vectors)


def _rows(engine: Engine, home: int, page: Sequence[str], generation: int | None, vectors: bool) -> Iterator[StoredRow]:
    found = get(engine, home, page, generation, vectors)
    yield from [found[row_id] for row_id in page if row_id in found]


def _in_order(sizes: Iterator[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """By id, by code point, which is how SQLite compares UTF-8 too; what is too much for memory goes to a temporary
    file that SQLite makes and removes."""
    some = list(islice(sizes, _IN_MEMORY))
    if len(some) < _IN_MEMORY:
        yield from sorted(some)
        return
    with closing(sqlite3.connect("")) as file, _room():
        file.execute("CREATE TABLE ids (id TEXT PRIMARY KEY, size INTEGER) WITHOUT ROWID")
        file.executemany("INSERT OR REPLACE INTO ids VALUES (?, ?)", some)
        del some
        file.executemany("INSERT OR REPLACE INTO ids VALUES (?, ?)", sizes)
        yield from file.execute("SELECT id, size FROM ids ORDER BY id")


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise DiskFullError(
            f"the ids of all rows could not be put in order in a temporary file ({error})",
            hint="make room, or set SQLITE_TMPDIR to a folder where there is some",
        ) from error


def vectors_at(engine: Engine, generation: int, addresses: Sequence[bytes]) -> dict[bytes, Kept]:
    """Vectors by address; one that is not as it was written is as good as absent."""
    found: dict[bytes, Kept] = {}
    wanted = EVERYTHING - {"text", "metadata"}
    for some in chunks(list(dict.fromkeys(addresses)), _AT_ONCE):
        for page in engine.find(generation, Among(addresses=tuple(some)), wanted):
            for record in page:
                seal, vector = Seal.read(record.seal), record.vector
                if seal.is_bare or seal.empty or vector is None:
                    continue
                raw = vector.astype("<f4", copy=False).tobytes()
                if checksum(record.address, raw, record.tokens, record.truncated) == seal.checksum:
                    found[record.address] = Kept(vector, record.tokens, record.truncated)
    return found
