"""Transactions of a store in Postgres: each begun by hand, over a connection that is made again when it broke."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from idembed.errors import ReadOnlyError, StoreError
from idembed.stores import postgres_lease
from idembed.stores.postgres_link import connect, mapped, place_of
from idembed.stores.postgres_open import LOCK, prepare
from idembed.stores.postgres_schema import OURS, Db
from idembed.stores.records import Lease

__all__ = ["Transactions"]

_READ: Final = sql.SQL("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL jit = off; ")
_WRITE: Final = sql.SQL(f"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '60s'; {OURS}; ")
_THEN: Final = (
    "SELECT set_config('lock_timeout', '10s', true), CASE current_setting('synchronous_commit') "
    "WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END"
)
"""Said once no other writer of ours is there. Who waits long for a table that somebody reads (to drop it, or to let the
view show another) keeps all other readers waiting behind him."""


class Transactions:
    """The connection of one store. A connection that breaks between transactions is made again; where it breaks within
    one, what has the same outcome twice is done once more (``repeated``), and all else raises StoreError."""

    def __init__(self, url: str, *, create: bool = True, read_only: bool = False) -> None:
        self._place = place_of(url)
        self.url = self._place.shown
        self._schema = self._place.schema
        self._writable = not read_only
        self._is_closed = False
        self._in_snapshot = False
        self._connection = connect(self._place)
        try:
            with mapped(self._place, lambda: self._connection):
                self._path = prepare(self._connection, self._place, create=create and not read_only)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        self._is_closed = True
        self._connection.close()

    @property
    def may_repeat(self) -> bool:
        """Whether what failed with the connection may be done once more: not where it must be of one state."""
        return not self._in_snapshot and not self._is_closed

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        with self._reading():
            outer, self._in_snapshot = self._in_snapshot, True
            try:
                yield
            finally:
                self._in_snapshot = outer

    @contextmanager
    def _reading(self) -> Iterator[Db]:
        """One state of the database for everything read inside."""
        with mapped(self._place, lambda: self._connection):
            if self._in_snapshot:
                yield self._connection
                return
            self._begin(_READ)
            try:
                yield self._connection
            finally:
                self._roll_back()

    @contextmanager
    def _writing(self, lease: Lease | None = None) -> Iterator[Db]:
        """One transaction, durable at the end or not there at all; no other of ours is at the same time, and the lease
        is checked inside."""
        with mapped(self._place, lambda: self._connection):
            if not self._writable:
                self._refuse_closed()
                raise ReadOnlyError(f"{self.url} is open for reading only", hint="open it for writing", url=self.url)
            self._begin(_WRITE)
            try:
                self._connection.execute(LOCK, (self._schema,))
                self._connection.execute(_THEN)
                if lease is not None:
                    postgres_lease.check(self._connection, self.url, lease)
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                self._roll_back()

    def _begin(self, statement: sql.SQL) -> None:
        """Begin a transaction; nothing was done yet, so that a connection which broke since is made again."""
        self._refuse_closed()
        query = statement + self._path
        try:
            if not self._connection.closed:
                self._connection.execute(query)
                return
        except psycopg.OperationalError:
            if not self._connection.closed:
                raise
        self._connection.close()
        self._connection = connect(self._place, again=True)
        self._connection.execute(query)

    def _roll_back(self) -> None:
        if self._connection.closed:
            return
        if self._connection.info.transaction_status != TransactionStatus.IDLE:
            self._connection.execute("ROLLBACK")

    def _refuse_closed(self) -> None:
        if self._is_closed:
            raise StoreError(f"{self.url}: the index was closed", hint="open it again", url=self.url)
