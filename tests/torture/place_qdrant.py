"""Qdrant: its embedded engine in a folder, which one process at a time has open, and the client's local mode in memory.
(There is no server of it that tests could start.)"""

from __future__ import annotations

import shutil
from pathlib import Path

from place import Place


class EmbeddedQdrantPlace(Place):
    """A folder."""

    kind = "qdrant-embedded"
    lives = 1
    steps = 8
    examples = 1
    switches = 8
    is_shared = False
    imports = ("idembed.stores.qdrant.engine", "qdrant_edge")

    def remove(self) -> None:
        shutil.rmtree(Path(str(self.url).removeprefix("qdrant://")), ignore_errors=True)


class LocalQdrantPlace(Place):
    """There while the test is; no other process sees it."""

    kind = "qdrant-local"
    lives = 0
    examples = 2
    trials = 0
    is_shared = False
