"""What one process knows of a table in a folder without asking, as long as nobody else writes to it.

A store looks up the rows of a batch before it writes them, which takes LanceDB as long as writing them. While one
process fills an empty table, at a first sync and at an upgrade, it knows that none is there; and new records are
appended, in half the time that merging takes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from idembed.stores.collection.engine import Fields, Key, Record
from idembed.stores.collection.remembered import Remembered

__all__ = ["Recent", "State", "Written", "state_of"]

State = tuple[str, int, int]
_MOST: Final = 1_000_000
"""Keys that are remembered, by their hashes: 70 MB."""
_RECENT: Final = 4_000
_LARGE: Final = frozenset({"text", "metadata", "vector"})


def state_of(versions: Path) -> State:
    """Another one after each commit, and of another table that was made in its place: the newest version's name, which
    is the first, and the folder it is in. LanceDB would take ten times as long to say the version."""
    folder = os.stat(versions)
    return min(os.listdir(versions), default=""), folder.st_ino, folder.st_mtime_ns


class Written:
    """The keys of one table, where this process wrote all of them."""

    def __init__(self) -> None:
        self._keys: set[int] | None = None
        self._left: State | None = None
        self.remembered = Remembered()
        """of the rows of a collection"""

    def possible(self, table: Any, state: State, keys: Sequence[str]) -> Sequence[str]:
        """Those of the keys that may be there."""
        self.look(table, state)
        there = self._keys
        return keys if there is None else [key for key in keys if hash(key) in there]

    def are_new(self, table: Any, state: State, keys: Sequence[str]) -> bool:
        """Whether certainly none of them is there; they are as from now on. Under the table's lock."""
        self.look(table, state)
        if self._keys is None:
            return False
        hashes = set(map(hash, keys))
        are_new = self._keys.isdisjoint(hashes)
        self._keys |= hashes
        if len(self._keys) > _MOST:
            self._keys = None
        return are_new

    def leave(self, state: State) -> None:
        """Nobody but this process wrote to it after ``look``. Under the table's lock, which was held since."""
        self._left = state

    def look(self, table: Any, state: State) -> None:
        """Forget it all, if another process wrote; begin anew, if the table is empty."""
        if state != self._left:
            self._keys = None if table.count_rows() else set()
            self._left = state
            self.remembered.clear()


class Recent:
    """What was fetched last, for who asks once more."""

    def __init__(self) -> None:
        self._of: tuple[str, State, Fields] | None = None
        self._asked: set[Key] = set()
        self._found: dict[Key, Record] = {}

    def again(self, name: str, state: State | None, fields: Fields, keys: Sequence[Key]) -> dict[Key, Record] | None:
        """The answer, None where it is not known."""
        if state is None or self._of != (name, state, fields) or not self._asked.issuperset(keys):
            return None
        return {key: self._found[key] for key in keys if key in self._found}

    def keep(
        self, name: str, state: State | None, fields: Fields, keys: Sequence[Key], found: dict[Key, Record]
    ) -> None:
        """Remember an answer; ``state`` is from before it was read."""
        if state is not None and len(keys) <= _RECENT and not fields & _LARGE:
            self._of, self._asked, self._found = (name, state, fields), set(keys), dict(found)
