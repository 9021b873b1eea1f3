"""Transactions on one SQLite file: many readers, one writer at a time, the lease checked inside."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from idembed.errors import ReadOnlyError, StoreError
from idembed.stores import sqlite_audit, sqlite_lease
from idembed.stores.records import Lease
from idembed.stores.snapshots import Snapshots
from idembed.stores.sqlite_file import mapped, open_file, open_reader, stamp
from idembed.stores.sqlite_search import Searcher
from idembed.stores.sqlite_vectors import Connect
from idembed.stores.sqlite_where import install

__all__ = ["Transactions"]


class Transactions(Snapshots):
    """The open file, and what is held of it in memory."""

    url: str

    def __init__(self, path: str, *, create: bool = True, read_only: bool = False) -> None:
        self.url = path
        self._open(create, read_only)

    def _open(self, create: bool, read_only: bool) -> None:
        self._connection, self._writable, self._immutable = open_file(self.url, create=create, read_only=read_only)
        try:
            with mapped(self.url):
                sqlite_audit.check_tables(self._connection, self.url)
        except BaseException:
            self._connection.close()
            raise
        install(self._connection)
        self._searcher = Searcher(self.url, self._connect())

    def _connect(self) -> Connect | None:
        """Opens more connections, where locks are used."""
        return None if self._immutable is not None else lambda: open_reader(self.url)

    def close(self) -> None:
        self._searcher.keep_only(())
        self._immutable = None
        with mapped(self.url):
            self._connection.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """One state of the file for everything read inside."""
        if self._in_snapshot:
            with mapped(self.url):
                yield self._connection
            return
        with mapped(self.url), self._unchanged():
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def _unchanged(self) -> Iterator[None]:
        """A file that is read without locks is opened again when somebody wrote since, with locks if he is still
        there; what was read while somebody wrote is not used, whatever it was."""
        if self._immutable is not None and stamp(self.url) != self._immutable:
            before = self._connection
            self._open(create=False, read_only=True)
            before.close()
        try:
            yield
        finally:
            if self._immutable is not None and stamp(self.url) != self._immutable:
                raise StoreError(f"{self.url} was written while it was read", hint="try again", path=self.url)

    @contextmanager
    def _writing(self, lease: Lease | None = None) -> Iterator[sqlite3.Connection]:
        """One transaction, durable at the end or not there at all; with the lease checked inside."""
        with mapped(self.url):
            if not self._writable:
                self._connection.execute("SELECT 1")  # a closed store says so
                raise ReadOnlyError(
                    f"{self.url} is open for reading only",
                    hint="look at the permissions of file and folder",
                    path=self.url,
                )
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                if lease is not None:
                    sqlite_lease.check(self._connection, self.url, lease)
                self._connection.execute("UPDATE ours SET writing = 1")
                yield self._connection
                self._connection.execute("UPDATE ours SET writing = 0")
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
