"""Vector databases behind one contract (base.py), opened by one URL; a database's module loads when asked for."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final, NamedTuple

from idembed.errors import OptionError, StoreError
from idembed.shown import without_password

if TYPE_CHECKING:
    from idembed.stores.base import Capabilities, Store

__all__ = ["capabilities_of", "is_index", "open_store", "without_password"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters or more: C:\demo.db is a path


class _Kind(NamedTuple):
    """One kind of database. Its module has ``opened(url, create, read_only)`` and ``CAPABILITIES``."""

    module: str
    example: str
    extra: str = ""
    """what to install besides: idembed[extra]"""


_SQLITE: Final = _Kind("idembed.stores.sqlite", "sqlite:///demo.db (relative), sqlite:////folder/demo.db")
_POSTGRES: Final = _Kind("idembed.stores.postgres", "postgresql://host/db?schema=pets", "postgres")
_LANCE: Final = _Kind("idembed.stores.lance.store", "lance:///folder/pets", "lance")
_MILVUS: Final = _Kind("idembed.stores.milvus.engine", "milvus://host:19530/pets", "milvus")
_KINDS: dict[str, _Kind] = {
    "sqlite": _SQLITE,
    "postgres": _POSTGRES,
    "postgresql": _POSTGRES,
    "qdrant": _Kind("idembed.stores.qdrant.place", "qdrant://host:6333/pets", "qdrant"),
    "lance": _LANCE,
    "lance+az": _LANCE,
    "lance+gs": _LANCE,
    "lance+s3": _LANCE,
    "milvus": _MILVUS,
}
"""By the scheme of a URL."""


def open_store(url: str | Path, *, create: bool = True, read_only: bool = False) -> Store:
    """The store at ``url``: a file (``demo.db``, ``sqlite:///demo.db``, a Path), or a database
    (``postgresql://host/db?schema=pets``; docs/stores.md has them all), made anew if ``create``.

    Raises StoreError when there is none and none may be made, NotAnIndexError when the file is someone
    else's, NewerSchemaError when a newer idembed wrote it, and OptionError for an unknown kind of URL.
    """
    opened: Store = _module(url).opened(url, create, read_only)
    return opened


def capabilities_of(url: str | Path) -> Capabilities:
    """What the store at ``url`` can do, whether it is there or not. Raises OptionError for an unknown kind of URL, and
    StoreError where what speaks to the database is not installed."""
    found: Capabilities = _module(url).CAPABILITIES
    return found


def _module(url: str | Path) -> ModuleType:
    kind = _kind_of(url)
    try:
        return import_module(kind.module)
    except ImportError as error:
        if not kind.extra:
            raise
        raise StoreError(
            f"{without_password(str(url))}: what speaks to this database is not installed ({error})",
            hint=f'pip install "idembed[{kind.extra}]"',
        ) from None


def _kind_of(url: str | Path) -> _Kind:
    if isinstance(url, Path):
        return _SQLITE
    if not isinstance(url, str) or not url.strip() or url == ":memory:":
        raise OptionError(f"{url!r} names no index", hint="an index lives in a file, such as demo.db")
    if (scheme := _SCHEME.match(url)) is None:
        return _SQLITE
    name = scheme.group(1).lower()
    if name not in _KINDS:
        examples = ", ".join(dict.fromkeys(kind.example for kind in _KINDS.values()))
        raise OptionError(
            f"{without_password(url)} is of an unknown kind ({name})",
            hint=f"a file such as demo.db, or a database: {examples}",
        )
    return _KINDS[name]


def is_index(path: Path) -> bool:
    """Whether the file there is an index, of whatever version: SQLite says whose a file is in its header."""
    from idembed.stores.sqlite_schema import APPLICATION_ID

    try:
        with path.open("rb") as file:
            header = file.read(72)
    except OSError:
        return False
    return header.startswith(b"SQLite format 3\0") and header[68:] == APPLICATION_ID.to_bytes(4, "big")
