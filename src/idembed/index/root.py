"""What an index holds, as one hash: the same for the same rows and vectors, in any order, on any machine, in any store.

Each vector gives two digests, SHA-256 of its fields, each preceded by its length as 8 little-endian bytes:

* content: id, part (4 little-endian bytes), SHA-256 of the row's text, SHA-256 of its canonical metadata, address;
* vectors: id, part, SHA-256 of the vector's little-endian float32 bytes (of nothing where it has none).

``content`` and ``vectors`` are the SHA-256 of all digests of their kind, sorted and joined; ``root`` is the SHA-256 of
the 32 bytes of ``content`` and the 32 of ``vectors``.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Final, Self

import numpy as np
from numpy.typing import NDArray

from idembed.durable import FULL
from idembed.errors import DiskFullError
from idembed.index.catalog import Catalog
from idembed.index.report import Tell, ignore
from idembed.rows import text_hash
from idembed.stores.base import Generation, Store, StoredPart, StoredRow

__all__ = ["Root", "RootHasher", "compute_root", "has_same_root", "root_of"]

_DIGEST: Final = 32
_ROWS: Final = 256
_IN_MEMORY: Final = 1_000_000
"""Digests of each kind that are held in memory, some 70 MB."""


@dataclass(frozen=True, slots=True)
class Root:
    """Three hashes as hex, and how many rows and vectors they are of."""

    root: str
    content: str
    vectors: str
    rows: int
    parts: int


class RootHasher:
    """Takes rows in any order. A context manager: its temporary files go when it is left."""

    def __init__(self) -> None:
        self._content = _SortedDigests()
        self._vectors = _SortedDigests()
        self._rows = 0
        self._parts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._content.close()
        self._vectors.close()

    def add(self, row: StoredRow, text_hash: bytes, metadata_hash: bytes) -> None:
        """One row with all its parts; the hashes are those of its text and metadata as they are."""
        self._rows += 1
        row_id = _prefixed(row.id.encode("utf-8"))
        hashes = _prefixed(text_hash) + _prefixed(metadata_hash)
        for part in row.parts:
            self._parts += 1
            start = row_id + _prefixed(part.part.to_bytes(4, "little", signed=True))
            self._content.add(hashlib.sha256(start + hashes + _prefixed(part.address)).digest())
            self._vectors.add(hashlib.sha256(start + _prefixed(_vector_hash(part))).digest())

    def root(self) -> Root:
        """The hashes of everything that was added."""
        content, vectors = self._content.digest(), self._vectors.digest()
        both = hashlib.sha256(content + vectors)
        return Root(both.hexdigest(), content.hex(), vectors.hex(), self._rows, self._parts)


def compute_root(catalog: Catalog, tell: Tell = ignore, generation: int | None = None) -> Root:
    """The root of the generation that is searched, or of another, from what the database holds at one moment."""
    store, active = catalog.readable()
    with store.snapshot():
        return root_of(store, active.number if generation is None else generation, tell)


def root_of(store: Store, generation: int, tell: Tell = ignore) -> Root:
    """The root of a generation, searched or not; of one moment only if nobody writes meanwhile, or in a snapshot."""
    with RootHasher() as hasher:
        total = store.count()
        for done, row in enumerate(store.scan(generation), 1):
            hasher.add(row, text_hash(row.text), text_hash(row.metadata_json))
            if done % _ROWS == 0:
                tell("checking", done, total)
        return hasher.root()


def has_same_root(catalog: Catalog, one: Generation, other: Generation, tell: Tell = ignore) -> bool:
    """Whether two generations have one root, at one moment."""
    store, _ = catalog.readable()
    with store.snapshot():
        return root_of(store, one.number, tell) == root_of(store, other.number, tell)


class _SortedDigests:
    """Digests in ascending order, whatever order they came in. Those that memory has no room for lie in one temporary
    file, in runs that are sorted each; a run's digests of one first byte lie together, so that 256 slices of all runs,
    each sorted once more, are all of them."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._runs: list[NDArray[np.int64]] = []
        """Where the digests of each first byte begin in a run, and where the last end: int64 [257]."""
        self._open = ExitStack()

    def close(self) -> None:
        self._open.close()

    def add(self, digest: bytes) -> None:
        self._held.append(digest)
        if len(self._held) >= _IN_MEMORY:
            self._spill()

    def digest(self) -> bytes:
        joined = hashlib.sha256()
        if self._file is None:
            joined.update(_sorted(self._held).tobytes())
            return joined.digest()
        self._spill()
        for byte in range(256):
            slices = []
            for run in self._runs:
                self._file.seek(int(run[byte]) * _DIGEST)
                slices.append(self._file.read(int(run[byte + 1] - run[byte]) * _DIGEST))
            joined.update(np.sort(np.frombuffer(b"".join(slices), f"S{_DIGEST}")).tobytes())
        return joined.digest()

    def _spill(self) -> None:
        try:
            self._write_run()
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise DiskFullError(
                f"the hashes of the vectors cannot be written to a temporary file: {error.strerror}",
                hint="set TMPDIR to a folder with room for 64 bytes a vector; nothing was changed",
            ) from error

    def _write_run(self) -> None:
        if self._file is None:
            file = tempfile.TemporaryFile(prefix="idembed-root-")  # noqa: SIM115  it is closed with _open
            self._file = self._open.enter_context(file)
        run = _sorted(self._held)
        begin = self._runs[-1][-1] if self._runs else 0
        firsts = run.view(np.uint8).reshape(-1, _DIGEST)[:, 0]
        self._runs.append(begin + np.searchsorted(firsts, np.arange(257)))
        self._file.write(run.tobytes())
        self._held.clear()


def _sorted(digests: Sequence[bytes]) -> NDArray[np.bytes_]:
    return np.sort(np.frombuffer(b"".join(digests), f"S{_DIGEST}"))


def _prefixed(field: bytes) -> bytes:
    return len(field).to_bytes(8, "little") + field


def _vector_hash(part: StoredPart) -> bytes:
    raw = b"" if part.vector is None else part.vector.astype("<f4", copy=False).tobytes()
    return hashlib.sha256(raw).digest()
