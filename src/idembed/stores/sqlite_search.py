"""Search in a SQLite file: vectors kept in memory, or found by a side-car; filters by SQL."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from idembed.errors import StoreError
from idembed.filters import Condition
from idembed.stores.checks import check_queries
from idembed.stores.memory import check_fits
from idembed.stores.records import Match, Vector
from idembed.stores.sqlite_current import Ints
from idembed.stores.sqlite_matrix import Mask, Matrix
from idembed.stores.sqlite_near import Allowed, Near, SideCars, best_of
from idembed.stores.sqlite_vectors import Connect
from idembed.stores.sqlite_where import Clause, compile_conditions

__all__ = ["Searcher"]

_LOG = logging.getLogger(__name__)

_MANY: Final = 500_000
_ADVICE: Final = "index.build_ann() makes an index on the disk, by which search(…, approximate=True) goes"
_Conditions = tuple[Clause | None, Clause | None]
"""On rows ``r``, and on parts ``p``."""


class Searcher:
    """The vectors of the generations that were searched, in memory, and exact search over them; and the side-cars of
    those that have one."""

    def __init__(self, path: str, connect: Connect | None) -> None:
        """``connect`` opens more connections to the file, by which large generations are read by several threads."""
        self.side_cars = SideCars(path)
        self._connect = connect
        self._matrices: dict[int, Matrix] = {}
        self._advised = False

    def keep_only(self, generations: Iterable[int]) -> None:
        """Forget the vectors of all other generations."""
        kept = set(generations)
        self.side_cars.keep_only(kept)
        for gone in self._matrices.keys() - kept:
            del self._matrices[gone]

    def search(
        self,
        connection: sqlite3.Connection,
        generation: int,
        dim: int,
        queries: Vector,
        k: int,
        conditions: Sequence[Condition],
        within: int | None,
        approximate: bool = False,
    ) -> list[list[Match]]:
        """As ``Store.search``, in the caller's transaction. Raises OptionError for what is no query."""
        check_queries(queries, dim, k)
        compiled = compile_conditions(connection, conditions) if conditions else (None, None)
        if approximate and (near := self.side_cars.find(connection, generation, dim)):
            return self._near(connection, near, generation, dim, queries, k, compiled, within)
        return self._exactly(connection, generation, dim, queries, k, compiled, within)

    def _exactly(
        self,
        connection: sqlite3.Connection,
        generation: int,
        dim: int,
        queries: Vector,
        k: int,
        conditions: _Conditions,
        within: int | None,
    ) -> list[list[Match]]:
        matrix = self._matrices.pop(generation, None) or Matrix(generation, dim)
        matrix.refresh(connection, self._connect, partial(self._make_room, matrix))
        self._matrices[generation] = matrix  # not reached when the refresh failed half-way
        self._advise(len(matrix))
        return matrix.search(connection, queries, k, _mask(connection, matrix, generation, conditions, within))

    def _near(
        self,
        connection: sqlite3.Connection,
        near: Near,
        generation: int,
        dim: int,
        queries: Vector,
        k: int,
        conditions: _Conditions,
        within: int | None,
    ) -> list[list[Match]]:
        try:
            near.newer.refresh(connection, self._connect, partial(self._make_room, near.newer))
        except BaseException:  # perhaps half-way
            self.side_cars.close(generation)
            raise
        mask = _mask(connection, near.newer, generation, conditions, within) if len(near.newer) else None
        newer = near.newer.search(connection, queries, k, mask)
        allowed = Allowed(connection, generation, dim, conditions, within)
        found = [near.best(allowed, query, k) for query in queries]
        result = [best_of([*(some or ()), *more], k) for some, more in zip(found, newer, strict=True)]
        if few := [number for number, some in enumerate(found) if some is None]:
            if generation in self._matrices:
                every = self._exactly(connection, generation, dim, queries[few], k, conditions, within)
            else:
                every = allowed.all(queries[few], k)
            for number, matches in zip(few, every, strict=True):
                result[number] = matches
        return result

    def _advise(self, size: int) -> None:
        if size >= _MANY and not self._advised:
            self._advised = True
            _LOG.info("%s vectors are searched exactly; %s", f"{size:,}", _ADVICE)

    def _make_room(self, matrix: Matrix, needed: int, what: str) -> None:
        """Room for ``matrix`` to grow; the vectors of other generations go when they are in the way."""
        try:
            check_fits(needed, matrix.bytes_held + sum(m.bytes_held for m in self._matrices.values()), what)
        except StoreError:
            self._matrices.clear()
            check_fits(needed, matrix.bytes_held, what, _ADVICE)


def _mask(
    connection: sqlite3.Connection, matrix: Matrix, generation: int, conditions: _Conditions, within: int | None
) -> Mask | None:
    """What may be found; None: everything that is current."""
    on_rows, on_parts = conditions
    n, masks = int(generation), []
    newer = f"r.key IN (SELECT v.key FROM vectors_{n} AS v WHERE v.vid > {int(matrix.after)})" if matrix.after else "1"
    if on_rows is not None:
        sql = f"SELECT r.key FROM rows AS r WHERE {newer} AND ({on_rows.sql}) ORDER BY r.key"
        masks.append(matrix.mask_of_keys(_integers(connection, sql, on_rows.parameters)))
    if on_parts is not None:
        sql = f"SELECT p.vid FROM parts_{n} AS p WHERE {newer.replace('r.key', 'p.key')} AND ({on_parts.sql})"
        masks.append(matrix.mask_of_vids(_integers(connection, sql, on_parts.parameters)))
    if within is not None:
        sql = (
            f"SELECT DISTINCT r.key FROM rows AS r JOIN parts_{int(within)} AS p USING (key) "
            f"WHERE {newer} AND p.vid IS NOT NULL AND p.text_hash = r.text_hash ORDER BY r.key"
        )
        masks.append(matrix.mask_of_keys(_integers(connection, sql, ())))
    return np.logical_and.reduce(masks) if masks else None


def _integers(connection: sqlite3.Connection, sql: str, parameters: Sequence[Any]) -> Ints:
    rows = connection.execute(sql, tuple(parameters)).fetchall()
    return np.fromiter((value for (value,) in rows), np.int64, len(rows))
