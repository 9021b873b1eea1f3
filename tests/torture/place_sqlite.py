"""SQLite: one file, which other programs edit and disks damage; it is read with SQL alone, too."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from edits_sqlite import EDITS
from place import Place
from stored import Stored, read
from world import Part, Row

_PART = 'p."start", p."end", p.text_hash, p.address, p.tokens, p.truncated, p.checksum'


class SqlitePlace(Place):
    """A file."""

    kind = "sqlite"
    lives = 8
    steps = 20
    examples = 15
    trials = 6
    switches = 40
    is_bounded = True
    edits = EDITS

    @property
    def file(self) -> Path:
        return Path(self.url)

    def read(self) -> Stored:
        return read_file(self.file)

    def readings(self) -> Iterator[Stored]:
        yield read_file(self.file)
        yield read(self.url, in_every_way=True)

    def edit(self, statements: str, values: dict[str, object]) -> None:
        with closing(sqlite3.connect(self.file)) as other, other:
            other.execute(statements, values)

    def remove(self) -> None:
        for left in self.folder.glob(f"{self.file.name}*"):
            left.unlink()


class UnreadableError(Exception):
    """SQLite itself says that the file is damaged."""


def read_file(path: Path) -> Stored:
    """Everything in the file; while there are no rows there need be neither one nor anything in it.
    (Only SQLite reads the file: whoever else closes it takes the locks from all connections that his process has.)"""
    if not path.exists() or not path.stat().st_size:
        return Stored()
    try:
        with closing(sqlite3.connect(path)) as db:
            db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            if db.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                raise UnreadableError
            return _read(db) if _count(db, "sqlite_master", "true") else Stored()
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter in what SQLite says of the damage
        raise UnreadableError(str(error)) from error


def _read(db: sqlite3.Connection) -> Stored:
    found = Stored(exists=True)
    found.besides = list(_besides(db))
    names = dict(db.execute("SELECT key, id FROM rows"))
    columns = "r.id, r.scope, t.text, r.metadata, r.row_hash, r.text_hash, r.metadata_hash"
    for row_id, *row in db.execute(f"SELECT {columns} FROM rows AS r LEFT JOIN texts AS t USING (key)"):
        found.rows[row_id] = Row(*row)
    found.orphans = _count(db, "texts", "key NOT IN (SELECT key FROM rows)")
    for number, name, status, complete in db.execute(
        "SELECT number, model, status, complete FROM generations WHERE status <> 'dropped' ORDER BY number"
    ).fetchall():
        found.generations.append((number, name, status, bool(complete)))
        parts = found.parts[number] = {}
        for key, part, *fields in db.execute(
            f"SELECT p.key, p.part, {_PART}, v.vector, v.sum FROM parts_{number} AS p "
            f"LEFT JOIN vectors_{number} AS v USING (vid)"
        ):
            if key in names:
                parts[names[key], part] = Part(*fields)
            else:
                found.orphans += 1
        found.orphans += _count(
            db, f"vectors_{number} AS v", f"(key, part, vid) NOT IN (SELECT key, part, vid FROM parts_{number})"
        )
    return found


def _besides(db: sqlite3.Connection) -> Iterator[Any]:
    """Schema, settings, generations and leases: no rows, and no vectors."""
    for table in ("sqlite_master", "meta", "ours", "leases", "generations", "lost", "sqlite_sequence"):
        yield table, db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()


def _count(db: sqlite3.Connection, table: str, condition: str) -> int:
    return int(db.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()[0])
