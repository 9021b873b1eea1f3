"""Transactions of a store in Postgres: each begun by hand, over a connection that is made again when it broke."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from idembed.errors import ReadOnlyError, StoreError
from idembed.stores import postgres_lease
from idembed.stores.postgres_link import ConnectionLostError, broken, connect, mapped, place_of
from idembed.stores.postgres_open import LOCK, prepare
from idembed.stores.postgres_schema import OURS, Db
from idembed.stores.records import Lease
from idembed.stores.snapshots import Snapshots

__all__ = ["Transactions"]

_READ: Final = sql.SQL("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL jit = off; ")
_DURABLY: Final = (
    "SELECT set_config('lock_timeout', '10s', true), CASE current_setting('synchronous_commit') "
    "WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END; "
)
_WRITE: Final = sql.SQL(
    f"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '60s'; {OURS}; {LOCK}; {_DURABLY}"
)
"""In one round trip. Once no other writer of ours is there, nobody is waited for long: who waits for a table that
somebody reads (to drop it, or to let the view show another) keeps all other readers waiting behind him."""
_BESIDE: Final = sql.SQL(f"BEGIN ISOLATION LEVEL READ COMMITTED; {OURS}; {_DURABLY}")


_PATIENCE: Final = 20.0
"""Seconds in which a server notices that a connection is gone."""


class Transactions(Snapshots):
    """The connection of one store. A connection that breaks between transactions is made again; where it breaks within
    one, the transaction is done once more (``repeated``); and where it breaks while one is committed, the database is
    asked, over a new one, whether it was."""

    def __init__(self, url: str, *, create: bool = True, read_only: bool = False) -> None:
        self._given_url = url
        self._place = place_of(url)
        self.url = self._place.shown
        self._schema = self._place.schema
        self._writable = not read_only
        self._is_closed = False
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
    def _reading(self) -> Iterator[Db]:
        """One state of the database for everything read inside."""
        with mapped(self._place, lambda: self._connection):
            if self._in_snapshot:
                yield self._connection
                return
            try:
                self._begin(_READ)
                yield self._connection
            finally:
                self._roll_back()

    @contextmanager
    def _writing(self, lease: Lease | None = None, *, alone: bool = True) -> Iterator[Db]:
        """One transaction, durable at the end or not there at all; no other of ours is at the same time, unless it need
        not be ``alone``, and the lease is checked inside."""
        with mapped(self._place, lambda: self._connection):
            if not self._writable:
                self._refuse_closed()
                raise ReadOnlyError(f"{self.url} is open for reading only", hint="open it for writing", url=self.url)
            try:
                self._begin(_WRITE.format(schema=sql.Literal(self._schema)) if alone else _BESIDE)
                if lease is not None:
                    postgres_lease.check(self._connection, self.url, lease)
                yield self._connection
                self._commit()
            finally:
                self._roll_back()

    def _commit(self) -> None:
        asked = "SELECT txid_current_if_assigned()"
        number = (self._connection.execute(asked).fetchone() or (None,))[0]
        try:
            self._connection.execute("COMMIT")
        except psycopg.OperationalError:
            if not self._connection.closed:
                raise
            if number is None or not self._was_committed(number):
                raise broken(self._place) from None

    def _was_committed(self, number: int) -> bool:
        """What became of the transaction ``number``, the answer to whose COMMIT was lost. A database that was restarted
        knows it too. Raises StoreError where it stays unknown: then nothing must be done once more."""
        status = "in progress"  # as long as the server has not noticed that nobody is there
        with suppress(psycopg.Error, ConnectionLostError):
            self._connection.close()
            self._connection = connect(self._place, again=True)
            deadline = time.monotonic() + _PATIENCE
            while status == "in progress" and time.monotonic() < deadline:
                found = self._connection.execute("SELECT txid_status(%s)", (number,)).fetchone()
                status = found[0] if found else ""
                if status in ("committed", "aborted"):
                    return status == "committed"
                time.sleep(0.05)
        raise StoreError(
            f"{self.url}: the connection broke at the last moment, and whether this was written is not known",
            hint="look (idembed status), and run it again",
            url=self.url,
        ) from None

    def _begin(self, statement: sql.Composable) -> None:
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
