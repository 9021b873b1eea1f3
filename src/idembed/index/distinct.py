"""Ids that were seen, in bounded memory: has this one been there before?"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Self

from idembed.errors import DiskFullError

__all__ = ["Ids", "digest_of"]


class Ids:
    """16 bytes of SHA-256 of each id, in a nameless SQLite database, of which 64 MB are in memory and the rest in the
    temporary folder: a set of Python would take 100 bytes an id, 1 GB for 10 million. A context manager that closes.

    Raises DiskFullError when the temporary folder is full.
    """

    def __init__(self) -> None:
        self.count = 0
        """How many there are."""
        with _disk():
            self._db = sqlite3.connect("", isolation_level=None)
            self._db.executescript(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;"
                "CREATE TABLE seen (digest BLOB PRIMARY KEY) WITHOUT ROWID;"
                "BEGIN"  # never committed
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(self, ids: Sequence[str]) -> str | None:
        """Note the ids; the first of them that was there already, if any was: then some may not be noted."""
        with _disk():
            for row_id, digest in zip(ids, map(digest_of, ids), strict=True):
                if self._db.execute("INSERT OR IGNORE INTO seen VALUES (?)", (digest,)).rowcount == 0:
                    return row_id
        self.count += len(ids)
        return None

    def absent(self, ids: Sequence[str]) -> list[str]:
        """Those that were not seen."""
        with _disk():
            found = [self._db.execute("SELECT 1 FROM seen WHERE digest = ?", (digest_of(i),)).fetchone() for i in ids]
        return [row_id for row_id, there in zip(ids, found, strict=True) if there is None]


def digest_of(row_id: str) -> bytes:
    """What an id is known by: the first 16 bytes of its SHA-256, which also draw a fair sample."""
    return hashlib.sha256(row_id.encode()).digest()[:16]


@contextlib.contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise DiskFullError(
            f"the temporary list of ids cannot be written: {error}",
            hint="set TMPDIR to a folder with room for 30 bytes a row; nothing else was changed",
        ) from None
