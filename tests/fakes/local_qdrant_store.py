"""The store on top of LocalQdrant: ``qdrant-local:///name``, in this process alone."""

from __future__ import annotations

from typing import Final

from qdrant_client import QdrantClient

from fakes.local_qdrant import LocalQdrant
from idembed.stores.collection.store import CollectionStore
from idembed.stores.qdrant.engine import QdrantEngine
from idembed.stores.qdrant.limits import capabilities

__all__ = ["CAPABILITIES", "opened"]

CAPABILITIES: Final = capabilities(is_server=True)
_CLIENT: Final = QdrantClient(":memory:")
_BUILT: Final[set[str]] = set()


def opened(url: str, create: bool, read_only: bool) -> CollectionStore:
    name = url.rpartition("/")[2]
    engine = QdrantEngine(LocalQdrant(_CLIENT, url, _BUILT), name, f"{name}_")
    return CollectionStore(engine, create=create, read_only=read_only)
