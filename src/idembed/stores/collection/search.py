"""Search in collections, with scores that are the same bits as everywhere.

The database adds up an inner product in an order of its own, so it only chooses: somewhat more than the ``k`` best, of
which the scores are computed here and the conditions looked at again. Its score and ours both lie near the true inner
product, by the classical bound on sums in any order; where one that it did not give might be as good as the last, more
are asked for, and at last every vector is read.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from idembed import native
from idembed.filters import Condition, matches
from idembed.stores.collection.engine import EVERYTHING, Among, Engine, Record
from idembed.stores.collection.read import heads
from idembed.stores.collection.seal import Seal
from idembed.stores.records import Match, Vector

__all__ = ["Question"]

_LOG = logging.getLogger(__name__)
_MORE: Final = 32
"""Records that are asked for beyond the ``k`` best, so that one question is enough nearly always."""
_GROWTH: Final = 8
_AT_MOST: Final = 10_000
"""Records that are asked for at once; where these are too few, as with very many equal scores, all are read."""
_ROUNDING: Final = 2.0**-24
_TINY: Final = 2.0**-124
"""More than what underflow takes from one product."""
_HUGE: Final = 1e37
"""Where one way of adding up may overflow and another not, nothing is known of the score."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, whatever the query: the ``k`` best live parts of a generation under ``where`` and ``scope``, and,
    if asked, only of rows that have vectors of the same text in the generation ``within`` too."""

    engine: Engine
    generation: int
    norm: float
    """no vector of the generation is longer"""
    k: int
    where: tuple[Condition, ...]
    scope: str | None
    within: int | None

    def best(self, query: Vector) -> list[Match]:
        """The ``k`` best, best first, ties by id then part."""
        dim = len(query)
        length = float(np.linalg.norm(query.astype(np.float64)))
        slack = 3.0 * 1.02 * (dim + 2) * _ROUNDING * length * self.norm + 2.0 * dim * _TINY
        most = min(self.engine.most_near, _AT_MOST)
        asked = self.k + _MORE
        while asked <= most and length * self.norm < _HUGE:
            found = self.engine.near(self.generation, query, asked, self.where, self.scope, exact=True)
            best = self._rescored(query, [record for record, _ in found.found])
            if found.are_all:
                return best
            if len(best) == self.k and found.found and best[-1].score > found.found[-1].score + slack:
                return best
            asked *= _GROWTH
        return self._read_all(query)

    def near(self, query: Vector) -> list[Match]:
        """The ``k`` best of those that an approximate search gives; perhaps fewer."""
        asked = min(self.k + _MORE, self.engine.most_near)
        found = self.engine.near(self.generation, query, asked, self.where, self.scope, exact=False)
        return self._rescored(query, [record for record, _ in found.found])

    def _read_all(self, query: Vector) -> list[Match]:
        _LOG.info("%s: every vector is read to answer a question exactly", self.engine.url)
        best: list[Match] = []
        among = Among(scope=self.scope, live=True)
        for page in self.engine.find(self.generation, among, EVERYTHING - {"text"}):
            best = sorted([*best, *self._rescored(query, page)], key=Match.rank)[: self.k]
        return best

    def _rescored(self, query: Vector, found: Iterable[Record]) -> list[Match]:
        """The best of the records that are meant."""
        meant = self._with_vectors_within([record for record in found if self._is_meant(record)])
        if not meant:
            return []
        vectors = np.stack([record.vector for record in meant if record.vector is not None])
        scores = native.scores(vectors, query).tolist()
        pairs = zip(meant, scores, strict=True)
        made = [Match(record.id, record.part, score, record.address) for record, score in pairs]
        return sorted(made, key=Match.rank)[: self.k]

    def _is_meant(self, record: Record) -> bool:
        if not record.live or record.vector is None or (self.scope is not None and record.scope != self.scope):
            return False
        if not self.where:
            return True
        names = {
            "$id": record.id,
            "$scope": record.scope,
            "$tokens": record.tokens,
            "$truncated": record.truncated,
        }
        metadata = json.loads(record.metadata)
        return matches(self.where, {**metadata, **names} if isinstance(metadata, dict) else names)

    def _with_vectors_within(self, found: Sequence[Record]) -> list[Record]:
        """Those whose row has a vector of the same text in the other generation."""
        if self.within is None:
            return list(found)
        there = heads(self.engine, self.within, list({record.id for record in found}))
        seals = {name: Seal.read(record.seal) for name, record in there.items()}
        texts = {name: seal.made_of for name, seal in seals.items() if not seal.empty or seal.last > 1}
        return [record for record in found if texts.get(record.id) == Seal.read(record.seal).made_of]
