"""Where idembed keeps its own files on this machine. Read from the environment at every call; nothing is made."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["cache_folder", "data_folder"]


def data_folder() -> Path:
    """What must not be lost, as it was paid for: ``$IDEMBED_DATA``, else ``idembed`` in the user's data folder."""
    if own := os.environ.get("IDEMBED_DATA"):
        return Path(own).expanduser()
    return _of_user("XDG_DATA_HOME", "~/.local/share")


def cache_folder() -> Path:
    """What can be had again: ``$IDEMBED_CACHE``, else ``idembed`` in the user's cache folder."""
    if own := os.environ.get("IDEMBED_CACHE"):
        return Path(own).expanduser()
    return _of_user("XDG_CACHE_HOME", "~/.cache", "cache")


def _of_user(variable: str, usual: str, within: str = "") -> Path:
    """``idembed`` in the folder that the XDG variable names, else in the usual one. Windows has one folder for both
    kinds, in which ``within`` keeps them apart."""
    if xdg := os.environ.get(variable):
        return Path(xdg).expanduser() / "idembed"
    if sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / "idembed" / within
    return Path(usual).expanduser() / "idembed"
