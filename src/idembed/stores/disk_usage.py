"""What files take on disk, while other programs may remove some of them, and whether there is room for more."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["files_in", "has_room", "taken_by"]


def files_in(folder: Path) -> Iterator[str]:
    """The paths of all files in a folder and below it; none where there is no folder."""
    for inner, _, names in os.walk(folder):
        yield from (os.path.join(inner, name) for name in names)


def taken_by(paths: Iterable[str | Path]) -> int:
    """Bytes on disk, which are fewer than their length for files with holes. A file that went meanwhile takes none, and
    a link takes what it takes itself."""
    return sum(map(_taken, paths))


def _taken(path: str | Path) -> int:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return 0
    return getattr(found, "st_blocks", -(-found.st_size // 512)) * 512


def has_room(folder: Path, size: int) -> bool:
    """Whether ``size`` bytes are free where the folder is, or will be."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free >= size
