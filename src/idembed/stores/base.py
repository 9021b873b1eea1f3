"""The contract of a vector database: one set of verbs, one suite (tests/contract) that every store passes.

A *row* is stored once; its *parts* (one vector each) once per generation. A part is current if and only if
its ``text_hash`` equals its row's: a row whose text was edited by another program has no text hash, so its
vectors are not current, are not searched, and the next sync repairs it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from idembed.filters import Condition
from idembed.space import Kept, Space

__all__ = [
    "Capabilities",
    "Generation",
    "Kept",
    "Lease",
    "Match",
    "PartRecord",
    "RowRecord",
    "RowState",
    "Status",
    "Store",
    "StoredPart",
    "StoredRow",
]

Status = Literal["building", "active", "standby", "dropped"]
Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store can do, declared truthfully and checked by the contract suite."""

    exact_readback: bool
    atomic_switch: bool
    transactions: bool
    approximate_search: bool
    concurrent_writers: bool
    max_key: int
    """bytes of UTF-8"""
    max_text: int
    """bytes of UTF-8"""
    max_metadata: int
    """bytes of canonical JSON"""
    max_dim: int


@dataclass(frozen=True, slots=True)
class Generation:
    """One space's vectors within a store. ``model`` is the name by which to load the model again."""

    number: int
    space: Space
    model: str
    status: Status


@dataclass(frozen=True, slots=True)
class Lease:
    """A writer's right to write: ``fence`` grows with every lease and is checked in each batch."""

    fence: int
    owner: str
    expires: float
    """seconds since the epoch"""


@dataclass(frozen=True, slots=True)
class PartRecord:
    """One vector to write. ``span``: [start, end) in characters of the row's text; ``vector``: float32 [dim]."""

    part: int
    span: tuple[int, int]
    address: bytes
    vector: Vector
    tokens: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class RowRecord:
    """A row to write. ``text`` None keeps the stored text and vectors (a metadata change); else ``parts`` maps
    generation numbers to all parts of the row there, replacing those it had."""

    id: str
    scope: str
    text: str | None
    text_hash: bytes
    metadata: str
    """canonical JSON"""
    metadata_hash: bytes
    parts: Mapping[int, Sequence[PartRecord]] = field(default_factory=dict)


class RowState(NamedTuple):
    """What a plan needs to know of a stored row; ``current``: every generation asked about has its vectors.

    ``text_hash`` and ``metadata_hash`` are empty when another program edited the text or the metadata.
    (A NamedTuple: a plan reads a million of them, and it is built four times faster than a frozen dataclass.)
    """

    id: str
    scope: str
    text_hash: bytes
    metadata_hash: bytes
    current: bool


@dataclass(frozen=True, slots=True)
class StoredPart:
    """One stored vector with what is known about it."""

    part: int
    span: tuple[int, int]
    address: bytes
    tokens: int
    truncated: bool
    text_hash: bytes
    """hash of the whole text this part was made from"""
    vector: Vector | None
    """float32 [dim], or None where vectors were not asked for"""


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One stored row; ``parts`` are those of the generation asked for, in order."""

    id: str
    scope: str
    text: str
    metadata: dict[str, Any]
    text_hash: bytes
    metadata_hash: bytes
    parts: tuple[StoredPart, ...] = ()

    def has_current(self, part: StoredPart) -> bool:
        """Whether ``part`` was made from the text as it is now; never once another program edited the text."""
        return bool(self.text_hash) and part.text_hash == self.text_hash


@dataclass(frozen=True, slots=True)
class Match:
    """One result of a search: which part of which row, and its inner product with the query. ``address`` is that
    of the vector that was compared: a row read later may have another text, whose parts have other addresses."""

    id: str
    part: int
    score: float
    address: bytes


class Store(ABC):
    """One database. Not shared between threads: open one a thread. A context manager that closes."""

    url: str
    """as given, without any password"""
    capabilities: Capabilities
    format_version: int

    @abstractmethod
    def close(self) -> None:
        """Release the database. A closed store refuses everything else."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What the index knows about itself -------------------------------------------------------------

    @abstractmethod
    def read_meta(self) -> tuple[int, dict[str, Any]]:
        """The index's own settings (splitter and the like) and their version, (0, {}) when new."""

    @abstractmethod
    def swap_meta(self, version: int, meta: Mapping[str, Any]) -> bool:
        """Replace the settings if their version is still ``version``; False when it is not."""

    @abstractmethod
    def lease(
        self, owner: str, seconds: float = 60.0, *, instead_of: str | None = None, now: float | None = None
    ) -> Lease:
        """Take the right to write.

        Raises LeaseHeldError (facts ``owner``, ``expires``) while another owner's lease has not expired;
        ``instead_of`` takes it over from exactly that owner, who is known to be dead.
        """

    @abstractmethod
    def writer(self) -> tuple[int, str]:
        """The fence of the last lease that was granted (0 before the first), which tells whether anybody wrote, and
        its owner, "" when the lease was given back. One that expired is its owner's until another takes it."""

    @abstractmethod
    def renew(self, lease: Lease, seconds: float = 60.0, *, now: float | None = None) -> Lease:
        """The same lease, longer. Raises LeaseLostError when another writer took over."""

    @abstractmethod
    def release(self, lease: Lease) -> None:
        """Give the right back; nothing happens when it was lost."""

    # Generations -----------------------------------------------------------------------------------

    @abstractmethod
    def generations(self) -> list[Generation]:
        """Every generation that was not dropped, by number."""

    @abstractmethod
    def create_generation(self, lease: Lease, space: Space, model: str, *, activate: bool = False) -> Generation:
        """A new, empty generation with status ``building``; or made and active, as by ``activate``, in one step."""

    @abstractmethod
    def activate(self, lease: Lease, number: int) -> None:
        """Make it the one searched, in one step; the one before becomes ``standby``."""

    @abstractmethod
    def drop_generation(self, lease: Lease, number: int) -> None:
        """Remove its vectors for good. The active one is refused."""

    # Writing ---------------------------------------------------------------------------------------

    @abstractmethod
    def upsert(self, lease: Lease, rows: Sequence[RowRecord]) -> None:
        """Write the rows and their vectors: all or none, durable on return; the last of equal ids wins.

        Raises RowError for a row that another scope holds, and StoreError for one without a text that is not there
        (any more): both are looked at within the transaction, whatever a plan saw before.
        """

    @abstractmethod
    def delete(self, lease: Lease, ids: Sequence[str]) -> int:
        """Remove rows and their vectors in every generation; the number that existed."""

    # Reading ---------------------------------------------------------------------------------------

    @abstractmethod
    def count(self, scope: str | None = None) -> int:
        """The number of rows."""

    @abstractmethod
    def get(self, ids: Sequence[str], generation: int | None = None, *, vectors: bool = True) -> dict[str, StoredRow]:
        """The rows that exist, by id; with the parts of ``generation`` when given, and no vector is read unless
        ``vectors``."""

    @abstractmethod
    def state(self, buckets: range, generations: Sequence[int]) -> Iterator[RowState]:
        """The state of every row whose bucket is in ``buckets``, in no particular order."""

    @abstractmethod
    def scan(
        self, generation: int | None = None, *, after: str | None = None, scope: str | None = None
    ) -> Iterator[StoredRow]:
        """Every row in order of id (by code point), resumable after an id."""

    @abstractmethod
    def vectors_at(self, generation: int, addresses: Sequence[bytes]) -> dict[bytes, Kept]:
        """Vectors that the generation already holds, by address (current or not)."""

    @abstractmethod
    def search(
        self,
        generation: int,
        queries: Vector,
        k: int,
        where: Sequence[Condition] = (),
        *,
        scope: str | None = None,
    ) -> list[list[Match]]:
        """The ``k`` best current parts for each row of ``queries`` (float32 [n, dim]) by inner product,
        best first, ties by id then part; only rows that satisfy every condition."""
