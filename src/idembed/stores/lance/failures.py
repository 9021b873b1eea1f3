"""What LanceDB says went wrong, in our words."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import pyarrow as pa

from idembed.errors import DiskFullError, IdembedError, ReadOnlyError, StoreError

__all__ = ["broken_off", "is_missing", "mapped", "patiently"]

T = TypeVar("T")
_PATIENCE: Final = 20.0
"""Seconds in which an object store may come back, and writers come in between one another's commits."""
_CONFLICTS: Final = ("conflict", "Too many concurrent writers", "concurrent")
_AWAY: Final = ("RetryError", "HttpError", "error sending request")
_OBJECT_STORE: Final = re.compile(r"store: \"|Generic (?:S3|GCS|MicrosoftAzure) error|RetryError|HttpError")
_STATUS: Final = re.compile(r"status:? (?:code:? )?([1-5][0-9]{2})\b")
_FULL: Final = ("No space left", "os error 28", "Disk quota exceeded", "os error 122")
_FORBIDDEN: Final = ("Permission denied", "Read-only file system", "os error 13", "os error 30")


@contextmanager
def broken_off() -> Iterator[None]:
    """A panic of LanceDB, which is no Exception in Python, becomes a RuntimeError, without what it says: that may be of
    a row."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise RuntimeError("it broke off within, as over a file that is damaged") from error


@contextmanager
def mapped(shown: str) -> Iterator[None]:
    """What LanceDB, Arrow or the file system raise becomes a StoreError that names the index, ``shown``."""
    try:
        with broken_off():
            yield
    except IdembedError:
        raise
    except (RuntimeError, ValueError, OSError, NotImplementedError, pa.ArrowException) as error:
        said = str(error)
        if any(words in said for words in _FULL):
            raise DiskFullError(f"{shown}: the disk is full", hint="make room and run it again", url=shown) from error
        if any(words in said for words in _FORBIDDEN):
            raise ReadOnlyError(f"{shown} may not be read or written by this user", url=shown) from error
        if _OBJECT_STORE.search(said):
            status = _STATUS.search(said)
            raise StoreError(
                f"{shown}: the object store {f'answers {status.group(1)}' if status else 'cannot be reached'}",
                hint="look at the credentials, region and endpoint in the environment, such as AWS_ENDPOINT",
                url=shown,
            ) from None  # what it says may hold what it was told
        raise StoreError(
            f"{shown}: LanceDB failed: {_short(said)}", hint="verify says what is damaged", url=shown
        ) from error


def is_missing(error: Exception) -> bool:
    """Whether the table that was asked for is not there."""
    said = str(error)
    return "was not found" in said or ("Not found:" in said and "_versions" in said)


def patiently(act: Callable[[], T]) -> T:
    """``act()``, which may be repeated, again for some seconds while an object store cannot be reached, or other
    writers come in between: LanceDB refuses a commit that does not build on the newest version."""
    begin, pause = time.monotonic(), 0.05
    while True:
        try:
            with broken_off():
                return act()
        except (RuntimeError, ValueError, OSError) as error:
            passes = any(words in str(error) for words in (*_CONFLICTS, *_AWAY))
            if not passes or time.monotonic() - begin > _PATIENCE:
                raise
        time.sleep(pause)
        pause = min(2 * pause, 2.0)


def _short(said: str) -> str:
    """Its first line without the places in its source, which say nothing to users."""
    first = said.splitlines()[0] if said else "it does not say why"
    return first.partition(", /")[0][:300]
