"""The verbs of collections on a Qdrant.

An index called ``pets`` has collections ``pets_g1``, ``pets_g2`` …, its documents in ``pets_idembed``, and the alias
``pets``, which other programs search by; in a folder of its own they are ``g1``, ``g2`` … and ``idembed``. Qdrant's
distance is Dot: it leaves vectors as they are. Nothing is indexed for approximate search before ``build_ann``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np

from idembed.errors import DamagedError, StoreError
from idembed.filters import Condition
from idembed.stores.collection.engine import (
    EVERYTHING,
    STANDING,
    Among,
    Engine,
    Fields,
    Found,
    Key,
    Nearest,
    Record,
    Standing,
)
from idembed.stores.collection.remembered import Remembered
from idembed.stores.qdrant.fields import (
    INDEXES,
    document_id,
    document_name,
    payload_fields,
    point_id,
    point_of,
    record_of,
)
from idembed.stores.qdrant.filters import (
    LIVE,
    is_among,
    is_asked_exactly,
    piecewise,
    tests_of_among,
    tests_of_scope,
    tests_of_where,
)
from idembed.stores.qdrant.limits import capabilities
from idembed.stores.qdrant.ours import is_ours, refuse_taken
from idembed.stores.qdrant.pace import Pace, in_requests
from idembed.stores.qdrant.points import Database, NeedsIndexError, NotThereError, Point, Test
from idembed.stores.records import RESTORE, Vector

__all__ = ["QdrantEngine"]

_NOTHING: Final = np.zeros(1, np.float32)
_FOUND: Final = EVERYTHING - {"text"}
_NAME: Final = re.compile(r"g([1-9][0-9]{0,17})")


class QdrantEngine(Engine):
    """The index with the alias ``alias``, the names of whose collections begin with ``begin``. ``database`` is closed
    with it; ``again`` opens the same one over another connection."""

    most_near = 10_000

    def __init__(
        self, database: Database, alias: str, begin: str, again: Callable[[], QdrantEngine] | None = None
    ) -> None:
        self.url = database.shown
        self._again = again
        self._database: Database | None = database
        self._alias = alias
        self._begin = begin
        self._documents = f"{begin}idembed"
        self._complete: set[int] = set()
        self.capabilities = capabilities(is_server=database.is_server)

    @property
    def _open(self) -> Database:
        if self._database is None:
            raise StoreError(f"{self.url} is closed")
        return self._database

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def another(self) -> Callable[[], QdrantEngine] | None:
        return self._again

    # Documents -------------------------------------------------------------------------------------

    def documents(self, begin: str = "") -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        with suppress(NotThereError):
            for page in self._scrolled(self._open, self._documents, [], ["name", "body"], vectors=False):
                for point in page:
                    name = document_name(point)
                    if name is not None and name.startswith(begin):
                        found[name] = self._body(name, point)
        return dict(sorted(found.items()))

    def _body(self, name: str, point: Point) -> dict[str, Any]:
        try:
            body = json.loads(point.payload["body"])
        except (KeyError, TypeError, ValueError):
            body = None
        if not isinstance(body, dict):
            raise DamagedError(f"{self.url}: the document {name} cannot be read", hint=RESTORE, url=self.url)
        return body

    def put_document(self, name: str, body: Mapping[str, Any]) -> None:
        database = self._open
        payload = {"name": name, "body": json.dumps(dict(body), ensure_ascii=False)}
        point = Point(document_id(name), payload, _NOTHING)
        try:
            database.upsert(self._documents, [[point]])
        except NotThereError:
            refuse_taken(database, self._alias, self._number)
            database.create(self._documents, 1, {})
            database.upsert(self._documents, [[point]])

    def remove_documents(self, names: Sequence[str]) -> None:
        if names:
            with suppress(NotThereError):
                self._open.delete(self._documents, [document_id(name) for name in names])

    # Collections -----------------------------------------------------------------------------------

    def _collection(self, number: int) -> str:
        return f"{self._begin}g{number}"

    def _number(self, name: str) -> int | None:
        match = _NAME.fullmatch(name[len(self._begin) :]) if name.startswith(self._begin) else None
        return int(match[1]) if match else None

    def _there(self, number: int) -> tuple[Database, str]:
        """The database and the name of a collection that is there, with all indexes: a making may have been broken
        off, and numbers are only compared exactly with an index."""
        database, name = self._open, self._collection(number)
        if number not in self._complete:
            database.complete(name, INDEXES)
            self._complete.add(number)
        return database, name

    def collections(self) -> set[int]:
        numbers = (self._number(name) for name in self._open.collections())
        return {number for number in numbers if number is not None}

    def create(self, number: int, dim: int) -> None:
        database, name = self._open, self._collection(number)
        refuse_taken(database, self._alias, self._number)
        if name in database.collections():
            raise StoreError(
                f"{self.url}: there is a collection {name} already, which is not of this index",
                hint="give the index another name",
            )
        database.create(name, dim, INDEXES)

    def drop(self, number: int) -> None:
        database, name = self._open, self._collection(number)
        self._complete.discard(number)
        with suppress(NotThereError):
            if not is_ours(database, name):
                raise StoreError(
                    f"{self.url}: the collection {name} is not dropped, for its points are not of this index",
                    hint="give the index another name, or remove that collection yourself",
                )
            database.drop(name)

    def pointer(self) -> int | None:
        database = self._open
        name = database.alias(self._alias) if database.is_server else None
        return None if name is None else self._number(name)

    def point(self, number: int) -> None:
        database, name = self._there(number)
        if not database.is_server:
            return
        refuse_taken(database, self._alias, self._number)
        if database.alias(self._alias) != name:
            database.move_alias(self._alias, name)

    # Records ---------------------------------------------------------------------------------------

    def put(self, number: int, records: Sequence[Record]) -> None:
        database, name = self._there(number)
        requests = ([point_of(record) for record in batch] for batch in in_requests(records))
        with database.alone():
            known = database.remembered(name) or Remembered()
            known.forget(record.id for record in records)
            database.upsert(name, requests)
            known.learn(records)

    def remove(self, number: int, keys: Sequence[Key]) -> None:
        database, name = self._there(number)
        with database.alone():
            known = database.remembered(name) or Remembered()
            known.forget(key.id for key in keys)
            for start in range(0, len(keys), 1000):
                database.delete(name, [point_id(key) for key in keys[start : start + 1000]])

    def standing(self, number: int, ids: Sequence[str]) -> dict[str, Standing]:
        database, name = self._there(number)
        with database.alone():
            known = database.remembered(name) or Remembered()
            found, unknown = known.among(ids)
            return found | (super().standing(number, unknown) if unknown else {})

    def fetch(self, number: int, keys: Sequence[Key], fields: Fields) -> dict[Key, Record]:
        database, name = self._there(number)
        names, vectors = payload_fields(fields), "vector" in fields
        pace = Pace(texts="text" in fields)
        found: dict[Key, Record] = {}
        with database.alone():
            for batch in pace.batches([point_id(key) for key in keys]):
                points = database.retrieve(name, batch, names, vectors=vectors)
                pace.saw(points)
                found.update((record.key, record) for point in points if (record := record_of(point, fields)))
            if fields >= STANDING and (known := database.remembered(name)) is not None:
                known.learn(found.values())
        return found

    def find(self, number: int, among: Among, fields: Fields) -> Iterator[list[Record]]:
        for some in piecewise(among):
            yield from self._find(number, some, fields)

    def _find(self, number: int, among: Among, fields: Fields) -> Iterator[list[Record]]:
        database, name = self._there(number)
        tests = tests_of_among(among)
        if tests is None:
            return
        exact = is_asked_exactly(among)
        asked = fields if exact else fields | {"order", "place", "address"}
        names, vectors = payload_fields(asked), "vector" in fields
        for points in self._scrolled(database, name, tests, names, vectors=vectors):
            if not exact:
                points = [point for point in points if (full := record_of(point, asked)) and is_among(full, among)]
            if records := [record for point in points if (record := record_of(point, fields))]:
                yield records

    def _scrolled(
        self, database: Database, name: str, tests: Sequence[Test], names: Sequence[str], *, vectors: bool
    ) -> Iterator[list[Point]]:
        pace, begin = Pace(texts="text" in names or "body" in names), None
        while True:
            points, begin = database.scroll(name, tests, begin, pace.most, names, vectors=vectors)
            pace.saw(points)
            yield points
            if begin is None:
                return
            _ = self._open

    def count(self, number: int, among: Among) -> int:
        database, name = self._there(number)
        tests = tests_of_among(among)
        if tests is None:
            return 0
        if not is_asked_exactly(among):
            return sum(map(len, self.find(number, among, frozenset())))
        return database.count(name, tests)

    def near(
        self, number: int, query: Vector, most: int, where: Sequence[Condition], scope: str | None, *, exact: bool
    ) -> Nearest:
        database, name = self._there(number)
        tests = tests_of_where(where)
        if tests is None or most < 1:
            return Nearest([], True)
        always = [LIVE, *(tests_of_scope(scope) if scope is not None else [])]
        most, names = min(most, self.most_near), payload_fields(_FOUND)
        try:
            found = database.query(name, query, most, [*always, *tests], names, exact=exact)
        except NeedsIndexError:  # a server may refuse to look at what has no index, as metadata
            found = database.query(name, query, most, always, names, exact=exact)
        read = [Found(record, score) for point, score in found if (record := record_of(point, _FOUND))]
        return Nearest(read, len(found) < most)

    # Approximate search and size -------------------------------------------------------------------

    def build_ann(self, number: int, keep: Callable[[], None]) -> None:
        database, name = self._there(number)
        database.build(name, keep)

    def has_ann(self, number: int) -> bool:
        database, name = self._there(number)
        return database.is_built(name)

    def size(self) -> int:
        return self._open.size()

    def damage(self) -> list[str]:
        database = self._open
        return [line for number in sorted(self.collections()) for line in database.damage(self._collection(number))]

    def tidy(self, number: int) -> None:
        database, name = self._there(number)
        database.tidy(name)
