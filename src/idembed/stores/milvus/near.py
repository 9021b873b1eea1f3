"""The nearest records of a collection: as Milvus finds them, or by looking at every one."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from idembed import native
from idembed.stores.milvus.collections import Collections
from idembed.stores.milvus.fields import KEY, VECTOR
from idembed.stores.milvus.link import ONCE
from idembed.stores.milvus.wire import Answer
from idembed.stores.records import Vector

__all__ = ["MOST_NEAR", "best_of", "nearest"]

MOST_NEAR: Final = 16_384
"""What Milvus finds at once."""
_EFFORT: Final = 64
"""How many neighbours the graph of HNSW follows at the least; as many as are wanted, if these are more."""


def nearest(collections: Collections, name: str, query: Vector, most: int, condition: str) -> dict[str, float]:
    """The scores of the ``most`` best by primary key, best first, by the index that there is: only one that is
    approximate takes an interest in ``ef``."""
    parameters = {"metric_type": "IP", "params": {"ef": min(max(most, _EFFORT), 32_768)}}
    (hits,) = collections.ask(
        name,
        lambda to: to.client.search(
            name, [query], filter=condition, limit=most, search_params=parameters, anns_field=VECTOR, **ONCE
        ),
    )
    return dict(zip(hits.ids, map(float, hits.distances), strict=True))


def best_of(pages: Iterable[Answer], query: Vector, most: int) -> dict[str, float]:
    """The scores of the ``most`` best by primary key, best first, of all that are in the pages."""
    best: list[tuple[float, str]] = []
    for page in pages:
        vectors = np.asarray(page.columns[VECTOR])[:, : len(query)]
        scores = native.scores(np.ascontiguousarray(vectors), query).tolist()
        best = heapq.nlargest(most, [*best, *zip(scores, page.columns[KEY], strict=True)])
    return {key: score for score, key in best}


def padded(query: Vector) -> Any:
    """As Milvus takes it: of two numbers at least."""
    return np.pad(query, (0, max(0, 2 - len(query))))
