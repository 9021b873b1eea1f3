"""The verbs of collection/engine.py in Milvus.

Durable means what the server means by it: a cluster answers when a write is in its log. ``milvus-lite server`` has
handed it to the operating system by then, so that it outlives the server's death, but not a power cut.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from idembed.canonical import canonical_json
from idembed.errors import StoreError
from idembed.filters import Condition
from idembed.stores.collection.engine import EVERYTHING, NO_ADDRESS, Among, Engine, Fields, Found, Key, Nearest, Record
from idembed.stores.collection.store import CollectionStore
from idembed.stores.milvus import lite
from idembed.stores.milvus.building import beside, make_approximate
from idembed.stores.milvus.collections import ANNOUNCED, Collections, announcement_of
from idembed.stores.milvus.expressions import NOTHING, all_of, is_in, quoted, superset
from idembed.stores.milvus.expressions import among as expression
from idembed.stores.milvus.fields import (
    INDEXED,
    KEY,
    VECTOR,
    columns_of,
    document_schema,
    key_of,
    records_of,
    schema_of,
    size_of,
    written,
)
from idembed.stores.milvus.limits import CAPABILITIES
from idembed.stores.milvus.link import ONCE, Connection, GoneError, Link
from idembed.stores.milvus.near import MOST_NEAR, best_of, nearest, padded
from idembed.stores.milvus.ours import documents_are_there, refuse_foreign_alias, refuse_taken
from idembed.stores.milvus.pages import ANSWER, pages_of, slices_of, writes_of
from idembed.stores.milvus.place import place_of
from idembed.stores.milvus.wire import Answer, Columns
from idembed.stores.records import Vector

__all__ = ["CAPABILITIES", "MilvusEngine", "opened"]

_KEYS_AT_ONCE: Final = 1000
_LIVE: Final = expression(Among(live=True))
_UNFLUSHED: Final = 2000
"""Records that Milvus Lite may have in no segment when many are read."""
_ANNOUNCED: Final = 60.0
"""Seconds in which an index may be replaced without a sign of life from who does it."""
_DOCUMENT: Final = 8192
"""Bytes of a document at a guess; few have 64 kB."""


def opened(url: str | Path, create: bool, read_only: bool) -> CollectionStore:
    """The index at ``url`` (see MilvusEngine), made anew if ``create``."""
    return CollectionStore(MilvusEngine(str(url)), create=create, read_only=read_only)


class MilvusEngine(Engine):
    """One index in one database of Milvus: ``milvus://host:19530/pets``, with ``?db=NAME`` for another database than
    the default one and ``secure=true`` for TLS; ``user:password@`` in the URL, or a token in MILVUS_TOKEN, which have
    TLS unless the server is on this machine or ``secure=false`` is said.

    Collections ``pets_g1``, … hold the generations, the alias ``pets`` points to the active one, and
    ``pets_idembed`` has the documents.
    """

    capabilities = CAPABILITIES
    most_near = MOST_NEAR

    def __init__(self, url: str) -> None:
        self._place = place_of(url)
        self._url = url
        self.url = self._place.shown
        self._link = Link(self._place)
        self._collections = Collections(self._link, self._place.documents)
        self._has_documents = False
        self._dims: dict[int, int] = {}
        self._unflushed: Counter[int] = Counter()

    def close(self) -> None:
        self._link.close()

    def another(self) -> Callable[[], MilvusEngine]:
        def again() -> MilvusEngine:
            engine = MilvusEngine(self._url)
            engine._unflushed = self._unflushed  # what one wrote, the other reads
            return engine

        return again

    # Documents -------------------------------------------------------------------------------------

    def documents(self, begin: str = "") -> dict[str, dict[str, Any]]:
        name = self._place.documents
        self._has_documents = self._has_documents or documents_are_there(self._collections, self._place)
        condition = f"name >= {quoted(begin)} and name < {quoted(begin + chr(0x7F))}"
        found: dict[str, dict[str, Any]] = {}
        with suppress(GoneError):
            for page in pages_of(self._collections, name, condition, ["name", "body"], _DOCUMENT):
                found.update(zip(page.columns["name"], map(json.loads, page.columns["body"]), strict=True))
        return {name: body for name, body in found.items() if not name.startswith(ANNOUNCED)}

    def put_document(self, name: str, body: Mapping[str, Any]) -> None:
        collection = self._place.documents
        columns: Columns = {"name": [name], "body": [canonical_json(body)], VECTOR: np.zeros((1, 2), np.float32)}
        write = partial(_upsert, collection, columns)
        try:
            self._link(write)
        except GoneError:
            refuse_taken(self._collections, self._place)
            self._collections.make(collection, document_schema(), ())
            self._link(write)

    def remove_documents(self, names: Sequence[str]) -> None:
        with suppress(GoneError):
            self._remove(self._place.documents, "name", names)

    # Collections -----------------------------------------------------------------------------------

    def collections(self) -> set[int]:
        numbers = (self._place.number_of(name) for name in self._collections.names())
        return {number for number in numbers if number is not None}

    def create(self, number: int, dim: int) -> None:
        refuse_taken(self._collections, self._place, self._place.collection(number))
        self._collections.make(self._place.collection(number), schema_of(dim), INDEXED)

    def drop(self, number: int) -> None:
        self._dims.pop(number, None)
        self._collections.drop(self._place.collection(number), self._place.name)

    def pointer(self) -> int | None:
        collection = self._collections.pointed(self._place.name)
        return None if collection is None else self._place.number_of(collection)

    def point(self, number: int) -> None:
        refuse_foreign_alias(self._collections, self._place)
        self._collections.point(self._place.name, self._place.collection(number))

    # Records ---------------------------------------------------------------------------------------

    def put(self, number: int, records: Sequence[Record]) -> None:
        for some in writes_of(records):
            self._link(partial(_upsert, self._place.collection(number), written(some)))
            self._unflushed[number] += len(some)

    def remove(self, number: int, keys: Sequence[Key]) -> None:
        self._remove(self._place.collection(number), KEY, [key_of(key) for key in keys])

    def fetch(self, number: int, keys: Sequence[Key], fields: Fields) -> dict[Key, Record]:
        records = self._fetch(number, [key_of(key) for key in keys], fields).values()
        return {record.key: record for record in records}

    def _fetch(self, number: int, keys: Sequence[str], fields: Fields) -> dict[str, Record]:
        """Records by their primary keys."""
        name, dim, columns = self._place.collection(number), self._dim(number), columns_of(fields)
        found: dict[str, Record] = {}
        for some in slices_of(keys, min(ANSWER // size_of(fields, dim) + 1, _KEYS_AT_ONCE)):
            answer = self._collections.ask(name, partial(_query, name, is_in(KEY, some), columns))
            found.update(zip(answer.columns[KEY], records_of(answer.columns, fields, dim), strict=True))
        return found

    def find(self, number: int, among: Among, fields: Fields) -> Iterator[list[Record]]:
        name, dim, condition = self._place.collection(number), self._dim(number), expression(among)
        if condition == NOTHING:
            return
        self._before_reading(number)
        asked = fields if among.addresses is None else fields | {"address"}
        for page in pages_of(self._collections, name, condition, columns_of(asked), size_of(asked, dim)):
            records = records_of(page.columns, asked, dim)
            if among.addresses is not None:  # of which Milvus knows the half
                records = [record for record in records if record.address in among.addresses]
            yield records if asked == fields else [replace(record, address=NO_ADDRESS) for record in records]

    def count(self, number: int, among: Among) -> int:
        condition = expression(among)
        if condition == NOTHING:
            return 0
        if among.addresses is not None:
            return sum(map(len, self.find(number, among, frozenset())))
        self._before_reading(number)
        name = self._place.collection(number)
        return (
            lite.count(self._collections, name, among)
            if self._collections.is_lite()
            else self._collections.count(name, condition)
        )

    def near(
        self, number: int, query: Vector, most: int, where: Sequence[Condition], scope: str | None, *, exact: bool
    ) -> Nearest:
        """An exact search asks Milvus as long as its index is exact (FLAT). Once there is the one for approximate
        search (a field of vectors has but one), every live record that may satisfy is read and scored here: what that
        takes grows with their number, and is the price of an exact answer beside ``build_ann``. So where many
        are equal, more are given than were asked for: whoever needs them would have all read again."""
        name, condition = self._place.collection(number), all_of([_LIVE, superset(where, scope)])
        self._before_reading(number)
        is_read = exact and self.has_ann(number)
        if not is_read:
            most = min(most, MOST_NEAR)
            scored = nearest(self._collections, name, padded(query), most, condition)
            are_all = len(scored) < most
            is_read = exact and self.has_ann(number)  # it may have been made while this waited
        if is_read:
            size = size_of(frozenset({VECTOR}), len(query))
            scored, are_all = best_of(pages_of(self._collections, name, condition, [KEY, VECTOR], size), query, most)
        records = self._fetch(number, list(scored), EVERYTHING - {"text"})
        found = [Found(records[key], score) for key, score in scored.items() if key in records]
        return Nearest(found, are_all)

    # Approximate search and size -------------------------------------------------------------------

    def build_ann(self, number: int, keep: Callable[[], None]) -> None:
        """Over a connection of its own, in a thread, for the server may answer but once it is done."""
        if self.has_ann(number):
            return
        name, link = self._place.collection(number), Link(self._place)

        def meanwhile() -> None:
            self.put_document(announcement_of(name), {"until": time.time() + _ANNOUNCED})
            keep()

        try:
            meanwhile()
            beside(partial(make_approximate, link, name), meanwhile, link.close)
        finally:
            link.close()
            with suppress(StoreError):  # it ends by itself
                self.remove_documents([announcement_of(name)])

    def has_ann(self, number: int) -> bool:
        return self._collections.is_approximate(self._place.collection(number))

    def size(self) -> int:
        """Not known: Milvus tells it nobody but who runs it."""
        self._link.check()
        return 0

    def damage(self) -> list[str]:
        """Nothing: Milvus checks its files when it reads them, and then answers with an error."""
        self._link.check()
        return []

    def tidy(self, number: int) -> None:
        """Have what was written put into segments, of which the indexes are made."""
        self._unflushed.pop(number, None)
        self._collections.flush(self._place.collection(number))

    def _before_reading(self, number: int) -> None:
        """Milvus Lite looks at what it has in no segment so slowly, row by row, that it is quicker to have them made.
        Clusters do that by themselves, and do not like to be asked for it often."""
        if self._unflushed[number] >= _UNFLUSHED and self._collections.is_lite():
            self.tidy(number)

    def _dim(self, number: int) -> int:
        if number not in self._dims:
            self._dims[number] = self._collections.dim(self._place.collection(number))
        return self._dims[number]

    def _remove(self, collection: str, key: str, values: Sequence[str]) -> None:
        for some in slices_of(values, _KEYS_AT_ONCE):
            self._collections.ask(collection, partial(_delete, collection, is_in(key, some)))


def _upsert(name: str, columns: Columns, to: Connection) -> None:
    to.wire.upsert(name, columns)


def _delete(name: str, condition: str, to: Connection) -> None:
    to.client.delete(name, filter=condition, **ONCE)


def _query(name: str, condition: str, columns: list[str], to: Connection) -> Answer:
    return to.wire.query(name, condition, columns)
