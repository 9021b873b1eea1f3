"""What a ``qdrant://`` URL means, and its opening.

``qdrant://host:6333/pets`` is the index ``pets`` of a server; of what stands before the name in the path, a proxy may
make use. ``?https=true``, ``?prefer_grpc=true`` (with ``&grpc_port=6334``) and ``?api_key=…`` say how to speak to it;
the key is better in QDRANT_API_KEY. ``qdrant:///folder/pets`` is a folder, opened by the embedded engine, and
``qdrant://./pets`` one that is relative.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from idembed.errors import OptionError, StoreError
from idembed.shown import without_password
from idembed.stores.collection.store import CollectionStore
from idembed.stores.qdrant.engine import QdrantEngine
from idembed.stores.qdrant.limits import capabilities

__all__ = ["CAPABILITIES", "Folder", "Server", "open_engine", "opened", "place_of"]

CAPABILITIES: Final = capabilities(is_server=True)
"""Of a server; the limits are the same in a folder."""

_HINT: Final = "qdrant://host:6333/pets, or qdrant:///folder/pets"
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_TAKEN: Final = re.compile(r".*_(g[0-9]+|idembed)|[.].*")
_DRIVE: Final = re.compile(r"/[A-Za-z]:")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_OPTIONS: Final = ("api_key", "grpc_port", "https", "prefer_grpc")
_TIMEOUT: Final = 60
"""Seconds for one request."""


@dataclass(frozen=True, slots=True)
class Folder:
    """An index in a folder of this machine."""

    shown: str
    path: Path


@dataclass(frozen=True, slots=True)
class Server:
    """An index of a server; ``prefix`` is the path before its name."""

    shown: str
    name: str
    host: str
    port: int = 6333
    prefix: str = ""
    https: bool = False
    prefer_grpc: bool = False
    grpc_port: int = 6334


def opened(url: str, create: bool, read_only: bool) -> CollectionStore:
    """The store at ``url``, for stores.open_store."""
    return CollectionStore(open_engine(url), create=create, read_only=read_only)


def open_engine(url: str) -> QdrantEngine:
    """The engine of the index at ``url``; nothing is asked of a server before it is needed. Raises OptionError, and
    StoreError where what it needs is not installed."""
    place = place_of(url)
    try:
        return _in_folder(place) if isinstance(place, Folder) else _of_server(place, _key_of(url))
    except ImportError as error:  # of a server without the embedded engine, or the other way round
        raise StoreError(
            f"{place.shown}: what speaks to this database is not installed ({error})",
            hint='pip install "idembed[qdrant]"',
        ) from None


def place_of(url: str) -> Folder | Server:
    """What the URL means. Raises OptionError without showing a key."""
    shown = without_password(url)
    try:
        parts = urlsplit(url)
        port = parts.port
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise OptionError(f"{shown} is no URL of a Qdrant", hint=_HINT) from None
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise OptionError(f"{shown}: a Qdrant knows no user and password", hint="set QDRANT_API_KEY to its key")
    if unknown := sorted(options.keys() - set(_OPTIONS)):
        raise OptionError(f"{shown}: there is no option {unknown[0]}", hint="options are " + ", ".join(_OPTIONS))
    host, path = parts.hostname or "", unquote(parts.path)
    if host in ("", ".", ".."):
        return _folder(shown, host, path)
    prefix, _, name = path.rpartition("/")
    _check_name(shown, name)
    is_near = host in _LOOPBACK
    return Server(
        shown,
        name,
        host,
        6333 if port is None else port,
        prefix,
        _truth(shown, options, "https", not is_near and bool(_key_of(url))),
        _truth(shown, options, "prefer_grpc", False),
        _port(shown, options.get("grpc_port", "6334")),
    )


def _folder(shown: str, host: str, path: str) -> Folder:
    if not path.strip("/"):
        raise OptionError(f"{shown} names no folder", hint=_HINT)
    return Folder(shown, Path(host + path if host else path[1:] if _DRIVE.match(path) else path))


def _check_name(shown: str, name: str) -> None:
    if not name:
        raise OptionError(f"{shown} names no index", hint=_HINT)
    if not _NAME.fullmatch(name) or _TAKEN.fullmatch(name):
        raise OptionError(
            f"{shown}: an index cannot have this name",
            hint="letters and digits, and _ - . within, but not _idembed or _g1 and the like at the end: pets",
        )


def _truth(shown: str, options: dict[str, str], name: str, usual: bool) -> bool:
    said = options.get(name, "true" if usual else "false").lower()
    if said not in ("true", "false", "1", "0"):
        raise OptionError(f"{shown}: {name} is true or false, not {said}")
    return said in ("true", "1")


def _port(shown: str, said: str) -> int:
    if not said.isascii() or not said.isdigit() or not 0 < int(said) < 65_536:
        raise OptionError(f"{shown}: grpc_port is a number up to 65535, not {said}")
    return int(said)


def _key_of(url: str) -> str:
    return dict(parse_qsl(urlsplit(url).query)).get("api_key") or os.environ.get("QDRANT_API_KEY", "")


def _in_folder(place: Folder) -> QdrantEngine:
    from idembed.stores.qdrant.edge import EdgeDatabase

    return QdrantEngine(EdgeDatabase(place.path, place.shown), place.path.name, "")


def _of_server(place: Server, key: str) -> QdrantEngine:
    from qdrant_client import QdrantClient

    from idembed.stores.qdrant.server import ServerDatabase

    client = QdrantClient(
        host=place.host,
        port=place.port,
        prefix=place.prefix or None,
        https=place.https,
        prefer_grpc=place.prefer_grpc,
        grpc_port=place.grpc_port,
        timeout=_TIMEOUT,
        headers={"api-key": key} if key else None,  # as the client sends one, without its warning
        check_compatibility=False,
    )
    database = ServerDatabase(client, place.shown)
    return QdrantEngine(database, place.name, f"{place.name}_", lambda: _of_server(place, key))
