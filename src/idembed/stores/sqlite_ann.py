"""Approximate search beside a SQLite file: the side-car of a generation is made, known and removed.

The database says which side-car belongs to it, by a SHA-256, in the table ``ann``, made with the first. A vid is never
used twice and its vector never changes, so that all that a side-car lacks has greater vids than the greatest it was
made from: that is searched exactly beside it. What went since is not found in the database any more.
"""

from __future__ import annotations

import glob
import os
import sqlite3
import tempfile
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from idembed.durable import FULL
from idembed.errors import DiskFullError, StoreError
from idembed.stores.ann_file import is_ours, path_of, refuse_foreign, remove, write_graph
from idembed.stores.ann_graph import NODE_BYTES, Distinct, Spool, is_installed, make_graph
from idembed.stores.memory import check_fits
from idembed.stores.sqlite_read import Reading
from idembed.stores.sqlite_vectors import Connect, read_vectors

__all__ = ["Record", "build", "forget", "is_stale", "record_of", "size", "sweep"]

_TABLE: Final = """CREATE TABLE IF NOT EXISTS ann (
    generation INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,      -- the greatest vid there was
    parts INTEGER NOT NULL,     -- how many there were
    digest BLOB NOT NULL        -- SHA-256 of the last line of the side-car, which has that of the rest
)"""
_STALE: Final = 20
"""One vector of so many may have come or gone before a side-car is made again."""

Writing = Callable[[], AbstractContextManager[sqlite3.Connection]]
"""Gives the connection within one transaction that writes, with the lease checked in it."""


class Record(NamedTuple):
    """What the database knows of a side-car: ``last``, the greatest vid there was when it was made, and how many
    ``parts`` there were."""

    last: int
    parts: int
    digest: bytes


def record_of(connection: sqlite3.Connection, generation: int) -> Record | None:
    """The record of a generation, if it ever had a side-car."""
    if not _has_table(connection):
        return None
    found = connection.execute("SELECT last, parts, digest FROM ann WHERE generation = ?", (generation,)).fetchone()
    if found is None or not isinstance(found[2], bytes) or not all(type(number) is int for number in found[:2]):
        return None
    return Record(*found)


def is_stale(connection: sqlite3.Connection, generation: int, record: Record) -> bool:
    """Whether so much came or went since that the side-car should be made again."""
    n = int(generation)
    ((newer,),) = connection.execute(f"SELECT count(*) FROM vectors_{n} WHERE vid > ?", (record.last,))
    gone = record.parts - (_parts(connection, n) - newer)
    return bool((newer + gone) * _STALE > record.parts)


def build(
    index: str,
    generation: int,
    dim: int,
    reading: Reading,
    connect: Connect | None,
    writing: Writing,
    keep: Callable[[], None],
) -> None:
    """Make the side-car of a generation. Nothing is locked while the graph is made, which takes nearly all the time;
    ``keep`` is called meanwhile, and renews the lease. Raises StoreError."""
    if not is_installed():
        raise StoreError(
            f"{index}: without usearch, a SQLite file is searched exactly",
            hint='pip install "idembed[ann]"',
            path=index,
        )
    path = path_of(index, generation)
    refuse_foreign(path)
    for left_behind in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):  # by one who was killed
        left_behind.unlink(missing_ok=True)
    try:
        with tempfile.TemporaryFile(prefix=".idembed-ann-", dir=path.parent) as file:
            with reading() as connection:
                last, parts = _last_vid(connection, generation), _parts(connection, generation)
                distinct = _read(connection, connect, generation, Spool(file, dim), parts)
            check_fits(len(distinct.vids) * NODE_BYTES, 0, f"an index of {len(distinct.vids):,} vectors")
            graph = make_graph(distinct, dim, keep)
            digest = write_graph(path, graph, distinct.pairs, dim, index)
            del graph, distinct  # which lies in the file
    except OSError as error:
        kind = DiskFullError if error.errno in FULL else StoreError
        raise kind(f"{path} cannot be written: {error.strerror or error}", path=str(path)) from error
    try:
        with writing() as connection:
            connection.execute(_TABLE)
            connection.execute("INSERT OR REPLACE INTO ann VALUES (?, ?, ?, ?)", (generation, last, parts, digest))
    except BaseException:
        remove(path)
        raise


def forget(connection: sqlite3.Connection, generation: int) -> None:
    """Remove the record, within the caller's transaction; the file is to be removed after it."""
    if _has_table(connection):
        connection.execute("DELETE FROM ann WHERE generation = ?", (generation,))


def size(index: str) -> int:
    """Bytes of all side-cars; one that goes meanwhile counts as none."""
    total = 0
    for path in _side_cars(index).values():
        with suppress(FileNotFoundError):
            total += os.path.getsize(path)
    return total


def sweep(index: str, generations: Collection[int]) -> None:
    """Remove the side-cars of all other generations."""
    for number, path in _side_cars(index).items():
        if number not in generations:
            remove(path)


def _side_cars(index: str) -> dict[int, Path]:
    """Those there are, by generation."""
    first = path_of(index, 0)
    found = first.parent.glob(f"{glob.escape(first.name.removesuffix('0'))}*")
    numbered = ((path.name.rpartition("-")[2], path) for path in found)
    return {int(number): path for number, path in numbered if number.isdecimal() and is_ours(path)}


def _has_table(connection: sqlite3.Connection) -> bool:
    return (
        connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'ann'").fetchone() is not None
    )


def _last_vid(connection: sqlite3.Connection, generation: int) -> int:
    """The greatest that there ever was."""
    seen = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (f"vectors_{int(generation)}",))
    return int((seen.fetchone() or (0,))[0])


def _parts(connection: sqlite3.Connection, generation: int) -> int:
    """How many there are; counting vectors would read them all."""
    return int(connection.execute(f"SELECT count(*) FROM parts_{int(generation)}").fetchone()[0])


def _read(
    connection: sqlite3.Connection, connect: Connect | None, generation: int, spool: Spool, expected: int
) -> Distinct:
    """Every vector that is as it was written; also of rows that are not current now: they may be again."""
    for piece in read_vectors(connection, connect, generation, spool.dim, 0, expected):
        spool.append(piece.vids[piece.whole], piece.vectors[piece.whole])
    return spool.distinct()
