"""A Qdrant server, by qdrant-client. Every write waits until it is applied and goes to the leader of its shard; every
read is what all replicas have, so that whoever reads sees what was written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, Final

from qdrant_client import QdrantClient, models

from idembed.errors import StoreError
from idembed.stores.collection.remembered import Remembered
from idembed.stores.qdrant.link import AlreadyThereError, Link
from idembed.stores.qdrant.points import IndexKind, Point, Scored, Test
from idembed.stores.qdrant.words import INDEXED_FROM, Words, as_filter, read_points
from idembed.stores.records import Vector

__all__ = ["ServerDatabase"]

_ALL: Final = models.ReadConsistencyType.ALL
_STRONG: Final = models.WriteOrdering.STRONG
_PAUSE: Final = 0.5
"""Seconds between two looks at a collection that is being indexed."""
_GREENS: Final = 3
"""How many times in a row a collection is at rest when nothing more is to come."""
_STUCK: Final = 3600.0
"""Seconds after which an index is given up that does not grow: it does so by whole segments of the collection."""
_KINDS: Final[dict[IndexKind, Any]] = {
    "number": models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=False, on_disk=True),
    "range": models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=False, range=True, on_disk=True),
    "tenant": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True, on_disk=True),
}
_WORDS: Final = Words(
    all_of=lambda conditions: models.Filter(must=conditions),
    any_of=lambda conditions: models.Filter(should=conditions),
    none_of=lambda conditions: models.Filter(must_not=conditions),
    equal=lambda path, value: models.FieldCondition(key=path, match=models.MatchValue(value=value)),
    among=lambda path, values: models.FieldCondition(key=path, match=models.MatchAny(any=values)),
    between=lambda test: models.FieldCondition(
        key=test.path, range=models.Range(gte=test.gte, lt=test.lt, lte=test.lte)
    ),
    null=lambda path: models.IsNullCondition(is_null=models.PayloadField(key=path)),
)


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

    def has_our_shape(self, name: str) -> bool:
        vectors = self._ask(self._client.get_collection, name).config.params.vectors
        return isinstance(vectors, models.VectorParams) and vectors.distance == models.Distance.DOT

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

    def alone(self) -> AbstractContextManager[object]:
        return nullcontext()

    def remembered(self, name: str) -> Remembered | None:
        """Nothing: other programs write to it too."""
        return None

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
        return read_points(found)

    def scroll(
        self, name: str, tests: Sequence[Test], begin: str | None, most: int, fields: Sequence[str], *, vectors: bool
    ) -> tuple[list[Point], str | None]:
        found, rest = self._ask(
            self._client.scroll,
            name,
            scroll_filter=as_filter(tests, _WORDS),
            limit=most,
            offset=begin,
            with_payload=list(fields),
            with_vectors=vectors,
            consistency=_ALL,
        )
        return read_points(found), None if rest is None else str(rest)

    def count(self, name: str, tests: Sequence[Test]) -> int:
        return self._ask(self._client.count, name, count_filter=as_filter(tests, _WORDS), exact=True).count

    def query(
        self, name: str, vector: Vector, most: int, tests: Sequence[Test], fields: Sequence[str], *, exact: bool
    ) -> list[Scored]:
        found = self._ask(
            self._client.query_points,
            name,
            query=vector.tolist(),
            query_filter=as_filter(tests, _WORDS),
            search_params=self._params(exact),
            limit=most,
            with_payload=list(fields),
            with_vectors=True,
            consistency=_ALL,
        ).points
        return [Scored(point, one.score) for point, one in zip(read_points(found), found, strict=True)]

    def _params(self, exact: bool) -> models.SearchParams | None:
        return models.SearchParams(exact=exact)

    # Approximate search and size -------------------------------------------------------------------

    def build(self, name: str, keep: Callable[[], None]) -> None:
        if not self.is_built(name):
            settings = models.OptimizersConfigDiff(indexing_threshold=INDEXED_FROM)
            self._ask(self._client.update_collection, name, optimizers_config=settings)
        greens, seen, changed = 0, None, time.monotonic()
        while greens < _GREENS:
            time.sleep(_PAUSE)
            keep()
            there = self._ask(self._client.get_collection, name)
            if there.status == models.CollectionStatus.RED:
                raise StoreError(f"{self.shown}: " + "; ".join(self.damage(name)), hint="look at the server's log")
            greens = greens + 1 if there.status == models.CollectionStatus.GREEN else 0
            now = (there.indexed_vectors_count, there.segments_count)
            if now != seen:
                seen, changed = now, time.monotonic()
            elif time.monotonic() - changed > _STUCK:
                raise StoreError(
                    f"{self.shown}: the collection {name} is {there.status.value}, and its index does not grow",
                    hint="look at the server's log; what is written is safe, and asking again waits again",
                    url=self.shown,
                )

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
