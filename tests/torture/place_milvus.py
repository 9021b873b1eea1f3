"""Milvus: a database of a server that can be killed."""

from __future__ import annotations

from typing import ClassVar

from place import Place
from servers import Server

from milvus_server import milvus


class MilvusServer(Server):
    """``milvus-lite server``."""

    def kill(self) -> None:
        milvus().kill()

    def start(self) -> None:
        milvus().start()


class MilvusPlace(Place):
    """A database of its own."""

    kind = "milvus"
    lives = 1
    examples = 2
    modules = ("idembed.stores.milvus.engine", "idembed.stores.collection.store")
    server = MilvusServer()
    patience: ClassVar[dict[str, float]] = {"idembed.stores.milvus.link.PATIENCE": 90.0}
