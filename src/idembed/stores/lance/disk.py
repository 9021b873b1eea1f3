"""What LanceDB 0.40 leaves to the operating system: it calls no fsync at all. So the files of each commit are synced
before the verb returns."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from idembed.durable import sync_folder
from idembed.stores.lance.manifest import version_of

__all__ = ["MARK", "Synced", "marked", "modified"]

_RECENT: Final = 600.0
"""Seconds after which an operating system has written by itself what it was given."""

_AT_ONCE: Final = 8
"""A file system syncs several files in one go, which takes a third to a tenth of the time that one by one takes."""
MARK: Final = "synced.json"
"""In the folder of a table: its newest version of which everything is on the disk."""


class Synced:
    """Which files of one table are known to be on the disk."""

    def __init__(self, table: Path) -> None:
        self._table = table
        self._known: set[str] | None = None
        self._marked: int | None = None

    def sync(self) -> None:
        """Make all files of the table durable, those of others too, since what was committed now builds on them; and
        say so for recovery.py. Under the table's lock."""
        found = {path: folder for folder, path in _entries(self._table)}
        fresh = [path for path in found if path not in self._known] if self._known is not None else _newest(found)
        folders = {found[path] for path in fresh}
        if self._known is None:
            folders |= {str(self._table), *found.values()}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(_sync, [*fresh, *sorted(folders)]):
                pass
        self._known = set(found)
        newest = max((version_of(Path(path)) for path in found if path.endswith(".manifest")), default=None)
        if newest is not None and newest != self._marked:
            _mark(self._table, newest)
            self._marked = newest


def marked(table: Path) -> int | None:
    """The newest version of which everything was on the disk, or one before it; None where that is not known."""
    try:
        return int(json.loads((table / MARK).read_bytes())["version"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _mark(table: Path, version: int) -> None:
    """The file is synced when it is made, and overwritten in place later on: after a power cut it may say one of the
    versions before, which were whole too."""
    path = table / MARK
    is_new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    try:
        os.write(descriptor, f'{{"version": {version:20}}}\n'.encode())
        if is_new:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        sync_folder(table)


def _newest(paths: Iterable[str]) -> list[str]:
    """Those that the operating system may not have written yet."""
    limit = time.time() - _RECENT
    return [path for path in paths if modified(path) > limit]


def _entries(table: Path) -> Iterator[tuple[str, str]]:
    """Folder and path of each file and folder; the hint that says where to look first may be lost."""
    for folder, folders, names in os.walk(table):
        for name in (*folders, *names):
            if not name.endswith(".json"):
                yield folder, os.path.join(folder, name)


def modified(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return 0.0


def _sync(path: str) -> None:
    if os.path.isdir(path):
        sync_folder(Path(path))
        return
    try:
        descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    except FileNotFoundError:
        return  # another program tidied up
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
