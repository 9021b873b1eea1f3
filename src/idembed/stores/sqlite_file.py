"""One SQLite file: opening it without harming what is not ours, and SQLite's errors in our words."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from idembed.errors import (
    DamagedError,
    DiskFullError,
    IdembedError,
    NewerSchemaError,
    NotAnIndexError,
    ReadOnlyError,
    StoreError,
)
from idembed.stores import sqlite_schema as schema
from idembed.stores.records import RESTORE
from idembed.stores.sqlite_header import check_header, descriptor_of
from idembed.stores.sqlite_migrate import migrate

__all__ = ["Opened", "mapped", "open_file", "open_reader", "read_ahead", "stamp"]

BUSY_SECONDS: Final = 10.0
PAGE_SIZE: Final = 16384
"""Bytes. Leaves of 16,384 are filled to 94 % by vectors of 384 or 768 floats, of 4,096 to 75 %; larger pages
make every small change larger in the log."""
_CACHE_KIB: Final = 65536
_AHEAD: Final = 8 << 20
_MAPPED: Final = 1 << 40
"""More than there is: SQLite maps what the file has, up to a limit of its own."""

Stamp = tuple[int | None, int, int, bool]
"""inode (None: there is no file), bytes, nanoseconds of the last change, whether there is a log"""


class Opened(NamedTuple):
    """A connection, and whether it can write. ``immutable``: the file is read without locks, as no writer was there;
    it holds as long as ``stamp`` gives the same."""

    connection: sqlite3.Connection
    writable: bool
    immutable: Stamp | None = None


def stamp(path: str) -> Stamp:
    """What changes no later than the pages of the file: its log comes, or its inode, size or time change."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None, 0, 0, False
    return found.st_ino, found.st_size, found.st_mtime_ns, os.path.exists(path + "-wal")


def open_file(path: str, *, create: bool, read_only: bool) -> Opened:
    """The index in the file ``path``; a missing or empty file becomes a new one if ``create``.

    A file that is not ours is refused by reading its header, before SQLite sees it, and stays as it is.
    """
    check_header(path, create and not read_only)
    folder = os.path.dirname(os.path.abspath(path))
    writable = not read_only
    if os.path.exists(path):
        writable = writable and os.access(path, os.W_OK) and os.access(folder, os.W_OK)
    with mapped(path):
        before = stamp(path)
        immutable = not writable and not os.access(folder, os.W_OK) and before[-1] is False
        connection = _connect(path, "rwc") if writable else _connect_read_only(path, immutable)
        try:
            if writable:
                _prepare(connection, path)
            found = _version(connection)
            if found > schema.VERSION:
                raise NewerSchemaError(
                    f"{path} was written by a newer idembed (schema {found}; this one knows {schema.VERSION})",
                    hint="upgrade idembed: pip install -U idembed",
                    path=path,
                )
            if found < schema.VERSION:
                if not writable:
                    raise ReadOnlyError(
                        f"{path} has the older schema {found} and cannot be brought up to date here",
                        hint="open it once where it can be written",
                        path=path,
                    )
                migrate(connection)
        except BaseException:
            connection.close()
            raise
    return Opened(connection, writable, before if immutable else None)


def open_reader(path: str) -> sqlite3.Connection:
    """One more connection to a file that is open, for a thread of its own, which reads in passing: its cache is small,
    and pages are mapped where the system can."""
    connection = _connect(path, "ro", shared=True)
    connection.execute("PRAGMA cache_size = -8192")
    connection.execute(f"PRAGMA mmap_size = {_MAPPED}")
    return connection


def _connect(path: str, mode: str, *, immutable: bool = False, shared: bool = False) -> sqlite3.Connection:
    uri = f"{Path(os.path.abspath(path)).as_uri()}?mode={mode}{'&immutable=1' if immutable else ''}"
    connection = sqlite3.connect(
        uri,
        uri=True,
        isolation_level=None,
        timeout=BUSY_SECONDS,
        cached_statements=256,
        check_same_thread=not shared,
    )
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _connect_read_only(path: str, immutable: bool) -> sqlite3.Connection:
    """Without the right to write the folder there can be no ``-shm`` file, which readers of a WAL need; when
    there is no WAL either, nobody is writing and the file can be read as immutable. (An empty WAL may be a
    living writer's.) Who reads so looks at ``stamp`` before and after: a writer may come later."""
    if immutable:
        return _connect(path, "ro", immutable=True)
    wal = path + "-wal"
    connection = None
    try:
        connection = _connect(path, "ro")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        if connection is not None:
            connection.close()
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CANTOPEN:
            raise
        raise ReadOnlyError(
            f"{path} has a log, {wal}, that cannot be read without writing to the folder",
            hint="open it once where it can be written, or copy both files to another folder",
            path=path,
        ) from None
    return connection


def _prepare(connection: sqlite3.Connection, path: str) -> None:
    """Durable settings, and the schema when the file is new (in one transaction of a rollback journal, so that
    the header names us from the first moment on)."""
    if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
        connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        connection.execute("BEGIN EXCLUSIVE")
        try:
            if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
                schema.create(connection)
            elif connection.execute("PRAGMA application_id").fetchone()[0] == schema.APPLICATION_ID:
                raise DamagedError(f"{path} is an index whose schema version is gone", hint=RESTORE, path=path)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    if connection.execute("PRAGMA application_id").fetchone()[0] != schema.APPLICATION_ID:
        raise NotAnIndexError(f"{path} is a database of another program; it was left as it is", path=path)
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA wal_autocheckpoint = 2000")
    connection.execute(f"PRAGMA journal_size_limit = {64 << 20}")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """SQLite does not wait for others when the journal mode changes, so wait here."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def read_ahead(connection: sqlite3.Connection) -> Iterator[None]:
    """Have the system read the whole file while it is read inside page by page (a quarter faster from a disk)."""
    path = connection.execute("PRAGMA database_list").fetchone()[2]
    descriptor = descriptor_of(path) if hasattr(os, "posix_fadvise") else None
    if descriptor is None:
        yield
        return
    left = threading.Event()

    def advise() -> None:
        with suppress(OSError):  # it is only advice
            for begin in range(0, os.fstat(descriptor).st_size, _AHEAD):
                if left.is_set():
                    return
                os.posix_fadvise(descriptor, begin, _AHEAD, os.POSIX_FADV_WILLNEED)

    thread = threading.Thread(target=advise, name="idembed-read-ahead", daemon=True)
    thread.start()
    try:
        yield
    finally:
        left.set()
        thread.join()


@contextmanager
def mapped(path: str) -> Iterator[None]:
    """SQLite's errors as ours: the one place where they are translated."""
    try:
        yield
    except sqlite3.Error as error:
        _raise(error, path)
    except UnicodeDecodeError as error:  # in what SQLite says of its own schema
        _, message, hint = _DAMAGED
        raise DamagedError(f"{path}: {message}", hint=hint, path=path) from error
    except UnicodeEncodeError as error:
        raise StoreError(f"{path}: a string with a lone surrogate cannot be stored", path=path) from error


def _raise(error: sqlite3.Error, path: str) -> NoReturn:
    code = getattr(error, "sqlite_errorcode", 0)
    primary = code & 0xFF
    kind, message, hint = _MEANINGS.get(code) or _MEANINGS.get(primary) or (StoreError, f"SQLite says: {error}", "")
    if isinstance(error, sqlite3.OperationalError) and "decode to UTF-8" in str(error):
        kind, message, hint = _DAMAGED
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        kind, message, hint = StoreError, "the index was closed", "open it again"
    raise kind(f"{path}: {message}", hint=hint, path=path, sqlite=getattr(error, "sqlite_errorname", "")) from error


_FULL = (DiskFullError, "the disk is full", "what was committed is safe: free some space and run it again")
_DAMAGED = (DamagedError, "the file is damaged", RESTORE)
_MEANINGS: Final[dict[int, tuple[type[IdembedError], str, str]]] = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR_WRITE: _FULL,  # a quota or a limit on file size; ENOSPC itself is SQLITE_FULL
    sqlite3.SQLITE_IOERR_SHMSIZE: _FULL,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_BUSY: (
        StoreError,
        "another program keeps it locked",
        "close that program, or try again later",
    ),
    sqlite3.SQLITE_LOCKED: (
        StoreError,
        "another program keeps it locked",
        "close that program, or try again later",
    ),
    sqlite3.SQLITE_READONLY: (
        ReadOnlyError,
        "cannot be written here",
        "look at the permissions of file and folder",
    ),
    sqlite3.SQLITE_CANTOPEN: (StoreError, "cannot be opened", "look at the permissions of file and folder"),
    sqlite3.SQLITE_PERM: (
        ReadOnlyError,
        "cannot be written here",
        "look at the permissions of file and folder",
    ),
    sqlite3.SQLITE_TOOBIG: (StoreError, "a value has more than 1,000,000,000 bytes", "leave that row out"),
    sqlite3.SQLITE_IOERR: (
        StoreError,
        "the disk reports an error",
        "look at the system's log; what was committed is safe",
    ),
}
