"""qdrant-client's local mode, which computes in Python what a server does, in place of a server.

It has no indexes, of payloads and for approximate search alike, and warns where they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qdrant_client import QdrantClient, models

from idembed.stores.qdrant.points import IndexKind
from idembed.stores.qdrant.server import ServerDatabase

__all__ = ["LocalQdrant"]


class LocalQdrant(ServerDatabase):
    """One of several openings of a client; ``built``, which they share, has the names of the collections of which an
    index for approximate search would have been made."""

    def __init__(self, client: QdrantClient, shown: str, built: set[str]) -> None:
        super().__init__(client, shown)
        self._built = built

    def close(self) -> None:
        """The client stays for the others."""

    def complete(self, name: str, indexes: Mapping[str, IndexKind]) -> None:
        self._ask(self._client.get_collection, name)

    def drop(self, name: str) -> None:
        self._built.discard(name)
        super().drop(name)

    def _params(self, exact: bool) -> models.SearchParams | None:
        return None

    def build(self, name: str, keep: Callable[[], None]) -> None:
        self._built.add(name)

    def is_built(self, name: str) -> bool:
        self._ask(self._client.get_collection, name)
        return name in self._built
