"""Which names are of models of APIs. ``load`` asks that of every name, so that nothing else is imported here."""

from __future__ import annotations

import re

__all__ = ["is_address", "is_api_name"]

_PROVIDER = re.compile(r"([A-Za-z][A-Za-z0-9_-]+):(?![\\/])")  # "openai:…"; not "C:\…", "https://…"
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)


def is_api_name(name: str) -> bool:
    """Whether it is the name of a model of an API, and not of files."""
    return is_address(name) or _PROVIDER.match(name) is not None


def is_address(name: str) -> bool:
    """Whether it begins as the address of a server does."""
    return _ADDRESS.match(name) is not None
