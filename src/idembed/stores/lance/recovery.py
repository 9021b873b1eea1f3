"""A table after a power cut: a commit may be cut off before it was synced, and then LanceDB cannot open the table any
more. It goes back to the version before, which was synced."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from idembed.durable import sync_folder
from idembed.errors import DamagedError
from idembed.stores.lance.disk import modified
from idembed.stores.records import RESTORE

__all__ = ["is_suspect", "is_without_data", "step_back"]

_LOG = logging.getLogger(__name__)
_MAGIC: Final = b"LANC"
"""How manifests and data files end."""
_LOOKED_AT: Final = 64
"""So many of the newest files: what was written long before a power cut was on the disk."""
_DAMAGED: Final = ".damaged"


def is_suspect(table: Path) -> bool:
    """Whether one of the newest files is cut off; some may belong to no version. Looks at a few dozen files."""
    heads = _manifests(table)[:1]
    cut = any(_is_cut(path) for path in (*heads, *_newest(table / "data")))
    return not heads or cut or any(_size(path) == 0 for path in _newest(table / "_deletions"))


def is_without_data(table: Path) -> bool:
    """Whether nothing of it ever reached the disk, as when the power was cut while it was made."""
    return all(_size(path) == 0 for path in table.rglob("*") if path.is_file())


def step_back(table: Path, is_readable: Callable[[], bool]) -> None:
    """Move aside the newest versions, one after another, until the table can be read. Raises DamagedError where no
    version is left, and leaves them as they were. Under the table's lock."""
    aside: list[Path] = []
    while not is_readable():
        versions = _manifests(table)
        if not versions:
            for path in aside:
                path.rename(path.with_name(path.name.removesuffix(_DAMAGED)))
            raise DamagedError(f"no version of {table} can be read", hint=RESTORE, file=str(table))
        broken = versions[0].with_name(versions[0].name + _DAMAGED)
        versions[0].rename(broken)
        aside.append(broken)
    if aside:
        sync_folder(table / "_versions")
        what = "version" if len(aside) == 1 else f"{len(aside)} versions"
        _LOG.warning("%s is as it was before: its newest %s cannot be read, as after a power cut", table, what)


def _manifests(table: Path) -> list[Path]:
    """Newest first: their names count down from 2^64 - 1."""
    return sorted(table.glob("_versions/*.manifest"))


def _newest(folder: Path) -> list[Path]:
    return sorted(folder.glob("*"), key=lambda path: modified(str(path)))[-_LOOKED_AT:]


def _is_cut(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - len(_MAGIC), 0))
            return file.read() != _MAGIC
    except FileNotFoundError:
        return False  # another program tidied up


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 1
