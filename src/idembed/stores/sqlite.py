"""The default store: one SQLite file, exact search in memory, approximate search by a file beside it. Tables:
sqlite_schema.py."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from idembed.errors import OptionError
from idembed.filters import Condition, within_scope
from idembed.space import Kept, Space
from idembed.stores import (
    ann_graph,
    sqlite_ann,
    sqlite_audit,
    sqlite_generations,
    sqlite_plan,
    sqlite_read,
    sqlite_schema,
    sqlite_write,
)
from idembed.stores.base import Store
from idembed.stores.checks import check_dim, check_parts, check_rows, known_ids
from idembed.stores.lease_rules import keeper
from idembed.stores.records import (
    Capabilities,
    Filling,
    Generation,
    Lease,
    Match,
    Orphans,
    RowHashes,
    RowRecord,
    RowState,
    StoredRow,
    Vector,
)
from idembed.stores.sqlite_settings import Settings

__all__ = ["CAPABILITIES", "SQLiteStore", "opened"]

CAPABILITIES: Final = Capabilities(
    exact_readback=True,
    atomic_switch=True,
    transactions=True,
    approximate_search=False,
    concurrent_writers=False,
    snapshots=True,
    max_key=512,
    max_text=900_000_000,
    max_metadata=100_000_000,
    max_dim=65_536,
    max_batch=64 << 20,
)
"""Approximate search is there where usearch is."""


class SQLiteStore(Settings, Store):
    """An index in one file (write-ahead log, ``synchronous=FULL``); many readers, one writer at a time.

    A file or folder that cannot be written is opened for reading. Errors: idembed.errors.StoreError and
    its kinds, each naming the file.
    """

    format_version = sqlite_schema.VERSION

    def __init__(self, path: str, *, create: bool = True, read_only: bool = False) -> None:
        self.capabilities = replace(CAPABILITIES, approximate_search=ann_graph.is_installed())
        super().__init__(path, create=create, read_only=read_only)

    def size(self) -> int:
        files = sum(os.path.getsize(path) for path in (self.url, f"{self.url}-wal") if os.path.exists(path))
        return files + sqlite_ann.size(self.url)

    # Generations -----------------------------------------------------------------------------------

    def generations(self) -> list[Generation]:
        with self._reading() as connection:
            return sqlite_generations.read(connection)

    def create_generation(self, lease: Lease, space: Space, model: str, *, activate: bool = False) -> Generation:
        check_dim(space.dim, self.capabilities.max_dim)
        with self._writing(lease) as connection:
            number = sqlite_generations.create(connection, space, model)
            if activate:
                made = self._existing(connection, number)
                counted = sqlite_generations.count(connection, made)
                sqlite_generations.activate(connection, self.url, made, counted, incomplete=True)
            return self._existing(connection, number)

    def activate(self, lease: Lease, number: int, *, incomplete: bool = False) -> None:
        counted = self._counted(number)
        with self._writing(lease) as connection:
            generation = self._existing(connection, number)
            sqlite_generations.activate(connection, self.url, generation, counted, incomplete)

    def complete(self, lease: Lease, number: int) -> int:
        counted = self._counted(number)
        with self._writing(lease) as connection:
            return sqlite_generations.complete(connection, self._existing(connection, number), counted)

    def _counted(self, number: int) -> sqlite_plan.Counted:
        with self._reading() as connection:
            return sqlite_generations.count(connection, self._existing(connection, number))

    def name_model(self, lease: Lease, number: int, model: str) -> None:
        with self._writing(lease) as connection:
            sqlite_generations.name_model(connection, self._existing(connection, number), model)

    def build_ann(self, lease: Lease, number: int) -> None:
        with self._writing(lease) as connection:
            dim = self._existing(connection, number).space.dim
        with self._reading() as connection:
            near = self._searcher.side_cars.find(connection, number, dim)
            if near is not None and not sqlite_ann.is_stale(connection, number, near.record):
                return
        self._searcher.side_cars.close(number)
        keep = keeper(lease, self.renew)
        sqlite_ann.build(self.url, number, dim, self._reading, self._connect(), lambda: self._writing(lease), keep)

    def has_ann(self, number: int) -> bool:
        with self._reading() as connection:
            known = {g.number: g.space.dim for g in sqlite_generations.read(connection)}
            return number in known and self._searcher.side_cars.has(connection, number, known[number])

    def drop_generation(self, lease: Lease, number: int) -> None:
        with self._writing(lease) as connection:
            sqlite_generations.drop(connection, self.url, self._existing(connection, number))
            sqlite_ann.forget(connection, number)
            kept = {g.number for g in sqlite_generations.read(connection)}
        self._searcher.side_cars.keep_only(kept)
        sqlite_ann.sweep(self.url, kept)

    def _existing(self, connection: sqlite3.Connection, number: int) -> Generation:
        return sqlite_generations.existing(connection, self.url, number)

    # Writing ---------------------------------------------------------------------------------------

    def upsert(self, lease: Lease, rows: Sequence[RowRecord]) -> None:
        dims = {generation.number: generation.space.dim for generation in self.generations()}
        checked = check_rows(rows, dims)
        with self._writing(lease) as connection:
            generations = sqlite_generations.needed(connection)
            for number in {number for row in checked for number in row.parts} - generations.keys():
                self._existing(connection, number)
            sqlite_write.upsert(connection, checked, generations)
            sqlite_schema.trim_changes(connection)

    def fill(self, lease: Lease, generation: int, rows: Sequence[Filling]) -> int:
        with self._writing(lease) as connection:
            dim = self._existing(connection, generation).space.dim
            check_parts(((row.id, row.parts) for row in rows), dim)
            count = sqlite_write.fill(connection, generation, rows, sqlite_generations.needed(connection))
            sqlite_schema.trim_changes(connection)
            return count

    def delete(self, lease: Lease, ids: Sequence[str]) -> int:
        with self._writing(lease) as connection:
            count = sqlite_write.delete(connection, known_ids(ids))
            sqlite_schema.trim_changes(connection)
            return count

    def settle(self, lease: Lease, rows: Sequence[RowRecord]) -> int:
        with self._writing(lease) as connection:
            return sqlite_write.settle(connection, rows, sqlite_generations.needed(connection))

    def unsettle(self, lease: Lease, ids: Sequence[str], *, texts: bool = False) -> None:
        with self._writing(lease) as connection:
            sqlite_write.unsettle(connection, known_ids(ids), texts)

    def sweep(self, lease: Lease) -> int:
        with self._writing(lease) as connection:
            return sqlite_audit.sweep(connection, [g.number for g in sqlite_generations.read(connection)])

    # Reading: what a plan needs --------------------------------------------------------------------

    def row_hashes(self, scope: str, buckets: range) -> RowHashes:
        with self._reading() as connection:
            return sqlite_plan.row_hashes(connection, scope, buckets)

    def ids_at(self, scope: str, row_hashes: Sequence[bytes]) -> dict[bytes, str]:
        with self._reading() as connection:
            return sqlite_plan.ids_at(connection, scope, row_hashes)

    def unsettled(self, scope: str | None = None) -> Iterator[str]:
        return sqlite_plan.unsettled(self._reading, scope)

    def lost(self, scope: str | None = None) -> list[str]:
        with self._reading() as connection:
            return sqlite_plan.lost(connection, scope)

    def states(self, ids: Sequence[str], generations: Sequence[int]) -> dict[str, RowState]:
        with self._reading() as connection:
            for number in generations:
                self._existing(connection, number)
            return sqlite_plan.states(connection, known_ids(ids), generations)

    def lacking(self, generation: int) -> Iterator[str]:
        with self._reading() as connection:
            self._existing(connection, generation)
        return sqlite_plan.lacking(self._reading, generation)

    # Reading: rows and vectors ---------------------------------------------------------------------

    def scopes(self) -> dict[str, int]:
        with self._reading() as connection:
            return dict(connection.execute("SELECT scope, count(*) FROM rows GROUP BY scope ORDER BY scope"))

    def count(self, scope: str | None = None) -> int:
        with self._reading() as connection:
            if scope is None:
                found = connection.execute("SELECT count(*) FROM rows")
            else:
                found = connection.execute("SELECT count(*) FROM rows WHERE scope = ?", (scope,))
            return int(found.fetchone()[0])

    def sample(self, count: int) -> list[str]:
        with self._reading() as connection:
            return sqlite_plan.sample(connection, count)

    def get(self, ids: Sequence[str], generation: int | None = None, *, vectors: bool = True) -> dict[str, StoredRow]:
        with self._reading() as connection:
            if generation is not None:
                self._existing(connection, generation)
            return sqlite_read.get(connection, known_ids(ids), generation, vectors)

    def scan(
        self,
        generation: int | None = None,
        *,
        after: str | None = None,
        scope: str | None = None,
        vectors: bool = True,
    ) -> Iterator[StoredRow]:
        if generation is not None:
            with self._reading() as connection:
                self._existing(connection, generation)
        return sqlite_read.scan(self._reading, generation, after, scope, vectors)

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
        within: int | None = None,
        approximate: bool = False,
    ) -> list[list[Match]]:
        conditions = within_scope(where, scope)
        with self._reading() as connection:
            space = self._existing(connection, generation).space
            if within is not None:
                self._existing(connection, within)
            self._searcher.keep_only(g.number for g in sqlite_generations.read(connection))
            return self._searcher.search(connection, generation, space.dim, queries, k, conditions, within, approximate)

    # Reading: what is wrong ------------------------------------------------------------------------

    def orphans(self) -> list[Orphans]:
        with self._reading() as connection:
            return sqlite_audit.orphans(connection, [g.number for g in sqlite_generations.read(connection)])

    def damage(self) -> list[str]:
        with self._reading() as connection:
            return sqlite_audit.damage(connection)


def opened(url: str | Path, create: bool, read_only: bool) -> SQLiteStore:
    """The store in a file: a path, or ``sqlite:///rel.db``, which is relative, or ``sqlite:////abs.db``, which is
    absolute, as in SQLAlchemy."""
    return SQLiteStore(_path_of(url), create=create, read_only=read_only)


def _path_of(url: str | Path) -> str:
    name = str(url)
    if isinstance(url, Path) or not name.lower().startswith("sqlite:"):
        return name
    rest = name.partition(":")[2]
    path = rest.removeprefix("///") if rest.startswith("///") else rest.removeprefix("//")
    if not path:
        raise OptionError(f"{name} names no file", hint="sqlite:///demo.db, or sqlite:////folder/demo.db")
    return path
