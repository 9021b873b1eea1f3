"""What another process does between any two steps, in a database of collections that knows no transactions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from test_collection_cuts import BEFORE, build, filling, text_row

from fakes.memory_engine import MemoryEngine
from idembed.errors import StoreError
from idembed.stores.base import lease_of
from idembed.stores.collection import claims
from idembed.stores.collection.claims import alone
from idembed.stores.collection.engine import ALL, KEYS
from idembed.stores.collection.store import CollectionStore

_PLACES = count(1)
_VERBS = ("documents", "put_document", "remove_documents", "pointer", "put", "remove", "fetch", "count")


class Interrupted(MemoryEngine):
    """Before one of its verbs something else happens."""

    left = 0
    meanwhile: Callable[[], None]

    def __getattribute__(self, name: str) -> Any:
        if name in _VERBS and self.left:
            self.left -= 1
            if not self.left:
                self._interrupt()
        return super().__getattribute__(name)

    def _interrupt(self) -> None:
        """Not while this one is alone: the other would wait for it, and come at the next step."""
        if any(name.startswith("claim/") for name in self.places[self.url.removeprefix("memory://")].documents):
            self.left = 1
        else:
            self.meanwhile()


@pytest.fixture
def place() -> Iterator[str]:
    name = f"meanwhile-{next(_PLACES)}"
    yield name
    MemoryEngine.places.pop(name, None)


def at_each_step(place: str, work: Callable[[CollectionStore], None], other: Callable[[CollectionStore], None]) -> Any:
    """Have ``work`` done with ``other`` in between, after its first step, its second, and so on."""
    for steps in count(1):
        MemoryEngine.places.pop(place, None)
        build(place)

        def meanwhile() -> None:
            with CollectionStore(MemoryEngine(place)) as store:
                other(store)

        engine = Interrupted(place)
        engine.meanwhile = meanwhile
        with CollectionStore(engine) as store:
            engine.left = steps
            work(store)
            if engine.left:
                assert steps > 5
                return
        with CollectionStore(MemoryEngine(place)) as store:
            yield store


def fill_the_rest(store: CollectionStore) -> None:
    lease = store.lease("builder", name=lease_of(3))
    rows = [filling(one) for one in BEFORE if one.id in {"meta", "gone", "still"}]
    store.fill(lease, 3, rows)
    store.complete(lease, 3)
    store.release(lease)


def write_rows(store: CollectionStore) -> None:
    lease = store.lease("writer")
    store.upsert(lease, [text_row("still", "another text")])
    store.delete(lease, ["gone"])
    meta = text_row("meta", "same text", 2, {"k": 2})
    store.upsert(lease, [replace(meta, text=None, parts={}), text_row("late", "came late", 2)])
    store.upsert(lease, [text_row("one", "one text", 1, {"k": 3})])
    store.release(lease)


def check_the_built_one(store: CollectionStore) -> None:
    """It has no vector of an old text, no row that is gone, and is not complete while rows lack vectors."""
    rows = {stored.id: stored for stored in store.scan(1)}
    assert sorted(rows) == ["late", "many", "meta", "one", "still"]
    lacking = set(store.lacking(3))
    assert lacking >= {"late", "still"}
    assert store.generations()[2].complete == (not lacking)
    assert store.orphans() == []
    for name, stored in store.get(list(rows), 3).items():
        assert all(p.text_hash == rows[name].text_hash for p in stored.parts)
        assert (not stored.parts) == (name in lacking)
    engine = MemoryEngine(store.url.removeprefix("memory://"))
    for page in engine.find(3, ALL, KEYS | {"metadata"}):
        assert all(record.metadata == rows[record.id].metadata_json for record in page)


def test_rows_are_written_at_any_moment_while_a_generation_is_filled(place: str) -> None:
    for store in at_each_step(place, fill_the_rest, write_rows):
        check_the_built_one(store)


def test_a_generation_is_filled_at_any_moment_while_rows_are_written(place: str) -> None:
    for store in at_each_step(place, write_rows, fill_the_rest):
        check_the_built_one(store)


def test_only_one_is_alone(place: str) -> None:
    MemoryEngine(place).put_document("sum", {"n": 0})

    def add() -> None:
        engine = MemoryEngine(place)
        for _ in range(20):
            with alone(engine):
                found = engine.documents("sum")["sum"]["n"]
                threading.Event().wait(0.0002)
                engine.put_document("sum", {"n": found + 1})

    threads = [threading.Thread(target=add) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert MemoryEngine(place).documents() == {"sum": {"n": 100}}


def test_the_claim_of_a_process_that_died_is_removed_in_time(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_DEAD_AFTER", 0.05)
    engine = MemoryEngine(place)
    engine.put_document("claim/of-the-dead", {})
    with alone(engine):
        assert "claim/of-the-dead" not in engine.documents("claim/")
    assert engine.documents() == {}


def test_who_cannot_be_alone_says_so(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_PATIENCE", 0.05)
    engine = MemoryEngine(place)
    engine.put_document("claim/0", {})
    with pytest.raises(StoreError, match="is busy"), alone(engine):
        pass
    assert engine.documents().keys() == {"claim/0"}
