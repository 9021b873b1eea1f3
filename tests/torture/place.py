"""Where an index of a history lives, and what may happen to it there beyond what the contract of stores says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Self

from edits import Edit
from servers import Server
from stored import Stored, read

from databases import STORES


class Place:
    """One index. A kind of database that can no more than what every store can is a subclass with a ``kind`` alone: its
    name in the ``STORES`` of tests/databases.py. Everything else here is off, or small, until a subclass says
    otherwise; histories do to an index only what its place allows."""

    kind: ClassVar[str]
    lives: ClassVar[int] = 2
    """How many random lives the tests try, each of so many ``steps``."""
    steps: ClassVar[int] = 10
    examples: ClassVar[int] = 3
    """How many histories hypothesis tries."""
    trials: ClassVar[int] = 1
    """How many syncs are killed."""
    switches: ClassVar[int] = 15
    """How often generations are switched under searches."""
    is_shared: ClassVar[bool] = True
    """Whether several processes may have an index open at once. (One that no other process can open at all has neither
    lives nor trials.)"""
    is_bounded: ClassVar[bool] = False
    """Whether a disk that is full in the midst of a task ends in DiskFullError."""
    edits: ClassVar[tuple[Edit, ...]] = ()
    """What other programs may do that the store notices by itself."""
    modules: ClassVar[tuple[str, ...]] = ()
    """What processes that do tasks need of it, and may import before they are forked (so nothing that has threads)."""
    imports: ClassVar[tuple[str, ...]] = ()
    """What they need of it, and must import after that."""
    server: ClassVar[Server | None] = None
    """The process in which the database runs, which can be killed."""
    patience: ClassVar[dict[str, float]] = {}
    """Names of constants of idembed, and how many seconds the client waits for such a server in tests."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.url: Path | str = STORES[self.kind](folder)

    @property
    def file(self) -> Path | None:
        """The one file in which all is, which may be damaged."""
        return None

    @property
    def can_be_removed(self) -> bool:
        """Whether ``remove`` is there."""
        return type(self).remove is not Place.remove

    def another(self, name: str) -> Self:
        """A place of the same kind, for another index."""
        return type(self)(self.folder.with_name(name))

    def read(self) -> Stored:
        """Everything in it, as far as it can be told from outside."""
        return read(self.url)

    def readings(self) -> Iterator[Stored]:
        """The same, in each way in which it can be told."""
        yield read(self.url, in_every_way=True)

    def edit(self, statements: str, values: dict[str, object]) -> None:
        """Do what another program does."""
        raise NotImplementedError

    def remove(self) -> None:
        """Nothing is left of it."""
        raise NotImplementedError
