"""The rows of a source in a temporary file, as they came: written once, read again in order.

A nameless file holds chunks of rows, each as one value of ``marshal`` (0.4 µs a row, where a SQLite table takes 2),
and a second one their hashes, which is all that a plan looks at while nothing has changed.
"""

from __future__ import annotations

import marshal
import tempfile
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from idembed.rows import BUCKETS, ROW_HASH_BYTES, CheckedRow

__all__ = ["Hashed", "RowFile", "SpooledRow"]

SpooledRow: TypeAlias = tuple[int, str, str, str, bytes]
"""Position, id, text, metadata, row hash."""
_MARSHAL: Final = 2
"""The version without references to equal objects, which are rare here and cost a fifth more to look for."""
_PIECE: Final = 1 << 20
"""Hashes that are looked at at once."""


class Hashed(NamedTuple):
    """Some rows: their hashes S16 [n], ascending, and as many ordinals."""

    hashes: NDArray[np.bytes_]
    ordinals: NDArray[np.int64]


class RowFile:
    """Rows by *ordinal*, the number of rows before them. Everything is gone when it is closed, or the process ends."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._rows, self._hashes = (
            self._open.enter_context(tempfile.TemporaryFile(prefix=f"idembed-{what}-"))  # noqa: SIM115 (see close)
            for what in ("rows", "hashes")
        )
        self._first: list[int] = []
        """The ordinal of the first row of each chunk."""
        self._begin: list[int] = []
        """Where it begins in the file."""
        self._end = 0
        self._last: tuple[int, list[SpooledRow]] = (-1, [])
        self.count = 0

    def close(self) -> None:
        """Remove everything."""
        self._open.close()

    def append(self, rows: list[SpooledRow]) -> None:
        """Add rows; positions come back as they are given."""
        if not rows:
            return
        raw = marshal.dumps(rows, _MARSHAL)
        self._rows.write(raw)
        self._hashes.write(b"".join([row[-1] for row in rows]))
        self._first.append(self.count)
        self._begin.append(self._end)
        self._end += len(raw)
        self.count += len(rows)

    def flush(self) -> None:
        """Everything that was appended can be read from now on."""
        self._rows.flush()
        self._hashes.flush()

    def read(self, ordinals: Iterable[int]) -> Iterator[tuple[int, CheckedRow]]:
        """(position, row) of each; quick if the ordinals ascend."""
        for ordinal in ordinals:
            chunk = bisect_right(self._first, ordinal) - 1
            if self._last[0] != chunk:
                end = self._begin[chunk + 1] if chunk + 1 < len(self._begin) else self._end
                self._rows.seek(self._begin[chunk])
                self._last = (chunk, marshal.loads(self._rows.read(end - self._begin[chunk])))
            position, row_id, text, metadata, row_hash = self._last[1][ordinal - self._first[chunk]]
            yield position, CheckedRow(row_id, text, metadata, row_hash)

    def hashes(self, buckets: range) -> Hashed:
        """The rows whose hash is in ``buckets`` (see ``rows.bucket_of``)."""
        found, places = [], []
        for begin in range(0, self.count, _PIECE):
            size = min(_PIECE, self.count - begin)
            self._hashes.seek(begin * ROW_HASH_BYTES)
            piece = np.frombuffer(self._hashes.read(size * ROW_HASH_BYTES), f"S{ROW_HASH_BYTES}")
            if len(buckets) == BUCKETS:
                at = np.arange(size)
            else:
                bytes_ = piece.view(np.uint8).reshape(-1, ROW_HASH_BYTES)
                bucket = (bytes_[:, 0].astype(np.int16) << 4) | (bytes_[:, 1] >> 4)
                at = np.flatnonzero((bucket >= buckets.start) & (bucket < buckets.stop))
            found.append(piece[at])
            places.append(begin + at)
        if not found:
            return Hashed(np.empty(0, f"S{ROW_HASH_BYTES}"), np.empty(0, np.int64))
        hashes, ordinals = np.concatenate(found), np.concatenate(places)
        order = np.argsort(hashes, kind="stable")
        return Hashed(hashes[order], ordinals[order])
