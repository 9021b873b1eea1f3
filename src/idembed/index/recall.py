"""How much an approximate search misses: its first ten against those of an exact search."""

from __future__ import annotations

import numpy as np

from idembed.chunks import chunks
from idembed.stores.base import Generation, Store

__all__ = ["recall_at_10"]

_QUERIES = 50
_K = 10
_ROWS = 1000


def recall_at_10(store: Store, generation: Generation) -> float:
    """The share of the ten nearest that the store's approximate search finds, on the average over vectors of 50 rows; 1
    where there are none. Every vector is read once."""
    rows = store.get(store.sample(_QUERIES), generation.number).values()
    queries = [part.vector for row in rows for part in row.parts[:1] if part.vector is not None and part.vector.any()]
    if not queries:
        return 1.0
    matrix = np.stack(queries)
    exact: list[list[tuple[float, str, int]]] = [[] for _ in queries]
    for chunk in chunks(store.scan(generation.number), _ROWS):
        parts = [
            (row.id, part.part, part.vector)
            for row in chunk
            for part in row.parts
            if part.vector is not None and len(part.vector) == matrix.shape[1] and row.has_current(part)
        ]
        if not parts:
            continue
        scores = matrix @ np.stack([vector for _, _, vector in parts]).T
        for best, line in zip(exact, scores, strict=True):
            best.extend((-float(score), row_id, part) for score, (row_id, part, _) in zip(line, parts, strict=True))
            best.sort()
            del best[_K:]
    found = store.search(generation.number, matrix, _K, approximate=True)
    hits = total = 0
    for best, matches in zip(exact, found, strict=True):
        hits += len({(row_id, part) for _, row_id, part in best} & {(match.id, match.part) for match in matches})
        total += len(best)
    return hits / total if total else 1.0
