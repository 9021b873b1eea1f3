"""A vector space is everything that can change a vector's bits, and nothing that cannot."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal

from idembed.canonical import JSON, canonical_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "ADDRESS_BYTES",
    "CHECKSUM_BYTES",
    "Difference",
    "Kept",
    "Side",
    "Similarity",
    "Space",
    "address",
    "checksum",
]

Side = Literal["document", "query"]
Similarity = Literal["cosine", "dot"]
ADDRESS_BYTES = 16
CHECKSUM_BYTES = 8


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact in which two spaces differ."""

    name: str
    here: JSON
    there: JSON

    def __str__(self) -> str:
        return f"{self.name}: {_short(self.here)} here, {_short(self.there)} there"


@dataclass(frozen=True)
class Space:
    """``kind`` (checkpoint, word2vec, api), ``dim``, ``similarity`` and the ``facts`` of that kind.

    Facts of a checkpoint: SHA-256 of the packed weights, architecture, pooling, prompts, maximum length,
    profile, and a hash of the tokenizer's behaviour. Device, batch size, threads and the model's name are
    no part of it. Vectors of a ``cosine`` space have unit length; of a ``dot`` space, the length they have.
    """

    kind: str
    dim: int
    similarity: Similarity
    facts: Mapping[str, JSON]

    @cached_property
    def canonical(self) -> str:
        """The canonical JSON that is hashed and recorded."""
        return canonical_json({"kind": self.kind, "dim": self.dim, "similarity": self.similarity, "facts": self.facts})

    @cached_property
    def id(self) -> str:
        """SHA-256 of the canonical JSON, as 64 hex digits."""
        return hashlib.sha256(self.canonical.encode("utf-8")).hexdigest()

    @property
    def repeatable(self) -> bool:
        """Whether its model gives the same bits again; an API does not promise that."""
        return self.kind != "api"

    @classmethod
    def from_canonical(cls, text: str) -> Space:
        """The space that ``canonical`` was taken from; ``id`` is the same again."""
        value: dict[str, Any] = json.loads(text)
        return cls(value["kind"], value["dim"], value["similarity"], value["facts"])

    def differences(self, other: Space) -> list[Difference]:
        """What differs between this space (here) and ``other`` (there), sorted by name."""
        here, there = self._flat(), other._flat()
        names = sorted(here.keys() | there.keys())
        return [
            Difference(name, here.get(name), there.get(name)) for name in names if here.get(name) != there.get(name)
        ]

    def _flat(self) -> dict[str, JSON]:
        value: dict[str, Any] = json.loads(self.canonical)
        return {**value.pop("facts"), **value}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self.canonical == other.canonical

    def __hash__(self) -> int:
        return hash(self.canonical)


@dataclass(frozen=True, slots=True)
class Kept:
    """A vector found by its address: float32 [dim], and what its model said of the text."""

    vector: NDArray[np.float32]
    tokens: int
    truncated: bool


def address(space_id: str, side: Side, text: str) -> bytes:
    """The name of one vector: the first 16 bytes of SHA-256 over (space id, side, text), each preceded by
    its length in bytes as 8 little-endian bytes."""
    return hashlib.sha256(_before(space_id, side) + _prefixed(text)).digest()[:ADDRESS_BYTES]


@lru_cache(64)
def _before(space_id: str, side: Side) -> bytes:
    return _prefixed(space_id) + _prefixed(side)


def _prefixed(field: str) -> bytes:
    raw = field.encode("utf-8")
    return len(raw).to_bytes(8, "little") + raw


def checksum(address: bytes, vector: bytes, tokens: int, truncated: bool) -> bytes:
    """What tells a damaged vector (little-endian float32 bytes) and its receipt from whole ones, wherever they are
    kept: the first 8 bytes of SHA-256 over address, vector, tokens as 4 little-endian bytes, and truncated as one."""
    ending = tokens.to_bytes(4, "little", signed=True) + (b"\1" if truncated else b"\0")
    return hashlib.sha256(address + vector + ending).digest()[:CHECKSUM_BYTES]


def _short(value: JSON) -> str:
    text = canonical_json(value)
    return text if len(text) <= 40 else text[:37] + "..."
