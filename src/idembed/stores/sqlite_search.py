"""Search in a SQLite file: vectors kept in memory, filters by SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from idembed.errors import StoreError
from idembed.filters import Condition
from idembed.stores.checks import check_queries
from idembed.stores.memory import check_fits
from idembed.stores.records import Match, Vector
from idembed.stores.sqlite_matrix import Ints, Mask, Matrix
from idembed.stores.sqlite_vectors import Connect
from idembed.stores.sqlite_where import compile_conditions

__all__ = ["Searcher"]


class Searcher:
    """The vectors of the generations that were searched, in memory, and exact search over them."""

    def __init__(self, connect: Connect | None) -> None:
        """``connect`` opens more connections to the file, by which large generations are read by several threads."""
        self._connect = connect
        self._matrices: dict[int, Matrix] = {}

    def keep_only(self, generations: Iterable[int]) -> None:
        """Forget the vectors of all other generations."""
        for gone in self._matrices.keys() - set(generations):
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
    ) -> list[list[Match]]:
        """As ``Store.search``, in the caller's transaction. Raises OptionError for what is no query."""
        check_queries(queries, dim, k)
        matrix = self._matrices.pop(generation, None) or Matrix(generation, dim)
        matrix.refresh(connection, self._connect, partial(self._make_room, matrix))
        self._matrices[generation] = matrix  # not reached when the refresh failed half-way
        return matrix.search(connection, queries, k, _mask(connection, matrix, generation, conditions, within))

    def _make_room(self, matrix: Matrix, needed: int, what: str) -> None:
        """Room for ``matrix`` to grow; the vectors of other generations go when they are in the way."""
        try:
            check_fits(needed, matrix.bytes_held + sum(m.bytes_held for m in self._matrices.values()), what)
        except StoreError:
            self._matrices.clear()
            check_fits(needed, matrix.bytes_held, what)


def _mask(
    connection: sqlite3.Connection, matrix: Matrix, generation: int, conditions: Sequence[Condition], within: int | None
) -> Mask | None:
    """What may be found; None: everything that is current."""
    on_rows, on_parts = compile_conditions(connection, conditions) if conditions else (None, None)
    masks = []
    if on_rows is not None:
        sql = f"SELECT r.key FROM rows AS r WHERE {on_rows.sql} ORDER BY r.key"
        masks.append(matrix.mask_of_keys(_integers(connection, sql, on_rows.parameters)))
    if on_parts is not None:
        sql = f"SELECT p.vid FROM parts_{int(generation)} AS p WHERE {on_parts.sql}"
        masks.append(matrix.mask_of_vids(_integers(connection, sql, on_parts.parameters)))
    if within is not None:
        sql = (
            f"SELECT DISTINCT r.key FROM rows AS r JOIN parts_{int(within)} AS p USING (key) "
            "WHERE p.vid IS NOT NULL AND p.text_hash = r.text_hash ORDER BY r.key"
        )
        masks.append(matrix.mask_of_keys(_integers(connection, sql, ())))
    return np.logical_and.reduce(masks) if masks else None


def _integers(connection: sqlite3.Connection, sql: str, parameters: Sequence[Any]) -> Ints:
    rows = connection.execute(sql, tuple(parameters)).fetchall()
    return np.fromiter((value for (value,) in rows), np.int64, len(rows))
