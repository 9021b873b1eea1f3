"""Records that are new are appended, in half the time that LanceDB takes to merge them with those that are there.

Whether they are new is known without looking while one process fills an empty table that nobody else writes to: at a
first sync and at an upgrade, when there is most to write.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

__all__ = ["Written"]

_MOST: Final = 1_000_000
"""Keys that are remembered, by their hashes: 70 MB."""


class Written:
    """The keys of one table in a folder, where this process wrote all of them. Under the table's lock."""

    def __init__(self, versions: Path) -> None:
        self._versions = versions
        self._keys: set[int] | None = None
        self._left: tuple[int, ...] = ()

    def has_none_of(self, table: Any, keys: Iterable[str]) -> bool:
        """Whether certainly none of them is there; they are as from now on."""
        if self._state(table) != self._left:
            self._keys = None if table.count_rows() else set()
        if self._keys is None:
            return False
        hashes = set(map(hash, keys))
        are_new = self._keys.isdisjoint(hashes)
        self._keys |= hashes
        if len(self._keys) > _MOST:
            self._keys = None
        return are_new

    def leave(self, table: Any) -> None:
        """Nobody but this process wrote to it until now."""
        self._left = self._state(table)

    def _state(self, table: Any) -> tuple[int, ...]:
        """Another one after each commit, and of another table that was made in its place."""
        folder = os.stat(self._versions)
        return int(table.version), folder.st_ino, folder.st_mtime_ns
