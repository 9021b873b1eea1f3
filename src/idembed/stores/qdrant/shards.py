"""The shards of a folder, which all that have it open in one process share: no other process may open them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import ClassVar

import qdrant_edge as edge

from idembed.stores.collection.remembered import Remembered

__all__ = ["Shards"]


class Shards:
    """The shards of one folder that are open in this process, and how many databases use them."""

    opened: ClassVar[dict[Path, Shards]] = {}
    guard: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, path: Path) -> None:
        self.path = path
        self.users = 0
        self.lock = threading.RLock()
        self.shards: dict[str, edge.EdgeShard] = {}
        self.remembered: dict[str, Remembered] = {}
        """of each shard; whoever has a shard open writes to it alone"""

    @classmethod
    def enter(cls, path: Path) -> Shards:
        with cls.guard:
            folder = cls.opened.setdefault(path, Shards(path))
            folder.users += 1
            return folder

    def leave(self) -> None:
        with self.guard:
            self.users -= 1
            if self.users == 0:
                del self.opened[self.path]
                for shard in self.shards.values():
                    shard.close()
                self.shards.clear()
