"""An engine whose database is a few dictionaries: what every real one has to do, in the fewest words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from idembed.errors import StoreError
from idembed.filters import Condition, matches
from idembed.stores.collection.engine import EVERYTHING, KEYS, Among, Engine, Fields, Found, Key, Nearest, Record
from idembed.stores.records import Capabilities, Vector

__all__ = ["MemoryEngine"]

_PAGE = 500


@dataclass(slots=True)
class _Collection:
    dim: int
    records: dict[Key, Record] = field(default_factory=dict)
    has_ann: bool = False


@dataclass(slots=True)
class _Place:
    documents: dict[str, str] = field(default_factory=dict)
    collections: dict[int, _Collection] = field(default_factory=dict)
    pointer: int | None = None


class MemoryEngine(Engine):
    """The index called ``name``: every engine of that name, in this process, sees the same one, in whatever thread."""

    places: ClassVar[dict[str, _Place]] = {}
    capabilities = Capabilities(
        exact_readback=True,
        atomic_switch=True,
        transactions=False,
        approximate_search=True,
        concurrent_writers=True,
        snapshots=False,
        max_key=512,
        max_text=10_000_000,
        max_metadata=1_000_000,
        max_dim=65_536,
    )
    most_near = 10_000

    def __init__(self, name: str) -> None:
        self.url = f"memory://{name}"
        self._open: _Place | None = self.places.setdefault(name, _Place())

    @property
    def _place(self) -> _Place:
        if self._open is None:
            raise StoreError(f"{self.url} is closed")
        return self._open

    def close(self) -> None:
        self._open = None

    def another(self) -> Callable[[], Engine]:
        return lambda: MemoryEngine(self.url.removeprefix("memory://"))

    # Documents -------------------------------------------------------------------------------------

    def documents(self, begin: str = "") -> dict[str, dict[str, Any]]:
        found = sorted(self._place.documents.items())
        return {name: json.loads(body) for name, body in found if name.startswith(begin)}

    def put_document(self, name: str, body: Mapping[str, Any]) -> None:
        self._place.documents[name] = json.dumps(dict(body))

    def remove_documents(self, names: Sequence[str]) -> None:
        for name in names:
            self._place.documents.pop(name, None)

    # Collections -----------------------------------------------------------------------------------

    def collections(self) -> set[int]:
        return set(self._place.collections)

    def create(self, number: int, dim: int) -> None:
        if number in self._place.collections:
            raise StoreError(f"{self.url}: there is a collection {number} already")
        self._place.collections[number] = _Collection(dim)

    def drop(self, number: int) -> None:
        self._place.collections.pop(number, None)
        if self._place.pointer == number:
            self._place.pointer = None

    def pointer(self) -> int | None:
        return self._place.pointer

    def point(self, number: int) -> None:
        self._collection(number)
        self._place.pointer = number

    # Records ---------------------------------------------------------------------------------------

    def put(self, number: int, records: Sequence[Record]) -> None:
        there = self._collection(number)
        for record in records:
            vector = record.vector
            if vector is None or vector.shape != (there.dim,):
                raise StoreError(f"{self.url}: the vector of {record.key} has not {there.dim} numbers")
            there.records[record.key] = replace(record, vector=vector.copy())

    def remove(self, number: int, keys: Sequence[Key]) -> None:
        records = self._collection(number).records
        for key in keys:
            records.pop(key, None)

    def fetch(self, number: int, keys: Sequence[Key], fields: Fields) -> dict[Key, Record]:
        records = self._collection(number).records
        return {key: _with(records[key], fields) for key in keys if key in records}

    def find(self, number: int, among: Among, fields: Fields) -> Iterator[list[Record]]:
        records = self._collection(number).records
        keys = list(records)
        for start in range(0, len(keys), _PAGE):
            there = [records[key] for key in keys[start : start + _PAGE] if key in records]
            if page := [_with(record, fields) for record in there if _is_among(record, among)]:
                yield page
            self._collection(number)

    def count(self, number: int, among: Among) -> int:
        return sum(_is_among(record, among) for record in [*self._collection(number).records.values()])

    def near(
        self, number: int, query: Vector, most: int, where: Sequence[Condition], scope: str | None, *, exact: bool
    ) -> Nearest:
        there = [*self._collection(number).records.values()]
        found = [
            Found(_with(record, EVERYTHING - {"text"}), float(record.vector @ query))
            for record in there
            if record.vector is not None
            and _is_among(record, Among(scope=scope, live=True))
            and matches(tuple(where), _filtered_by(record))
        ]
        most = min(most, self.most_near)
        return Nearest(sorted(found, key=lambda one: -one.score)[:most], len(found) < most)

    # Approximate search and size -------------------------------------------------------------------

    def build_ann(self, number: int, keep: Callable[[], None]) -> None:
        keep()
        self._collection(number).has_ann = True

    def has_ann(self, number: int) -> bool:
        return self._collection(number).has_ann

    def size(self) -> int:
        _ = self._place
        return 0

    def damage(self) -> list[str]:
        _ = self._place
        return []

    def _collection(self, number: int) -> _Collection:
        try:
            return self._place.collections[number]
        except KeyError:
            raise StoreError(f"{self.url}: there is no collection {number}") from None


def _with(record: Record, fields: Fields) -> Record:
    known: dict[str, Any] = {name: getattr(record, name) for name in fields | KEYS}
    if known.get("vector") is not None:
        known["vector"] = np.array(known["vector"], np.float32)
    return Record(**known)


def _is_among(record: Record, among: Among) -> bool:
    return (
        among.scope in (None, record.scope)
        and (among.orders is None or record.order in among.orders)
        and (among.places is None or record.place in among.places)
        and (among.exactly is None or record.order in among.exactly)
        and (among.addresses is None or record.address in among.addresses)
        and among.live in (None, record.live)
    )


def _filtered_by(record: Record) -> dict[str, Any]:
    ours = {"$id": record.id, "$scope": record.scope, "$tokens": record.tokens, "$truncated": record.truncated}
    return {**json.loads(record.metadata), **ours}
