"""An index in a database of collections, whichever it is: all promises of ``Store`` made of the verbs of ``Engine``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from idembed.errors import StoreError
from idembed.filters import Condition
from idembed.space import Kept, Space
from idembed.stores.base import Store
from idembed.stores.checks import check_dim, check_parts, check_queries, check_rows, known_ids
from idembed.stores.collection import audit, generations, leases, plan, read, search, settings, write
from idembed.stores.collection import state as states
from idembed.stores.collection.engine import HEADS, Among, Engine
from idembed.stores.collection.state import State
from idembed.stores.lease_rules import keeper
from idembed.stores.records import (
    ROWS,
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

__all__ = ["CollectionStore"]


class CollectionStore(Store):
    """One index. A batch is not one transaction: each row is written whole, and a row that was not written everywhere
    is written again by the next sync (write.py)."""

    format_version: Final = settings.VERSION  # type: ignore[misc]

    def __init__(self, engine: Engine, *, create: bool = True, read_only: bool = False) -> None:
        """Open the index that ``engine`` is of, made anew if ``create``.

        Raises IndexNotFoundError when there is none and none may be made, NewerSchemaError when a newer idembed wrote
        it, and DamagedError when a collection is gone.
        """
        self.url = engine.url
        self.capabilities = engine.capabilities
        self._engine = engine
        self._read_only = read_only
        self._scopes: set[str] = set()
        try:
            settings.check_format(engine, create=create and not read_only)
            audit.check_collections(engine, self._state())
        except BaseException:
            engine.close()
            raise

    def close(self) -> None:
        self._engine.close()

    def another(self) -> Callable[[], Store] | None:
        again = self._engine.another()
        return None if again is None else lambda: CollectionStore(again(), create=False)

    def snapshot(self) -> AbstractContextManager[None]:
        return nullcontext()

    def _state(self) -> State:
        return states.read(self._engine)

    def _existing(self, *numbers: int) -> State:
        """What is known, with these generations among it."""
        state = self._state()
        for number in numbers:
            state.one(number)
        return state

    def _writing(self, lease: Lease, *numbers: int) -> State:
        """What is known, for who may write."""
        self._refuse_reader()
        state = self._state()
        leases.check(self._engine, lease, state)
        for number in numbers:
            state.one(number)
        return state

    def _refuse_reader(self) -> None:
        if self._read_only:
            raise StoreError(f"{self.url} was opened for reading", hint="open it without read_only", url=self.url)

    # Settings and leases ---------------------------------------------------------------------------

    def read_meta(self) -> tuple[int, dict[str, Any]]:
        return settings.read(self._engine)

    def swap_meta(self, version: int, meta: Mapping[str, Any]) -> bool:
        self._refuse_reader()
        return settings.swap(self._engine, version, meta)

    def _take(self, name: str, owner: str, seconds: float, now: float, instead_of: str | None) -> Lease:
        self._refuse_reader()
        return leases.take(self._engine, name, owner, seconds, now, instead_of)

    def writer(self) -> tuple[int, str]:
        return leases.last(self._engine, ROWS)

    def _renew(self, lease: Lease, seconds: float, now: float) -> Lease:
        return leases.renew(self._engine, lease, seconds, now)

    def release(self, lease: Lease) -> None:
        leases.release(self._engine, lease)

    def size(self) -> int:
        return self._engine.size()

    # Generations -----------------------------------------------------------------------------------

    def generations(self) -> list[Generation]:
        return self._state().generations

    def create_generation(self, lease: Lease, space: Space, model: str, *, activate: bool = False) -> Generation:
        check_dim(space.dim, self.capabilities.max_dim)
        self._writing(lease)
        number = generations.create(self._engine, space, model)
        if activate:
            generations.activate(self._engine, lease, number, True, keeper(lease, self.renew))
        return self._state().one(number)

    def activate(self, lease: Lease, number: int, *, incomplete: bool = False) -> None:
        self._writing(lease, number)
        generations.activate(self._engine, lease, number, incomplete, keeper(lease, self.renew))

    def complete(self, lease: Lease, number: int) -> int:
        self._writing(lease, number)
        return generations.complete(self._engine, number, keeper(lease, self.renew))

    def name_model(self, lease: Lease, number: int, model: str) -> None:
        self._writing(lease, number)
        generations.name_model(self._engine, number, model)

    def build_ann(self, lease: Lease, number: int) -> None:
        self._writing(lease, number)
        if not self.capabilities.approximate_search:
            raise StoreError(f"{self.url} is searched exactly: it has no approximate search", url=self.url)
        self._engine.build_ann(number, keeper(lease, self.renew))

    def has_ann(self, number: int) -> bool:
        return number in self._state().known and self._engine.has_ann(number)

    def drop_generation(self, lease: Lease, number: int) -> None:
        self._writing(lease, number)
        generations.drop(self._engine, number)

    # Writing ---------------------------------------------------------------------------------------

    def upsert(self, lease: Lease, rows: Sequence[RowRecord]) -> None:
        state = self._writing(lease)
        checked = check_rows(rows, state.dims)
        if not checked:
            return
        if (home := state.home) is None:
            raise StoreError(f"{self.url}: there is no generation yet", hint="make one first", url=self.url)
        if unknown := {row.scope for row in checked} - self._scopes:
            settings.remember_scopes(self._engine, unknown)
            self._scopes |= unknown
        write.upsert(self._engine, state, home, checked)

    def fill(self, lease: Lease, generation: int, rows: Sequence[Filling]) -> int:
        state = self._writing(lease, generation)
        check_parts(((row.id, row.parts) for row in rows), state.dims[generation])
        home = state.home
        return 0 if home is None else write.fill(self._engine, state, home, generation, rows)

    def delete(self, lease: Lease, ids: Sequence[str]) -> int:
        state = self._writing(lease)
        return 0 if state.home is None else write.delete(self._engine, state, state.home, known_ids(ids))

    def settle(self, lease: Lease, rows: Sequence[RowRecord]) -> int:
        state = self._writing(lease)
        return 0 if state.home is None else write.settle(self._engine, state, state.home, rows)

    def unsettle(self, lease: Lease, ids: Sequence[str], *, texts: bool = False) -> None:
        state = self._writing(lease)
        if state.home is not None:
            write.unsettle(self._engine, state, state.home, known_ids(ids), texts)

    def sweep(self, lease: Lease) -> int:
        return audit.sweep(self._engine, self._writing(lease))

    # Reading: what a plan needs --------------------------------------------------------------------

    def row_hashes(self, scope: str, buckets: range) -> RowHashes:
        home = self._state().home
        return plan.NO_HASHES if home is None else plan.row_hashes(self._engine, home, scope, buckets)

    def ids_at(self, scope: str, row_hashes: Sequence[bytes]) -> dict[bytes, str]:
        home = self._state().home
        return {} if home is None else plan.ids_at(self._engine, home, scope, row_hashes)

    def unsettled(self, scope: str | None = None) -> Iterator[str]:
        home = self._state().home
        return iter(()) if home is None else plan.unsettled(self._engine, home, scope)

    def lost(self, scope: str | None = None) -> list[str]:
        """None: a row that another program removed is simply not there, so the next plan adds it."""
        return []

    def states(self, ids: Sequence[str], generations: Sequence[int]) -> dict[str, RowState]:
        home = self._existing(*generations).home
        return {} if home is None else plan.states(self._engine, home, known_ids(ids), generations)

    def lacking(self, generation: int) -> Iterator[str]:
        home = self._existing(generation).home
        return iter(()) if home is None else plan.lacking(self._engine, home, generation)

    # Reading: rows and vectors ---------------------------------------------------------------------

    def scopes(self) -> dict[str, int]:
        home = self._state().home
        if home is None:
            return {}
        counts = {scope: self._count(home, scope) for scope in settings.scopes(self._engine)}
        return {scope: count for scope, count in sorted(counts.items()) if count}

    def count(self, scope: str | None = None) -> int:
        home = self._state().home
        return 0 if home is None else self._count(home, scope)

    def _count(self, home: int, scope: str | None) -> int:
        return self._engine.count(home, Among(scope=scope, orders=HEADS.orders))

    def sample(self, count: int) -> list[str]:
        home = self._state().home
        return [] if home is None else plan.sample(self._engine, home, count)

    def get(self, ids: Sequence[str], generation: int | None = None, *, vectors: bool = True) -> dict[str, StoredRow]:
        state = self._state() if generation is None else self._existing(generation)
        return read.get(self._engine, state.home, known_ids(ids), generation, vectors)

    def scan(
        self,
        generation: int | None = None,
        *,
        after: str | None = None,
        scope: str | None = None,
        vectors: bool = True,
    ) -> Iterator[StoredRow]:
        state = self._state() if generation is None else self._existing(generation)
        return read.scan(self._engine, state.home, generation, after, scope, vectors)

    def vectors_at(self, generation: int, addresses: Sequence[bytes]) -> dict[bytes, Kept]:
        self._existing(generation)
        return read.vectors_at(self._engine, generation, addresses)

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
        state = self._existing(generation) if within is None else self._existing(generation, within)
        check_queries(queries, state.dims[generation], k)
        norm = state.known[generation].norm
        question = search.Question(self._engine, generation, norm, int(k), tuple(where), scope, within)
        if not approximate or not self._engine.has_ann(generation):
            return [question.best(query) for query in queries]
        found = [question.near(query) for query in queries]
        return [some if len(some) == k else question.best(query) for query, some in zip(queries, found, strict=True)]

    # Reading: what is wrong ------------------------------------------------------------------------

    def orphans(self) -> list[Orphans]:
        return audit.orphans(self._engine, self._state())

    def damage(self) -> list[str]:
        return self._engine.damage()
