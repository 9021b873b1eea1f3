"""The store on top of MemoryEngine: ``memory://name``, in this process alone."""

from __future__ import annotations

from fakes.memory_engine import MemoryEngine
from idembed.stores.collection.store import CollectionStore

__all__ = ["CAPABILITIES", "opened"]

CAPABILITIES = MemoryEngine.capabilities


def opened(url: str, create: bool, read_only: bool) -> CollectionStore:
    return CollectionStore(MemoryEngine(url.removeprefix("memory://")), create=create, read_only=read_only)
