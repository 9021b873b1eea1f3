"""The side-car: a file beside a SQLite index with a graph for approximate search. It may be removed at any time.

It has what usearch writes, then the pairs of equal vectors (``ann_graph.Distinct``), then a line that says whose it is,
with the SHA-256 of all before it. The database has that of the line, so that a file of another state of the index is
known by its line alone: a backup that was restored names another file, or none. usearch believes what it maps, so not a
byte of a file is used before all of it was read, and is what the line says.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import numpy as np

from idembed.durable import durable
from idembed.errors import OptionError, StoreError
from idembed.stores.ann_graph import Graph, Ints

__all__ = [
    "Identity",
    "belongs",
    "identity",
    "is_ours",
    "open_graph",
    "path_of",
    "refuse_foreign",
    "remove",
    "write_graph",
]

_MAGIC: Final = b"idembed ann 1 "
"""With the number of the format."""
_LAST_LINE: Final = 256

Identity = tuple[int, int, int, int, int]
"""device, inode, bytes, nanoseconds of the last change and of that of its inode"""


class _Sizes(NamedTuple):
    """What the last line says of the file: bytes of the graph, how many pairs follow, dimensions, and the SHA-256 of
    what is before the line, as hex (empty: written before the line had one)."""

    graph: int
    pairs: int
    dim: int
    digest: str = ""


def path_of(index: str, generation: int) -> Path:
    """Where the side-car of a generation is: beside the file itself, where a link to it leads."""
    return Path(f"{os.path.realpath(index)}.ann-{int(generation)}")


def identity(path: Path) -> Identity | None:
    """What changes when the file does; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def is_ours(path: Path) -> bool:
    """Whether the file says at its end that it is a side-car."""
    try:
        with _opened(path) as file:
            return _sizes(file) is not None
    except OSError:
        return False


def belongs(path: Path, digest: bytes, dim: int) -> bool:
    """Whether the last line is the one whose SHA-256 is ``digest``, of vectors of ``dim`` numbers. Nothing else is
    read, however large the file is; that all of it is as it was written, ``open_graph`` finds out."""
    try:
        with _opened(path) as file:
            sizes = _sizes(file)
            return sizes is not None and sizes.dim == dim and _line_digest(file) == digest
    except OSError:
        return False


def refuse_foreign(path: Path) -> None:
    """Raise StoreError where something else has the name of the side-car."""
    if os.path.lexists(path) and not is_ours(path):
        raise StoreError(
            f"{path} is no index for approximate search, or a damaged one; it was left as it is",
            hint="move or remove it, then build again",
            path=str(path),
        )


def remove(path: Path) -> None:
    """Remove a side-car; what else has its name stays, and so does what cannot be removed: nothing depends on it."""
    if is_ours(path):
        with suppress(OSError):
            path.unlink()


def write_graph(path: Path, graph: Any, pairs: Ints, dim: int, index: str) -> bytes:
    """Write the side-car, whole or not at all, for those who may read the ``index``; the SHA-256 of its last line.
    Raises StoreError, DiskFullError among them."""
    try:
        with durable(path, "wb") as file:
            os.chmod(file.name, stat.S_IMODE(os.stat(index).st_mode))
            try:
                graph.save(file.name)
            except RuntimeError as error:  # all that usearch says of a disk that is full
                raise StoreError(
                    f"{path} cannot be written: {error}", hint="is the disk full?", path=str(path)
                ) from error
            size = file.seek(0, os.SEEK_END)
            if size != graph.serialized_length:
                raise StoreError(f"{path} was not written to its end", hint="is the disk full?", path=str(path))
            file.write(np.ascontiguousarray(pairs, "<i8").data)
            file.flush()
            with open(file.name, "rb") as written:
                digest = hashlib.file_digest(written, "sha256").hexdigest()
            line = _MAGIC + json.dumps(_Sizes(size, len(pairs), dim, digest)).encode()
            line = line.ljust(_LAST_LINE - 1) + b"\n"
            file.write(line)
            return hashlib.sha256(line).digest()
    except OptionError as error:  # nobody chose this name
        raise StoreError(error.message, hint=error.hint, path=str(path)) from error


def open_graph(path: Path, digest: bytes, dim: int) -> Graph | None:
    """The graph in the file; None unless its every byte is as it was written. Read once, mapped from then on."""
    try:
        with _opened(path) as file:
            sizes = _sizes(file)
            if sizes is None or sizes.dim != dim or _line_digest(file) != digest:
                return None
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):
        return None
    view = memoryview(mapping)
    if hashlib.sha256(view[:-_LAST_LINE]).hexdigest() != sizes.digest:
        return None
    pairs = np.frombuffer(view, "<i8", 2 * sizes.pairs, sizes.graph).reshape(-1, 2).astype(np.int64)
    try:
        return Graph(view[: sizes.graph], dim, pairs)
    except (RuntimeError, StoreError):  # usearch is another version, which writes otherwise, or cannot be loaded
        return None


def _opened(path: Path) -> IO[bytes]:
    """The file; OSError where there is none, and where something else is that might never be opened, such as a pipe."""
    if not path.is_file():
        raise FileNotFoundError(path)
    return path.open("rb")


def _sizes(file: IO[bytes]) -> _Sizes | None:
    """What the last line says; None for a file that is none of ours."""
    length = file.seek(0, os.SEEK_END)
    if length < _LAST_LINE:
        return None
    file.seek(length - _LAST_LINE)
    line = file.read(_LAST_LINE)
    if not line.startswith(_MAGIC):
        return None
    try:
        sizes = _Sizes(*json.loads(line[len(_MAGIC) :]))
        whole = all(type(size) is int and size >= 0 for size in sizes[:3]) and isinstance(sizes.digest, str)
    except (ValueError, TypeError):
        return None
    return sizes if whole and sizes.graph + 16 * sizes.pairs + _LAST_LINE == length else None


def _line_digest(file: IO[bytes]) -> bytes:
    file.seek(-_LAST_LINE, os.SEEK_END)
    return hashlib.sha256(file.read(_LAST_LINE)).digest()
