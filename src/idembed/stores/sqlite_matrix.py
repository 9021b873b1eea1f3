"""The vectors of one generation in memory, kept in step with the file, and exact search over them."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from itertools import zip_longest
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from idembed import native
from idembed.ascending import among
from idembed.stores.records import Match, Vector
from idembed.stores.sqlite_current import NO_PARTS, Ints, all_parts, changed_parts, newer_parts
from idembed.stores.sqlite_file import read_ahead
from idembed.stores.sqlite_vectors import Connect, read_vectors

__all__ = ["Ints", "MakeRoom", "Mask", "Matrix"]

_LOG = logging.getLogger(__name__)

_BLOCK_BYTES: Final = 256 << 20
"""Of addresses; memory is only taken by what is written."""
_MANY_BYTES: Final = 64 << 20
_ALIGNMENT: Final = 64
_DEAD: Final = 1024
"""Vectors that are searched no more are put up with up to this number, or as many as are searched."""
_BESIDE: Final = 8 + 8 + 4 + 1 + 1
"""Bytes kept a vector beside it: vid, key, part, whether it is whole, and searchable."""
_SCORE_BYTES: Final = 64 << 20

_T = TypeVar("_T", bound=np.generic)
Mask = NDArray[np.bool_]
MakeRoom = Callable[[int, str], None]
"""Asked for so many bytes, for that purpose; raises when they are not to be had."""


class Matrix:
    """Every vector of a generation (float32 [n, dim], in blocks, so that growing copies nothing) by vid.

    A vid is never used twice and its vector never changes, so a refresh reads only the vectors with greater
    vids than the last one; the table ``changes`` says which rows to look at again. All reading happens in the caller's
    transaction: what is searched is one state of the file.
    """

    def __init__(self, number: int, dim: int, after: int = 0) -> None:
        """``after``: only vectors with greater vids are in here."""
        self.after = after
        self._number = number
        self._dim = dim
        self._block_rows = max(1, _BLOCK_BYTES // (4 * dim))
        self._forget()

    def _forget(self) -> None:
        """Hold nothing."""
        self._blocks: list[Vector] = []
        self._size = 0
        self._vids: Ints = np.empty(0, np.int64)
        self._keys: Ints = np.empty(0, np.int64)
        self._parts: NDArray[np.int32] = np.empty(0, np.int32)
        self._whole: Mask = np.empty(0, np.bool_)
        """Which vectors are as they were written."""
        self._current: Mask = np.empty(0, np.bool_)
        self._change = 0
        """The number of the last change that is in here."""

    def __len__(self) -> int:
        return self._size

    @property
    def bytes_held(self) -> int:
        """Of vectors, and of what is kept beside them."""
        return self._size * (4 * self._dim + _BESIDE)

    # Keeping in step -----------------------------------------------------------------------------------

    def refresh(
        self,
        connection: sqlite3.Connection,
        connect: Connect | None = None,
        make_room: MakeRoom = lambda needed, what: None,
    ) -> None:
        """Make this the state of the file; with ``connect``, by several threads when much is to be read. What
        ``make_room`` raises when the vectors would not fit in memory is raised."""
        oldest, newest = connection.execute(
            "SELECT coalesce((SELECT min(number) FROM changes), 0), coalesce((SELECT max(number) FROM changes), 0)"
        ).fetchone()
        if self._change == newest and self._size:
            return
        if self._size > 2 * int(self._current.sum()) + _DEAD:  # mostly vectors of deleted rows and old texts
            self._forget()
        updating = bool(self._size and oldest <= self._change + 1 and 0 <= newest - self._change <= self._size)
        if updating:
            changed = changed_parts(connection, self._number, self._change, self.after)
            current = self._load(connection, connect, make_room, [changed], len(changed))
        elif self.after:
            newer = newer_parts(connection, self._number, self.after)
            current = self._load(connection, connect, make_room, [newer], len(newer))
        else:
            expected = connection.execute(f"SELECT count(*) FROM parts_{self._number}").fetchone()[0]
            parts = all_parts(connection, self._number, expected)
            current = self._load(connection, connect, make_room, parts, expected)
        if connect is not None and not self._positions(current[:, 0])[1].all():
            # Rows went while other threads read: what this transaction still sees is read by it alone.
            self._forget()
            self.refresh(connection, None, make_room)
            return
        if updating:
            rows = connection.execute("SELECT DISTINCT key FROM changes WHERE number > ? ORDER BY key", (self._change,))
            self._current &= ~among(self._keys, np.array([key for (key,) in rows], np.int64))
        else:
            self._current[:] = False
        self._mark(current)
        self._change = newest

    def _mark(self, current: Ints) -> None:
        at, here = self._positions(current[:, 0])
        self._current[at] = self._whole[at]
        self._keys[at] = current[here, 1]
        self._parts[at] = current[here, 2]
        damaged = int((~here).sum() + (~self._whole[at]).sum())
        if damaged:
            _LOG.warning(
                "%d vectors of generation %d are not as they were written, and are not searched: "
                "idembed verify --repair mends them",
                damaged,
                self._number,
            )

    def _load(
        self,
        connection: sqlite3.Connection,
        connect: Connect | None,
        make_room: MakeRoom,
        parts: Iterable[Ints],
        expected: int,
    ) -> Ints:
        """Read the vectors that are not here yet, no more than ``expected``, and ``parts`` meanwhile: these."""
        if not expected:
            return NO_PARTS
        last = int(self._vids[-1]) if self._size else self.after
        what = f"searching {self._size + expected:,} vectors of {self._dim} dimensions"
        make_room(expected * (4 * self._dim + _BESIDE), what)
        vids, whole, current = [self._vids], [self._whole], [NO_PARTS]
        with read_ahead(connection) if 4 * expected * self._dim > _MANY_BYTES else nullcontext():
            pieces = read_vectors(connection, connect, self._number, self._dim, last, expected)
            for piece, some in zip_longest(pieces, parts):
                if piece is not None:
                    self._append(piece.vectors)
                    vids.append(piece.vids)
                    whole.append(piece.whole)
                if some is not None:
                    current.append(some)
        self._vids, self._whole = np.concatenate(vids), np.concatenate(whole)
        self._keys = _longer(self._keys, self._size)
        self._parts = _longer(self._parts, self._size)
        self._current = _longer(self._current, self._size)
        return np.concatenate(current)

    def _append(self, vectors: Vector) -> None:
        while len(vectors):
            used = self._size % self._block_rows
            if used == 0:
                self._blocks.append(_aligned(self._block_rows, self._dim))
            taken = min(len(vectors), self._block_rows - used)
            self._blocks[-1][used : used + taken] = vectors[:taken]
            self._size += taken
            vectors = vectors[taken:]

    def _positions(self, vids: Ints) -> tuple[Ints, Mask]:
        """Where those of the vids are that are here, and which these are."""
        if self._size == 0:
            return np.empty(0, np.int64), np.zeros(len(vids), np.bool_)
        at = np.minimum(np.searchsorted(self._vids, vids), self._size - 1)
        here: Mask = self._vids[at] == vids
        return at[here], here

    # Searching -----------------------------------------------------------------------------------------

    def mask_of_keys(self, keys: Ints) -> Mask:
        """The positions whose row is among ``keys`` (ascending)."""
        return among(self._keys, keys)

    def mask_of_vids(self, vids: Ints) -> Mask:
        """The positions whose vid is among ``vids``."""
        return among(self._vids, np.sort(vids))

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
        if len(self._blocks) == 1:
            return native.scores(self._blocks[0][: self._size], queries, mask=searched)
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
        return sorted((Match(id_, part, scored[vid], address) for vid, id_, part, address in found), key=Match.rank)

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
        chosen = by_part[among(self._keys[by_part], np.sort(np.array(first, np.int64)))]
        ranks = np.array([rank[key] for key in self._keys[chosen].tolist()])
        return chosen[np.argsort(ranks, kind="stable")][:wanted]


def _longer(array: NDArray[_T], size: int) -> NDArray[_T]:
    """``array`` with zeros at its end."""
    return np.concatenate([array, np.zeros(size - len(array), array.dtype)])


def _aligned(rows: int, dim: int) -> Vector:
    """Uninitialised float32 [rows, dim] that begins at a multiple of 64 bytes."""
    raw = np.empty(4 * rows * dim + _ALIGNMENT, np.uint8)
    begin = -raw.ctypes.data % _ALIGNMENT
    return raw[begin : begin + 4 * rows * dim].view(np.float32).reshape(rows, dim)
