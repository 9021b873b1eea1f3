"""A Qdrant server, by qdrant-client. Every write waits until it is applied and goes to the leader of its shard; every
read is what all replicas have, so that whoever reads sees what was written."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np
from qdrant_client import QdrantClient, models

from idembed.errors import StoreError
from idembed.stores.qdrant.link import AlreadyThereError, Link
from idembed.stores.qdrant.points import Between, IndexKind, OneOf, OneTest, Point, Scored, Test
from idembed.stores.records import Vector

__all__ = ["ServerDatabase"]

_INDEXED_FROM: Final = 10_000
"""Kilobytes of vectors from which a segment is indexed once that is asked for; below it is scanned, which is faster."""
_ALL: Final = models.ReadConsistencyType.ALL
_STRONG: Final = models.WriteOrdering.STRONG
_PAUSE: Final = 0.5
"""Seconds between two looks at a collection that is being indexed."""
_GREENS: Final = 3
"""How many times in a row a collection is at rest when nothing more is to come."""
_KINDS: Final[dict[IndexKind, Any]] = {
    "integer": models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=True, on_disk=True),
    "number": models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=False, on_disk=True),
    "range": models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=False, range=True, on_disk=True),
    "tenant": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True, on_disk=True),
    "uuid": models.UuidIndexParams(type=models.UuidIndexType.UUID, on_disk=True),
}


class ServerDatabase:
    """The collections of the server that ``client`` speaks to; it is closed with this."""

    is_server = True

    def __init__(self, client: QdrantClient, shown: str) -> None:
        self.shown = shown
        self._client = client
        self._ask = Link(shown)

    def close(self) -> None:
        self._client.close()

    # Collections -----------------------------------------------------------------------------------

    def collections(self) -> set[str]:
        return {one.name for one in self._ask(self._client.get_collections).collections}

    def create(self, name: str, dim: int, indexes: Mapping[str, IndexKind]) -> None:
        with suppress(AlreadyThereError):  # the answer to its making was lost
            self._ask(
                self._client.create_collection,
                name,
                vectors_config=models.VectorParams(size=dim, distance=models.Distance.DOT),
                on_disk_payload=True,
                optimizers_config=models.OptimizersConfigDiff(indexing_threshold=0),
            )
        self.complete(name, indexes)

    def drop(self, name: str) -> None:
        self._ask(self._client.delete_collection, name)

    def complete(self, name: str, indexes: Mapping[str, IndexKind]) -> None:
        there = self._ask(self._client.get_collection, name).payload_schema
        for field, kind in indexes.items():
            if field not in there:
                self._ask(
                    self._client.create_payload_index,
                    name,
                    field_name=field,
                    field_schema=_KINDS[kind],
                    wait=True,
                    ordering=_STRONG,
                )

    def alias(self, alias: str) -> str | None:
        for one in self._ask(self._client.get_aliases).aliases:
            if one.alias_name == alias:
                return one.collection_name
        return None

    def move_alias(self, alias: str, name: str) -> None:
        made: Any = models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=name, alias_name=alias))
        gone: Any = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
        steps = [gone, made] if self.alias(alias) else [made]
        self._ask(self._client.update_collection_aliases, steps)

    # Points ----------------------------------------------------------------------------------------

    def upsert(self, name: str, requests: Iterable[Sequence[Point]]) -> None:
        for points in requests:
            made = [_point(one) for one in points]
            self._ask(self._client.upsert, name, made, wait=True, ordering=_STRONG)

    def delete(self, name: str, ids: Sequence[str]) -> None:
        chosen = models.PointIdsList(points=list(ids))
        self._ask(self._client.delete, name, chosen, wait=True, ordering=_STRONG)

    def retrieve(self, name: str, ids: Sequence[str], fields: Sequence[str], *, vectors: bool) -> list[Point]:
        found = self._ask(
            self._client.retrieve, name, ids, with_payload=list(fields), with_vectors=vectors, consistency=_ALL
        )
        return _points(found)

    def scroll(
        self, name: str, tests: Sequence[Test], begin: str | None, most: int, fields: Sequence[str], *, vectors: bool
    ) -> tuple[list[Point], str | None]:
        found, rest = self._ask(
            self._client.scroll,
            name,
            scroll_filter=_filter(tests),
            limit=most,
            offset=begin,
            with_payload=list(fields),
            with_vectors=vectors,
            consistency=_ALL,
        )
        return _points(found), None if rest is None else str(rest)

    def count(self, name: str, tests: Sequence[Test]) -> int:
        return self._ask(self._client.count, name, count_filter=_filter(tests), exact=True).count

    def query(
        self, name: str, vector: Vector, most: int, tests: Sequence[Test], fields: Sequence[str], *, exact: bool
    ) -> list[Scored]:
        found = self._ask(
            self._client.query_points,
            name,
            query=vector.tolist(),
            query_filter=_filter(tests),
            search_params=self._params(exact),
            limit=most,
            with_payload=list(fields),
            with_vectors=True,
            consistency=_ALL,
        ).points
        return [Scored(point, one.score) for point, one in zip(_points(found), found, strict=True)]

    def _params(self, exact: bool) -> models.SearchParams | None:
        return models.SearchParams(exact=exact)

    # Approximate search and size -------------------------------------------------------------------

    def build(self, name: str) -> None:
        settings = models.OptimizersConfigDiff(indexing_threshold=_INDEXED_FROM)
        self._ask(self._client.update_collection, name, optimizers_config=settings)
        greens = 0
        while greens < _GREENS:
            time.sleep(_PAUSE)
            status = self._ask(self._client.get_collection, name).status
            if status == models.CollectionStatus.RED:
                raise StoreError(f"{self.shown}: " + "; ".join(self.damage(name)), hint="look at the server's log")
            greens = greens + 1 if status == models.CollectionStatus.GREEN else 0

    def is_built(self, name: str) -> bool:
        return self._ask(self._client.get_collection, name).config.optimizer_config.indexing_threshold != 0

    def tidy(self, name: str) -> None:
        """A server does so by itself."""

    def size(self) -> int:
        """A server does not say."""
        return 0

    def damage(self, name: str) -> list[str]:
        there = self._ask(self._client.get_collection, name)
        wrong = getattr(there.optimizer_status, "error", "")
        if wrong or there.status == models.CollectionStatus.RED:
            return [f"the collection {name} is {there.status}: {wrong or 'some operations failed'}"]
        return []


def _point(one: Point) -> models.PointStruct:
    """Made without the client's own looking at every number, which takes longer than sending it."""
    assert one.vector is not None
    return models.PointStruct.model_construct(id=one.id, vector=one.vector.tolist(), payload=one.payload)


def _points(found: Sequence[Any]) -> list[Point]:
    return [
        Point(str(one.id), one.payload or {}, None if one.vector is None else np.array(one.vector, np.float32))
        for one in found
    ]


def _filter(tests: Sequence[Test]) -> models.Filter | None:
    if not tests:
        return None
    return models.Filter(
        must=[
            _condition(test[0]) if len(test) == 1 else models.Filter(should=[_condition(one) for one in test])
            for test in tests
        ]
    )


def _condition(test: OneTest) -> models.FieldCondition | models.IsNullCondition:
    if isinstance(test, OneOf):
        if len(test.values) == 1:
            return models.FieldCondition(key=test.path, match=models.MatchValue(value=test.values[0]))
        return models.FieldCondition(key=test.path, match=models.MatchAny(any=list(test.values)))  # type: ignore[arg-type]
    if isinstance(test, Between):
        return models.FieldCondition(key=test.path, range=models.Range(gte=test.gte, lt=test.lt, lte=test.lte))
    return models.IsNullCondition(is_null=models.PayloadField(key=test.path))
