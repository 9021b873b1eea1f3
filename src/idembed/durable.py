"""A file that appears under its name whole or not at all, and that lies on the disk once it has appeared."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any, Literal, overload

from idembed.errors import DiskFullError, OptionError

__all__ = ["FULL", "durable", "refuse_others", "sync_folder"]

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What an OSError says when there is no more room: on the disk, for this user, or for a file."""


@overload
def durable(path: Path, mode: Literal["w"]) -> AbstractContextManager[IO[str]]: ...
@overload
def durable(path: Path, mode: Literal["wb"]) -> AbstractContextManager[IO[bytes]]: ...
def durable(path: Path, mode: Literal["w", "wb"]) -> AbstractContextManager[IO[Any]]:
    """A new file to write, seekable, that takes the name ``path`` when the block ends normally; text is
    UTF-8 with the line ends it is given. After an error there is no new file, and an old one is unharmed.

    It is written beside ``path``, or beside what ``path`` links to, under a name of its own. Raises DiskFullError,
    or OptionError naming ``path`` where something else than a file is and for another OSError of the file or of the
    block; a broken pipe or lost connection in the block is passed on as it is.
    """
    return _durable(path, mode)


@contextlib.contextmanager
def _durable(path: Path, mode: Literal["w", "wb"]) -> Iterator[IO[Any]]:
    path = Path(os.path.realpath(path))
    refuse_others(path)
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}.tmp")
    try:
        try:
            with _create(temporary, mode) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            sync_folder(path.parent)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    except ConnectionError:
        raise
    except OSError as error:
        kind = DiskFullError if error.errno in FULL else OptionError
        raise kind(f"{path} cannot be written: {error.strerror or error}", file=str(path)) from error


def refuse_others(path: Path) -> None:
    """Raise OptionError where there is something else than a file, such as a device, which must not be replaced."""
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "not a file"
        raise OptionError(f"{path} cannot be written: it is {what}", hint="name a file", file=str(path))


def _create(path: Path, mode: Literal["w", "wb"]) -> IO[Any]:
    # "x" follows no link and takes nobody's file.
    if mode == "w":
        return path.open("x", encoding="utf-8", newline="")
    return path.open("xb")


def sync_folder(folder: Path) -> None:
    """The new name reaches the disk too. Windows has no such call, and some file systems refuse it."""
    if os.name == "nt":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return  # a folder that may be written and not read: the name is there, only when it is durable is unknown
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
