"""Where model files lie on this machine, and whether the network may be asked."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["cache_folder", "hub_cache_folders", "offline"]


def cache_folder() -> Path:
    """Our own cache: ``$IDEMBED_CACHE``, else ``idembed`` in the user's cache folder."""
    if own := os.environ.get("IDEMBED_CACHE"):
        return Path(own).expanduser()
    return _user_cache() / "idembed"


def hub_cache_folders() -> list[Path]:
    """Folders in the layout of huggingface_hub's cache, where users' models already are; the first is the
    one that downloads go to. Read from the environment at every call: huggingface_hub reads it at import."""
    folders = []
    if other := os.environ.get("SENTENCE_TRANSFORMERS_HOME"):
        folders.append(Path(other).expanduser())
    if exact := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return [Path(exact).expanduser(), *folders]
    home = os.environ.get("HF_HOME")
    xdg = os.environ.get("XDG_CACHE_HOME")
    root = Path(home) if home else (Path(xdg) if xdg else Path("~/.cache")) / "huggingface"
    return [root.expanduser() / "hub", *folders]


def offline() -> str:
    """The environment variable that forbids the network, or an empty string."""
    for name in ("IDEMBED_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if os.environ.get(name, "").strip().lower() not in ("", "0", "false", "no", "off"):
            return name
    return ""


def _user_cache() -> Path:
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg).expanduser()
    if sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local)
    return Path("~/.cache").expanduser()
