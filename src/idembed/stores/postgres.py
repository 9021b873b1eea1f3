"""An index in a schema of a Postgres database with pgvector. Tables: postgres_schema.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from idembed.filters import Condition, within_scope
from idembed.space import Kept, Space
from idembed.stores import (
    postgres_ann,
    postgres_audit,
    postgres_generations,
    postgres_plan,
    postgres_read,
    postgres_schema,
    postgres_search,
    postgres_write,
)
from idembed.stores.base import Store
from idembed.stores.checks import check_dim, check_parts, check_queries, check_rows, known_ids
from idembed.stores.generation_rules import needed_of
from idembed.stores.postgres_link import repeated
from idembed.stores.postgres_schema import Db
from idembed.stores.postgres_settings import Settings
from idembed.stores.postgres_where import compile_conditions
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

__all__ = ["CAPABILITIES", "PostgresStore", "opened"]

_T = TypeVar("_T")


class PostgresStore(Settings, Store):
    """An index in one schema; many readers, one writing transaction at a time.

    Errors: idembed.errors.StoreError and its kinds, each with the URL without its password.
    """

    capabilities = Capabilities(
        exact_readback=True,
        atomic_switch=True,
        transactions=True,
        approximate_search=True,
        concurrent_writers=False,
        snapshots=True,
        max_key=512,
        max_text=250_000_000,
        max_metadata=50_000_000,
        max_dim=16_000,
        max_batch=64 << 20,
    )
    format_version = postgres_schema.VERSION

    def another(self) -> Callable[[], Store] | None:
        return lambda: PostgresStore(self._given_url, create=False)

    @repeated
    def size(self) -> int:
        with self._reading() as connection:
            return postgres_audit.size(connection, self._schema)

    # Generations -----------------------------------------------------------------------------------

    @repeated
    def generations(self) -> list[Generation]:
        with self._reading() as connection:
            return postgres_generations.read(connection)

    @repeated
    def create_generation(self, lease: Lease, space: Space, model: str, *, activate: bool = False) -> Generation:
        check_dim(space.dim, self.capabilities.max_dim)
        with self._writing(lease) as connection:
            number = postgres_generations.create(connection, self._schema, space, model)
            if activate:
                made = self._existing(connection, number)
                postgres_generations.activate(connection, self._schema, self.url, made, incomplete=True)
            return self._existing(connection, number)

    @repeated
    def activate(self, lease: Lease, number: int, *, incomplete: bool = False) -> None:
        with self._writing(lease) as connection:
            generation = self._existing(connection, number)
            postgres_generations.activate(connection, self._schema, self.url, generation, incomplete)

    @repeated
    def complete(self, lease: Lease, number: int) -> int:
        with self._writing(lease) as connection:
            return postgres_generations.complete(connection, self._existing(connection, number))

    @repeated
    def name_model(self, lease: Lease, number: int, model: str) -> None:
        with self._writing(lease) as connection:
            postgres_generations.name_model(connection, self._existing(connection, number), model)

    @repeated
    def build_ann(self, lease: Lease, number: int) -> None:
        with self._writing(lease) as connection:
            postgres_ann.build(connection, self._schema, self.url, self._existing(connection, number))

    @repeated
    def has_ann(self, number: int) -> bool:
        with self._reading() as connection:
            return postgres_ann.order(connection, number, 1) is not None

    @repeated
    def drop_generation(self, lease: Lease, number: int) -> None:
        with self._writing(lease) as connection:
            postgres_generations.drop(connection, self._schema, self.url, self._existing(connection, number))

    def _existing(self, connection: Db, number: int) -> Generation:
        return postgres_generations.existing(connection, self.url, number)

    # Writing ---------------------------------------------------------------------------------------

    @repeated
    def upsert(self, lease: Lease, rows: Sequence[RowRecord]) -> None:
        with self._writing(lease) as connection:
            there = postgres_generations.read(connection)
            checked = check_rows(rows, {generation.number: generation.space.dim for generation in there})
            postgres_write.upsert(connection, checked, needed_of(there))

    @repeated
    def fill(self, lease: Lease, generation: int, rows: Sequence[Filling]) -> int:
        with self._writing(lease) as connection:
            dim = self._existing(connection, generation).space.dim
            check_parts(((row.id, row.parts) for row in rows), dim)
            return postgres_write.fill(connection, generation, rows)

    @repeated
    def delete(self, lease: Lease, ids: Sequence[str]) -> int:
        with self._writing(lease) as connection:
            return postgres_write.delete(connection, known_ids(ids))

    @repeated
    def settle(self, lease: Lease, rows: Sequence[RowRecord]) -> int:
        with self._writing(lease) as connection:
            return postgres_write.settle(connection, rows, postgres_generations.needed(connection))

    @repeated
    def unsettle(self, lease: Lease, ids: Sequence[str], *, texts: bool = False) -> None:
        with self._writing(lease) as connection:
            postgres_write.unsettle(connection, known_ids(ids), texts)

    @repeated
    def sweep(self, lease: Lease) -> int:
        with self._writing(lease) as connection:
            return postgres_audit.sweep(connection, [g.number for g in postgres_generations.read(connection)])

    @repeated
    def _read(self, query: Callable[[Db], _T], /) -> _T:
        with self._reading() as connection:
            return query(connection)

    # Reading: what a plan needs --------------------------------------------------------------------

    @repeated
    def row_hashes(self, scope: str, buckets: range) -> RowHashes:
        with self._reading() as connection:
            return postgres_plan.row_hashes(connection, scope, buckets)

    @repeated
    def ids_at(self, scope: str, row_hashes: Sequence[bytes]) -> dict[bytes, str]:
        with self._reading() as connection:
            return postgres_plan.ids_at(connection, scope, row_hashes)

    def unsettled(self, scope: str | None = None) -> Iterator[str]:
        return postgres_plan.unsettled(self._read, scope)

    @repeated
    def lost(self, scope: str | None = None) -> list[str]:
        with self._reading() as connection:
            return postgres_plan.lost(connection, scope)

    @repeated
    def states(self, ids: Sequence[str], generations: Sequence[int]) -> dict[str, RowState]:
        with self._reading() as connection:
            for number in generations:
                self._existing(connection, number)
            return postgres_plan.states(connection, known_ids(ids), generations)

    def lacking(self, generation: int) -> Iterator[str]:
        with self._reading() as connection:
            self._existing(connection, generation)
        return postgres_plan.lacking(self._read, generation)

    # Reading: rows and vectors ---------------------------------------------------------------------

    @repeated
    def scopes(self) -> dict[str, int]:
        with self._reading() as connection:
            return dict(connection.execute("SELECT scope, count(*) FROM rows GROUP BY scope ORDER BY scope"))

    @repeated
    def count(self, scope: str | None = None) -> int:
        with self._reading() as connection:
            where = "" if scope is None else "WHERE scope = %s"
            bound = () if scope is None else (scope,)
            ((found,),) = postgres_read.fetch(connection, f"SELECT count(*) FROM rows {where}", bound)
            return int(found)

    @repeated
    def sample(self, count: int) -> list[str]:
        with self._reading() as connection:
            return postgres_plan.sample(connection, count)

    @repeated
    def get(self, ids: Sequence[str], generation: int | None = None, *, vectors: bool = True) -> dict[str, StoredRow]:
        with self._reading() as connection:
            if generation is not None:
                self._existing(connection, generation)
            return postgres_read.get(connection, known_ids(ids), generation, vectors)

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
        return postgres_read.scan(self._read, generation, after, scope, vectors)

    @repeated
    def vectors_at(self, generation: int, addresses: Sequence[bytes]) -> dict[bytes, Kept]:
        with self._reading() as connection:
            self._existing(connection, generation)
            return postgres_read.vectors_at(connection, generation, addresses)

    @repeated
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
            check_queries(queries, space.dim, k)
            question = postgres_search.Question(connection, generation, k, compile_conditions(conditions), within)
            if not approximate or (near := postgres_ann.order(connection, generation, space.dim)) is None:
                return [question.best(query) for query in queries]
            with postgres_ann.in_use(connection, k):
                found = [question.near(query, near) for query in queries]
            return [
                some if len(some) == k else question.best(query) for query, some in zip(queries, found, strict=True)
            ]

    # Reading: what is wrong ------------------------------------------------------------------------

    @repeated
    def orphans(self) -> list[Orphans]:
        with self._reading() as connection:
            return postgres_audit.orphans(connection, [g.number for g in postgres_generations.read(connection)])

    def damage(self) -> list[str]:
        """Nothing: the server checks its own pages as it reads them, and says so in an error."""
        self._refuse_closed()
        return []


CAPABILITIES = PostgresStore.capabilities


def opened(url: str, create: bool, read_only: bool) -> PostgresStore:
    """The store in a schema of a database: ``postgresql://host/db?schema=pets``."""
    return PostgresStore(url, create=create, read_only=read_only)
