"""Short keys, such as the addresses of texts, as a set in bounded memory."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Self

from idembed.errors import DiskFullError

__all__ = ["Addresses"]


class Addresses:
    """In a nameless SQLite database, of which so many ``megabytes`` are in memory and the rest in the temporary folder.
    (A set of Python would take 100 bytes a key, 1 GB for 10 million.) A context manager that closes. Raises
    DiskFullError when that folder is full."""

    def __init__(self, megabytes: int = 16) -> None:
        with _disk():
            self._db = sqlite3.connect("", isolation_level=None)
            self._db.executescript(
                f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{megabytes * 1024:d};"
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

    def have(self, places: Sequence[bytes]) -> list[bool]:
        """Whether each of them is there."""
        look = "SELECT 1 FROM place WHERE address = ?"
        with _disk():
            return [self._db.execute(look, (place,)).fetchone() is not None for place in places]


@contextlib.contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise DiskFullError(
            f"a temporary list cannot be written: {error}",
            hint="set TMPDIR to a folder with room for 30 bytes a row or text; nothing else was changed",
        ) from None
