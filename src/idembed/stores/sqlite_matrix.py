"""The vectors of one generation in memory, kept in step with the file, and exact search over them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import nullcontext
from itertools import chain
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from idembed import native
from idembed.errors import DamagedError
from idembed.stores.memory import check_fits
from idembed.stores.records import Match, Vector
from idembed.stores.sqlite_file import read_ahead

__all__ = ["Ints", "Mask", "Matrix"]

_BLOCK_BYTES: Final = 64 << 20
_FETCH: Final = 256
_ALIGNMENT: Final = 64
_DEAD: Final = 1024
"""Vectors that are searched no more are put up with up to this number, or as many as are searched."""
_BESIDE: Final = 8 + 8 + 4 + 1
"""Bytes kept a vector beside it: vid, key, part, whether it is searchable."""
_SCORE_BYTES: Final = 64 << 20

_T = TypeVar("_T", bound=np.generic)
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Matrix:
    """Every vector of a generation (float32 [n, dim], in blocks, so that growing copies nothing) by vid.

    A vid is never used twice and its vector never changes, so a refresh reads only the vectors with greater
    vids than the last one; the table ``changes`` says which rows to look at again. All reading happens in the caller's
    transaction: what is searched is one state of the file.
    """

    def __init__(self, number: int, dim: int) -> None:
        self._number = number
        self._dim = dim
        self._block_rows = max(1, _BLOCK_BYTES // (4 * dim))
        self._blocks: list[Vector] = []
        self._size = 0
        self._vids: Ints = np.empty(0, np.int64)
        self._keys: Ints = np.empty(0, np.int64)
        self._parts: NDArray[np.int32] = np.empty(0, np.int32)
        self._current: Mask = np.empty(0, np.bool_)
        self._change = 0
        """The number of the last change that is in here."""

    def __len__(self) -> int:
        return self._size

    # Keeping in step -----------------------------------------------------------------------------------

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Make this the state of the file. Raises StoreError when the vectors would not fit in memory."""
        oldest, newest = connection.execute(
            "SELECT coalesce((SELECT min(number) FROM changes), 0), coalesce((SELECT max(number) FROM changes), 0)"
        ).fetchone()
        if self._change == newest and self._size:
            return
        if self._size > 2 * int(self._current.sum()) + _DEAD:  # mostly vectors of deleted rows and old texts
            self.__init__(self._number, self._dim)  # type: ignore[misc]
        if self._size and oldest <= self._change + 1 and 0 <= newest - self._change <= self._size:
            self._update(connection)
        else:
            self._read(connection)
        self._change = newest

    def _read(self, connection: sqlite3.Connection) -> None:
        """Everything that is current, and the vectors that are not here yet."""
        current = self._current_parts(connection, "")
        self._load(connection, current[:, 0])
        self._current[:] = False
        self._mark(current)

    def _update(self, connection: sqlite3.Connection) -> None:
        """The rows that changed since the last time."""
        since = f"number > {self._change}"
        keys = _integers(connection, f"SELECT DISTINCT key FROM changes WHERE {since} ORDER BY key", columns=1)
        current = self._current_parts(connection, f"AND p.key IN (SELECT c.key FROM changes AS c WHERE c.{since})")
        self._current &= ~_among(self._keys, keys[:, 0])
        self._load(connection, current[:, 0])
        self._mark(current)

    def _current_parts(self, connection: sqlite3.Connection, condition: str) -> Ints:
        """vid, key and part of the current parts: int64 [n, 3]."""
        return _integers(
            connection,
            f"SELECT p.vid, p.key, p.part FROM parts_{self._number} AS p "
            f"JOIN rows AS r ON r.key = p.key WHERE p.vid IS NOT NULL AND p.text_hash = r.text_hash {condition}",
            columns=3,
        )

    def _mark(self, current: Ints) -> None:
        at = self._positions(current[:, 0])
        self._current[at] = True
        self._keys[at] = current[:, 1]
        self._parts[at] = current[:, 2]

    def _load(self, connection: sqlite3.Connection, current: Ints) -> None:
        """The vectors that are not here yet, among them those of the vids ``current``."""
        last = int(self._vids[-1]) if self._size else 0
        added = int((current > last).sum())
        what = f"searching {self._size + added:,} vectors of {self._dim} dimensions"
        check_fits(added * (4 * self._dim + _BESIDE), what)
        with read_ahead(connection) if 4 * added * self._dim > _BLOCK_BYTES else nullcontext():
            vids = self._append_after(connection, last)
        self._vids = np.concatenate([self._vids, vids])
        self._keys = _longer(self._keys, self._size)
        self._parts = _longer(self._parts, self._size)
        self._current = _longer(self._current, self._size)

    def _append_after(self, connection: sqlite3.Connection, last: int) -> Ints:
        """Append the vectors of greater vids than ``last``; those vids."""
        cursor = connection.execute(
            f"SELECT vid, vector FROM vectors_{self._number} WHERE vid > ? AND length(vector) = ? ORDER BY vid",
            (last, 4 * self._dim),
        )
        vids: list[int] = []
        while chunk := cursor.fetchmany(_FETCH):
            numbers, blobs = zip(*chunk, strict=True)
            vids.extend(numbers)
            self._append(b"".join(blobs), len(chunk))
        return np.array(vids, np.int64)

    def _append(self, raw: bytes, count: int) -> None:
        if len(raw) != 4 * self._dim * count:
            raise DamagedError(
                f"generation {self._number} has a vector that is not {self._dim} float32 numbers",
                hint="another program edited the file: restore a backup, or sync into a new file",
            )
        vectors = np.frombuffer(raw, "<f4").reshape(count, self._dim)
        while len(vectors):
            used = self._size % self._block_rows
            if used == 0:
                self._blocks.append(_aligned(self._block_rows, self._dim))
            taken = min(len(vectors), self._block_rows - used)
            self._blocks[-1][used : used + taken] = vectors[:taken]
            self._size += taken
            vectors = vectors[taken:]

    def _positions(self, vids: Ints) -> Ints:
        """Where the vids are; those that are not are left out."""
        if self._size == 0:
            return np.empty(0, np.int64)
        at = np.minimum(np.searchsorted(self._vids, vids), self._size - 1)
        if not np.array_equal(self._vids[at], vids):
            raise DamagedError(
                f"generation {self._number} lacks vectors that its parts name",
                hint="another program edited the file: restore a backup, or sync into a new file",
            )
        return at

    # Searching -----------------------------------------------------------------------------------------

    def mask_of_keys(self, keys: Ints) -> Mask:
        """The positions whose row is among ``keys`` (ascending)."""
        return _among(self._keys, keys)

    def mask_of_vids(self, vids: Ints) -> Mask:
        """The positions whose vid is among ``vids``."""
        return _among(self._vids, np.sort(vids))

    def search(self, connection: sqlite3.Connection, queries: Vector, k: int, mask: Mask | None) -> list[list[Match]]:
        """The ``k`` best current vectors under ``mask`` for each query, best first, ties by id then part."""
        searched = self._current if mask is None else self._current & mask
        if not searched.any():
            return [[] for _ in queries]
        at_once = max(1, _SCORE_BYTES // (4 * self._size))
        results: list[list[Match]] = []
        for begin in range(0, len(queries), at_once):
            block = queries[begin : begin + at_once]
            results.extend(self._best(connection, scores, k) for scores in self._scores(block, searched))
        return results

    def _scores(self, queries: Vector, searched: Mask) -> Vector:
        """float32 [queries, n], -inf where not searched."""
        scores = np.empty((len(queries), self._size), np.float32)
        for number, block in enumerate(self._blocks):
            begin = number * self._block_rows
            end = min(begin + self._block_rows, self._size)
            mask = searched[begin:end]
            if mask.any():
                scores[:, begin:end] = native.scores(block[: end - begin], queries, mask=mask)
            else:
                scores[:, begin:end] = -np.inf
        return scores

    def _best(self, connection: sqlite3.Connection, scores: Vector, k: int) -> list[Match]:
        top = native.top_k(scores, k)
        wanted = k - len(top.above)
        tied = top.tied if len(top.tied) <= wanted else self._first(connection, top.tied, wanted)
        at = np.concatenate([top.above, tied])
        scored = dict(zip(self._vids[at].tolist(), scores[at].tolist(), strict=True))
        places = json.dumps(list(zip(self._keys[at].tolist(), self._parts[at].tolist(), strict=True)))
        found = connection.execute(
            "WITH wanted (key, part) AS "
            "(SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?)) "
            f"SELECT p.vid, r.id, p.part, p.address FROM wanted AS w CROSS JOIN parts_{self._number} AS p "
            "ON p.key = w.key AND p.part = w.part CROSS JOIN rows AS r ON r.key = p.key",
            (places,),
        )
        return sorted((Match(id_, part, scored[vid], address) for vid, id_, part, address in found), key=_order)

    def _first(self, connection: sqlite3.Connection, tied: Ints, wanted: int) -> Ints:
        """The ``wanted`` of ``tied`` that come first by id, then part; SQLite sorts, and hands back only those."""
        by_part = tied[np.argsort(self._parts[tied], kind="stable")]
        keys = np.unique(self._keys[tied])
        first = [
            key
            for (key,) in connection.execute(
                "SELECT r.key FROM rows AS r WHERE r.key IN (SELECT value FROM json_each(?)) ORDER BY r.id LIMIT ?",
                (json.dumps(keys.tolist()), wanted),
            )
        ]
        rank = {key: number for number, key in enumerate(first)}
        chosen = by_part[_among(self._keys[by_part], np.sort(np.array(first, np.int64)))]
        ranks = np.array([rank[key] for key in self._keys[chosen].tolist()])
        return chosen[np.argsort(ranks, kind="stable")][:wanted]


def _order(match: Match) -> tuple[float, str, int]:
    return -match.score, match.id, match.part


def _integers(connection: sqlite3.Connection, sql: str, columns: int) -> Ints:
    """Whole numbers of a query as int64 [n, columns]."""
    flat = np.fromiter(chain.from_iterable(connection.execute(sql)), np.int64)
    return flat.reshape(-1, columns)


def _among(values: Ints, wanted: Ints) -> Mask:
    """Which ``values`` are in ``wanted`` (ascending)."""
    if len(wanted) == 0:
        return np.zeros(len(values), np.bool_)
    at = np.minimum(np.searchsorted(wanted, values), len(wanted) - 1)
    found: Mask = wanted[at] == values
    return found


def _longer(array: NDArray[_T], size: int) -> NDArray[_T]:
    """``array`` with zeros at its end."""
    return np.concatenate([array, np.zeros(size - len(array), array.dtype)])


def _aligned(rows: int, dim: int) -> Vector:
    """Uninitialised float32 [rows, dim] that begins at a multiple of 64 bytes."""
    raw = np.empty(4 * rows * dim + _ALIGNMENT, np.uint8)
    begin = -raw.ctypes.data % _ALIGNMENT
    return raw[begin : begin + 4 * rows * dim].view(np.float32).reshape(rows, dim)
