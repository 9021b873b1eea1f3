"""An index in LanceDB as a store."""

from __future__ import annotations

from idembed.stores.collection.store import CollectionStore
from idembed.stores.lance.engine import LanceEngine

__all__ = ["CAPABILITIES", "opened"]

CAPABILITIES = LanceEngine.capabilities


def opened(url: str, create: bool, read_only: bool) -> CollectionStore:
    """The store in a folder, ``lance:///folder/pets`` (absolute) or ``lance:folder/pets`` (relative), or in an object
    store, ``lance+s3://bucket/path/pets``, ``lance+gs://…`` or ``lance+az://…``: place.py has more."""
    return CollectionStore(LanceEngine(url), create=create, read_only=read_only)
