"""One immutable file of vectors, in the safetensors format, sorted by address.

========== ================ =========================================================================
vector     float32 [n, dim]
tokens     int32 [n]        what the model read of the text
address    uint8 [n, 16]    ascending
check      uint8 [n, 8]     first bytes of SHA-256 over the entry's address, vector, tokens, truncated
truncated  uint8 [n]
========== ================ =========================================================================

Every check is verified on every read, so a damaged entry is absent instead of wrong.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from idembed.durable import sync_folder
from idembed.space import ADDRESS_BYTES, CHECKSUM_BYTES, Kept, checksum

__all__ = [
    "SUFFIX",
    "TEMPORARY",
    "Addresses",
    "Entries",
    "NotASegmentError",
    "NotOpenedError",
    "Segment",
    "is_damaged",
    "write_segment",
]

SUFFIX: Final = ".safetensors"
TEMPORARY: Final = ".tmp-"
_ALIGNMENT: Final = 64
_MAX_HEADER: Final = 1 << 20
_FORMAT: Final = "1"
_NAME: Final = re.compile(r"([0-9a-f]{32})\.safetensors")

Addresses = NDArray[np.bytes_]
"""S16 [n]: NumPy compares them as unsigned bytes, padded with zeros to the full width."""
Bytes = NDArray[np.uint8]


class NotASegmentError(Exception):
    """The file cannot be read as a segment, whatever it is; the message says why."""


class NotOpenedError(Exception):
    """The file cannot be looked into just now (permission, input or output), and may be whole; the message says why."""


@dataclass(frozen=True, slots=True)
class Entries:
    """Some entries, in any order: address uint8 [n, 16], vector float32 [n, dim], tokens int32 [n], truncated
    uint8 [n]."""

    address: Bytes
    vector: NDArray[np.float32]
    tokens: NDArray[np.int32]
    truncated: Bytes

    def __len__(self) -> int:
        return len(self.address)

    def checks(self) -> Bytes:
        """uint8 [n, 8]: what ``check`` must be for each entry."""
        columns = (self.address, self.vector.astype("<f4", copy=False), self.tokens.tolist(), self.truncated.tolist())
        made = [
            checksum(address.tobytes(), vector.tobytes(), tokens, truncated)
            for address, vector, tokens, truncated in zip(*columns, strict=True)
        ]
        return np.frombuffer(b"".join(made), np.uint8).reshape(-1, CHECKSUM_BYTES)

    def kept(self, i: int) -> Kept:
        """Entry ``i``; its vector is a copy."""
        return Kept(self.vector[i].astype(np.float32), int(self.tokens[i]), bool(self.truncated[i]))


class Segment:
    """A file mapped into memory. Raises NotASegmentError when its header and size do not fit together, NotOpenedError
    when it cannot be opened, and FileNotFoundError when it is gone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        arrays = _map(path)
        try:
            self._address: Bytes = arrays["address"]
            self._check: Bytes = arrays["check"]
            self._vector: NDArray[np.float32] = arrays["vector"]
            self._tokens: NDArray[np.int32] = arrays["tokens"]
            self._truncated: Bytes = arrays["truncated"]
        except KeyError as error:
            raise NotASegmentError(f"it has no {error.args[0]}") from None
        n = len(self._address)
        shapes = {
            "address": (n, ADDRESS_BYTES),
            "check": (n, CHECKSUM_BYTES),
            "vector": (n, *self._vector.shape[1:2]),
            "tokens": (n,),
            "truncated": (n,),
        }
        for name, shape in shapes.items():
            if arrays[name].shape != shape or (name == "vector" and len(shape) != 2):
                raise NotASegmentError(f"{name} has the shape {list(arrays[name].shape)}")

    def close(self) -> None:
        """Give the map back; the segment is empty from now on. No array of it is handed out but ``addresses``."""
        self._address, self._check = self._address[:0].copy(), self._check[:0].copy()
        self._vector, self._tokens = self._vector[:0].copy(), self._tokens[:0].copy()
        self._truncated = self._truncated[:0].copy()

    def __len__(self) -> int:
        return len(self._address)

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return int(self._vector.shape[1])

    @property
    def size(self) -> int:
        """Bytes of all entries."""
        return len(self) * (ADDRESS_BYTES + CHECKSUM_BYTES + 4 * self.dim + 5)

    @property
    def addresses(self) -> Addresses:
        """S16 [n], ascending unless damaged; not a copy."""
        return self._address.view(f"S{ADDRESS_BYTES}")[:, 0]

    def find(self, wanted: Addresses) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions in ``wanted`` (S16) of the addresses that are here, and where they are."""
        if not len(self) or not len(wanted):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        addresses = self.addresses
        at = np.minimum(np.searchsorted(addresses, wanted), len(self) - 1)
        here = np.flatnonzero(addresses[at] == wanted)
        return here, at[here]

    def read(self, at: NDArray[np.int64]) -> tuple[Entries, NDArray[np.bool_]]:
        """The entries at positions ``at`` and which of them are whole."""
        entries = Entries(self._address[at], self._vector[at], self._tokens[at], self._truncated[at])
        return entries, (entries.checks() == self._check[at]).all(axis=1)


def _map(path: Path) -> dict[str, Any]:
    """The arrays of a safetensors file, mapped read-only."""
    kinds = {"F32": "<f4", "I32": "<i4", "U8": "u1"}
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(_MAX_HEADER, size - 8):
                raise NotASegmentError("it is cut off or not a safetensors file")
            header = json.loads(file.read(length))
            data = np.memmap(file, np.uint8, "r", 8 + length) if size > 8 + length else np.empty(0, np.uint8)
        header.pop("__metadata__", None)
        arrays = {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            if not 0 <= begin <= end <= len(data):
                raise NotASegmentError(f"it is cut off: {name} ends at byte {end:,} of {len(data):,}")
            arrays[name] = data[begin:end].view(kinds[entry["dtype"]]).reshape(entry["shape"])
        return arrays
    except FileNotFoundError:
        raise
    except OSError as error:
        raise NotOpenedError(f"it cannot be opened ({error.strerror or error})") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise NotASegmentError(f"its header cannot be read ({error})") from None


def is_damaged(path: Path) -> bool:
    """Whether a file is not what was written under its name, the name of a segment, which is a hash of its bytes. (What
    a newer idembed wrote is.) Raises OSError when it cannot be read."""
    name = _NAME.fullmatch(path.name)
    if name is None:
        return False
    with path.open("rb") as file:
        return not hashlib.file_digest(file, "sha256").hexdigest().startswith(name[1])


def write_segment(folder: Path, batches: Iterator[Entries], n: int, dim: int) -> Path:
    """A new segment in ``folder`` of ``n`` entries that come sorted in batches; durable on return.

    Its name is the hash of its bytes, so copying vaults into one another never collides.
    """
    temporary = folder / f"{TEMPORARY}{secrets.token_hex(8)}"
    layout = [
        ("vector", "F32", (n, dim), 4 * n * dim),
        ("tokens", "I32", (n,), 4 * n),
        ("address", "U8", (n, ADDRESS_BYTES), n * ADDRESS_BYTES),
        ("check", "U8", (n, CHECKSUM_BYTES), n * CHECKSUM_BYTES),
        ("truncated", "U8", (n,), n),
    ]
    try:
        with open(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
            starts = _write_header(file, layout)
            done = 0
            for batch in batches:
                columns = {
                    "vector": np.ascontiguousarray(batch.vector, "<f4"),
                    "tokens": np.ascontiguousarray(batch.tokens, "<i4"),
                    "address": np.ascontiguousarray(batch.address),
                    "check": batch.checks(),
                    "truncated": np.ascontiguousarray(batch.truncated),
                }
                for name, _, shape, _ in layout:
                    file.seek(starts[name] + done * columns[name].itemsize * math.prod(shape[1:]))
                    file.write(columns[name].tobytes())
                done += len(batch)
            if done != n:
                raise ValueError(f"{done} entries came, {n} were announced")
            file.flush()
            file.seek(0)
            name = hashlib.file_digest(file, "sha256").hexdigest()[:32] + SUFFIX
            os.fsync(file.fileno())
        path = folder / name
        try:
            temporary.replace(path)
        except PermissionError:
            if not path.exists():
                raise
            temporary.unlink()  # Windows replaces no file that is mapped; by its name it has the same bytes
        sync_folder(folder)
        return path
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _write_header(file: BinaryIO, layout: list[tuple[str, str, tuple[int, ...], int]]) -> dict[str, int]:
    """Write the header; where each column begins in the file."""
    header: dict[str, Any] = {"__metadata__": {"format": "idembed-vault", "version": _FORMAT}}
    offset = 0
    offsets = {}
    for name, kind, shape, size in layout:
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [offset, offset + size]}
        offsets[name] = offset
        offset += size
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-(8 + len(raw)) % _ALIGNMENT)
    file.write(len(raw).to_bytes(8, "little") + raw)
    file.truncate(8 + len(raw) + offset)
    return {name: 8 + len(raw) + begin for name, begin in offsets.items()}
