"""Packed weights kept in a file, so that they are packed once a machine and then mapped.

One file in the cache folder's ``packed`` for each checkpoint (by the hash of its weights), profile and layout. It holds
the block of ``native.pack`` and, behind it, its own name: a file that was given another's is not taken for it. It is
written under a temporary name and renamed into place, and never changed afterwards: processes that have it mapped keep
what they have. Whoever finds it damaged, of the wrong size, or such that somebody else may write it, packs again and
puts a new one in its place. Where no file can be kept, weights are packed at every start.

``IDEMBED_PACKED=off`` keeps and reads none. docs/adr/0022-packed-weights.md gives reasons and measurements.
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from idembed import native
from idembed.durable import durable
from idembed.errors import IdembedError, IntegrityError
from idembed.folders import cache_folder
from idembed.models.beside import Beside

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

__all__ = ["opened", "worth_keeping"]

log = logging.getLogger(__name__)

_SMALLEST = 4 << 20
"""A smaller block is packed in the time that a file takes to be opened and checked."""
_MOST = 4 << 30
"""All files together, unless the newest alone is larger."""
_DAY = 86_400.0


def worth_keeping(config: native.EncoderConfig, *, isa: str | None) -> bool:
    """Whether packed weights of this shape are kept in a file, and there is a place for it."""
    off = os.environ.get("IDEMBED_PACKED", "").strip().lower() in ("0", "false", "no", "off")
    return not off and native.block_kind(config, isa=isa).bytes >= _SMALLEST and _has_place()


def _has_place() -> bool:
    """Whether there is a folder for the files, or one can be made. Where none can, the hash of the weights, by which a
    file is named, is not worth its time."""
    try:
        folder = cache_folder() / "packed"
    except RuntimeError:  # nobody's home
        return False
    nearest = next((path for path in (folder, *folder.parents) if path.exists()), None)
    return nearest == folder or (nearest is not None and os.access(nearest, os.W_OK))


def opened(
    config: native.EncoderConfig,
    weights: str,
    pack: Callable[[], Bytes],
    *,
    isa: str | None,
    keep: bool = True,
    meanwhile: Callable[[], object] = lambda: None,
) -> native.Encoder:
    """The encoder of the weights with this hash: from their file, else from ``pack()``, which with ``keep`` becomes
    their file. While a file is checked, by a thread that has ended before this returns, ``meanwhile`` is called. Raises
    what ``pack`` and ``meanwhile`` raise, and nothing for whatever is wrong with files."""
    kind = native.block_kind(config, isa=isa)
    path = cache_folder() / "packed" / f"{_key(weights, kind)}.weights"

    def from_file() -> native.Encoder | None:
        return _from_file(path, config, kind, isa, meanwhile)

    if (encoder := from_file()) is not None:
        return encoder
    block = pack()
    if keep:
        # Others may have started at the same time, and one file is enough. The memory of a mapped one is shared.
        encoder = from_file() or (from_file() if _write(path, block) else None)
    return encoder or native.Encoder.of_block(config, block, isa=isa)


def _key(weights: str, kind: native.BlockKind) -> str:
    return hashlib.sha256(f"{weights} {kind.layout}".encode()).hexdigest()[:40]


def _mark(path: Path) -> bytes:
    """What stands behind the block in the file of this name."""
    return path.stem.encode()


def _from_file(
    path: Path,
    config: native.EncoderConfig,
    kind: native.BlockKind,
    isa: str | None,
    meanwhile: Callable[[], object],
) -> native.Encoder | None:
    try:
        memory = _mapped(path, kind.bytes + len(_mark(path)))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.info("packed weights in %s are not used: %s", path, error)
        return None
    block = np.frombuffer(memory, np.uint8, kind.bytes)
    try:
        encoder = native.Encoder.of_block(config, block, isa=isa)
    except IntegrityError:
        encoder = None
    if encoder is None or memory[kind.bytes :] != _mark(path) or not _is_whole(block, meanwhile):
        log.info("packed weights in %s are damaged or stale", path)
        return None
    _mark_used(path)
    return encoder


def _is_whole(block: Bytes, meanwhile: Callable[[], object]) -> bool:
    """Compare everything with its sums; in one native call, as ``meanwhile`` may not let go of the interpreter."""
    with Beside(partial(native.is_whole, block, is_mapped=True)) as compared:
        meanwhile()
    return compared.result()


def _mapped(path: Path, size: int) -> mmap.mmap:
    """The file, mapped; never longer than it is, as touching what is behind its end would end the process."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size != size:
            raise ValueError(f"a file of {size} bytes was expected")
        if hasattr(os, "geteuid") and found.st_uid not in (os.geteuid(), 0):
            raise ValueError("the file belongs to another user")
        if os.name == "posix" and found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ValueError("others may write the file")
        memory = mmap.mmap(descriptor, size, access=mmap.ACCESS_READ)
    finally:
        os.close(descriptor)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # read from the disk in large pieces, where system and file system can
            memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


def _write(path: Path, block: Bytes) -> bool:
    """Whether the file is there now."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with durable(path, "wb") as file:
            if hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), 0o400)  # nobody changes what is mapped
            file.write(block.data)
            file.write(_mark(path))
    except (OSError, IdembedError) as error:
        log.info("packed weights are not kept: %s", error)
        return False
    with suppress(OSError):
        _prune(path)
    return True


def _mark_used(path: Path) -> None:
    """A file's time is when it was last used, to the day."""
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > _DAY:
            os.utime(path)


def _prune(newest: Path) -> None:
    """Remove what was not used for longest until the rest is small enough, and what killed processes left."""
    total = 0
    for used, size, path in sorted(_files(newest.parent), reverse=True):
        left_behind = path.suffix == ".tmp" and time.time() - used > _DAY
        total += size
        if path != newest and (left_behind or total > _MOST):
            with suppress(OSError):
                path.unlink()


def _files(folder: Path) -> list[tuple[float, int, Path]]:
    """(last used, size, path) of each."""
    found = []
    for path in folder.iterdir():
        with suppress(OSError):
            held = path.stat()
            found.append((held.st_mtime, held.st_size, path))
    return found
