"""A table after a power cut: the commit under way may be cut off, and then LanceDB cannot open the table any more. It
goes back to the version before. What was synced before is never given up: a file of it that is broken is damage."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn

from idembed.durable import sync_folder
from idembed.errors import DamagedError
from idembed.stores.lance.disk import MARK, marked, modified
from idembed.stores.lance.manifest import files_of, is_cut, version_of
from idembed.stores.records import RESTORE

__all__ = ["is_suspect", "is_without_data", "may_go", "set_aside", "step_back"]

_LOG = logging.getLogger(__name__)
_LOOKED_AT: Final = 64
"""So many of the newest files: what was written long before a power cut was on the disk."""
_MANIFEST, _DAMAGED = ".manifest", ".damaged"
_KNOWN: Final = ("_deletions", "_indices", "_refs", "_transactions", "_versions", "data", MARK)
"""What LanceDB and we have in the folder of a table."""


def is_suspect(table: Path) -> bool:
    """Whether the newest version lacks something. Looks at a few dozen files; raises OSError where it may not."""
    heads = _manifests(table)[:1]
    return not heads or _broken(table, heads[0]) is not None


def is_without_data(table: Path) -> bool:
    """Whether nothing of it ever reached the disk, as when the power was cut while it was made."""
    return all(path.relative_to(table).parts[0] in _KNOWN and _size(path) == 0 for path in _files(table))


def may_go(table: Path) -> bool:
    """Whether a table that cannot be opened is ours, or holds nothing, as one that was not made to its end."""
    return marked(table) is not None or not _names(table / "data")


def step_back(table: Path) -> None:
    """Move aside the newest versions that lack something, if they are of a commit that never was acknowledged. Raises
    DamagedError where another version lacks something, or the table is not ours, and leaves all as it is. Under the
    table's lock."""
    tail: list[Path] = []
    broken = table / "_versions"
    for manifest in _manifests(table):
        if (lacking := _broken(table, manifest)) is None:
            break
        tail.append(manifest)
        broken = lacking
    else:
        _refuse(f"no version of {table} can be read", broken)
    if not tail:
        return
    synced = marked(table)
    if synced is None or version_of(tail[-1]) <= synced:
        _refuse(f"{broken} is cut off or gone, which no power cut does to what was on the disk", broken)
    for manifest in tail:
        manifest.rename(manifest.with_name(manifest.name + _DAMAGED))
    sync_folder(table / "_versions")
    what = "version" if len(tail) == 1 else f"{len(tail)} versions"
    _LOG.warning("%s is as it was before: its newest %s cannot be read, as after a power cut", table, what)


def set_aside(table: Path) -> list[Path]:
    """The versions that were moved aside."""
    return [table / "_versions" / name for name in _names(table / "_versions") if name.endswith(_DAMAGED)]


def _refuse(message: str, file: Path) -> NoReturn:
    raise DamagedError(message, hint=RESTORE, file=str(file))


def _broken(table: Path, manifest: Path) -> Path | None:
    """A file that the version needs and that is not whole, or not there; None where there is no such file."""
    try:
        needed = files_of(manifest)
    except ValueError:
        return manifest
    except FileNotFoundError:
        return None  # another program tidied up
    for folder in ("data", "_deletions"):
        names = _names(table / folder)
        ours = [table / folder / name for name in names if f"{folder}/{name}" in needed]
        for path in sorted(ours, key=lambda path: modified(str(path)))[-_LOOKED_AT:]:
            if is_cut(path):
                return path
    gone = sorted(needed - {f"data/{name}" for name in _names(table / "data")})
    return next((table / name for name in gone if name.startswith("data/")), None)


def _manifests(table: Path) -> list[Path]:
    """Newest first: their names count down from 2^64 - 1."""
    return [table / "_versions" / name for name in _names(table / "_versions") if name.endswith(_MANIFEST)]


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def _files(table: Path) -> Iterator[Path]:
    def fail(error: OSError) -> NoReturn:
        raise error

    return (Path(folder) / name for folder, _, names in os.walk(table, onerror=fail) for name in names)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 1
