"""Parts with their vectors as rows of the binary form of COPY, many at a time: 3 µs a part of 384 dimensions, half of
it for the checksum (one by one: 6 µs)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from idembed.space import ADDRESS_BYTES, CHECKSUM_BYTES, checksum
from idembed.stores.part_checksums import checksums, hashed
from idembed.stores.postgres_copy import binary, boolean, number4, number8, row_of, vector
from idembed.stores.records import PartRecord

__all__ = ["COLUMNS", "Parts", "part_rows"]

COLUMNS: Final = ("key", "part", "start", '"end"', "text_hash", "address", "tokens", "truncated", "checksum", "vector")
_AT_ONCE: Final = 256
"""Few enough to be made while the server still takes what was sent before."""
_TEXT_HASH_BYTES: Final = 32


class Parts(NamedTuple):
    """Parts, the keys of their rows, and the hashes of the whole texts they were made from. Lists, and not an object
    for each: thousands of these would set off the garbage collector, which takes 3 µs a part then."""

    keys: list[int]
    text_hashes: list[bytes]
    parts: list[PartRecord]

    def add(self, key: int, text_hash: bytes, parts: Sequence[PartRecord]) -> None:
        """Those of a row."""
        for part in parts:
            self.keys.append(key)
            self.text_hashes.append(text_hash)
            self.parts.append(part)


def part_rows(given: Parts) -> Iterator[bytes]:
    """Rows of ``COLUMNS``, in any order, many in each piece."""
    for begin in range(0, len(given.parts), _AT_ONCE):
        end = begin + _AT_ONCE
        piece = Parts(given.keys[begin:end], given.text_hashes[begin:end], given.parts[begin:end])
        unusual = [
            at
            for at, part in enumerate(piece.parts)
            if part.vector is None or len(piece.text_hashes[at]) != _TEXT_HASH_BYTES
        ]
        for at in reversed(unusual):
            yield _alone(piece.keys.pop(at), piece.text_hashes.pop(at), piece.parts.pop(at))
        if piece.parts:
            yield _together(*piece)


def _together(keys: Sequence[int], text_hashes: Sequence[bytes], parts: Sequence[PartRecord]) -> bytes:
    """All fields have the same lengths, so that the rows are an array of records."""
    there = [part.vector for part in parts if part.vector is not None]
    dim = len(there[0])
    known = hashed(parts, np.concatenate(there).reshape(-1, dim))

    rows = np.full(len(parts), _row(dim))
    rows["key"] = keys
    rows["part"] = [part.part for part in parts]
    rows["start"] = [part.span[0] for part in parts]
    rows["end"] = [part.span[1] for part in parts]
    rows["text_hash"] = np.frombuffer(b"".join(text_hashes), f"V{_TEXT_HASH_BYTES}")
    for name in ("address", "tokens", "truncated", "vector"):
        rows[name] = known[name]
    rows["checksum"] = np.frombuffer(b"".join(checksums(known)), f"V{CHECKSUM_BYTES}")
    return rows.tobytes()


@lru_cache(16)
def _row(dim: int) -> np.ndarray[Any, np.dtype[Any]]:
    """One row in which the fields have their lengths, and no values yet."""
    kinds: tuple[tuple[str, str], ...] = (
        ("key", ">i8"),
        ("part", ">i4"),
        ("start", ">i4"),
        ("end", ">i4"),
        ("text_hash", f"V{_TEXT_HASH_BYTES}"),
        ("address", f"V{ADDRESS_BYTES}"),
        ("tokens", ">i4"),
        ("truncated", "u1"),
        ("checksum", f"V{CHECKSUM_BYTES}"),
    )
    fields: list[Any] = [("count", ">i2")]
    for name, kind in kinds:
        fields += [(f"length of {name}", ">i4"), (name, kind)]
    fields += [("length of vector", ">i4"), ("dim", ">i2"), ("nothing", ">i2"), ("vector", ">f4", (dim,))]
    row = np.zeros((), fields)
    row["count"], row["dim"], row["length of vector"] = len(COLUMNS), dim, 4 + 4 * dim
    for name, kind in kinds:
        row[f"length of {name}"] = np.dtype(kind).itemsize
    return row


def _alone(key: int, text_hash: bytes, part: PartRecord) -> bytes:
    """The row of a part that has no vector."""
    raw = b"" if part.vector is None else part.vector.astype("<f4", copy=False).tobytes()
    tokens, truncated = int(part.tokens), bool(part.truncated)
    return row_of(
        number8(key),
        number4(int(part.part)),
        number4(int(part.span[0])),
        number4(int(part.span[1])),
        binary(text_hash),
        binary(part.address),
        number4(tokens),
        boolean(truncated),
        binary(checksum(part.address, raw, tokens, truncated)),
        vector(part.vector),
    )
