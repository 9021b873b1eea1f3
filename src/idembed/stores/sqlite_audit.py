"""What is wrong in a SQLite file as such: records that belong to nothing, and damage that SQLite itself sees."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from idembed.errors import DamagedError
from idembed.stores.records import RESTORE, Orphans

__all__ = ["check_tables", "damage", "orphans", "sweep"]

_EXAMPLES: Final = 5


class _Kind(NamedTuple):
    """A kind of orphan: the table it is in, when a record ``o`` of it is one, and what names it."""

    name: str
    table: str
    condition: str
    label: str


def check_tables(connection: sqlite3.Connection, path: str) -> None:
    """Raise DamagedError where a table is gone, without which a sync might find nothing to do."""
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    numbers = connection.execute("SELECT number FROM generations WHERE status <> 'dropped'") if there else ()
    of_generations = (table for (n,) in numbers for table in (f"parts_{n}", f"vectors_{n}"))
    gone = sorted({"rows", "texts", *of_generations} - there)
    if there and gone:
        raise DamagedError(
            f"{path}: the table {gone[0]} is gone",
            hint=RESTORE,
            path=path,
        )


def orphans(connection: sqlite3.Connection, generations: Sequence[int]) -> list[Orphans]:
    """The kinds of which there are some."""
    found = []
    for kind in _kinds(generations):
        among = f"FROM {kind.table} AS o WHERE {kind.condition}"
        count = connection.execute(f"SELECT count(*) {among}").fetchone()[0]
        if count:
            examples = connection.execute(f"SELECT {kind.label} {among} LIMIT {_EXAMPLES}")
            found.append(Orphans(kind.name, count, tuple(str(label) for (label,) in examples)))
    return found


def sweep(connection: sqlite3.Connection, generations: Sequence[int]) -> int:
    """Remove them, parts before the vectors that hang on them; how many."""
    removed = 0
    for kind in _kinds(generations):
        condition = kind.condition.replace("o.", f"{kind.table}.")
        removed += connection.execute(f"DELETE FROM {kind.table} WHERE {condition}").rowcount
    return removed


def damage(connection: sqlite3.Connection) -> list[str]:
    """What ``PRAGMA integrity_check`` says; it reads the whole file."""
    try:
        said = [line for (line,) in connection.execute("PRAGMA integrity_check(20)")]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [] if said == ["ok"] else [line for text in said for line in str(text).splitlines()]


def _kinds(generations: Sequence[int]) -> list[_Kind]:
    no_row = "NOT EXISTS (SELECT 1 FROM rows AS r WHERE r.key = o.key)"
    kinds = [
        _Kind("rows whose id is no text", "rows", "typeof(o.id) <> 'text'", "o.key"),
        _Kind("texts without a row", "texts", no_row, "o.key"),
    ]
    for n in map(int, generations):
        parts, vectors = f"parts_{n}", f"vectors_{n}"
        kinds.append(_Kind(f"parts without a row in generation {n}", parts, no_row, "o.key || '/' || o.part"))
        no_part = f"NOT EXISTS (SELECT 1 FROM {parts} AS p WHERE p.key = o.key AND p.part = o.part AND p.vid = o.vid)"
        kinds.append(_Kind(f"vectors without a part in generation {n}", vectors, no_part, "o.vid"))
    return kinds
