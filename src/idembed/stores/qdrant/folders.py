"""What lies in the folder of an index: its shards, what was not made or removed to its end, and what is not ours."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from pathlib import Path
from typing import Final, Literal

from idembed.durable import sync_folder
from idembed.errors import NotAnIndexError

__all__ = ["DOCUMENTS", "holds_shard", "make_folder", "passing_name", "refuse_others_folder", "sweep"]

DOCUMENTS: Final = "idembed"
"""The shard that every index has."""
_SHARD: Final = re.compile(r"g[1-9][0-9]*|" + DOCUMENTS)
_PASSING: Final = re.compile(r"[.](made|gone)-[0-9a-f]{12}")
_PARTS: Final = {"edge_config.json", "segments", "wal"}
"""All that the engine keeps in the folder of a shard."""
_MAKING: Final = 3600.0
"""Seconds for which what is half made may be another process's, which is making it; it takes less than one."""


def passing_name(folder: Path, what: Literal["made", "gone"]) -> Path:
    """A new name for a shard that is being made, or is about to be removed."""
    return folder / f".{what}-{secrets.token_hex(6)}"


def holds_shard(path: Path) -> bool:
    return (path / "edge_config.json").is_file()


def make_folder(folder: Path) -> None:
    """Make it and those above it, on the disk too."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        sync_folder(made.parent)


def refuse_others_folder(folder: Path, shown: str) -> None:
    """Raise NotAnIndexError where there is no index and something else is, which would lie among our shards."""
    if not folder.exists() or holds_shard(folder / DOCUMENTS):
        return
    for path in sorted(folder.iterdir()):
        if not (_is_passing(path) or (_SHARD.fullmatch(path.name) and holds_shard(path))):
            raise NotAnIndexError(
                f"{shown}: the folder has no index, and something else is in it ({path.name})",
                hint="name an empty folder, or one that is not there yet",
                url=shown,
            )


def sweep(folder: Path) -> None:
    """Remove what was dropped, and what was not made to its end unless that is so new that it may yet be."""
    for path in folder.glob(".*-*"):
        if _is_passing(path) and (path.name.startswith(".gone") or time.time() - path.stat().st_mtime > _MAKING):
            shutil.rmtree(path)


def _is_passing(path: Path) -> bool:
    """Whether it has a name of ours and nothing in it but what a shard has."""
    if not _PASSING.fullmatch(path.name) or path.is_symlink() or not path.is_dir():
        return False
    return {one.name for one in path.iterdir()} <= _PARTS
