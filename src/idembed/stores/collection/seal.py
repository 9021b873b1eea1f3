"""What only we read of a record: the hashes of its row and what is known of its vector, as some bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from idembed.errors import DamagedError
from idembed.stores.records import RESTORE

__all__ = ["Seal", "last_of", "packed"]

_VERSION: Final = 1
_FORM: Final = struct.Struct("<BBIQ32s32s32s8s")
_BARE, _EMPTY, _HAS_TEXT = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Seal:
    """``text_hash``, ``metadata_hash``, ``last`` and ``size`` are of the row, and in its head alone."""

    made_of: bytes = b""
    """hash of the text that the vector was made from; nothing where there is no part"""
    checksum: bytes = bytes(8)
    """of the vector (space.checksum)"""
    empty: bool = False
    """whether the part was written without a vector"""
    text_hash: bytes = b""
    """nothing when the text is not what it was"""
    metadata_hash: bytes = b""
    last: int = 0
    """the greatest part number, plus 1: which records there may be"""
    size: int = 0
    """bytes of text and metadata"""

    @property
    def is_bare(self) -> bool:
        """Whether the record is there for its row alone, and no part."""
        return not self.made_of

    @property
    def is_current(self) -> bool:
        """Whether a head's part was made from the row's text as it is now."""
        return bool(self.text_hash) and self.made_of == self.text_hash

    def packed(self) -> bytes:
        return packed(self.made_of, self.checksum, self.empty, self.text_hash, self.metadata_hash, self.last, self.size)

    @staticmethod
    def read(raw: bytes) -> Seal:
        """What ``packed`` gave. Raises DamagedError for anything else."""
        if len(raw) != _FORM.size or raw[0] != _VERSION:
            raise DamagedError("what idembed wrote beside a vector cannot be read", hint=RESTORE)
        _, flags, last, size, made_of, text_hash, metadata_hash, checksum = _FORM.unpack(raw)
        return Seal(
            b"" if flags & _BARE else made_of,
            checksum,
            bool(flags & _EMPTY),
            text_hash if flags & _HAS_TEXT else b"",
            metadata_hash if last else b"",
            last,
            size,
        )


def packed(
    made_of: bytes, checksum: bytes, empty: bool, text_hash: bytes, metadata_hash: bytes, last: int, size: int
) -> bytes:
    """The bytes of a seal with these fields, which is made of each record that is written."""
    flags = (not made_of) * _BARE | empty * _EMPTY | bool(text_hash) * _HAS_TEXT
    return _FORM.pack(_VERSION, flags, last, size, made_of, text_hash, metadata_hash, checksum)


def last_of(raw: bytes) -> int:
    """``last`` of the seal that these bytes are."""
    if len(raw) != _FORM.size or raw[0] != _VERSION:
        return Seal.read(raw).last  # which says what is wrong
    return int.from_bytes(raw[2:6], "little")
