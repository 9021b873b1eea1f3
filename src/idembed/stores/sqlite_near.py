"""Approximate search in a SQLite file: candidates from the side-car, everything else from the database.

A candidate is only a vid. Whether its row is there and may be found, and what its score is, the database says; vectors
that are newer than the side-car are searched exactly. Where too few candidates may be found, because most are gone or a
filter lets few pass, all that may be found is read from the file, piece by piece, and nothing of it is kept in memory.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from idembed import native
from idembed.stores.ann_file import Identity, belongs, identity, open_graph, path_of
from idembed.stores.ann_graph import Graph, is_installed
from idembed.stores.records import Match, Vector
from idembed.stores.sqlite_ann import Record, record_of
from idembed.stores.sqlite_matrix import Matrix
from idembed.stores.sqlite_vectors import sums_of
from idembed.stores.sqlite_where import Clause

__all__ = ["Allowed", "Near", "SideCars", "best_of"]

_LOG = logging.getLogger(__name__)

_MORE: Final = 32
"""Candidates whose scores are looked at beyond the ``k`` best: equal ones, and some that are gone."""
_LEAST: Final = 100
"""Candidates that are compared in the graph, or three times as many as are wanted."""
_WIDER: Final = 16
"""So many times as many when few of the first may be found."""
_MOST: Final = 20_000
"""Candidates at most: of more, reading all there is is quicker."""
_AT_ONCE: Final = 2000
"""Vectors that are held at a time."""

_Row = tuple[str, int, bytes, Any, Any]
"""id, part, address, vector and sum"""


class Near(NamedTuple):
    """A side-car that is open, and the vectors of the generation that are ``newer``."""

    record: Record
    identity: Identity
    graph: Graph
    newer: Matrix

    def best(self, allowed: Allowed, query: Vector, k: int) -> list[Match] | None:
        """The ``k`` best of those that the graph leads to; None when it leads to fewer that may be found."""
        most = min(len(self.graph), _MOST)
        few = min(most, max(_LEAST, 3 * k))
        many = min(most, _WIDER * few)
        for count, looked_at in ((min(few, k + _MORE), few), (many, many)):
            if not count:
                break
            vids: list[int] = []
            for equal in self.graph.nearest(query, count, looked_at):
                vids += equal if len(equal) <= k else allowed.first(equal, k)
            found = allowed.among(vids, query, k)
            if len(found) == k:
                return found
        return None


class SideCars:
    """The side-cars of one index that are in use, by generation."""

    def __init__(self, index: str) -> None:
        self._index = index
        self._open: dict[int, Near] = {}
        self._useless: dict[int, tuple[Record, Identity | None]] = {}
        """What was found to be of no use, so that it is neither read nor told again."""

    def find(self, connection: sqlite3.Connection, generation: int, dim: int) -> Near | None:
        """That of a generation; None where there is none that belongs to the state of the database."""
        record = record_of(connection, generation)
        if record is None:
            self.close(generation)
            return None
        path = path_of(self._index, generation)
        now = identity(path)
        known = self._open.get(generation)
        if known is not None and (known.record, known.identity) == (record, now):
            return known
        self.close(generation)
        if not self._seems_right(path, record, now, generation, dim) or now is None:
            return None
        graph = open_graph(path, record.digest, dim)
        if graph is None:
            self._note_useless(path, record, now, generation)
            return None
        self._open[generation] = Near(record, now, graph, Matrix(generation, dim, record.last))
        return self._open[generation]

    def has(self, connection: sqlite3.Connection, generation: int, dim: int) -> bool:
        """Whether a generation has one that belongs to the state of the database. One that is not open is not read
        through, which takes long: that it is damaged within is known from when it was to be searched."""
        record = record_of(connection, generation)
        if record is None:
            return False
        path = path_of(self._index, generation)
        now = identity(path)
        known = self._open.get(generation)
        if known is not None and (known.record, known.identity) == (record, now):
            return True
        return self._seems_right(path, record, now, generation, dim)

    def _seems_right(self, path: Path, record: Record, now: Identity | None, generation: int, dim: int) -> bool:
        """Whether it can be used, by its last line, and was not found to be of no use."""
        if self._useless.get(generation) == (record, now):
            return False
        if now is not None and is_installed() and belongs(path, record.digest, dim):
            return True
        self._note_useless(path, record, now, generation)
        return False

    def _note_useless(self, path: Path, record: Record, now: Identity | None, generation: int) -> None:
        self._useless[generation] = record, now
        _LOG.warning("%s; search is exact until build_ann is called", _why(str(path), now))

    def close(self, generation: int) -> None:
        """Let go of the side-car of a generation, if it is open."""
        if near := self._open.pop(generation, None):
            near.graph.close()

    def keep_only(self, generations: Collection[int]) -> None:
        """Let go of all others."""
        for gone in self._open.keys() - generations:
            self.close(gone)


class Allowed:
    """What may be found in a generation: current parts under the conditions on rows ``r`` and parts ``p``; if asked,
    only of rows that have current vectors in the generation ``within`` too."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        generation: int,
        dim: int,
        conditions: tuple[Clause | None, Clause | None],
        within: int | None,
    ) -> None:
        self._connection = connection
        self._generation = int(generation)
        self._dim = dim
        clauses = [clause for clause in conditions if clause is not None]
        also = [f"({clause.sql})" for clause in clauses]
        if within is not None:
            also.append(
                f"EXISTS (SELECT 1 FROM parts_{int(within)} AS o WHERE o.key = r.key AND o.vid IS NOT NULL "
                "AND o.text_hash = r.text_hash)"
            )
        self._where = " AND ".join(["r.text_hash = p.text_hash", *also])
        self._bound = [value for clause in clauses for value in clause.parameters]

    def among(self, vids: Sequence[int], query: Vector, k: int) -> list[Match]:
        """The ``k`` best of these vids that may be found."""
        cursor = self._connection.execute(
            f"SELECT r.id, p.part, p.address, v.vector, v.sum {self._of_these()}", (json.dumps(vids), *self._bound)
        )
        return self._best(cursor, query[None, :], k)[0]

    def first(self, vids: Sequence[int], k: int) -> list[int]:
        """The ``k`` of these vids that may be found and come first by id, then part."""
        sql = f"SELECT v.vid {self._of_these()} ORDER BY r.id, p.part LIMIT {int(k)}"
        return [vid for (vid,) in self._connection.execute(sql, (json.dumps(vids), *self._bound))]

    def _of_these(self) -> str:
        n = self._generation
        return (
            f"FROM json_each(?) AS w CROSS JOIN vectors_{n} AS v ON v.vid = w.value "
            f"CROSS JOIN parts_{n} AS p ON p.key = v.key AND p.part = v.part AND p.vid = v.vid "
            f"CROSS JOIN rows AS r ON r.key = p.key WHERE {self._where}"
        )

    def all(self, queries: Vector, k: int) -> list[list[Match]]:
        """The ``k`` best of all that may be found, for each of the queries float32 [n, dim]."""
        n = self._generation
        cursor = self._connection.execute(
            "SELECT r.id, p.part, p.address, v.vector, v.sum FROM rows AS r "
            f"CROSS JOIN parts_{n} AS p ON p.key = r.key CROSS JOIN vectors_{n} AS v ON v.vid = p.vid "
            f"WHERE {self._where}",
            self._bound,
        )
        return self._best(cursor, queries, k)

    def _best(self, cursor: sqlite3.Cursor, queries: Vector, k: int) -> list[list[Match]]:
        best: list[list[Match]] = [[] for _ in queries]
        for rows, vectors in self._pages(cursor):
            for number, scores in enumerate(native.scores(vectors, queries)):
                full = len(best[number]) == k
                at = np.flatnonzero(scores >= best[number][-1].score) if full else np.arange(len(rows))
                best[number] += [Match(*rows[i][:2], float(scores[i]), rows[i][2]) for i in at.tolist()]
                best[number] = best_of(best[number], k)
        return best

    def _pages(self, cursor: sqlite3.Cursor) -> Iterator[tuple[list[_Row], Vector]]:
        """Some rows at a time, and their vectors float32 [n, dim]; without those that are not as they were written."""
        while found := cursor.fetchmany(_AT_ONCE):
            rows = [row for row in found if isinstance(row[3], bytes) and len(row[3]) == 4 * self._dim]
            if not rows:
                continue
            vectors = np.frombuffer(b"".join(row[3] for row in rows), "<f4").reshape(-1, self._dim)
            whole = [row[4] in (None, total) for row, total in zip(rows, sums_of(vectors), strict=True)]
            yield (
                [row for row, sound in zip(rows, whole, strict=True) if sound],
                vectors[np.array(whole)].astype(np.float32, copy=False),
            )


def best_of(matches: Sequence[Match], k: int) -> list[Match]:
    """The ``k`` best, best first, ties by id then part."""
    return sorted(matches, key=Match.rank)[:k]


def _why(path: str, now: Identity | None) -> str:
    if not is_installed():
        return f"usearch is not installed, so {path} is not used"
    if now is None:
        return f"{path} is gone"
    return f"{path} is damaged, or of another state of the index, and is not used"
