"""Which parts of a generation are current, as a SQLite file has it: vid, key and part of each, int64 [n, 3]."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["NO_PARTS", "Ints", "all_parts", "changed_parts", "newer_parts"]

Ints = NDArray[np.int64]

NO_PARTS: Final[Ints] = np.empty((0, 3), np.int64)
_KEYS: Final = 1024
"""Rows whose parts are read at a time."""


def all_parts(connection: sqlite3.Connection, number: int, expected: int) -> Iterator[Ints]:
    """Those of all rows, in pieces; about ``expected`` there are."""
    last = connection.execute("SELECT coalesce(max(key), 0) FROM rows").fetchone()[0]
    step = _KEYS * max(1, last // max(1, expected))
    for begin in range(0, last, step):
        columns = connection.execute(
            f"SELECT group_concat(p.vid), group_concat(p.key), group_concat(p.part) FROM parts_{int(number)} AS p "
            "JOIN rows AS r ON r.key = p.key "
            "WHERE p.vid IS NOT NULL AND p.text_hash = r.text_hash AND p.key > ? AND p.key <= ?",
            (begin, begin + step),
        ).fetchone()
        if columns[0]:
            yield np.stack([np.fromstring(column, np.int64, sep=",") for column in columns], axis=1)


def newer_parts(connection: sqlite3.Connection, number: int, after: int) -> Ints:
    """Those with greater vids than ``after``, found by their vectors."""
    n = int(number)
    rows = connection.execute(
        f"SELECT p.vid, p.key, p.part FROM vectors_{n} AS v CROSS JOIN parts_{n} AS p "
        "ON p.key = v.key AND p.part = v.part AND p.vid = v.vid "
        "CROSS JOIN rows AS r ON r.key = p.key AND r.text_hash = p.text_hash WHERE v.vid > ?",
        (after,),
    )
    return np.array(rows.fetchall(), np.int64).reshape(-1, 3)


def changed_parts(connection: sqlite3.Connection, number: int, change: int, after: int) -> Ints:
    """Those with greater vids than ``after`` of the rows that changed after the change of that number."""
    rows = connection.execute(
        f"SELECT p.vid, p.key, p.part FROM parts_{int(number)} AS p JOIN rows AS r ON r.key = p.key "
        "WHERE p.vid > ? AND p.text_hash = r.text_hash "
        "AND p.key IN (SELECT c.key FROM changes AS c WHERE c.number > ?)",
        (after, change),
    )
    return np.array(rows.fetchall(), np.int64).reshape(-1, 3)
