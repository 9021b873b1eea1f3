"""Addresses of texts, as a set in bounded memory."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Self

from idembed.errors import DiskFullError

__all__ = ["Addresses"]


class Addresses:
    """In a nameless SQLite database, of which 16 MB are in memory and the rest in the temporary folder. A context
    manager that closes. Raises DiskFullError when that folder is full."""

    def __init__(self) -> None:
        with _disk():
            self._db = sqlite3.connect("", isolation_level=None)
            self._db.executescript(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384;"
                "CREATE TABLE place (address BLOB PRIMARY KEY) WITHOUT ROWID;"
                "BEGIN"  # never committed
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(self, places: Iterable[bytes]) -> set[bytes]:
        """Put them in; those that were not there before."""
        note = "INSERT OR IGNORE INTO place VALUES (?)"
        with _disk():
            return {place for place in places if self._db.execute(note, (place,)).rowcount}

    def take(self, places: Iterable[bytes]) -> set[bytes]:
        """Take them out; those that were there."""
        remove = "DELETE FROM place WHERE address = ?"
        with _disk():
            return {place for place in places if self._db.execute(remove, (place,)).rowcount}


@contextlib.contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise DiskFullError(
            f"the temporary list of addresses cannot be written: {error}",
            hint="set TMPDIR to a folder with room for 30 bytes a text; nothing else was changed",
        ) from None
