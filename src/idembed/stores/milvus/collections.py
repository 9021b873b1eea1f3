"""Collections of Milvus: made with their indexes, held ready for questions, found, and removed."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from pymilvus import CollectionSchema, MilvusClient, MilvusException

from idembed.errors import StoreError
from idembed.stores.milvus.fields import VECTOR, dim_of
from idembed.stores.milvus.link import ONCE, PATIENCE, Connection, GoneError, Link, NotLoadedError

__all__ = ["Collections"]

_APPROXIMATE: Final = "HNSW"
_BUILD: Final = {"M": 16, "efConstruction": 200}
_TRIES: Final = 5
_CONSISTENCY: Final = "Strong"
"""Whoever asks sees all that was written before."""
_T = TypeVar("_T")


class Collections:
    """What is done with whole collections, by their names."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._is_lite: bool | None = None

    def ask(self, name: str, ask: Callable[[Connection], _T]) -> _T:
        """What ``ask`` gives of the collection, which is made ready first where it is not."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self._link(ask)
            except NotLoadedError:  # the server was started anew, or another program builds an index
                if time.monotonic() > deadline:
                    raise
            self.make_ready(name)

    def names(self) -> set[str]:
        return set(self._link(lambda to: to.client.list_collections(**ONCE)))

    def make(self, name: str, schema: CollectionSchema, indexed: tuple[str, ...]) -> None:
        """An empty collection with exact search; nothing where there is one of that name."""
        self._link(lambda to: _create(to.client, name, schema))
        for field in indexed:
            self._index(name, field, "INVERTED")
        self.make_ready(name)

    def make_ready(self, name: str) -> None:
        """Have it loaded, which needs an index of its vectors: of one that lost it when a program that made another was
        killed, they are searched exactly."""
        if VECTOR not in self._link(lambda to: to.client.list_indexes(name, **ONCE)):
            self._index(name, VECTOR, "FLAT")
        self._link(lambda to: to.client.load_collection(name, **ONCE))

    def drop(self, name: str) -> None:
        """Remove it, if it is there; Milvus keeps one that an alias points to."""
        with suppress(GoneError):  # also of one that was dropped by a request whose answer was lost
            for alias in self._link(lambda to: to.client.list_aliases(name, **ONCE))["aliases"]:
                self._drop_alias(alias)
            self._link(lambda to: to.client.drop_collection(name, **ONCE))

    def _drop_alias(self, alias: str) -> None:
        try:
            self._link(lambda to: to.client.drop_alias(alias, **ONCE))
        except StoreError:
            if self.pointed(alias) is not None:
                raise

    def dim(self, name: str) -> int:
        """The dimension of its vectors."""
        return dim_of(self._link(lambda to: to.client.describe_collection(name, **ONCE)))

    def count(self, name: str, condition: str) -> int:
        found = self.ask(name, lambda to: to.client.query(name, condition, ["count(*)"], **ONCE))
        return int(found[0]["count(*)"])

    def flush(self, name: str) -> None:
        self._link(lambda to: to.client.flush(name, **ONCE))

    def is_lite(self) -> bool:
        """Whether the server is ``milvus-lite server``."""
        if self._is_lite is None:
            self._is_lite = "lite" in self._link(lambda to: to.client.get_server_version(**ONCE))
        return self._is_lite

    def pointed(self, alias: str) -> str | None:
        """The collection that the alias points to."""
        if alias not in self._link(lambda to: to.client.list_aliases(**ONCE))["aliases"]:
            return None
        return str(self._link(lambda to: to.client.describe_alias(alias, **ONCE))["collection_name"])

    def point(self, alias: str, name: str) -> None:
        """Let the alias point to the collection, in one step."""
        there = self.pointed(alias)
        if there == name:
            return
        try:
            if there is None:
                self._link(lambda to: to.client.create_alias(name, alias, **ONCE))
            else:
                self._link(lambda to: to.client.alter_alias(name, alias, **ONCE))
        except StoreError:
            if self.pointed(alias) != name:  # it was not done by a request whose answer was lost
                raise

    def is_approximate(self, name: str) -> bool:
        """Whether its vectors have the index for approximate search."""
        found = self._link(lambda to: to.client.describe_index(name, VECTOR, **ONCE))
        return bool(found) and found["index_type"] == _APPROXIMATE

    def make_approximate(self, name: str) -> None:
        """Put the index for approximate search in the place of the exact one: a field has one, and it cannot be changed
        while it is asked, so that searches wait meanwhile. Raises StoreError where other programs that search make the
        exact one again and again."""
        self.flush(name)
        for _ in range(_TRIES):
            self._link(lambda to: to.client.release_collection(name, **ONCE))
            self._link(lambda to: _drop_index(to.client, name))
            self._index(name, VECTOR, _APPROXIMATE)
            self.make_ready(name)
            if self.is_approximate(name):
                return
        raise StoreError(f"{name}: other programs search it, so that its index cannot be replaced", hint="try again")

    def _index(self, name: str, field: str, kind: str) -> None:
        """Make an index; nothing where the field has one. What is made of an empty collection is not waited for."""
        options = {"metric_type": "IP", "params": _BUILD if kind == _APPROXIMATE else {}} if field == VECTOR else {}
        wanted = MilvusClient.prepare_index_params(field, index_name=field, index_type=kind, **options)

        def make(to: Connection) -> None:
            if field not in to.client.list_indexes(name, **ONCE):
                to.client.create_index(name, wanted, sync=kind == _APPROXIMATE, **ONCE)

        self._link(make)


def _create(client: MilvusClient, name: str, schema: CollectionSchema) -> None:
    try:
        client.create_collection(name, schema=schema, consistency_level=_CONSISTENCY, **ONCE)
    except MilvusException:
        if not client.has_collection(name, **ONCE):  # another program was faster, or an answer was lost
            raise


def _drop_index(client: MilvusClient, name: str) -> None:
    if VECTOR in client.list_indexes(name, **ONCE):
        client.drop_index(name, VECTOR, **ONCE)
