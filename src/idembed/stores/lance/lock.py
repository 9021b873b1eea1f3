"""One writer of a table at a time, among all programs of this machine: a lock that ends with its process."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from idembed.errors import StoreError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["BusyError", "locked"]

_PATIENCE: Final = 600.0
"""Seconds; who makes an index of many vectors holds the lock of their table meanwhile."""
_PAUSE: Final = (0.001, 0.05)


class BusyError(StoreError):
    """Another program has the lock."""


@contextmanager
def locked(path: Path, patience: float = _PATIENCE) -> Iterator[None]:
    """Nobody else is in here with the same ``path``, a file that is made and stays. Raises BusyError after ``patience``
    seconds, and OSError where the file cannot be made."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
    try:
        begin, pause = time.monotonic(), _PAUSE[0]
        while not _take(descriptor):
            if time.monotonic() - begin > patience:
                raise BusyError(f"{path.parent} is busy: another program writes", hint="try again", file=str(path))
            time.sleep(pause)
            pause = min(2 * pause, _PAUSE[1])
        yield
    finally:
        os.close(descriptor)  # which ends the lock as well


def _take(descriptor: int) -> bool:
    """Whether the lock is ours now."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
