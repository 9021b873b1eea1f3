"""Where the hub's files lie on this machine, and whether the network may be asked."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["hub_cache_folders", "offline"]


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
