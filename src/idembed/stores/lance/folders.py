"""The folder of an index: made, and left alone where something else is in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from idembed.durable import sync_folder
from idembed.errors import NotAnIndexError, StoreError

__all__ = ["make_folder", "refuse_others_folder"]

_TABLE: Final = re.compile(r"[^/]+[.](lance|lock)")
"""A table, of ours or of another program that uses LanceDB, or our lock of one."""


def make_folder(folder: Path, shown: str) -> None:
    """Make it and those above it, on the disk too. Raises StoreError where a file is in the way, and OSError."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError, FileNotFoundError) as error:
        raise StoreError(
            f"{shown}: there is no folder {folder}, and none can be made ({error.strerror})",
            hint="name a folder that is not there yet, or an empty one",
            url=shown,
        ) from None
    for made in missing:
        sync_folder(made.parent)


def refuse_others_folder(folder: Path, shown: str) -> None:
    """Raise NotAnIndexError where something else than tables of LanceDB is in the folder, which an index would lie
    among."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if not _TABLE.fullmatch(path.name):
            raise NotAnIndexError(
                f"{shown}: the folder has no index, and something else is in it ({path.name})",
                hint="name an empty folder, or one that is not there yet",
                url=shown,
            )
