"""Exact search in Postgres, with scores that are the same bits as everywhere.

pgvector adds up an inner product in another order than our own code, so the last bits of its scores differ from machine
to machine. Of how much they can differ there is a bound, by which pgvector chooses: every vector that could be among
the best, whose scores are then computed here. Nothing that belongs to the ``k`` best is missed, nor are ties cut by
chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from idembed import native
from idembed.stores.postgres_read import fetch, vector_of
from idembed.stores.postgres_schema import Db
from idembed.stores.postgres_where import Clause
from idembed.stores.records import Match, Vector

__all__ = ["Question"]

_MORE: Final = 32
"""Vectors that are asked for beyond the ``k`` best, so that one question is enough nearly always."""
_AT_ONCE: Final = 2000
"""Vectors that are held at a time."""
_ROUNDING: Final = 2.0**-24
_TINY: Final = 2.0**-124
"""More than what underflow takes from one product."""
_HUGE: Final = 1e37
"""Where one way of adding up may overflow and another not, nothing is known of the score."""


class Question:
    """What is asked of Postgres, whatever the query: the ``k`` best current parts under ``conditions``, and, if asked,
    only of rows that have current vectors in the generation ``within`` too."""

    def __init__(self, connection: Db, generation: int, k: int, conditions: Clause, within: int | None) -> None:
        self._connection = connection
        self._k = k
        self._conditions = conditions.parameters
        also = ""
        if within is not None:
            also = (
                f"AND EXISTS (SELECT 1 FROM vectors_{int(within)} AS w WHERE w.key = r.key "
                "AND w.text_hash = r.text_hash AND w.vector IS NOT NULL)"
            )
        self._among = (
            f"FROM vectors_{int(generation)} AS v JOIN rows AS r ON r.key = v.key AND r.text_hash = v.text_hash "
            f"WHERE v.vector IS NOT NULL AND ({conditions.sql}) {also}"
        )

    def best(self, query: Vector) -> list[Match]:
        """The ``k`` best, best first, ties by id then part."""
        # What a score here may exceed pgvector's by: both lie so near to the true inner product, by the classical
        # bound on sums of dim products in any order.
        length = float(np.linalg.norm(query.astype(np.float64)))
        relative = 2.0 * 1.02 * (len(query) + 2) * _ROUNDING * length
        sql = (
            "SELECT * FROM (SELECT r.id, v.part, v.address, v.vector, CASE WHEN v.norm * %s < %s "
            f"THEN -(v.vector <#> %s::vector) + v.norm * %s + %s ELSE 'Infinity' END AS most {self._among}) AS found"
        )
        bound = (length, _HUGE, _written(query), relative, 2.0 * len(query) * _TINY, *self._conditions)
        asked = self._k + _MORE
        matches, count, most = self._rescored(query, f"{sql} ORDER BY most DESC LIMIT %s", (*bound, asked), asked)
        if count == asked and most >= matches[-1].score:  # one that was not fetched might be as good as the last
            matches, _, _ = self._rescored(query, f"{sql} WHERE most >= %s", (*bound, matches[-1].score))
        return matches

    def near(self, query: Vector, order: str) -> list[Match]:
        """The ``k`` best of those that come first in an approximate ``order``; perhaps fewer."""
        sql = f"SELECT r.id, v.part, v.address, v.vector, 0 {self._among} ORDER BY {order} LIMIT %s"
        asked = self._k + _MORE
        return self._rescored(query, sql, (*self._conditions, _written(query), asked), asked)[0]

    def _rescored(
        self, query: Vector, sql: str, bound: Sequence[Any], most_rows: int | None = None
    ) -> tuple[list[Match], int, float]:
        """The best of what is found, how many these were, and the bound on the score of the last."""
        best: list[Match] = []
        count, most = 0, np.inf
        for page in self._pages(sql, bound, most_rows):
            scores = native.scores(np.stack([vector_of(row[3]) for row in page]), query)
            pairs = zip(page, scores.tolist(), strict=True)
            best.extend(Match(row[0], row[1], score, row[2]) for row, score in pairs)
            best = sorted(best, key=Match.rank)[: self._k]
            count, most = count + len(page), page[-1][4]
        return best, count, most

    def _pages(self, sql: str, bound: Sequence[Any], most_rows: int | None) -> Iterator[list[tuple[Any, ...]]]:
        """All at once when they are few: Postgres does not use several processes for what is read piece by piece."""
        if most_rows is not None and most_rows <= _AT_ONCE:
            if rows := fetch(self._connection, sql, bound):
                yield rows
            return
        with self._connection.cursor("idembed_found") as cursor:
            cursor.execute(sql.encode(), bound, binary=True)
            while page := cursor.fetchmany(_AT_ONCE):
                yield page


def _written(vector: Vector) -> str:
    """In decimal digits of which nine give every float32 back."""
    return f"[{','.join(f'{value:.9g}' for value in vector.tolist())}]"
