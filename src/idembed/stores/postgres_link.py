"""The way to a Postgres database: its URL, connections that are made again, and its errors in our words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, Final, NoReturn, ParamSpec, Protocol, TypeVar
from urllib.parse import unquote

import psycopg
from psycopg import errors as pg

from idembed.canonical import check_text
from idembed.errors import (
    DamagedError,
    DiskFullError,
    IdembedError,
    OptionError,
    ReadOnlyError,
    StoreError,
)
from idembed.postgres_url import libpq_options, refuse_misplaced
from idembed.shown import without_password
from idembed.stores.postgres_schema import Db
from idembed.stores.records import RESTORE

__all__ = ["ConnectionLostError", "Place", "broken", "connect", "mapped", "place_of", "repeated"]

DEFAULT_SCHEMA: Final = "idembed"
_PATIENCE: Final = 20.0
"""Seconds in which a database that was there once may come back, as after a restart."""
_MOST_BYTES: Final = 63
"""Of a name; Postgres would cut a longer one without a word."""


class ConnectionLostError(StoreError):
    """The connection broke, or the server went away; what was being written was not."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an index is: ``shown`` is its URL without any password, ``options`` what libpq is given."""

    shown: str
    schema: str
    options: dict[str, Any]


def place_of(url: str) -> Place:
    """What ``postgresql://user:pw@host/db?schema=pets`` means. Raises OptionError without showing the password."""
    shown = without_password(url)
    refuse_misplaced(url, shown)
    body, _, query = url.partition("?")
    rest, schema = [], DEFAULT_SCHEMA
    for setting in filter(None, query.split("&")):
        name, _, value = setting.partition("=")
        if name == "schema":
            schema = _schema(unquote(value), shown)
        else:
            rest.append(setting)
    options = libpq_options(
        body + ("?" + "&".join(rest) if rest else ""), shown, "postgresql://user:password@host:5432/db?schema=pets"
    )
    return Place(shown, schema, options)


def _schema(name: str, shown: str) -> str:
    wrong = check_text(name) or ("is empty" if not name else "")
    if not wrong and len(name.encode()) > _MOST_BYTES:
        wrong = f"has more than {_MOST_BYTES} bytes"
    if wrong or name.startswith("pg_") or name == "information_schema":
        raise OptionError(f"{shown}: the name of the schema {wrong or 'is one of those Postgres keeps for itself'}")
    return name


def connect(place: Place, *, again: bool = False) -> Db:
    """A connection in which every transaction is begun by hand; ``again``: it was there, so that it is waited for."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            connection = psycopg.connect(autocommit=True, **place.options)
            _heed_pooler(connection)
            return connection
        except psycopg.OperationalError as error:
            if not again or time.monotonic() > deadline:
                raise ConnectionLostError(
                    f"{place.shown} cannot be reached: {_first_line(error)}",
                    hint="is the server running, and are host, user, password and database right?",
                    url=place.shown,
                ) from None
        time.sleep(0.2)


def _heed_pooler(connection: Db) -> None:
    """A pooler such as PgBouncer, known by its process ids that are none of the server's, may give each transaction to
    another session. All we do holds for one transaction only but for statements that are prepared for the next ones."""
    process = connection.execute("SELECT pg_backend_pid()").fetchone()
    if process != (connection.info.backend_pid,):
        connection.prepare_threshold = None


class _HasLink(Protocol):
    @property
    def may_repeat(self) -> bool: ...


_S = TypeVar("_S", bound=_HasLink)
_P = ParamSpec("_P")
_T = TypeVar("_T")


def repeated(method: Callable[Concatenate[_S, _P], _T]) -> Callable[Concatenate[_S, _P], _T]:
    """Do once more, over a new connection, what is one transaction whose connection broke before it was committed."""

    @wraps(method)
    def wrapper(store: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return method(store, *args, **kwargs)
        except ConnectionLostError:
            if not store.may_repeat:
                raise
            return method(store, *args, **kwargs)

    return wrapper


@contextmanager
def mapped(place: Place, connection: Callable[[], Db | None]) -> Iterator[None]:
    """Errors of psycopg as ours: the one place where they are translated."""
    try:
        yield
    except psycopg.Error as error:
        _raise(error, place, connection())
    except UnicodeEncodeError:
        raise StoreError(f"{place.shown}: a string with a lone surrogate cannot be stored", url=place.shown) from None


def _raise(error: psycopg.Error, place: Place, connection: Db | None) -> NoReturn:
    if isinstance(error, pg.ProtocolViolation) and "statement pooling" in _first_line(error):
        raise StoreError(
            f"{place.shown}: a pooler gives each statement to another session, so that there are no transactions",
            hint="let it pool by transaction or by session (PgBouncer: pool_mode), or go to the server itself",
            url=place.shown,
        ) from error
    is_lost = isinstance(error, pg.AdminShutdown | pg.CrashShutdown | pg.CannotConnectNow)
    if is_lost or (isinstance(error, psycopg.OperationalError) and (connection is None or connection.closed)):
        raise broken(place) from error
    for kinds, ours, message, hint in _MEANINGS:
        if isinstance(error, kinds):
            raise ours(f"{place.shown}: {message}", hint=hint, url=place.shown, sqlstate=error.sqlstate) from error
    raise StoreError(
        f"{place.shown}: Postgres says: {_first_line(error)}", url=place.shown, sqlstate=error.sqlstate
    ) from error


def broken(place: Place) -> ConnectionLostError:
    """The error for a connection that broke."""
    return ConnectionLostError(
        f"{place.shown}: the connection to the database broke",
        hint="what was committed is safe: run it again",
        url=place.shown,
    )


def _first_line(error: psycopg.Error) -> str:
    """Without the lines that quote values."""
    return str(error.diag.message_primary or str(error).partition("\n")[0])


_Kinds = type[psycopg.Error] | tuple[type[psycopg.Error], ...]
_MEANINGS: Final[tuple[tuple[_Kinds, type[IdembedError], str, str], ...]] = (
    (pg.DiskFull, DiskFullError, "the disk is full", "what was committed is safe: free some space and run it again"),
    ((pg.DataCorrupted, pg.IndexCorrupted), DamagedError, "the database is damaged", RESTORE),
    (
        (pg.InsufficientPrivilege, pg.ReadOnlySqlTransaction),
        ReadOnlyError,
        "cannot be written by this user",
        "let the user own the schema, or have the right to create one",
    ),
    ((pg.LockNotAvailable,), StoreError, "another program keeps it locked", "close that program, or try again later"),
    ((pg.UndefinedTable,), StoreError, "a table of the index is gone", "was a generation dropped meanwhile? Try again"),
    ((pg.ProgramLimitExceeded,), StoreError, "a value is larger than Postgres stores", "leave that row out"),
    (
        (pg.SerializationFailure, pg.DeadlockDetected),
        StoreError,
        "another program wrote the same rows at the same moment",
        "nothing was written: run it again",
    ),
)
