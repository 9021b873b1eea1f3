"""The way to Milvus: a connection that is made again, requests that are repeated, and its errors in our words."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, NamedTuple, NoReturn, TypeVar

import grpc
from pymilvus import MilvusClient, MilvusException

from idembed.errors import DiskFullError, ReadOnlyError, StoreError
from idembed.shown import shorten
from idembed.stores.milvus.place import Place
from idembed.stores.milvus.wire import TIMEOUT, Wire

__all__ = ["ONCE", "PATIENCE", "Connection", "GoneError", "Link", "NotLoadedError", "TooLargeError"]

PATIENCE: Final = 20.0
"""Seconds in which a server that was there once may come back, as after a restart."""
_CONNECT: Final = 30.0
"""Seconds for a server to greet; one that is not there refuses at once."""
_PAUSES: Final = (0.05, 1.0)
"""Seconds between tries: the first, and the longest."""
_SERVICE: Final = "milvus.proto.milvus.MilvusService"
_LONG: Final = ("CreateIndex", "Flush", "LoadCollection")
"""What a server may do within the request: Milvus Lite builds an index so."""
_OPTIONS: Final = {
    "grpc.service_config": json.dumps(
        {
            "methodConfig": [
                {"name": [{"service": _SERVICE, "method": name} for name in _LONG], "timeout": "3600s"},
                {"name": [{}], "timeout": f"{TIMEOUT:.0f}s"},
            ]
        }
    ),
    "grpc.max_send_message_length": -1,  # what is sent and asked for is bounded elsewhere
    "grpc.max_receive_message_length": -1,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": 10_000,  # which is how long one try to connect may take
    "grpc.max_reconnect_backoff_ms": 1000,
    "grpc.keepalive_time_ms": 310_000,  # servers with gRPC's own settings hang up on who asks more often
}
ONCE: Final[dict[str, Any]] = {"retry_times": 1}
"""Given with every request: pymilvus alone would try again for minutes; none at all would hide what the server said."""
_AGAIN: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED, grpc.StatusCode.CANCELLED})
_NOT_FOUND: Final = 100
_NOT_LOADED: Final = frozenset({101, 103})
_CONNECT_FAILED: Final = 2
_RATE_LIMIT: Final = 8
_LOGGERS: Final = ("pymilvus.decorators", "pymilvus.client.connection_manager", "pymilvus.client.grpc_handler")
_asking = ContextVar("_asking", default=False)
_T = TypeVar("_T")


def _quiet(_: logging.LogRecord) -> bool:
    """pymilvus prints errors, with tracebacks, which are ours to tell where we are the ones who ask."""
    return not _asking.get()


for _name in _LOGGERS:
    logging.getLogger(_name).addFilter(_quiet)


class NotLoadedError(StoreError):
    """A collection is not held ready for questions, as after a restart of ``milvus-lite server``."""


class GoneError(StoreError):
    """There is no collection of that name, or no such database."""


class TooLargeError(StoreError):
    """An answer was larger than the server sends."""


class Connection(NamedTuple):
    """The two ways to a server: pymilvus' own for everything but records."""

    client: MilvusClient
    wire: Wire


class Link:
    """A connection that is there when it is needed. Every request gives up after two minutes at the most (those for an
    index, after an hour), and one that the server did not take is repeated for about 20 seconds; all of them have the
    same outcome twice."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._closed = False
        self._connection: Connection | None = None
        self._connect(again=False)

    def close(self) -> None:
        self._closed = True
        self._hang_up()

    def check(self) -> None:
        """Raise StoreError if it is closed."""
        if self._closed:
            raise StoreError(f"{self._place.shown} is closed")

    def __call__(self, ask: Callable[[Connection], _T]) -> _T:
        """What ``ask`` gives. Raises StoreError or one of its kinds."""
        deadline, pause = time.monotonic() + PATIENCE, _PAUSES[0]
        while True:
            self.check()  # it may have been closed meanwhile, by another thread
            connection = self._connection or self._connect(again=True)
            token = _asking.set(True)
            try:
                return ask(connection)
            except (grpc.RpcError, MilvusException) as error:
                if not _may_pass(error) or time.monotonic() > deadline:
                    self._raise(error)
            finally:
                _asking.reset(token)
            time.sleep(pause)
            pause = min(pause * 2, _PAUSES[1])

    def _connect(self, *, again: bool) -> Connection:
        deadline = time.monotonic() + PATIENCE
        while True:
            token = _asking.set(True)
            try:
                client = MilvusClient(
                    self._place.address,
                    token=self._place.token,
                    db_name=self._place.database,
                    timeout=_CONNECT,
                    dedicated=True,
                    grpc_options=_OPTIONS,
                )
                self._connection = Connection(client, Wire(self._place, _OPTIONS))
                return self._connection
            except (grpc.RpcError, MilvusException) as error:
                if not again or not _may_pass(error) or time.monotonic() > deadline:
                    self._raise(error)
            finally:
                _asking.reset(token)
            time.sleep(_PAUSES[1])

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.wire.close()
            connection.client.close()

    def _raise(self, error: Exception) -> NoReturn:
        shown, said = self._place.shown, shorten(_words(error), 300)
        code = _code(error)
        if _may_pass(error):
            raise StoreError(
                f"{shown} cannot be reached: {said}",
                hint="is the server running, and are host, port and ?secure= right? What was written before is safe",
                url=shown,
            ) from None
        if code in _NOT_LOADED:
            raise NotLoadedError(f"{shown}: Milvus does not hold the collection ready: {said}", url=shown) from None
        if code == _NOT_FOUND or ("not found" in said and "database" in said):
            raise GoneError(
                f"{shown}: a collection of the index is gone, or its database: {said}",
                hint="was a generation dropped meanwhile, or is ?db= wrong? Try again",
                url=shown,
            ) from None
        for words, kind, message, hint in _MEANINGS:
            if any(word in said.lower() for word in words):
                raise kind(f"{shown}: {message}: {said}", hint=hint, url=shown) from None
        raise StoreError(f"{shown}: Milvus says: {said}", url=shown) from None


_MEANINGS: Final[tuple[tuple[tuple[str, ...], type[StoreError], str, str], ...]] = (
    (
        ("unauthenticated", "auth check failure", "permission denied", "permissiondenied", "privilege"),
        ReadOnlyError,
        "this user may not do that",
        "set MILVUS_TOKEN, or user and password in the URL, of who may read and write the database",
    ),
    (
        ("no space left", "disk quota", "disk full"),
        DiskFullError,
        "the disk is full",
        "what was written before is safe: free some space and run it again",
    ),
    (
        ("message larger than max", "maxoutputsize", "resource_exhausted"),
        TooLargeError,
        "an answer is larger than the server sends",
        "raise quotaAndLimits.limits.maxOutputSize of the server",
    ),
)


def _code(error: Exception) -> Any:
    """A number of Milvus' own, or a gRPC status."""
    return error.code() if isinstance(error, grpc.RpcError) else getattr(error, "code", None)


def _words(error: Exception) -> str:
    if isinstance(error, grpc.RpcError):
        return f"{error.code().name.lower()}: {error.details() or ''}"
    return str(getattr(error, "message", error))


def _may_pass(error: Exception) -> bool:
    """Whether the same request may succeed a moment later."""
    code = _code(error)
    if isinstance(code, grpc.StatusCode):
        return code in _AGAIN
    return code in (_RATE_LIMIT, _CONNECT_FAILED) or bool(getattr(error, "retriable", False))
