"""Collections and leases that are somebody else's, in a database that many use (stores/collection)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from kit import part, row, space

from fakes.memory_engine import MemoryEngine
from idembed.errors import LeaseLostError, NotAnIndexError, StoreError
from idembed.stores.base import Filling, lease_of
from idembed.stores.collection import claims
from idembed.stores.collection.engine import ALL, Record
from idembed.stores.collection.store import CollectionStore

_PLACES = count(1)


@pytest.fixture
def place() -> Iterator[str]:
    name = f"others-{next(_PLACES)}"
    yield name
    MemoryEngine.places.pop(name, None)


def index_of_two_rows(place: str) -> None:
    with CollectionStore(MemoryEngine(place)) as store:
        lease = store.lease("writer")
        store.create_generation(lease, space(), "m", activate=True)
        store.upsert(lease, [row("a"), row("b", "b")])
        store.release(lease)


def a_foreign_collection(place: str, number: int) -> None:
    engine = MemoryEngine(place)
    engine.create(number, 4)
    engine.put(number, [Record("theirs", vector=part("x", [1, 2, 3, 4]).vector)])


def test_collections_of_another_program_are_no_index_and_stay(place: str) -> None:
    a_foreign_collection(place, 1)
    for create in (True, False):
        with pytest.raises(NotAnIndexError, match="nothing that says what they are"):
            CollectionStore(MemoryEngine(place), create=create)
    engine = MemoryEngine(place)
    assert (engine.count(1, ALL), engine.documents()) == (1, {})


def test_an_index_whose_documents_are_gone_is_not_begun_anew_over_its_rows(place: str) -> None:
    index_of_two_rows(place)
    engine = MemoryEngine(place)
    engine.remove_documents(list(engine.documents()))
    with pytest.raises(NotAnIndexError, match="nothing that says what they are"):
        CollectionStore(engine)
    assert MemoryEngine(place).count(1, ALL) == 2


def test_a_collection_that_another_program_made_since_is_neither_used_nor_swept(place: str) -> None:
    index_of_two_rows(place)
    a_foreign_collection(place, 2)
    with CollectionStore(MemoryEngine(place)) as store:
        lease = store.lease("writer")
        assert (store.sweep(lease), store.orphans()) == (0, [])
        with pytest.raises(StoreError, match="the collection of generation 2, which is to be made, is there already"):
            store.create_generation(lease, space(), "m")
        assert [g.number for g in store.generations()] == [1]
    assert MemoryEngine(place).count(2, ALL) == 1


class Stolen(MemoryEngine):
    """While rows are counted for a switch, another writer takes the lease and writes."""

    armed = False

    def count(self, number: int, among: object) -> int:
        if self.armed:
            self.armed = False
            with CollectionStore(MemoryEngine(self.url.removeprefix("memory://"))) as other:
                lease = other.lease("thief", instead_of="writer")
                other.upsert(lease, [row("new", "new")])
        return super().count(number, among)  # type: ignore[arg-type]


def test_who_lost_the_lease_in_the_middle_of_a_switch_does_not_switch(place: str) -> None:
    index_of_two_rows(place)
    engine = Stolen(place)
    with CollectionStore(engine) as store:
        lease = store.lease("writer")
        store.create_generation(lease, space(), "m")
        rows = [row("a"), row("b", "b")]
        store.fill(lease, 2, [Filling(one.id, one.text_hash, one.parts[1]) for one in rows])
        engine.armed = True
        with pytest.raises(LeaseLostError):
            store.activate(lease, 2)
        assert [g.status for g in store.generations()] == ["active", "building"]
        assert [stored.id for stored in store.scan()] == ["a", "b", "new"]


def test_who_fills_a_generation_does_not_write_it_once_it_is_searched(place: str) -> None:
    index_of_two_rows(place)
    with CollectionStore(MemoryEngine(place)) as store:
        lease = store.lease("writer")
        store.create_generation(lease, space(), "m")
        filler = store.lease("filler", name=lease_of(2))
        store.activate(lease, 2, incomplete=True)
        store.delete(lease, ["a"])
        with pytest.raises(LeaseLostError):
            store.fill(filler, 2, [Filling("a", row("a").text_hash, [part("a text", [1, 0, 0, 0])])])
        assert [stored.id for stored in store.scan()] == ["b"]


def test_who_was_away_for_long_changes_nothing_that_others_may_have_changed(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    index_of_two_rows(place)
    with CollectionStore(MemoryEngine(place)) as store:
        monkeypatch.setattr(claims, "_TOO_LATE", -1.0)
        with pytest.raises(StoreError, match="answered too late; nothing was changed"):
            store.swap_meta(0, {"a": 1})
        assert store.read_meta() == (0, {})
    assert not [name for name in MemoryEngine(place).documents() if name.startswith("claim/")]


def test_what_is_recorded_in_a_way_that_is_not_known_is_said(place: str) -> None:
    index_of_two_rows(place)
    MemoryEngine(place).put_document("state/generation/1", {"number": 1, "of_the_future": True})
    with pytest.raises(StoreError, match="what is recorded of generation 1 cannot be read"):
        CollectionStore(MemoryEngine(place))
