"""Reading page by page goes on after the last row of the page before, which is only sure to end while rows come in
order. An index of the file that is damaged breaks that without SQLite noticing."""

from __future__ import annotations

import sqlite3
from typing import TypeVar

__all__ = ["check_order"]

_Key = TypeVar("_Key", int, bytes)


def check_order(before: _Key, now: _Key) -> None:
    """Raise sqlite3.DatabaseError, as of a damaged file, unless ``now`` comes after ``before``."""
    if not before < now:
        error = sqlite3.DatabaseError(f"rows are not in order: {now!r} after {before!r}")
        error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_CORRUPT, "SQLITE_CORRUPT"
        raise error
