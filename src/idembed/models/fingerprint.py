"""Hashes of files, remembered by the files' identity so that a second look costs no reading.

The key is device, inode, size, mtime and ctime (nanoseconds) of every file, with whatever else the value
depends on. A file that changed within the last two seconds is not remembered: a clock tick can hide a
second change. A damaged or unwritable memory is the same as an empty one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

from idembed.canonical import JSON, canonical_json
from idembed.errors import ModelError
from idembed.folders import cache_folder

__all__ = ["Identity", "file_sha256", "identity", "remembered", "settled"]

log = logging.getLogger(__name__)

Identity: TypeAlias = tuple[tuple[int, ...], ...]
_SETTLED_NS = 2_000_000_000
_MOST = 1000


def identity(paths: Sequence[Path]) -> Identity:
    """(device, inode, size, mtime_ns, ctime_ns) of each file. Raises ModelError when one is not there."""
    try:
        stats = [os.stat(path) for path in paths]
    except OSError as error:
        raise ModelError(f"{error.filename} cannot be read: {error.strerror}") from error
    return tuple((s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for s in stats)


def remembered(
    kind: str, paths: Sequence[Path], depends: JSON, compute: Callable[[], str], *, anew: bool = False
) -> str:
    """``compute()``, a hex digest of the contents of ``paths``, or what it gave for these very files before.

    ``kind`` and ``depends`` name the rule and everything else that the value depends on.
    Raises ModelError when a file changed while it was read.
    """
    before = identity(paths)
    key = hashlib.sha256(
        canonical_json([kind, depends, [[str(n) for n in file] for file in before]]).encode()
    ).hexdigest()
    memory = cache_folder() / "fingerprints.json"
    if not anew and _is_digest(known := _read(memory).get(key)):
        return known
    value = compute()
    if identity(paths) != before:
        raise ModelError(f"{paths[0]} changed while it was read", hint="wait until it is written, then try again")
    if settled(before):
        _write(memory, key, value)
    return value


def settled(files: Identity) -> bool:
    """Whether none of the files changed within the last two seconds: what is read of them now may be kept."""
    newest = max(max(mtime, ctime) for *_, mtime, ctime in files)
    return time.time_ns() - newest > _SETTLED_NS


def file_sha256(path: Path, *, anew: bool = False) -> str:
    """SHA-256 of the file's bytes as 64 hex digits, remembered; ``anew`` reads them whatever is remembered."""
    return remembered("file", [path], None, lambda: _sha256(path), anew=anew)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error


def _read(memory: Path) -> dict[str, Any]:
    """What is in the file, whatever that is."""
    try:
        if not memory.is_file():  # a pipe would be waited for
            return {}
        value = json.loads(memory.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _is_digest(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) == 64 and not value.strip("0123456789abcdef")


def _write(memory: Path, key: str, value: str) -> None:
    """Read, add, rename into place; two writers at once may forget one another's entry, never damage it."""
    import tempfile  # of a package that is not needed where everything is remembered

    temporary = ""
    try:
        memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        entries = {k: v for k, v in _read(memory).items() if _is_digest(k) and _is_digest(v)} | {key: value}
        kept = dict(list(entries.items())[-_MOST:])
        handle, temporary = tempfile.mkstemp(dir=memory.parent, prefix=".fingerprints-")
        with open(handle, "w", encoding="utf-8") as file:
            json.dump(kept, file, indent=0)
        os.replace(temporary, memory)
    except OSError as error:
        log.debug("fingerprints are not remembered: %s", error)
        if temporary:
            Path(temporary).unlink(missing_ok=True)
