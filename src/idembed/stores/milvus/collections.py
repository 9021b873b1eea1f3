"""Collections of Milvus: made with their indexes, held ready for questions, found, and removed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from pymilvus import CollectionSchema, MilvusClient, MilvusException

from idembed.errors import StoreError
from idembed.shown import shorten
from idembed.stores.milvus.expressions import is_in
from idembed.stores.milvus.fields import VECTOR, dim_of, holds_documents, is_ours
from idembed.stores.milvus.link import ONCE, PATIENCE, Connection, GoneError, Link, NotLoadedError

__all__ = ["ANNOUNCED", "APPROXIMATE", "Collections", "announcement_of"]

APPROXIMATE: Final = "HNSW"
_BUILD: Final = {"M": 16, "efConstruction": 200}
ANNOUNCED: Final = "_building/"
"""What the documents begin with that say of which collection the index is replaced, and until when that holds."""
_BUILT: Final = 120.0
"""Seconds in which a question waits for an index."""
_PAUSE: Final = 0.5
_TIMES: Final = 3
"""A collection is made ready so often at least: on a busy machine once may take all the time there is, and a server
that is just starting may forget it again."""
_CONSISTENCY: Final = "Strong"
"""Whoever asks sees all that was written before."""
_T = TypeVar("_T")


class Collections:
    """What is done with whole collections, by their names."""

    def __init__(self, link: Link, documents: str) -> None:
        """``documents``: the collection where it is announced that an index is replaced; "" to look nowhere."""
        self._link = link
        self._documents = documents
        self._is_lite: bool | None = None

    def ask(self, name: str, ask: Callable[[Connection], _T]) -> _T:
        """What ``ask`` gives of the collection, which is made ready first where it is not; while its index is replaced,
        this waits."""
        last = time.monotonic() + _BUILT
        deadline: float | None = None  # from when it answers: a server that is started anew is waited for in the link
        times = 0
        while True:
            try:
                return self._link(ask)
            except NotLoadedError:  # the server was started anew, or another program builds an index
                if deadline is None:
                    deadline = time.monotonic() + PATIENCE
                if time.monotonic() > deadline and times >= _TIMES:
                    raise
            if self._is_announced(name):
                if time.monotonic() > last:
                    raise StoreError(
                        f"{name}: its index for approximate search is being made",
                        hint="search again when that is done",
                    )
                deadline = time.monotonic() + PATIENCE
                time.sleep(_PAUSE)
                continue
            if times:
                time.sleep(_PAUSE)
            times += 1
            try:
                self.make_ready(name)
            except StoreError as error:  # as where the index was removed just now
                if type(error) is not StoreError or time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)

    def _is_announced(self, name: str) -> bool:
        documents = self._documents
        if not documents or name == documents:
            return False
        condition = is_in("name", [announcement_of(name)])
        with suppress(GoneError):
            answer = self.ask(documents, lambda to: to.wire.query(documents, condition, ["name", "body"]))
            return any(json.loads(body)["until"] > time.time() for body in answer.columns["body"])
        return False

    def names(self) -> set[str]:
        return set(self._link(lambda to: to.client.list_collections(**ONCE)))

    def make(self, name: str, schema: CollectionSchema, indexed: tuple[str, ...]) -> None:
        """An empty collection with exact search; nothing where there is one of that name."""
        self._link(lambda to: _create(to.client, name, schema))
        for field in indexed:
            self.index(name, field, "INVERTED")
        self.make_ready(name)

    def make_ready(self, name: str) -> None:
        """Have it loaded, which needs an index of its vectors: of one that lost it when a program that made another was
        killed, they are searched exactly."""
        if VECTOR not in self._link(lambda to: to.client.list_indexes(name, **ONCE)):
            self.index(name, VECTOR, "FLAT")
        self._link(lambda to: to.client.load_collection(name, **ONCE))

    def drop(self, name: str, alias: str) -> None:
        """Remove it, if it is there and holds records of ours, with the ``alias`` of the index, if that points to it.
        Raises StoreError where other aliases do: Milvus keeps what one points to, and somebody searches by it."""
        with suppress(GoneError):  # also of one that was dropped by a request whose answer was lost
            if not is_ours(self._link(lambda to: to.client.describe_collection(name, **ONCE))):
                return
            aliases = set(self._link(lambda to: to.client.list_aliases(name, **ONCE))["aliases"])
            if others := sorted(aliases - {alias}):
                raise StoreError(
                    f"{name}: the alias {shorten(others[0], 200)} stands for it, which is not of this index",
                    hint="remove that alias, or let it stand for another collection",
                )
            if aliases:
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

    def holds_documents(self, name: str) -> bool:
        """Whether it is for documents of ours. Raises GoneError."""
        return holds_documents(self._link(lambda to: to.client.describe_collection(name, **ONCE)))

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
        return bool(found) and found["index_type"] == APPROXIMATE

    def index(self, name: str, field: str, kind: str) -> None:
        """Make an index, which is not waited for; nothing where the field has one."""
        options = {"metric_type": "IP", "params": _BUILD if kind == APPROXIMATE else {}} if field == VECTOR else {}
        wanted = MilvusClient.prepare_index_params(field, index_name=field, index_type=kind, **options)
        if self._has_index(name, field):
            return
        try:
            self._link(lambda to: to.client.create_index(name, wanted, sync=False, **ONCE))
        except StoreError:
            if not self._has_index(name, field):  # another program was faster, or an answer was lost
                raise

    def drop_index(self, name: str, field: str) -> None:
        """Remove an index of what is not held ready; nothing where there is none."""
        if not self._has_index(name, field):
            return
        try:
            self._link(lambda to: to.client.drop_index(name, field, **ONCE))
        except StoreError:
            if self._has_index(name, field):
                raise

    def _has_index(self, name: str, field: str) -> bool:
        return field in self._link(lambda to: to.client.list_indexes(name, **ONCE))


def announcement_of(name: str) -> str:
    """The document that announces it."""
    return f"{ANNOUNCED}{name}"


def _create(client: MilvusClient, name: str, schema: CollectionSchema) -> None:
    try:
        client.create_collection(name, schema=schema, consistency_level=_CONSISTENCY, **ONCE)
    except MilvusException:
        if not client.has_collection(name, **ONCE):  # another program was faster, or an answer was lost
            raise
