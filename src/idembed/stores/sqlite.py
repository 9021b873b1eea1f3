"""The default store: one SQLite file, exact search in memory. Tables: sqlite_schema.py."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np

from idembed.canonical import canonical_json, check_text
from idembed.errors import OptionError, ReadOnlyError, StoreError
from idembed.filters import Condition
from idembed.space import Kept, Space
from idembed.stores import sqlite_lease, sqlite_read, sqlite_schema, sqlite_write
from idembed.stores.base import (
    Capabilities,
    Generation,
    Lease,
    Match,
    RowRecord,
    RowState,
    Status,
    Store,
    StoredRow,
    Vector,
)
from idembed.stores.sqlite_file import mapped, open_file, stamp
from idembed.stores.sqlite_matrix import Matrix
from idembed.stores.sqlite_where import compile_conditions, install

__all__ = ["SQLiteStore"]


class SQLiteStore(Store):
    """An index in one file (write-ahead log, ``synchronous=FULL``); many readers, one writer at a time.

    A file or folder that cannot be written is opened for reading. Errors: idembed.errors.StoreError and
    its kinds, each naming the file.
    """

    capabilities = Capabilities(
        exact_readback=True,
        atomic_switch=True,
        transactions=True,
        approximate_search=False,
        concurrent_writers=False,
        max_key=512,
        max_text=900_000_000,
        max_metadata=100_000_000,
        max_dim=65_536,
    )
    format_version = sqlite_schema.VERSION

    def __init__(self, path: str, *, create: bool = True, read_only: bool = False) -> None:
        self.url = path
        self._matrices: dict[int, Matrix] = {}
        self._open(create, read_only)

    def _open(self, create: bool, read_only: bool) -> None:
        self._connection, self._writable, self._immutable = open_file(self.url, create=create, read_only=read_only)
        install(self._connection)

    def close(self) -> None:
        self._matrices.clear()
        self._immutable = None
        with mapped(self.url):
            self._connection.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """One state of the file for everything read inside."""
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
            self._matrices.clear()
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
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    # What the index knows about itself -------------------------------------------------------------

    def read_meta(self) -> tuple[int, dict[str, Any]]:
        with self._reading() as connection:
            version, settings = connection.execute("SELECT version, settings FROM meta").fetchone()
        return version, json.loads(settings)

    def swap_meta(self, version: int, meta: Mapping[str, Any]) -> bool:
        settings = canonical_json(meta)
        with self._writing() as connection:
            cursor = connection.execute(
                "UPDATE meta SET version = version + 1, settings = ? WHERE version = ?", (settings, version)
            )
            return cursor.rowcount == 1

    def lease(
        self, owner: str, seconds: float = 60.0, *, instead_of: str | None = None, now: float | None = None
    ) -> Lease:
        moment = time.time() if now is None else now
        with self._writing() as connection:
            answer = sqlite_lease.take(connection, self.url, owner, seconds, moment, instead_of)
        if isinstance(answer, Lease):
            return answer
        raise answer

    def writer(self) -> tuple[int, str]:
        with self._reading() as connection:
            return sqlite_lease.last(connection)

    def renew(self, lease: Lease, seconds: float = 60.0, *, now: float | None = None) -> Lease:
        with self._writing() as connection:
            return sqlite_lease.renew(connection, self.url, lease, seconds, time.time() if now is None else now)

    def release(self, lease: Lease) -> None:
        with self._writing() as connection:
            sqlite_lease.release(connection, lease)

    # Generations -----------------------------------------------------------------------------------

    def generations(self) -> list[Generation]:
        with self._reading() as connection:
            return _generations(connection)

    def create_generation(self, lease: Lease, space: Space, model: str, *, activate: bool = False) -> Generation:
        if not 1 <= space.dim <= self.capabilities.max_dim:
            raise OptionError(f"vectors have 1 to {self.capabilities.max_dim:,} dimensions here, not {space.dim}")
        with self._writing(lease) as connection:
            cursor = connection.execute(
                "INSERT INTO generations (space, model, status) VALUES (?, ?, 'building')",
                (space.canonical, model),
            )
            number = cast(int, cursor.lastrowid)
            sqlite_schema.create_generation(connection, number)
            if activate:
                _activate(connection, number)
        return Generation(number, space, model, "active" if activate else "building")

    def activate(self, lease: Lease, number: int) -> None:
        with self._writing(lease) as connection:
            self._existing(connection, number)
            _activate(connection, number)

    def drop_generation(self, lease: Lease, number: int) -> None:
        with self._writing(lease) as connection:
            if self._existing(connection, number).status == "active":
                raise StoreError(
                    f"{self.url}: generation {number} is the one searched, so it is not dropped",
                    hint="switch to another generation first",
                )
            sqlite_schema.drop_generation(connection, number)
            connection.execute("UPDATE generations SET status = 'dropped' WHERE number = ?", (number,))
        self._matrices.pop(number, None)

    def _existing(self, connection: sqlite3.Connection, number: int) -> Generation:
        found = _generations(connection)
        for generation in found:
            if generation.number == number:
                return generation
        there = ", ".join(str(generation.number) for generation in found) or "none"
        raise StoreError(f"{self.url}: there is no generation {number}", hint=f"generations: {there}", path=self.url)

    # Writing ---------------------------------------------------------------------------------------

    def upsert(self, lease: Lease, rows: Sequence[RowRecord]) -> None:
        dims = {generation.number: generation.space.dim for generation in self.generations()}
        checked, vectors = sqlite_write.check_rows(rows, dims)
        with self._writing(lease) as connection:
            for number in vectors:
                self._existing(connection, number)
            sqlite_write.upsert(connection, checked, vectors)
            sqlite_schema.trim_changes(connection)

    def delete(self, lease: Lease, ids: Sequence[str]) -> int:
        with self._writing(lease) as connection:
            return sqlite_write.delete(connection, [row_id for row_id in ids if not check_text(row_id)])

    # Reading ---------------------------------------------------------------------------------------

    def count(self, scope: str | None = None) -> int:
        with self._reading() as connection:
            if scope is None:
                found = connection.execute("SELECT count(*) FROM rows")
            else:
                found = connection.execute("SELECT count(*) FROM rows WHERE scope = ?", (scope,))
            return int(found.fetchone()[0])

    def get(self, ids: Sequence[str], generation: int | None = None, *, vectors: bool = True) -> dict[str, StoredRow]:
        with self._reading() as connection:
            if generation is not None:
                self._existing(connection, generation)
            known = [row_id for row_id in ids if not check_text(row_id)]
            return sqlite_read.get(connection, known, generation, vectors)

    def state(self, buckets: range, generations: Sequence[int]) -> Iterator[RowState]:
        with self._reading() as connection:
            for number in generations:
                self._existing(connection, number)
        return sqlite_read.state(self._reading, buckets, generations)

    def scan(
        self, generation: int | None = None, *, after: str | None = None, scope: str | None = None
    ) -> Iterator[StoredRow]:
        if generation is not None:
            with self._reading() as connection:
                self._existing(connection, generation)
        return sqlite_read.scan(self._reading, generation, after, scope)

    def vectors_at(self, generation: int, addresses: Sequence[bytes]) -> dict[bytes, Kept]:
        with self._reading() as connection:
            dim = self._existing(connection, generation).space.dim
            return sqlite_read.vectors_at(connection, generation, dim, addresses)

    def search(
        self,
        generation: int,
        queries: Vector,
        k: int,
        where: Sequence[Condition] = (),
        *,
        scope: str | None = None,
    ) -> list[list[Match]]:
        conditions = list(where)
        if scope is not None:
            conditions.append(Condition("$scope", "in", (scope,)))
        with self._reading() as connection:
            space = self._existing(connection, generation).space
            _check_queries(queries, space.dim, k)
            matrix = self._matrix(connection, generation, space.dim)
            mask = None
            if conditions:
                on_rows, on_parts = compile_conditions(connection, conditions)
                masks = []
                if on_rows is not None:
                    sql = f"SELECT r.key FROM rows AS r WHERE {on_rows.sql} ORDER BY r.key"
                    masks.append(matrix.mask_of_keys(_integers(connection, sql, on_rows.parameters)))
                if on_parts is not None:
                    sql = f"SELECT p.vid FROM parts_{int(generation)} AS p WHERE {on_parts.sql}"
                    masks.append(matrix.mask_of_vids(_integers(connection, sql, on_parts.parameters)))
                mask = np.logical_and.reduce(masks)
            return matrix.search(connection, queries, k, mask)

    def _matrix(self, connection: sqlite3.Connection, number: int, dim: int) -> Matrix:
        """The generation's vectors as they are in the file now."""
        for gone in self._matrices.keys() - {generation.number for generation in _generations(connection)}:
            del self._matrices[gone]
        matrix = self._matrices.pop(number, None) or Matrix(number, dim)
        matrix.refresh(connection)
        self._matrices[number] = matrix  # not reached when the refresh failed half-way
        return matrix


def _generations(connection: sqlite3.Connection) -> list[Generation]:
    return [
        Generation(number, Space.from_canonical(space), model, cast(Status, status))
        for number, space, model, status in connection.execute(
            "SELECT number, space, model, status FROM generations WHERE status <> 'dropped' ORDER BY number"
        )
    ]


def _activate(connection: sqlite3.Connection, number: int) -> None:
    """In this order: an index lets only one be active."""
    connection.execute("UPDATE generations SET status = 'standby' WHERE status = 'active' AND number <> ?", (number,))
    connection.execute("UPDATE generations SET status = 'active' WHERE number = ?", (number,))


def _check_queries(queries: Vector, dim: int, k: int) -> None:
    if not isinstance(k, int | np.integer) or k < 1:
        raise OptionError(f"k is the number of hits wanted, at least 1, not {k!r}")
    if queries.dtype != np.float32 or queries.ndim != 2 or queries.shape[1] != dim:
        raise OptionError(f"queries must be float32 [n, {dim}], not {queries.dtype} {list(queries.shape)}")
    if not np.isfinite(queries).all():
        raise OptionError("a query vector has NaN or infinity in it")
    if not queries.any(axis=1).all():
        raise OptionError("a query vector is all zeros, which is equally near to everything")


def _integers(connection: sqlite3.Connection, sql: str, parameters: Sequence[Any]) -> Any:
    rows = connection.execute(sql, tuple(parameters)).fetchall()
    return np.fromiter((value for (value,) in rows), np.int64, len(rows))
