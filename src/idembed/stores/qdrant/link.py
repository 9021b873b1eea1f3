"""The way to a Qdrant server: asked again while it is away, and its errors in our words."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

import grpc
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from idembed.errors import DiskFullError, ReadOnlyError, StoreError
from idembed.stores.qdrant.points import NeedsIndexError, NotThereError

__all__ = ["AlreadyThereError", "Link"]

PATIENCE: Final = 20.0
"""Seconds in which a server that was there once may come back, as after a restart."""
_PAUSE: Final = 0.3
_QUOTED: Final = re.compile(r'"[^"]*"|`[^`]*`')
_BUSY: Final = {"UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "ABORTED"}
_STATUS_OF: Final = {
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "INVALID_ARGUMENT": 400,
}

_P = ParamSpec("_P")
_T = TypeVar("_T")


class AlreadyThereError(StoreError):
    """There is a collection of that name."""


class Link:
    """Calls verbs of a client, each of which may be repeated."""

    def __init__(self, shown: str) -> None:
        self.shown = shown
        self._was_there = False

    def __call__(self, verb: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """What ``verb`` gives. A server that was never there is not waited for, unless it says that it is busy."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                answer = verb(*args, **kwargs)
            except (ResponseHandlingException, UnexpectedResponse, ResourceExhaustedResponse, grpc.RpcError) as error:
                pause = self._pause(error)
                if pause is None or time.monotonic() + pause > deadline:
                    raise self._meant(error) from None
                time.sleep(pause)
            except (ValueError, RuntimeError) as error:  # of the client itself
                raise self._said(400, str(error)) from None
            else:
                self._was_there = True
                return answer

    def _pause(self, error: Exception) -> float | None:
        """Seconds to wait before the same is asked again; None where that is no use."""
        if isinstance(error, ResourceExhaustedResponse):
            return float(max(error.retry_after_s, _PAUSE))
        if isinstance(error, UnexpectedResponse):
            return _PAUSE if error.status_code in (429, 502, 503, 504) else None
        if isinstance(error, grpc.RpcError):
            return _PAUSE if _code(error) in _BUSY and self._was_there else None
        return _PAUSE if self._was_there else None

    def _meant(self, error: Exception) -> StoreError:
        if isinstance(error, UnexpectedResponse):
            return self._said(error.status_code or 0, _body(error))
        if isinstance(error, ResourceExhaustedResponse):
            return self._said(429, error.message)
        if isinstance(error, grpc.RpcError) and _code(error) not in _BUSY:
            details = getattr(error, "details", lambda: "")()
            return self._said(_STATUS_OF.get(_code(error), 500), str(details))
        reason = type(getattr(error, "source", error)).__name__
        if isinstance(error, grpc.RpcError):
            reason = _code(error)
        return StoreError(
            f"{self.shown} cannot be reached ({reason})",
            hint="is the server running, and are host and port right? With TLS, add ?https=true",
            url=self.shown,
        )

    def _said(self, status: int, said: str) -> StoreError:
        words = _QUOTED.sub("…", said.partition("\n")[0])[:200]
        if status in (401, 403):
            return ReadOnlyError(
                f"{self.shown} refuses us: {words or status}",
                hint="set QDRANT_API_KEY to a key that may read and write",
                url=self.shown,
            )
        if status == 404 or ("not found" in said and "ollection" in said):
            return NotThereError(f"{self.shown}: a collection is gone", hint="was it dropped meanwhile? Try again")
        if status == 409 or "already exists" in said:
            return AlreadyThereError(f"{self.shown}: {words}", hint="give the index another name")
        if "Index required" in said:
            return NeedsIndexError(f"{self.shown}: {words}", url=self.shown)
        if "No space left" in said or "disk space" in said:
            return DiskFullError(
                f"{self.shown}: the disk of the server is full",
                hint="what was written before is safe: free some space and run it again",
                url=self.shown,
            )
        return StoreError(f"{self.shown}: Qdrant says: {words or status}", url=self.shown, status=status)


def _code(error: grpc.RpcError) -> str:
    code = getattr(error, "code", lambda: None)()
    return getattr(code, "name", "UNKNOWN")


def _body(error: UnexpectedResponse) -> str:
    try:
        said = json.loads(error.content)["status"]["error"]
    except (ValueError, KeyError, TypeError):
        said = error.reason_phrase
    return str(said)
