"""What an index knows of a model that cannot be proved by its name: a few of its texts, and what it made of them."""

from __future__ import annotations

import numpy as np

from idembed.models.base import Vectors
from idembed.stores.base import Generation, Store

__all__ = ["witnesses"]

_ROWS = 64
_WITNESSES = 3
_LONGEST = 2_000


def witnesses(store: Store, generation: Generation) -> tuple[list[str], Vectors]:
    """The shortest whole texts of a sample, and their vectors in a generation, float32 [n, dim]; none where there are
    no such rows."""
    found: list[tuple[int, str, Vectors]] = []
    for row in store.get(store.sample(_ROWS), generation.number).values():
        if not row.is_whole or len(row.parts) != 1 or not 0 < len(row.text) <= _LONGEST:
            continue
        (part,) = row.parts
        if part.vector is not None and row.has_current(part) and part.is_whole and not part.truncated:
            found.append((len(row.text), row.text, part.vector))
    chosen = sorted(found, key=lambda one: one[:2])[:_WITNESSES]
    if not chosen:
        return [], np.empty((0, generation.space.dim), np.float32)
    return [text for _, text, _ in chosen], np.stack([vector for _, _, vector in chosen])
