"""The shards of a folder, which all that have it open in one process share: no other process may open them."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import ClassVar

import qdrant_edge as edge

from idembed.stores.collection.remembered import Remembered

if sys.platform != "win32":
    import fcntl

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
        self._claim: int | None = None

    def claim(self) -> bool:
        """Whether the folder, which is there, is this process's alone, from now until all leave. To be called before a
        shard is opened: the engine sees that another process has it only after it changed files under its hands."""
        if sys.platform == "win32" or self._claim is not None:
            return True
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError:  # a file system without such locks: the engine's own is left
            os.close(descriptor)
            return True
        self._claim = descriptor
        return True

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
                try:
                    for shard in self.shards.values():
                        shard.close()
                finally:
                    self.shards.clear()
                    if self._claim is not None:
                        os.close(self._claim)
                        self._claim = None
