"""Search during an upgrade: the old generation and what there is of the new one, merged by reciprocal rank.

Reciprocal rank fusion: G. Cormack, C. Clarke, S. Büttcher, SIGIR 2009; a part at rank r of a list counts 1 / (60 + r).
A part that the new generation does not have yet counts with its old rank twice, else whatever was built first would
come first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from idembed.filters import Condition
from idembed.index.catalog import Catalog
from idembed.index.search import find_hits, query_vectors
from idembed.rows import Hit
from idembed.stores.base import Generation, Match

__all__ = ["blended"]

_RANK = 60
_DEEPER = 4
_DEPTH = 100

Place = tuple[str, int]
"""Id and part."""


def blended(
    catalog: Catalog, queries: Sequence[str], k: int, conditions: Sequence[Condition], scope: str | None
) -> list[list[Hit]]:
    """The ``k`` best parts for each text, best first, ties by id then part. Raises OptionError when nothing is being
    built, or more than one generation."""
    store, active = catalog.readable()
    new = catalog.generation(None, "building")
    depth = max(_DEEPER * k, _DEPTH)
    lists = []
    for generation in (active, new):
        vectors = query_vectors(queries, generation.space, lambda generation=generation: catalog.model_of(generation))  # type: ignore[misc]
        lists.append(store.search(generation.number, vectors, depth, conditions, scope=scope))
    return [_best(catalog, active, new, old, built, k) for old, built in zip(*lists, strict=True)]


def _best(
    catalog: Catalog, active: Generation, new: Generation, old: list[Match], built: list[Match], k: int
) -> list[Hit]:
    """The hits of both lists, each from its own generation, where both have it from the old one."""
    store, _ = catalog.readable()
    hits: dict[Place, Hit] = {}
    for generation, matches in ((new, built), (active, old)):
        hits |= {(hit.id, hit.part): hit for hit in find_hits(store, generation, [matches], None)[0]}
    states = store.states([match.id for match in old], [new.number])
    scores = _scores(old, built, {row_id for row_id, state in states.items() if state.current})
    ranked = sorted(hits, key=lambda place: (-scores[place], place))
    return [replace(hits[place], score=scores[place]) for place in ranked[:k]]


def _scores(old: Sequence[Match], new: Sequence[Match], built: set[str]) -> dict[Place, float]:
    """Of each part in one of the lists; ``built``: the rows that the new generation has."""
    scores: dict[Place, float] = {}
    for rank, match in enumerate(old, 1):
        times = 1 if match.id in built else 2
        scores[match.id, match.part] = times / (_RANK + rank)
    for rank, match in enumerate(new, 1):
        place = (match.id, match.part)
        scores[place] = scores.get(place, 0.0) + 1 / (_RANK + rank)
    return scores
