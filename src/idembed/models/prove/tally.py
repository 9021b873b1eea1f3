"""What was compared so far, bit by bit, in each way of asking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from idembed.models.base import Vectors

__all__ = ["Tally", "Way"]


class Way(NamedTuple):
    """One way of asking: how many ``vectors`` were asked for so and compared with those of the texts alone, how many
    were ``differing``, in how many ``bits``, and where the ``first`` of these was (empty: nowhere)."""

    name: str
    vectors: int = 0
    differing: int = 0
    bits: int = 0
    first: str = ""


@dataclass(slots=True)
class Tally:
    """Counts by way, in the order in which the ways began."""

    _ways: dict[str, Way]

    def __init__(self) -> None:
        self._ways = {}

    def compare(self, way: str, found: Vectors, expected: Vectors, where: Callable[[int], str]) -> None:
        """Compare float32 [n, dim] with what the same texts gave before; ``where`` says where row i comes from."""
        name, vectors, differing, bits, first = self._ways.get(way) or Way(way)
        vectors += len(expected)
        if found.shape != expected.shape:  # all of it is wrong
            differing, bits = differing + len(expected), bits + 32 * expected.size
            first = first or f"{list(found.shape)} numbers instead of {list(expected.shape)}"
        elif found.tobytes() != expected.tobytes():
            other = np.ascontiguousarray(found).view(np.uint32) ^ np.ascontiguousarray(expected).view(np.uint32)
            rows = np.flatnonzero(other.any(axis=1))
            differing += len(rows)
            bits += int(np.unpackbits(other.view(np.uint8)).sum())
            first = first or where(int(rows[0]))
        self._ways[way] = Way(name, vectors, differing, bits, first)

    @property
    def ways(self) -> tuple[Way, ...]:
        """All ways so far."""
        return tuple(self._ways.values())

    @property
    def vectors(self) -> int:
        """How many vectors were compared."""
        return sum(way.vectors for way in self._ways.values())
