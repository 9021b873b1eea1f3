"""A source, read to its end into a private temporary file before anything else happens.

So a broken last line changes nothing, duplicates are found first, and the plan has every row at hand in
bounded memory. The file is a nameless SQLite database in the temporary folder: it needs no fsync, and the
system removes it however this process ends.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from typing import Any, Self

from idembed.errors import DiskFullError, RowError
from idembed.index.chunks import weighed
from idembed.rows import BUCKETS, CheckedRow, bucket_of
from idembed.sources.base import Source

__all__ = ["Spool", "Verdict"]

_ROWS = 2000
_CHARACTERS = 8 << 20
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


@contextlib.contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _FULL:
            raise
        raise DiskFullError(
            f"the temporary copy of the source cannot be written: {error}",
            hint="set TMPDIR to a folder with room for a copy of the source; the index is unchanged",
        ) from None


class Verdict(IntEnum):
    """What a row of the source means for the index.

    * ADDED: the id is not there. * TEXT: another text than the stored one, or its vectors are missing or
    were made from another text. * METADATA: the text and its vectors are right, the metadata is not.
    * UNCHANGED: nothing to do. * EMPTY: the text has no vector in this model, so the index has no such row.
    A stored id that the source lacks is deleted; it has no row here.
    """

    EMPTY = -1
    UNCHANGED = 0
    METADATA = 1
    TEXT = 2
    ADDED = 3


class Spool:
    """Rows in the order of the source, and the verdict on each. A context manager that closes.

    Raises DiskFullError when the temporary folder is full."""

    @_disk()
    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)  # the empty name: a temporary file of SQLite's own
        self._db.executescript(
            "PRAGMA page_size=8192; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-16384;"
            "CREATE TABLE spool (position INTEGER PRIMARY KEY, id TEXT, bucket INTEGER, text TEXT,"
            " text_hash BLOB, metadata TEXT, metadata_hash BLOB);"
            "CREATE TABLE verdict (position INTEGER PRIMARY KEY, verdict INTEGER, bytes INTEGER);"
            "CREATE TABLE doomed (id TEXT PRIMARY KEY) WITHOUT ROWID;"
            "CREATE TABLE empty (id TEXT PRIMARY KEY) WITHOUT ROWID;"
            "CREATE TABLE carried (address BLOB PRIMARY KEY, needed INTEGER, leaving INTEGER) WITHOUT ROWID;"
        )
        self._source: Source
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    @_disk()
    def fill(
        self,
        source: Source,
        excess: Callable[[CheckedRow], str] = lambda row: "",
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Read every row. RowError for one of which ``excess`` says what is too large."""
        self._source = source
        self._db.execute("BEGIN")
        for chunk in weighed(source.rows(), _ROWS, _size, _CHARACTERS):
            for position, row in chunk:
                if reason := excess(row):
                    raise RowError(f"{source.where(position)}: {reason}", hint="shorten it", id=row.id)
            self._db.executemany("INSERT INTO spool VALUES (?,?,?,?,?,?,?)", map(_record, chunk))
            self.rows += len(chunk)
            if progress is not None:
                progress(self.rows)
        self._db.execute("COMMIT")

    @_disk()
    def hashes(self, buckets: range) -> dict[str, tuple[int, bytes, bytes]]:
        """{id: (position, text hash, metadata hash)} of the rows whose bucket is in ``buckets``.

        Raises RowError for an id that occurs twice, which is how duplicates are found: every plan looks at
        every bucket before anything is written.
        """
        query = "SELECT id, position, text_hash, metadata_hash FROM spool"
        if len(buckets) == BUCKETS:
            cursor = self._db.execute(query)
        else:
            self._db.execute("CREATE INDEX IF NOT EXISTS spool_bucket ON spool (bucket)")
            bounds = (buckets.start, buckets.stop)
            cursor = self._db.execute(f"{query} WHERE bucket >= ? AND bucket < ?", bounds)
        found: dict[str, tuple[int, bytes, bytes]] = {}
        count = 0
        while rows := cursor.fetchmany(_ROWS):
            count += len(rows)
            found.update((row[0], row[1:]) for row in rows)
        if len(found) < count:
            raise self._duplicate(buckets)
        return found

    def _duplicate(self, buckets: range) -> RowError:
        row_id, first, last, times = self._db.execute(
            "SELECT id, min(position), max(position), count(*) FROM spool WHERE bucket >= ? AND bucket < ?"
            " GROUP BY id HAVING count(*) > 1 ORDER BY 2 LIMIT 1",
            (buckets.start, buckets.stop),
        ).fetchone()
        where = self._source.where
        return RowError(
            f"the id {row_id!r} occurs {times} times: {where(first)} and {where(last)}",
            hint="an id names one row; nothing was written",
            id=row_id,
        )

    def forget_verdicts(self) -> None:
        """Start a plan anew."""
        self._db.executescript("DELETE FROM verdict; DELETE FROM doomed; DELETE FROM empty; DELETE FROM carried;")

    @_disk()
    def judge(self, verdicts: Iterable[tuple[int, Verdict]]) -> None:
        """Record verdicts by position; a row without one is UNCHANGED."""
        self._db.executemany(
            "INSERT INTO verdict SELECT ?1, ?2, length(CAST(text AS BLOB)) FROM spool WHERE position = ?1",
            ((position, int(verdict)) for position, verdict in verdicts),
        )

    @_disk()
    def doom(self, ids: Iterable[str]) -> None:
        """Record ids that the index holds and shall not hold any longer."""
        self._db.executemany("INSERT INTO doomed VALUES (?)", ((row_id,) for row_id in ids))

    @_disk()
    def leave_out(self, ids: Iterable[str]) -> None:
        """These rows are EMPTY after all; those that the index holds (their verdict was TEXT) are doomed."""
        self._db.executemany("INSERT INTO empty VALUES (?)", ((row_id,) for row_id in ids))
        empty = "FROM spool JOIN verdict USING (position) WHERE id IN (SELECT id FROM empty)"
        self._db.execute(f"INSERT INTO doomed SELECT id {empty} AND verdict = ?", (int(Verdict.TEXT),))
        self._db.execute(
            f"UPDATE verdict SET verdict = ? WHERE position IN (SELECT position {empty})", (int(Verdict.EMPTY),)
        )

    def doomed(self) -> Iterator[str]:
        """Those ids, in order."""
        return (row_id for (row_id,) in self._db.execute("SELECT id FROM doomed ORDER BY id"))

    def doomed_count(self) -> int:
        """How many they are."""
        return int(self._db.execute("SELECT count(*) FROM doomed").fetchone()[0])

    def count(self, verdict: Verdict) -> int:
        """How many rows have this verdict; not for UNCHANGED, which is not recorded."""
        query = "SELECT count(*) FROM verdict WHERE verdict = ?"
        return int(self._db.execute(query, (int(verdict),)).fetchone()[0])

    def text_bytes(self) -> int:
        """UTF-8 bytes of the texts that need vectors."""
        query = "SELECT coalesce(sum(bytes), 0) FROM verdict WHERE verdict >= ?"
        return int(self._db.execute(query, (int(Verdict.TEXT),)).fetchone()[0])

    def pending(self, *verdicts: Verdict) -> Iterator[tuple[Verdict, CheckedRow]]:
        """Rows with one of these verdicts, in the order of the source."""
        marks = ",".join("?" * len(verdicts))
        after = -1
        while chunk := self._next(marks, verdicts, after):  # no cursor stays open while the caller works
            for position, verdict, *fields in chunk:
                yield Verdict(verdict), CheckedRow(*fields)
                after = position

    def _next(self, marks: str, verdicts: tuple[Verdict, ...], after: int) -> list[Any]:
        cursor = self._db.execute(
            "SELECT position, verdict, id, text, metadata, text_hash, metadata_hash"
            f" FROM verdict JOIN spool USING (position) WHERE verdict IN ({marks}) AND position > ?"
            " ORDER BY position LIMIT ?",
            (*map(int, verdicts), after, _ROWS),
        )
        first = next(weighed(cursor, _ROWS, lambda row: len(row[3]) + len(row[4]), _CHARACTERS), [])
        cursor.close()
        return first

    @_disk()
    def carry(self, needed: Iterable[bytes], leaving: Iterable[bytes]) -> None:
        """Note addresses that pending rows need, and those that rows about to change now hold."""
        for column, addresses in (("needed", needed), ("leaving", leaving)):
            self._db.executemany(
                f"INSERT INTO carried (address, {column}) VALUES (?, 1)"
                f" ON CONFLICT (address) DO UPDATE SET {column} = 1",
                ((address,) for address in addresses),
            )

    def carried(self) -> list[bytes]:
        """Addresses in both: vectors that would be overwritten before they are needed."""
        query = "SELECT address FROM carried WHERE needed AND leaving ORDER BY address"
        return [address for (address,) in self._db.execute(query)]


def _record(item: tuple[int, CheckedRow]) -> tuple[object, ...]:
    position, row = item
    return (position, row.id, bucket_of(row.id), row.text, row.text_hash, row.metadata, row.metadata_hash)


def _size(item: tuple[int, CheckedRow]) -> int:
    return len(item[1].text) + len(item[1].metadata)
