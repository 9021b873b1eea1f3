"""Ids that were seen, in bounded memory: has this one been there before?"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Self

from idembed.index.addresses import Addresses

__all__ = ["Ids", "digest_of"]


class Ids:
    """16 bytes of SHA-256 of each id, of which 64 MB are in memory. A context manager that closes. Raises DiskFullError
    when the temporary folder is full."""

    def __init__(self) -> None:
        self.count = 0
        """How many there are."""
        self._digests = Addresses(64)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._digests.__exit__()

    def add(self, ids: Sequence[str]) -> str | None:
        """Note the ids; the first of them that was there already, if any was: then some may not be noted."""
        for row_id in ids:
            if not self._digests.add([digest_of(row_id)]):
                return row_id
        self.count += len(ids)
        return None

    def absent(self, ids: Sequence[str]) -> list[str]:
        """Those that were not seen."""
        there = self._digests.have([digest_of(row_id) for row_id in ids])
        return [row_id for row_id, seen in zip(ids, there, strict=True) if not seen]


def digest_of(row_id: str) -> bytes:
    """What an id is known by: the first 16 bytes of its SHA-256, which also draw a fair sample."""
    return hashlib.sha256(row_id.encode()).digest()[:16]
