"""What a database without transactions has to do for us: a dozen verbs, one suite (tests/contract/test_engines.py).

Such a database holds *collections* of *records*. A generation is one collection and whole: each record has an id, a
text, metadata and hashes beside its vector, so that the collection alone says what the index holds. The first record
of a row (part 0) is its *head*; it has the row's text and is written though the row has no vector there. What the
index knows about itself is in *documents*, small JSON objects with names. Everything else (leases, generations, plans,
exact scores) is made of these verbs in store.py, once for all databases.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from idembed.filters import Condition
from idembed.stores.collection.seal import last_of
from idembed.stores.records import Capabilities, Vector

__all__ = [
    "ALL",
    "EVERYTHING",
    "HASHES",
    "HEADS",
    "KEYS",
    "NOT_HEAD",
    "NO_ADDRESS",
    "STANDING",
    "STATE",
    "UNSETTLED",
    "WHOLE",
    "Among",
    "Engine",
    "Found",
    "Key",
    "Nearest",
    "Record",
    "Standing",
    "standing_of",
]

UNSETTLED: Final = -1
"""``Record.order`` of the head of a row without a row hash."""
NOT_HEAD: Final = -2
"""``Record.order`` and ``Record.place`` of every other part."""
NO_ADDRESS: Final = bytes(16)
"""Of a head that is there for its row alone."""


class Key(NamedTuple):
    """What a record is known by."""

    id: str
    part: int


@dataclass(slots=True)
class Record:
    """One record. What was not asked for (``fields``) is as by default. All but ``vector`` is stored and given back
    as it is, ``metadata`` also in a form that can be filtered by, and by programs other than ours.

    Nobody changes one; it is not frozen because one is made of each record that is written or read, in 0.2 µs instead
    of 1.6."""

    id: str
    """1 to 512 bytes of UTF-8, any characters but NUL"""
    part: int = 0
    scope: str = ""
    text: str = ""
    """the row's whole text, in its head; "" in other parts"""
    metadata: str = "{}"
    """canonical JSON of an object"""
    start: int = 0
    end: int = 0
    tokens: int = 0
    truncated: bool = False
    address: bytes = NO_ADDRESS
    """16 bytes; several records may have the same"""
    row_hash: bytes = b""
    """16 bytes, or none"""
    order: int = NOT_HEAD
    """-2 to 2^63 - 1, compared by ranges: where the head stands in a plan"""
    place: int = NOT_HEAD
    """-2 to 2^63 - 1, compared by ranges: for taking samples of heads"""
    live: bool = False
    """whether it may be found by its vector"""
    seal: bytes = b""
    """up to 256 bytes: what only we read"""
    vector: Vector | None = None
    """float32 [dim]; never None where one is written: zeros stand for none"""

    @property
    def key(self) -> Key:
        return Key(self.id, self.part)


Fields = frozenset[str]
KEYS: Final[Fields] = frozenset({"id", "part"})
"""Always given."""
HASHES: Final[Fields] = KEYS | {"row_hash"}
STANDING: Final[Fields] = KEYS | {"scope", "seal"}
STATE: Final[Fields] = HASHES | {"scope", "seal", "live", "order", "place"}
WHOLE: Final[Fields] = STATE | {"text", "metadata", "start", "end", "tokens", "truncated", "address"}
EVERYTHING: Final[Fields] = WHOLE | {"vector"}


class Standing(NamedTuple):
    """What is looked at of a row that is there before it is written anew."""

    scope: str
    last: int
    """as its seal says: which records there may be"""


def standing_of(head: Record) -> Standing:
    """Of the row with this head, of which ``STANDING`` is given. Raises DamagedError."""
    return Standing(head.scope, last_of(head.seal))


@dataclass(frozen=True, slots=True)
class Among:
    """Which records are meant: those for which everything holds that is not None."""

    scope: str | None = None
    orders: range | None = None
    """``order`` within [start, stop)"""
    places: range | None = None
    """``place`` within [start, stop)"""
    exactly: tuple[int, ...] | None = None
    """``order`` is one of at most 1,000 numbers"""
    addresses: tuple[bytes, ...] | None = None
    """``address`` is one of at most 1,000"""
    live: bool | None = None


ALL: Final = Among()
HEADS: Final = Among(orders=range(UNSETTLED, 2**63))


class Found(NamedTuple):
    """One record found by its vector, with the inner product as the database computed it."""

    record: Record
    score: float


class Nearest(NamedTuple):
    """What a search of a database found, best first."""

    found: list[Found]
    are_all: bool
    """whether the database has no more than what it gave; records that it gave, and that cannot be read, or that went
    meanwhile, are not in ``found``"""


class Engine(ABC):
    """One index in one database: its documents and collections, which are known by number.

    What is written is durable on return and seen by every reader from then on. Every error is an
    idembed.errors.StoreError or one of its kinds, without passwords; a connection that was lost is made anew and the
    verb repeated, each of which may be repeated. Not shared between threads.
    """

    url: str
    """as given, without any password"""
    capabilities: Capabilities
    most_near: int
    """how many records ``near`` finds at the most"""

    @abstractmethod
    def close(self) -> None:
        """Release it. Whatever is asked later raises StoreError ("… is closed"); closing again does nothing."""

    def another(self) -> Callable[[], Engine] | None:
        """What opens the same index over a connection of its own, for a thread that writes beside this one; None where
        that gains nothing, as where the database works in this process, or can be opened once only."""
        return None

    # Documents -------------------------------------------------------------------------------------

    @abstractmethod
    def documents(self, begin: str = "") -> dict[str, dict[str, Any]]:
        """The documents whose names begin so, by name; {} also where nothing was ever written."""

    @abstractmethod
    def put_document(self, name: str, body: Mapping[str, Any]) -> None:
        """Write or replace one. Names are up to 200 characters of ASCII; ``body`` has up to 64 kB of JSON. The first
        makes what documents are kept in."""

    @abstractmethod
    def remove_documents(self, names: Sequence[str]) -> None:
        """Remove those that are there."""

    # Collections -----------------------------------------------------------------------------------

    @abstractmethod
    def collections(self) -> set[int]:
        """The numbers of those that are there."""

    @abstractmethod
    def create(self, number: int, dim: int) -> None:
        """An empty collection for vectors of ``dim`` numbers, searched by inner product. Raises StoreError where one is
        there that would have its name, for it is somebody's; and where the pointer of this index is another's."""

    @abstractmethod
    def drop(self, number: int) -> None:
        """Remove a collection, if it is there."""

    @abstractmethod
    def pointer(self) -> int | None:
        """The collection that the database itself calls the active one, by an alias say; None where there is none
        yet, or the database has no such thing (``capabilities.atomic_switch``)."""

    @abstractmethod
    def point(self, number: int) -> None:
        """Move the pointer, in one step that other programs see; nothing where there is no such thing."""

    # Records ---------------------------------------------------------------------------------------

    @abstractmethod
    def put(self, number: int, records: Sequence[Record]) -> None:
        """Write records of different keys, each replacing the one of its key, in requests as large as the database
        likes; the records of one row come one after another and belong into one request."""

    @abstractmethod
    def remove(self, number: int, keys: Sequence[Key]) -> None:
        """Remove those that are there."""

    @abstractmethod
    def fetch(self, number: int, keys: Sequence[Key], fields: Fields) -> dict[Key, Record]:
        """The records that are there, with these fields."""

    def standing(self, number: int, ids: Sequence[str]) -> dict[str, Standing]:
        """Of the rows whose heads are there, as it is now. A database that nobody else writes to, or that says whether
        somebody did, need not be asked for what this process wrote or read before."""
        heads = self.fetch(number, [Key(row_id, 0) for row_id in ids], STATE)  # as a plan asks, just before
        return {key.id: standing_of(head) for key, head in heads.items()}

    @abstractmethod
    def find(self, number: int, among: Among, fields: Fields) -> Iterator[list[Record]]:
        """Pages of some hundred or thousand records in any order: every one that is there from beginning to end, once;
        others may be written and removed meanwhile, by the caller as well."""

    @abstractmethod
    def count(self, number: int, among: Among) -> int:
        """How many there are, exactly."""

    @abstractmethod
    def near(
        self, number: int, query: Vector, most: int, where: Sequence[Condition], scope: str | None, *, exact: bool
    ) -> Nearest:
        """The ``most`` live records of the greatest inner product with ``query``, float32 [dim], best first, with all
        fields but ``text``. Of ``where`` and ``scope`` the database may leave out what it cannot express: they are
        looked at again. It must not leave out a record that satisfies them. ``exact``: none is missing, up to the
        rounding of sums; else as the index of ``build_ann`` finds them."""

    # Approximate search and size -------------------------------------------------------------------

    @abstractmethod
    def build_ann(self, number: int, keep: Callable[[], None]) -> None:
        """Make the index for approximate search, and wait for it; nothing where it is there. ``keep`` is called every
        few seconds meanwhile, and renews the lease; what it raises ends the waiting."""

    @abstractmethod
    def has_ann(self, number: int) -> bool:
        """Whether it is there."""

    @abstractmethod
    def size(self) -> int:
        """Bytes on disk, 0 where that is not known."""

    @abstractmethod
    def damage(self) -> list[str]:
        """What the database says is broken in its own files."""

    def tidy(self, number: int) -> None:
        """Whatever keeps a collection fast, called now and then after much was written."""
        return
