"""What one process knows of rows without asking, where the database says whether somebody else wrote meanwhile, or lets
nobody else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from idembed.errors import DamagedError
from idembed.stores.collection.engine import Record, Standing
from idembed.stores.collection.seal import last_of

__all__ = ["Remembered"]

_MOST: Final = 200_000
"""Rows that are remembered, in some 30 MB."""


class Remembered:
    """The standing of rows in one collection, as they were written or read last. Who writes forgets the rows first and
    learns them once they are written, so that nothing is known of what failed half way."""

    def __init__(self) -> None:
        self._known: dict[str, Standing] = {}
        self._kinds: dict[tuple[str, int], Standing] = {}

    def among(self, ids: Sequence[str]) -> tuple[dict[str, Standing], list[str]]:
        """What is known of these rows, all of which are there; and the ids of the others, of which nothing is."""
        known = {row_id: self._known[row_id] for row_id in ids if row_id in self._known}
        return known, [row_id for row_id in ids if row_id not in known]

    def forget(self, ids: Iterable[str]) -> None:
        for row_id in ids:
            self._known.pop(row_id, None)

    def clear(self) -> None:
        self._known.clear()
        self._kinds.clear()

    def learn(self, records: Iterable[Record]) -> None:
        """Heads that are there as these are, of which ``scope`` and ``seal`` are given; other parts say nothing."""
        found = {}
        for record in records:
            if record.part == 0:
                try:
                    standing = (record.scope, last_of(record.seal))
                except DamagedError:
                    continue  # who asks is told
                found[record.id] = self._kinds.get(standing) or Standing(*standing)
        self.add(found)

    def add(self, found: Mapping[str, Standing]) -> None:
        if len(self._known) + len(found) > _MOST:
            self.clear()
        if len(found) <= _MOST:
            for standing in set(found.values()):
                self._kinds.setdefault(standing, standing)
            self._known.update(found)
