"""What goes into a store and comes out of it.

A *row* is stored once; its *parts* (one vector each) once per generation. A part is current if and only if its
``text_hash`` equals its row's. A row is *settled* while it is as a source said: it then has a row hash, and every
complete generation has its vectors. Whatever another program edits loses the hash of what was edited and the row
hash with it, so the next plan looks at the row and the sync repairs it; vectors of an edited text are not searched.

A generation is *complete* when no settled row lacks vectors in it. A write that leaves it out makes it incomplete; it
is completed again by ``fill``, as a new one is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from idembed.rows import text_hash
from idembed.space import Space, checksum

__all__ = [
    "RESTORE",
    "ROWS",
    "Capabilities",
    "Filling",
    "Generation",
    "Lease",
    "Match",
    "Orphans",
    "PartRecord",
    "RowHashes",
    "RowRecord",
    "RowState",
    "Status",
    "StoredPart",
    "StoredRow",
    "Vector",
    "lease_of",
]

Status = Literal["building", "active", "standby", "dropped"]
Vector = NDArray[np.float32]
RowHashes = NDArray[np.bytes_]
"""S16 [n]: NumPy compares them as unsigned bytes, padded with zeros to the full width."""
RESTORE: Final = (
    "restore it from a backup, or sync into a new file: vectors that are still in the vault are not computed again"
)
"""What to do about damage that cannot be mended."""
ROWS = "rows"
"""The name of the lease for writing rows; ``lease_of`` gives those for filling a generation."""
_ROW_BYTES: Final = 128
"""Of its hashes."""
_PART_BYTES: Final = 128
"""Of its numbers, address, hash and checksum."""


def lease_of(generation: int) -> str:
    """The name of the lease for filling a generation: who fills one does not keep others from writing rows."""
    return f"generation {generation}"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store can do, declared truthfully and checked by the contract suite."""

    exact_readback: bool
    atomic_switch: bool
    transactions: bool
    approximate_search: bool
    concurrent_writers: bool
    snapshots: bool
    max_key: int
    """bytes of UTF-8"""
    max_text: int
    """bytes of UTF-8"""
    max_metadata: int
    """bytes of canonical JSON"""
    max_dim: int
    max_batch: int = 64 << 20
    """bytes (``size`` of rows and fillings) in one call of ``upsert`` or ``fill``; one row alone may be more"""
    filters: bool = True
    """whether the database itself applies conditions on metadata; where not, what they let pass is looked for among
    all, and means the same"""


@dataclass(frozen=True, slots=True)
class Generation:
    """One space's vectors within a store. ``model`` is the name by which to load the model again; ``complete``: no
    settled row lacks vectors; ``activated`` grows with every activation, 0 before the first: of two standbys, the one
    with the greater number was active last."""

    number: int
    space: Space
    model: str
    status: Status
    complete: bool = False
    activated: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """A writer's right to write what is called ``name``: ``fence`` grows with every lease of that name and is checked
    in each batch."""

    fence: int
    owner: str
    expires: float
    """seconds since the epoch"""
    name: str = ROWS


@dataclass(frozen=True, slots=True)
class PartRecord:
    """One vector to write. ``span``: [start, end) in characters of the row's text; ``vector``: float32 [dim], or None
    when the model has none for this text, so that the part counts as done and is never found."""

    part: int
    span: tuple[int, int]
    address: bytes
    vector: Vector | None
    tokens: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class RowRecord:
    """A row to write. ``text`` None keeps the stored text and vectors (a metadata change); else ``parts`` maps
    generation numbers to all parts of the row there, replacing those it had; in the generations that are not named,
    parts of another text are removed. ``row_hash`` None: the row is not settled yet."""

    id: str
    scope: str
    text: str | None
    text_hash: bytes
    metadata: str
    """canonical JSON"""
    metadata_hash: bytes
    row_hash: bytes | None = None
    parts: Mapping[int, Sequence[PartRecord]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes to write, by which batches are measured: id, text, metadata and vectors, with what belongs to each."""
        texts = sum(map(_utf8_bytes, (self.id, self.scope, self.text or "", self.metadata)))
        return _ROW_BYTES + texts + sum(map(_size_of_parts, self.parts.values()))


class Filling(NamedTuple):
    """Vectors for a stored row, which count only if its text still has ``text_hash``."""

    id: str
    text_hash: bytes
    parts: Sequence[PartRecord]

    @property
    def size(self) -> int:
        """As of a row: id and vectors, with what belongs to each."""
        return _ROW_BYTES + _utf8_bytes(self.id) + _size_of_parts(self.parts)


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _size_of_parts(parts: Sequence[PartRecord]) -> int:
    return sum(_PART_BYTES + (0 if part.vector is None else part.vector.nbytes) for part in parts)


class RowState(NamedTuple):
    """What a plan needs to know of a stored row; ``current``: every generation asked about has its vectors.

    A hash is empty when another program edited what it is of; ``row_hash`` also when the row is not settled.
    """

    id: str
    scope: str
    text_hash: bytes
    metadata_hash: bytes
    row_hash: bytes
    current: bool


@dataclass(frozen=True, slots=True)
class StoredPart:
    """One stored vector with what is known about it. ``checksum``: as it was when it was written (space.checksum)."""

    part: int
    span: tuple[int, int]
    address: bytes
    tokens: int
    truncated: bool
    text_hash: bytes
    """hash of the whole text this part was made from"""
    checksum: bytes
    empty: bool
    """whether it was written without a vector"""
    vector: Vector | None
    """float32 [n], where n is not dim if another program broke it; None where there is none or none was asked for"""
    is_sound: bool = True
    """False where the store itself sees that ``vector`` is damaged, or what it knows it by: it is not searched"""

    @property
    def is_whole(self) -> bool:
        """Whether it is as it was written, ``vector`` included, which must have been asked for."""
        raw = b"" if self.vector is None else self.vector.astype("<f4", copy=False).tobytes()
        return self.is_sound and self.checksum == checksum(self.address, raw, self.tokens, self.truncated)


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One stored row; ``parts`` are those of the generation asked for, in order."""

    id: str
    scope: str
    text: str
    metadata: dict[str, Any]
    metadata_json: str
    """as it is stored: canonical JSON unless another program edited it"""
    text_hash: bytes
    metadata_hash: bytes
    row_hash: bytes
    parts: tuple[StoredPart, ...] = ()

    def has_current(self, part: StoredPart) -> bool:
        """Whether ``part`` was made from the text as it is now; never once another program edited the text."""
        return bool(self.text_hash) and part.text_hash == self.text_hash

    @property
    def is_whole(self) -> bool:
        """Whether text and metadata are not damaged. Edits by other programs, which take the hash away, are no damage,
        and not seen here."""
        return self.has_right_text and self.metadata_hash in (b"", text_hash(self.metadata_json))

    @property
    def has_right_text(self) -> bool:
        """Whether the text is not damaged, as ``is_whole``."""
        return self.text_hash in (b"", text_hash(self.text))


@dataclass(frozen=True, slots=True)
class Match:
    """One result of a search: which part of which row, and its inner product with the query. ``address`` is that
    of the vector that was compared: a row read later may have another text, whose parts have other addresses."""

    id: str
    part: int
    score: float
    address: bytes

    def rank(self) -> tuple[float, str, int]:
        """What results are sorted by: best first, ties by id then part."""
        return -self.score, self.id, self.part


@dataclass(frozen=True, slots=True)
class Orphans:
    """Records that belong to nothing: how many of a ``kind``, such as ``texts without a row``; some as ``examples``."""

    kind: str
    count: int
    examples: tuple[str, ...]
