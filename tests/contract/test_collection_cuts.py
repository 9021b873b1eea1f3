"""A process that dies after any one of its writes to a database of collections leaves an index that is never wrong and
that the next sync puts right (stores/collection)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pytest
from kit import part, row, space

from fakes.memory_engine import MemoryEngine
from idembed.stores.base import Filling, Lease, RowRecord, StoredPart, StoredRow, lease_of
from idembed.stores.collection import claims, write
from idembed.stores.collection.store import CollectionStore

_PLACES = count(1)
_WRITES = ("put_document", "remove_documents", "create", "drop", "point", "put", "remove")


class Died(BaseException):
    """The process is gone."""


class Mortal(MemoryEngine):
    """Does so many writes, of the last only the first half (of the rows, or of the records of ``cuts_rows``), and then
    nothing any more."""

    left = 10**9
    cuts_rows = False

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return self._counted(name, found) if name in _WRITES else found

    def _counted(self, name: str, write: Callable[..., None]) -> Callable[..., None]:
        def counted(*arguments: Any) -> None:
            self.left -= 1
            if self.left > 0:
                write(*arguments)
                return
            if self.left == 0 and name == "put":
                number, records = arguments
                ids = list(dict.fromkeys(record.id for record in records))
                half = [record for record in records if record.id in ids[: len(ids) // 2]]
                write(number, records[: len(records) // 2] if self.cuts_rows else half)
            elif self.left == 0 and name == "remove":
                number, keys = arguments
                write(number, keys[: len(keys) // 2])
            raise Died

        return counted


def text_row(row_id: str, text: str, parts: int = 1, metadata: Any = None, generations: Any = (1, 2)) -> RowRecord:
    """A row of so many parts in each of the generations, of 4 dimensions and more."""
    made = row(row_id, text, metadata=metadata)
    seed = len(text)
    given = {
        number: [part(f"{text}{number}", [seed, n, number, 1], n, address=bytes([number, n, seed]) + b"#" * 13)
                 for n in range(parts)]
        for number in generations
    }  # fmt: skip
    return replace(made, parts=given)


BEFORE = [
    text_row("one", "one text"),
    text_row("many", "many parts in here", 3),
    text_row("meta", "same text", 2),
    text_row("gone", "not there later", 2),
    text_row("still", "untouched"),
]
AFTER = [
    text_row("one", "another text"),
    text_row("many", "fewer parts", 1),
    text_row("meta", "same text", 2, {"k": "v"}),
    text_row("still", "untouched"),
    text_row("new", "new and of two parts", 2),
]


@pytest.fixture(params=["between rows", "within rows"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An index of BEFORE in generation 1, which is active, 2, which was, and 3, which lacks some rows. Requests end
    between rows; or within them, where rows are larger than one."""
    if request.param == "within rows":
        monkeypatch.setattr(write, "_ONE_REQUEST", 0)
        monkeypatch.setattr(Mortal, "cuts_rows", True)
    monkeypatch.setattr(claims, "_DEAD_AFTER", 0.0)
    monkeypatch.setattr(claims, "_PAUSE", 0.0)
    name = f"cuts-{next(_PLACES)}"
    yield name
    MemoryEngine.places.pop(name, None)


def build(place: str) -> None:
    with CollectionStore(MemoryEngine(place)) as store:
        lease = store.lease("first")
        for number in (1, 2, 3):
            store.create_generation(lease, space(name=str(number)), f"model {number}")
        store.activate(lease, 2)
        store.activate(lease, 1)
        store.upsert(lease, BEFORE)
        store.fill(lease, 3, [filling(one) for one in BEFORE[:2]])
        store.release(lease)


def filling(one: RowRecord) -> Filling:
    return Filling(one.id, one.text_hash, text_row(one.id, one.text or "", len(one.parts[1]), None, (3,)).parts[3])


def sync(store: CollectionStore, lease: Lease, wanted: list[RowRecord]) -> None:
    """What a sync of the whole scope does."""
    there = {bytes(h).ljust(16, b"\0") for h in store.row_hashes("docs", range(4096)).tolist()}
    ids = {one.id: one for one in wanted}
    settled = store.ids_at("docs", sorted(there))
    open_ids = set(store.unsettled("docs"))
    stale = {name for h, name in settled.items() if name in ids and ids[name].row_hash != h} | open_ids
    states = store.states(sorted(stale & ids.keys()), [1, 2])
    writes = []
    for one in wanted:
        if one.row_hash in there and one.id not in open_ids:
            continue
        state = states.get(one.id)
        is_same = state is not None and state.row_hash and state.text_hash == one.text_hash and state.current
        writes.append(replace(one, text=None, parts={}) if is_same else one)
    store.upsert(lease, writes)
    store.delete(lease, sorted((set(settled.values()) | open_ids) - ids.keys()))


def contents(store: CollectionStore, generation: int) -> list[Any]:
    return [
        (s.id, s.text, s.metadata_json, s.row_hash, [(p.part, p.address, vector_of(p)) for p in s.parts])
        for s in store.scan(generation)
    ]


def vector_of(stored: StoredPart) -> list[float]:
    assert stored.vector is not None
    return stored.vector.tolist()


def check_nothing_is_wrong(place: str) -> None:
    """Whatever was half done: a settled row is one that was wanted, old or new, with all its vectors where they are
    searched, and no hit is of anything else."""
    with CollectionStore(MemoryEngine(place)) as store:
        active = [g.number for g in store.generations() if g.status == "active"]
        assert len(active) == 1
        wanted = {one.row_hash: one for one in (*BEFORE, *AFTER)}
        for stored in store.scan(active[0]):
            if stored.row_hash:
                check_is_whole(stored, wanted[stored.row_hash], active[0])
        for generation in store.generations():
            allowed = {p.address for one in wanted.values() for p in parts_of(one, generation.number)}
            hits = store.search(generation.number, np.ones((1, 4), np.float32), 100)[0]
            assert {hit.address for hit in hits} <= allowed


def parts_of(one: RowRecord, generation: int) -> Any:
    return filling(one).parts if generation == 3 else one.parts.get(generation, ())


def check_is_whole(stored: StoredRow, one: RowRecord, generation: int) -> None:
    assert stored.id == one.id
    assert (stored.text, stored.metadata_json) == (one.text, one.metadata)
    assert [(p.part, p.address) for p in stored.parts] == [(p.part, p.address) for p in parts_of(one, generation)]


def after_each_write(place: str, work: Callable[[CollectionStore], None]) -> Iterator[int]:
    """Have ``work`` die after its first write, its second, and so on, until it comes to its end."""
    for writes in count(1):
        MemoryEngine.places.pop(place, None)
        build(place)
        engine = Mortal(place)
        store = CollectionStore(engine)
        engine.left = writes
        try:
            work(store)
        except Died:
            check_nothing_is_wrong(place)
            yield writes
        else:
            assert writes > 5
            return


def test_a_sync_that_died_anywhere_is_put_right_by_the_next(place: str) -> None:
    def die(store: CollectionStore) -> None:
        sync(store, store.lease("mortal", instead_of="mortal"), AFTER)

    expected = None
    for _ in after_each_write(place, die):
        with CollectionStore(MemoryEngine(place)) as store:
            sync(store, store.lease("next", instead_of="mortal"), AFTER)
            found = [contents(store, number) for number in (1, 2)]
            assert [len(rows) for rows in found] == [5, 5]
            expected = expected or found
            assert found == expected
            assert store.orphans() == []
            assert [g.complete for g in store.generations()] == [True, True, False]
            assert set(store.lacking(3)) == {"one", "many", "meta", "still", "new"}
    assert expected is not None
    assert [name for name, *_ in expected[0]] == ["many", "meta", "new", "one", "still"]


def test_a_generation_whose_filling_and_switch_died_is_filled_and_switched_to_by_the_next(place: str) -> None:
    def fill_and_switch(store: CollectionStore, owner: str) -> None:
        lease = store.lease(owner, name=lease_of(3), instead_of="mortal")
        wanted = {one.id: one for one in BEFORE}
        store.fill(lease, 3, [filling(wanted[name]) for name in store.lacking(3)])
        assert store.complete(lease, 3) == 0
        store.activate(store.lease(owner, instead_of="mortal"), 3)

    def die(store: CollectionStore) -> None:
        fill_and_switch(store, "mortal")

    expected = None
    for _ in after_each_write(place, die):
        with CollectionStore(MemoryEngine(place)) as store:
            fill_and_switch(store, "next")
            found = contents(store, 3)
            expected = expected or found
            assert found == expected
            assert len(found) == 5
            assert [(g.status, g.complete) for g in store.generations()] == [
                ("standby", True),
                ("standby", True),
                ("active", True),
            ]
            assert store.orphans() == []
            last = max(g.activated for g in store.generations() if g.status == "standby")
            assert [g.number for g in store.generations() if g.activated == last] == [1]


def test_a_switch_without_all_vectors_that_died_loses_no_row(place: str) -> None:
    def die(store: CollectionStore) -> None:
        store.activate(store.lease("mortal"), 3, incomplete=True)

    for _ in after_each_write(place, die):
        with CollectionStore(MemoryEngine(place)) as store:
            store.activate(store.lease("next", instead_of="mortal"), 3, incomplete=True)
            assert [stored.id for stored in store.scan(3)] == sorted(one.id for one in BEFORE)
            assert sorted(store.unsettled()) == ["gone", "meta", "still"]


def test_making_and_dropping_generations_that_died_leaves_no_more_than_what_is_swept(place: str) -> None:
    def die(store: CollectionStore) -> None:
        lease = store.lease("mortal")
        store.drop_generation(lease, 2)
        store.create_generation(lease, space(name="4"), "model 4", activate=True)

    for _ in after_each_write(place, die):
        with CollectionStore(MemoryEngine(place)) as store:
            lease = store.lease("next", instead_of="mortal")
            store.sweep(lease)
            assert store.orphans() == []
            assert [stored.id for stored in store.scan()] == sorted(one.id for one in BEFORE)
            numbers = {g.number for g in store.generations()}
            made = store.create_generation(lease, space(name="5"), "model 5")
            assert made.number not in numbers


def test_rows_are_unsettled_with_their_texts_or_are_as_they_were(place: str) -> None:
    def die(store: CollectionStore) -> None:
        lease = store.lease("mortal")
        store.unsettle(lease, ["one", "many"], texts=True)
        store.settle(lease, BEFORE)

    for _ in after_each_write(place, die):
        with CollectionStore(MemoryEngine(place)) as store:
            lease = store.lease("next", instead_of="mortal")
            sync(store, lease, BEFORE)
            assert list(store.unsettled()) == []
            assert len(store.row_hashes("docs", range(4096))) == 5
            assert all(state.current for state in store.states([one.id for one in BEFORE], [1, 2]).values())
