"""A source, read to its end into private temporary files before anything else happens, and what is to be done with
each of its rows.

So a broken last line changes nothing, duplicates are found first, and the plan has every row at hand in bounded
memory. Rows lie in a RowFile; what differs from the index, in a nameless SQLite database in the temporary folder: it
needs no fsync, and the system removes it however this process ends.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Self

import numpy as np
from numpy.typing import NDArray

from idembed.ascending import among
from idembed.durable import FULL
from idembed.errors import DiskFullError, RowError
from idembed.index.limits import Limits
from idembed.index.outcome import Noted, Outcome
from idembed.index.rowfile import Hashed, RowFile, SpooledRow
from idembed.rows import ROW_HASH_BYTES, CheckedRow, bucket_of
from idembed.sources.base import Source
from idembed.stores.base import RowHashes

__all__ = ["Spool"]

_ROWS = 2000
_AT_ONCE = 500
_CHARACTERS = 8 << 20
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


@contextlib.contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code not in _FULL and getattr(error, "errno", None) not in FULL:
            raise
        raise DiskFullError(
            f"the temporary copy of the source cannot be written: {error}",
            hint="set TMPDIR to a folder with room for a copy of the source; the index is unchanged",
        ) from None


class Spool:
    """Rows in the order of the source, and the outcome on each. A context manager that closes.

    Raises DiskFullError when the temporary folder is full."""

    def __init__(self) -> None:
        with _disk():
            self._rows = RowFile()
            self._db = sqlite3.connect("", isolation_level=None)
            self._db.executescript(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;"
                "CREATE TABLE gone (row_hash BLOB PRIMARY KEY) WITHOUT ROWID;"
                "CREATE TABLE outcome"
                " (ordinal INTEGER PRIMARY KEY, outcome INTEGER, id TEXT, text_hash BLOB, size INTEGER);"
                "CREATE UNIQUE INDEX outcome_id ON outcome (id);"
                "CREATE TABLE doomed (id TEXT PRIMARY KEY, stored INTEGER, text_hash BLOB) WITHOUT ROWID;"
                "CREATE TABLE aside (id TEXT PRIMARY KEY) WITHOUT ROWID;"
                "CREATE TABLE seen (address BLOB PRIMARY KEY) WITHOUT ROWID;"
                "CREATE TABLE carried (address BLOB PRIMARY KEY, needed INTEGER, leaving INTEGER) WITHOUT ROWID;"
                "BEGIN"  # one transaction, never committed: each statement would be one of its own
            )
        self._source: Source
        self._differs: NDArray[np.bool_] = np.zeros(0, np.bool_)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()
        self._db.close()

    @property
    def rows(self) -> int:
        """How many rows the source has."""
        return self._rows.count

    @_disk()
    def fill(self, source: Source, limits: Limits, progress: Callable[[int], None] | None = None) -> None:
        """Read every row. RowError for one that has something that is too large."""
        self._source = source
        chunk: list[SpooledRow] = []
        characters = 0
        for position, row in source.rows():  # this loop takes half of the time of a sync that changes nothing
            row_id, text, metadata, row_hash = row
            size = len(text) + len(metadata)
            if (size > limits.safe_size or len(row_id) > limits.safe_id) and (reason := limits.excess(row)):
                raise RowError(f"{source.where(position)}: {reason}", hint="shorten it", id=row_id)
            chunk.append((position, row_id, text, metadata, row_hash))
            characters += size
            if len(chunk) == _ROWS or characters >= _CHARACTERS:
                self._rows.append(chunk)
                chunk, characters = [], 0
                if progress is not None:
                    progress(self.rows)
        self._rows.append(chunk)
        self._rows.flush()

    # What differs ----------------------------------------------------------------------------------

    def hashes(self, buckets: range) -> Hashed:
        """The row hashes in ``buckets``. Raises RowError for a row that occurs twice."""
        found = self._rows.hashes(buckets)
        same = found.hashes[1:] == found.hashes[:-1]
        if same.any():
            first = int(same.argmax())
            raise self._duplicate(*sorted(found.ordinals[first : first + 2].tolist()))
        return found

    def forget_outcomes(self) -> None:
        """Start a plan anew."""
        for table in ("gone", "outcome", "doomed", "aside", "seen", "carried"):
            self._db.execute(f"DELETE FROM {table}")
        self._differs = np.zeros(self.rows, np.bool_)

    @_disk()
    def compare(self, buckets: range, stored: RowHashes | None) -> None:
        """Note the rows of these buckets that are not stored as they are, and the hashes of those stored that the
        source does not have as they are. ``stored`` ascends; None: nothing is known of what is stored."""
        mine = self.hashes(buckets)
        if stored is None:
            self._differs[mine.ordinals] = True
            return
        self._differs[mine.ordinals[~among(mine.hashes, stored)]] = True
        gone = stored[~among(stored, mine.hashes)].tolist()
        self._db.executemany("INSERT OR IGNORE INTO gone VALUES (?)", ((_whole(row_hash),) for row_hash in gone))

    def differing(self) -> Iterator[list[tuple[int, CheckedRow]]]:
        """(ordinal, row) of the noted rows, some hundred at a time in the order of the source."""
        ordinals = np.flatnonzero(self._differs)
        for begin in range(0, len(ordinals), _AT_ONCE):
            chunk = ordinals[begin : begin + _AT_ONCE].tolist()
            yield list(zip(chunk, (row for _, row in self._rows.read(chunk)), strict=True))

    @_disk()
    def note(self, outcomes: Iterable[Noted]) -> None:
        """Record outcomes. Raises RowError for an id that occurs more than once among them."""
        given = list(outcomes)
        try:
            self._db.executemany("INSERT INTO outcome VALUES (?, ?, ?, ?, ?)", given)
        except sqlite3.IntegrityError:
            first: dict[str, int] = {}
            for one in given:
                before = self._db.execute("SELECT ordinal FROM outcome WHERE id = ?", (one.id,)).fetchone()
                other = before[0] if before else first.setdefault(one.id, one.ordinal)
                if other != one.ordinal:
                    raise self._duplicate(other, one.ordinal) from None
            raise

    def gone(self) -> Iterator[list[bytes]]:
        """The row hashes that are stored and not in the source, some hundred at a time."""
        after = b""
        while found := self._db.execute(
            "SELECT row_hash FROM gone WHERE row_hash > ? ORDER BY row_hash LIMIT ?", (after, _AT_ONCE)
        ).fetchall():
            yield [row_hash for (row_hash,) in found]
            after = found[-1][0]

    def differs(self, ids: Iterable[str]) -> set[str]:
        """Those among ``ids`` of which the source has a row that is not stored as it is."""
        find = "SELECT id FROM outcome WHERE id = ?"
        return {row_id for row_id in ids if self._db.execute(find, (row_id,)).fetchone()}

    def refuse_twin(self, ordinal: int, row_hash: bytes) -> None:
        """``row_hash`` is that of the stored row of this row's id. Raises RowError if the source has that very row
        too, beside this one: the id occurs more than once. (It has not if the store changed since it was compared.)"""
        if self._db.execute("SELECT 1 FROM gone WHERE row_hash = ?", (row_hash,)).fetchone():
            return
        bucket = bucket_of(row_hash)
        mine = self._rows.hashes(range(bucket, bucket + 1))
        for other in mine.ordinals[mine.hashes == row_hash].tolist():
            if other != ordinal:
                raise self._duplicate(*sorted((other, ordinal)))

    def _duplicate(self, *ordinals: int) -> RowError:
        (first, row), (last, _) = self._rows.read(ordinals)
        where = self._source.where
        return RowError(
            f"the id {row.id!r} occurs more than once: {where(first)} and {where(last)}",
            hint="an id names one row; nothing was written",
            id=row.id,
        )

    @_disk()
    def doom(self, rows: Iterable[tuple[str, bytes | None]]) -> None:
        """Record ids that the index shall not hold any longer, and the hashes of their texts; None for one that it does
        not hold, but knows of."""
        self._db.executemany("INSERT OR IGNORE INTO doomed VALUES (?1, ?2 IS NOT NULL, ?2)", rows)

    @_disk()
    def set_aside(self, ids: Iterable[str]) -> None:
        """These rows are ASIDE after all; those that the index holds (their outcome was TEXT) are doomed."""
        self._db.executemany("INSERT OR IGNORE INTO aside VALUES (?)", ((row_id,) for row_id in ids))
        aside = "FROM outcome WHERE id IN (SELECT id FROM aside)"
        self._db.execute(
            f"INSERT OR IGNORE INTO doomed SELECT id, 1, x'' {aside} AND outcome = ?", (int(Outcome.TEXT),)
        )
        self._db.execute("UPDATE outcome SET outcome = ? WHERE id IN (SELECT id FROM aside)", (int(Outcome.ASIDE),))

    # What is to be done ----------------------------------------------------------------------------

    def doomed(self) -> Iterator[str]:
        """Ids to delete, in order."""
        return (row_id for (row_id,) in self._db.execute("SELECT id FROM doomed ORDER BY id"))

    def doomed_count(self) -> int:
        """How many of them the index holds."""
        return int(self._db.execute("SELECT count(*) FROM doomed WHERE stored").fetchone()[0])

    def lost_count(self) -> int:
        """How many of them it does not hold any more."""
        return int(self._db.execute("SELECT count(*) FROM doomed WHERE NOT stored").fetchone()[0])

    def moved_count(self) -> int:
        """How many rows to add have the text of a row to delete, each of those taken once."""
        return int(
            self._db.execute(
                "SELECT coalesce(sum(min(a.n, d.n)), 0) FROM "
                "(SELECT text_hash, count(*) AS n FROM outcome WHERE outcome = ? GROUP BY text_hash) AS a JOIN "
                "(SELECT text_hash, count(*) AS n FROM doomed WHERE text_hash <> x'' GROUP BY text_hash) AS d "
                "USING (text_hash)",
                (int(Outcome.ADDED),),
            ).fetchone()[0]
        )

    def count(self, outcome: Outcome) -> int:
        """How many rows have this outcome."""
        query = "SELECT count(*) FROM outcome WHERE outcome = ?"
        return int(self._db.execute(query, (int(outcome),)).fetchone()[0])

    def text_bytes(self) -> int:
        """UTF-8 bytes of the texts that need vectors."""
        query = "SELECT coalesce(sum(size), 0) FROM outcome WHERE outcome >= ?"
        return int(self._db.execute(query, (int(Outcome.TEXT),)).fetchone()[0])

    def pending(self, *outcomes: Outcome) -> Iterator[tuple[Outcome, CheckedRow]]:
        """Rows with one of these outcomes, in the order of the source."""
        for ordinals in self._ordinals(outcomes, _ROWS):
            marks = ",".join("?" * len(ordinals))
            now = dict(self._db.execute(f"SELECT ordinal, outcome FROM outcome WHERE ordinal IN ({marks})", ordinals))
            for ordinal, (_, row) in zip(ordinals, self._rows.read(ordinals), strict=True):
                yield Outcome(now[ordinal]), row

    def pending_ids(self, outcome: Outcome) -> Iterator[str]:
        """The ids of the rows with this outcome."""
        return (row_id for (row_id,) in self._db.execute("SELECT id FROM outcome WHERE outcome = ?", (int(outcome),)))

    def _ordinals(self, outcomes: tuple[Outcome, ...], size: int) -> Iterator[list[int]]:
        """Ordinals in ascending order, ``size`` at a time; no cursor stays open while the caller works."""
        marks = ",".join("?" * len(outcomes))
        after = -1
        while True:
            found = self._db.execute(
                f"SELECT ordinal FROM outcome WHERE outcome IN ({marks}) AND ordinal > ? ORDER BY ordinal LIMIT ?",
                (*map(int, outcomes), after, size),
            ).fetchall()
            if not found:
                return
            yield [ordinal for (ordinal,) in found]
            after = found[-1][0]

    @_disk()
    def unseen(self, texts: Iterable[tuple[bytes, str]]) -> dict[bytes, str]:
        """Those texts, by address, that this was not asked about since the plan was made."""
        note = "INSERT OR IGNORE INTO seen VALUES (?)"
        return {place: text for place, text in texts if self._db.execute(note, (place,)).rowcount}

    # Vectors in flight -----------------------------------------------------------------------------

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


def _whole(row_hash: bytes) -> bytes:
    """As it was: NumPy cuts zeros off the end of what it hands out."""
    return row_hash.ljust(ROW_HASH_BYTES, b"\0")
