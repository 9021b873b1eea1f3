"""What a benchmark asks of a tool: sync a whole list of rows, show what the index holds, lose it."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lifecycle.rows import Embedder, Row


class Entry(NamedTuple):
    """What the index holds under an id: ``text`` None where it keeps none, ``vector`` as little-endian float32."""

    id: str
    text: str | None
    metadata: dict[str, Any]
    vector: bytes


class Peer(ABC):
    """One tool, with all its state in ``folder``; what is searched, its target, is the file or folder ``target`` there.

    A process makes one and calls one method; what the next process finds is what the last one persisted.
    """

    target: str
    can_force = False
    """Whether ``sync`` has an option to do everything anew."""

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        self.folder = folder
        self.embedder = embedder

    def prepare(self, rows: Sequence[Row]) -> Any:
        """The rows in the form in which the tool takes them. Not timed."""
        return rows

    @abstractmethod
    def sync(self, rows: Any, force: bool) -> object:
        """Open what was persisted, make the target what ``rows`` (prepared) say, persist; what the tool says of it."""

    @abstractmethod
    def dump(self) -> list[Entry]:
        """Everything the target holds; the tool's own bookkeeping is not asked."""

    @abstractmethod
    def wipe(self) -> None:
        """Empty the target as another program would, behind the tool's back."""

    def remove(self) -> None:
        """Remove the target's files behind the tool's back."""
        for path in self.folder.glob(f"{self.target}*"):  # and SQLite's files beside it
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def float32(vector: Any) -> bytes:
    """A vector's numbers as little-endian float32."""
    return np.asarray(vector, "<f4").tobytes()


def to_json(entries: Sequence[Entry]) -> list[list[Any]]:
    """The entries as JSON can hold them."""
    return [[*entry[:-1], entry.vector.hex()] for entry in entries]


def from_json(entries: Sequence[Sequence[Any]]) -> list[Entry]:
    """What `to_json` was given."""
    return [Entry(*fields, bytes.fromhex(vector)) for *fields, vector in entries]
