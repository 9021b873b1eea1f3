"""Vector databases behind one contract (base.py), opened by one URL; a database's module loads when asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from idembed.errors import OptionError, StoreError
from idembed.shown import without_password

if TYPE_CHECKING:
    from idembed.stores.base import Store

__all__ = ["is_index", "open_store", "without_password"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters or more: C:\demo.db is a path


def open_store(url: str | Path, *, create: bool = True, read_only: bool = False) -> Store:
    """The store at ``url``: a file (``demo.db``, ``sqlite:///demo.db``, a Path), or a schema of a Postgres database
    (``postgresql://host/db?schema=pets``), made anew if ``create``.

    Raises StoreError when there is none and none may be made, NotAnIndexError when the file is someone
    else's, NewerSchemaError when a newer idembed wrote it, and OptionError for an unknown kind of URL.
    """
    if isinstance(url, Path):
        return _sqlite(str(url), create, read_only)
    if not isinstance(url, str) or not url.strip() or url == ":memory:":
        raise OptionError(f"{url!r} names no index", hint="an index lives in a file, such as demo.db")
    scheme = _SCHEME.match(url)
    if scheme is None:
        return _sqlite(url, create, read_only)
    name = scheme.group(1).lower()
    if name not in _OPENERS:
        raise OptionError(
            f"{without_password(url)} is of an unknown kind ({name})",
            hint="a file such as demo.db, sqlite:///demo.db (relative), sqlite:////folder/demo.db, or a database: "
            "postgresql://host/db?schema=pets",
        )
    return _OPENERS[name](url, create, read_only)


def is_index(path: Path) -> bool:
    """Whether the file there is an index, of whatever version: SQLite says whose a file is in its header."""
    from idembed.stores.sqlite_schema import APPLICATION_ID

    try:
        with path.open("rb") as file:
            header = file.read(72)
    except OSError:
        return False
    return header.startswith(b"SQLite format 3\0") and header[68:] == APPLICATION_ID.to_bytes(4, "big")


def _sqlite(path: str, create: bool, read_only: bool) -> Store:
    from idembed.stores.sqlite import SQLiteStore

    return SQLiteStore(path, create=create, read_only=read_only)


def _sqlite_url(url: str, create: bool, read_only: bool) -> Store:
    """``sqlite:///rel.db`` is relative and ``sqlite:////abs.db`` absolute, as in SQLAlchemy."""
    rest = url.partition(":")[2]
    path = rest.removeprefix("///") if rest.startswith("///") else rest.removeprefix("//")
    if not path:
        raise OptionError(f"{url} names no file", hint="sqlite:///demo.db, or sqlite:////folder/demo.db")
    return _sqlite(path, create, read_only)


def _postgres(url: str, create: bool, read_only: bool) -> Store:
    try:
        from idembed.stores.postgres import PostgresStore
    except ImportError as error:
        raise StoreError(
            f"{without_password(url)}: what speaks to Postgres is not installed ({error})",
            hint='pip install "idembed[postgres]"',
        ) from None
    return PostgresStore(url, create=create, read_only=read_only)


def _not_yet(url: str, create: bool, read_only: bool) -> Store:
    raise StoreError(f"{without_password(url)}: this database is not there yet", hint="use a file such as demo.db")


_OPENERS: dict[str, Callable[[str, bool, bool], Store]] = {
    "sqlite": _sqlite_url,
    "postgres": _postgres,
    "postgresql": _postgres,
    "qdrant": _not_yet,
    "milvus": _not_yet,
    "lance": _not_yet,
}
