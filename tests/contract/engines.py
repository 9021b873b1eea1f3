"""The databases without transactions. A new one is one entry in ENGINES."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from databases import quick
from idembed.stores.collection.engine import Engine

__all__ = ["ENGINES", "Opener"]

Opener = Callable[[str], Engine]
"""Opens the index of that name, once more at each call, all in one database."""


def _memory(folder: Path) -> Opener:
    from fakes.memory_engine import MemoryEngine

    return lambda name: MemoryEngine(f"{folder}/{name}")


def _qdrant_embedded(folder: Path) -> Opener:
    from idembed.stores.qdrant.edge import EdgeDatabase
    from idembed.stores.qdrant.engine import QdrantEngine

    place = quick(folder)
    return lambda name: QdrantEngine(EdgeDatabase(place / name, f"qdrant://{place}/{name}"), name, "")


def _qdrant_local(_: Path) -> Opener:
    from qdrant_client import QdrantClient

    from fakes.local_qdrant import LocalQdrant
    from idembed.stores.qdrant.engine import QdrantEngine

    client, built = QdrantClient(":memory:"), set[str]()
    return lambda name: QdrantEngine(LocalQdrant(client, f"qdrant://local/{name}", built), name, f"{name}_")


def _lance(folder: Path) -> Opener:
    from idembed.stores.lance.engine import LanceEngine

    return lambda name: LanceEngine(f"lance://{folder}/{name}")


def _milvus(_: Path) -> Opener:
    from idembed.stores.milvus.engine import MilvusEngine
    from milvus_server import milvus

    server = milvus()
    database = server.new_database()
    return lambda name: MilvusEngine(server.url(name, database))


ENGINES: dict[str, Callable[[Path], Opener]] = {
    "lance": _lance,
    "memory": _memory,
    "milvus": _milvus,
    "qdrant-embedded": _qdrant_embedded,
    "qdrant-local": _qdrant_local,
}
"""For each database, what makes a new one, in a folder where it needs one."""
