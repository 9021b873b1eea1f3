"""Where an index in Milvus is: what a URL means, and what its collections are called."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from idembed.errors import OptionError
from idembed.shown import without_password

__all__ = ["Place", "place_of"]

TOKEN_VARIABLE: Final = "MILVUS_TOKEN"
_EXAMPLE: Final = "milvus://host:19530/pets"
_PORT: Final = 19530
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
"""Milvus takes 255 characters, and we add some."""
_TAKEN: Final = re.compile(r".*_(g[0-9]+|idembed)")
"""What collections of an index are called, so that no index is: it would have those of another."""
_GENERATION: Final = re.compile(r"_g([1-9][0-9]{0,17}|0)")


@dataclass(frozen=True, slots=True)
class Place:
    """``shown`` is the URL without any password; ``name`` that of the index and of the alias."""

    shown: str
    address: str
    """``http://host:port``, or https"""
    name: str
    database: str
    token: str = field(repr=False)

    @property
    def documents(self) -> str:
        return f"{self.name}_idembed"

    def collection(self, number: int) -> str:
        return f"{self.name}_g{number}"

    def number_of(self, collection: str) -> int | None:
        """The number by which ``collection`` is known, None where it is not of this index."""
        found = _GENERATION.fullmatch(collection.removeprefix(self.name)) if collection.startswith(self.name) else None
        return int(found.group(1)) if found else None


def place_of(url: str) -> Place:
    """What ``milvus://user:password@host:19530/pets?db=NAME&secure=true`` means. A password or token has TLS, unless
    the server is on this machine or ``secure=false`` says otherwise.

    Raises OptionError, without showing the password.
    """
    shown, authority = without_password(url), url.partition("://")[2].partition("/")[0]
    if url.count("@") > 1 or "#" in url or url.count("@") > authority.partition("?")[0].count("@"):
        raise OptionError(
            "the URL of the database has an @, #, / or ? in a user, password or host",
            hint="write %40 for @, %23 for #, %2F for / and %3F for ?",
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORT
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise OptionError(f"{shown} is no URL of an index in Milvus", hint=_EXAMPLE) from None
    if not host:
        raise OptionError(f"{shown} names no host", hint=_EXAMPLE)
    name = parts.path.removeprefix("/")
    if not _NAME.fullmatch(name):
        raise OptionError(
            f"{shown}: an index in Milvus has a name of letters, digits and _, up to 200, that begins with no digit",
            hint=_EXAMPLE,
        )
    if _TAKEN.fullmatch(name):
        raise OptionError(
            f"{shown}: names that end in _idembed or _g1 and the like are those of collections of an index, "
            f"not of an index",
            hint=_EXAMPLE,
        )
    if parts.username is not None and not parts.password:
        raise OptionError(f"{shown} has a user without a password", hint=f"set {TOKEN_VARIABLE} to a token")
    token = os.environ.get(TOKEN_VARIABLE, "")
    if parts.username is not None and parts.password:
        token = f"{unquote(parts.username)}:{unquote(parts.password)}"
    known = {"db": "", "secure": "true" if token and host not in _LOOPBACK else "false"}
    for option, value in options:
        if option not in known:
            raise OptionError(f"{shown} has the unknown option {option!r}", hint="options are ?db=NAME and secure=true")
        known[option] = value
    if known["db"] and not _NAME.fullmatch(known["db"]):
        raise OptionError(f"{shown}: a database of Milvus has a name of letters, digits and _", hint=_EXAMPLE)
    if known["secure"] not in ("true", "false"):
        raise OptionError(f"{shown}: secure is true or false", hint=f"{_EXAMPLE}?secure=true")
    host = f"[{host}]" if ":" in host else host
    address = f"{'https' if known['secure'] == 'true' else 'http'}://{host}:{port}"
    return Place(shown, address, name, known["db"], token)
