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
_EQUALS: Final = 4096
"""How many equally good ones are given at the most."""
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


def best_of(pages: Iterable[Answer], query: Vector, most: int) -> tuple[dict[str, float], bool]:
    """The scores of the ``most`` best by primary key, best first, of all that are in the pages, and whether these are
    all. Where others are as good as the last of them, up to rounding, up to 4,096 are given, and one that is worse:
    to who needs to know which are the best of equals, it says that there are no more."""
    best: list[tuple[float, str]] = []
    count, longest = 0, 0.0
    for page in pages:
        vectors = np.ascontiguousarray(np.asarray(page.columns[VECTOR])[:, : len(query)])
        scores = native.scores(vectors, query).tolist()
        best = heapq.nlargest(max(most, _EQUALS), [*best, *zip(scores, page.columns[KEY], strict=True)])
        count += page.count
        longest = max(longest, float(np.linalg.norm(vectors.astype(np.float64), axis=1).max()))
    rounding = (len(query) + 2) * 2.0**-20 * float(np.linalg.norm(query.astype(np.float64))) * max(1.0, longest)
    given = _cut([score for score, _ in best], most, rounding)
    return {key: score for score, key in best[:given]}, given == count


def _cut(scores: list[float], most: int, rounding: float) -> int:
    """How many of the scores, best first, are given."""
    if len(scores) <= most:
        return len(scores)
    last = scores[most - 1]
    given = most
    while given < len(scores) and scores[given] >= last - rounding:
        given += 1
    is_alone = given == most and (most == 1 or scores[most - 2] > last + rounding)
    return most if is_alone else min(given + 1, len(scores))


def padded(query: Vector) -> Any:
    """As Milvus takes it: of two numbers at least."""
    return np.pad(query, (0, max(0, 2 - len(query))))
