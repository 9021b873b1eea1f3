"""What the contract suite needs of a store, and short ways to write rows.

A new store is one entry in databases.STORES.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from idembed.rows import check_row
from idembed.space import Space, address
from idembed.stores.base import Lease, PartRecord, RowRecord, RowState, Store

__all__ = ["Index", "Opener", "part", "row", "space"]

Opener = Callable[[], Store]


def space(dim: int = 4, name: str = "test") -> Space:
    return Space("test", dim, "dot", {"name": name})


def part(text: str, vector: Sequence[float], number: int = 0, **known: Any) -> PartRecord:
    place = known.get("address") or address("space", "document", f"{text}/{number}")
    tokens, truncated = known.get("tokens", len(text.split())), known.get("truncated", False)
    return PartRecord(number, (0, len(text)), place, np.array(vector, np.float32), tokens, truncated)


def row(
    row_id: str,
    text: str = "a text",
    vector: Sequence[float] | None = (1, 0, 0, 0),
    metadata: Mapping[str, Any] | None = None,
    *,
    scope: str = "docs",
    generation: int = 1,
    **known: Any,
) -> RowRecord:
    """A settled row of one part; without a vector, and not settled, when that is None."""
    checked = check_row(row_id, text, metadata or {}, "the test")
    parts = {} if vector is None else {generation: [part(text, vector, **known)]}
    row_hash = None if vector is None else checked.row_hash
    return RowRecord(row_id, scope, text, checked.text_hash, checked.metadata, checked.metadata_hash, row_hash, parts)


class Index:
    """A store with the lease of ``writer`` and an active generation 1 of 4 dimensions."""

    def __init__(self, open_again: Opener) -> None:
        self.open_again = open_again
        self.store = open_again()
        self.lease: Lease = self.store.lease("writer", 3600.0)
        self.store.create_generation(self.lease, space(), "test-model")
        self.store.activate(self.lease, 1)

    def upsert(self, *rows: RowRecord) -> None:
        self.store.upsert(self.lease, rows)

    @property
    def knows_its_size(self) -> bool:
        """Whether the database tells how many bytes an index takes."""
        return not self.store.url.startswith(("memory:", "qdrant-local:", "milvus:"))

    def states(self, generations: Sequence[int] = (1,)) -> dict[str, RowState]:
        return self.store.states([row.id for row in self.store.scan()], generations)

    def search(self, query: Sequence[float], k: int = 10, where: Any = None, **more: Any) -> list[tuple[str, float]]:
        """Ids and scores."""
        from idembed.filters import parse_where

        (hits,) = self.store.search(1, np.array([query], np.float32), k, parse_where(where), **more)
        return [(hit.id, hit.score) for hit in hits]
