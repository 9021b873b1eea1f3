"""What we need of a Qdrant, whichever way it is reached: points in collections, and tests of their payload."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from idembed.errors import StoreError
from idembed.stores.collection.remembered import Remembered
from idembed.stores.records import Vector

__all__ = [
    "Between",
    "Database",
    "IndexKind",
    "IsNull",
    "NeedsIndexError",
    "NoneOf",
    "OneOf",
    "OneTest",
    "Point",
    "Scored",
    "Test",
]

IndexKind = Literal["number", "range", "tenant"]
"""``number``: an integer looked up by its value; ``range``: one compared with bounds; ``tenant``: a string that tells
apart what is searched apart."""


class NotThereError(StoreError):
    """There is no such collection."""


class NeedsIndexError(StoreError):
    """The server does not look at a field of the payload that has no index."""


class Point(NamedTuple):
    """``id`` is a UUID; ``vector`` float32 [dim], None where none was asked for."""

    id: str
    payload: dict[str, Any]
    vector: Vector | None


class Scored(NamedTuple):
    """A point and its inner product with the query."""

    point: Point
    score: float


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field ``path`` has one of these values, which are of one type; of a list, one of its items has."""

    path: str
    values: tuple[str, ...] | tuple[int, ...]
    """or one boolean"""


@dataclass(frozen=True, slots=True)
class NoneOf:
    """The field ``path`` has none of these values, as where it is not there."""

    path: str
    values: tuple[str, ...] | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """The field ``path`` is a number, or has one as an item, with ``gte`` ≤ it < ``lt`` and ≤ ``lte``. Qdrant takes
    bounds as floats, and compares an integer with them exactly where the field has an index."""

    path: str
    gte: float | None = None
    lt: float | None = None
    lte: float | None = None


@dataclass(frozen=True, slots=True)
class IsNull:
    """The field ``path`` is there with null, or is a list with one."""

    path: str


OneTest = OneOf | NoneOf | Between | IsNull
Test = tuple[OneTest, ...]
"""One of these holds."""


class Database(Protocol):
    """One Qdrant. Every error is a StoreError; writes are durable and seen by everybody on return."""

    shown: str
    """its URL without any password"""
    is_server: bool
    """whether it has aliases, and several processes may have it open"""

    def close(self) -> None: ...

    def collections(self) -> set[str]: ...

    def create(self, name: str, dim: int, indexes: Mapping[str, IndexKind]) -> None:
        """An empty collection with indexes of its payload and none for approximate search. There is none of the name,
        or its making was broken off."""

    def drop(self, name: str) -> None:
        """Remove it if it is there."""

    def has_our_shape(self, name: str) -> bool:
        """Whether its points have one vector, which is compared as in those that ``create`` makes."""

    def complete(self, name: str, indexes: Mapping[str, IndexKind]) -> None:
        """Make those of the indexes that are not there. Raises NotThereError, as the rest does."""

    def alias(self, alias: str) -> str | None:
        """The collection that the alias stands for."""

    def move_alias(self, alias: str, name: str) -> None:
        """Let it stand for another, or make it, in one step."""

    def alone(self) -> AbstractContextManager[object]:
        """Within it, nobody else writes to what is ``remembered``."""

    def remembered(self, name: str) -> Remembered | None:
        """What is known of the collection, where no other program can write to it."""

    def upsert(self, name: str, requests: Iterable[Sequence[Point]]) -> None: ...

    def delete(self, name: str, ids: Sequence[str]) -> None: ...

    def retrieve(self, name: str, ids: Sequence[str], fields: Sequence[str], *, vectors: bool) -> list[Point]: ...

    def scroll(
        self, name: str, tests: Sequence[Test], begin: str | None, most: int, fields: Sequence[str], *, vectors: bool
    ) -> tuple[list[Point], str | None]:
        """Points that pass every test by ascending id, from ``begin`` on, and the id at which the rest begins."""

    def count(self, name: str, tests: Sequence[Test]) -> int: ...

    def query(
        self, name: str, vector: Vector, most: int, tests: Sequence[Test], fields: Sequence[str], *, exact: bool
    ) -> list[Scored]:
        """The nearest that pass every test, with vectors."""

    def build(self, name: str, keep: Callable[[], None]) -> None:
        """Make the index for approximate search, and wait until it has all points; of one that is there, until it has
        those that were written since. ``keep`` is called meanwhile, or where nothing else runs meanwhile, at the end;
        what it raises is passed on."""

    def is_built(self, name: str) -> bool: ...

    def tidy(self, name: str) -> None: ...

    def size(self) -> int: ...

    def damage(self, name: str) -> list[str]: ...
