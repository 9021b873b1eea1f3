"""How much one request carries: as many points as make some megabytes, whatever their texts and vectors are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from idembed.stores.collection.engine import Record
from idembed.stores.qdrant.points import Point

__all__ = ["Pace", "in_requests"]

_WANTED: Final = 8_000_000
"""Bytes of a request or answer, about; a server takes requests of 32 MB by default."""
_MOST: Final = 26_000_000
"""Bytes that are not gone beyond for the sake of a row's parts that belong together."""
_MOST_READ: Final = 10_000
_MOST_WRITTEN: Final = 1_000
_PER_NUMBER: Final = 12
"""Bytes of one number of a vector in JSON."""
_PER_POINT: Final = 400
"""Bytes of a payload's names and small values."""


class Pace:
    """How many points to read at a time, going by those that were read."""

    def __init__(self, *, texts: bool) -> None:
        self.most = 64 if texts else 512

    def saw(self, points: Sequence[Point]) -> None:
        if points:
            each = sum(map(_read_size, points)) / len(points)
            self.most = max(1, min(_MOST_READ, int(_WANTED / each), 4 * self.most))

    def batches(self, ids: Sequence[str]) -> Iterator[Sequence[str]]:
        start = 0
        while start < len(ids):
            batch = ids[start : start + self.most]
            start += len(batch)
            yield batch


def _read_size(point: Point) -> int:
    dim = 0 if point.vector is None else len(point.vector)
    strings = sum(len(value) for value in point.payload.values() if isinstance(value, str))
    return 100 + strings + _PER_NUMBER * dim


def in_requests(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """``records`` in order, cut where a row ends, or within one that is too large."""
    start = size = 0
    for place, record in enumerate(records):
        dim = 0 if record.vector is None else len(record.vector)
        one = _PER_POINT + len(record.id) + _escaped(record.text) + 3 * _escaped(record.metadata) + _PER_NUMBER * dim
        is_full = size + one > _WANTED or place - start >= _MOST_WRITTEN
        if place > start and ((is_full and record.id != records[place - 1].id) or size + one > _MOST):
            yield records[start:place]
            start, size = place, 0
        size += one
    if start < len(records):
        yield records[start:]


def _escaped(text: str) -> int:
    """Bytes of a string in JSON, at the most where it is not of one byte a character."""
    return len(text) if text.isascii() and text.isprintable() else 6 * len(text)
