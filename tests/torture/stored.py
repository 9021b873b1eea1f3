"""What a file holds, read with SQL alone, and in what it differs from the truth."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from world import DIMS, Part, Place, Row, Truth, model

_PART = 'p."start", p."end", p.text_hash, p.address, p.tokens, p.truncated, p.checksum'


@dataclass
class Stored:
    """``generations``: (number, model, status, complete). ``parts`` of each by generation, current or not.
    ``orphans``: records that belong to nothing. ``besides``: everything else that is in the file, for comparisons."""

    rows: dict[str, Row] = field(default_factory=dict)
    generations: list[tuple[int, str, str, bool]] = field(default_factory=list)
    parts: dict[int, dict[Place, Part]] = field(default_factory=dict)
    orphans: int = 0
    besides: list[Any] = field(default_factory=list)

    @property
    def unsettled(self) -> int:
        return sum(row.row_hash is None for row in self.rows.values())

    def statuses(self) -> list[tuple[int, str, str]]:
        return [generation[:3] for generation in self.generations]


class UnreadableError(Exception):
    """SQLite itself says that the file is damaged."""


def read(path: Path) -> Stored:
    """Everything in the file; there need not be one while there are no rows. (Only SQLite reads the file: whoever else
    closes it takes the locks from all connections that his process has to it.)"""
    if not path.exists() or not path.stat().st_size:
        return Stored()
    try:
        with closing(sqlite3.connect(path)) as db:
            db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            if db.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                raise UnreadableError
            return _read(db)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter in what SQLite says of the damage
        raise UnreadableError(str(error)) from error


def _read(db: sqlite3.Connection) -> Stored:
    found = Stored()
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


@dataclass
class Wrong:
    """What is not as the truth says: ``rows`` that are there and should not be, or the reverse, or are others; parts
    ``lost``, ``extra`` or ``altered`` by generation, those of ``mixed`` with the vector of another model. Rows that are
    merely unsettled are counted apart."""

    rows: set[str] = field(default_factory=set)
    lost: set[tuple[int, str, int]] = field(default_factory=set)
    extra: set[tuple[int, str, int]] = field(default_factory=set)
    altered: set[tuple[int, str, int]] = field(default_factory=set)
    mixed: set[tuple[int, str, int]] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    """Those among ``rows`` whose texts cannot be relied on, so that nothing can be said of their vectors."""
    orphans: int = 0
    unsettled: int = 0

    @property
    def vectors(self) -> set[tuple[int, str, int]]:
        """Those that are told apart from their rows."""
        return {place for place in self.lost | self.extra | self.altered if place[1] not in self.texts}

    def __bool__(self) -> bool:
        return bool(self.rows or self.lost or self.extra or self.altered or self.orphans)


def compare(found: Stored, truth: Truth) -> Wrong:
    """Everything in which they differ, but for which generations there are."""
    wrong = Wrong(orphans=found.orphans, unsettled=found.unsettled)
    for row_id in found.rows.keys() | truth.rows.keys():
        is_, should = found.rows.get(row_id), truth.rows.get(row_id)
        if is_ is None or should is None:
            wrong.rows.add(row_id)
            wrong.texts.add(row_id)
        elif is_ != should._replace(row_hash=should.row_hash if is_.row_hash is not None else None):
            wrong.rows.add(row_id)
            if (is_.text, is_.text_hash) != (should.text, should.text_hash):
                wrong.texts.add(row_id)
    for generation in truth.generations:
        if generation.number in found.parts:
            _compare_parts(wrong, found, truth, generation.number, generation.model, generation.whole)
    return wrong


def _compare_parts(wrong: Wrong, found: Stored, truth: Truth, number: int, name: str, whole: bool) -> None:
    """A row without any part is behind, not wrong, unless the generation is ``whole``."""
    here, should = found.parts[number], truth.parts(name)
    begun = {row_id for row_id, _ in here}
    for row_id, part in here.keys() | should.keys():
        place, is_ = (number, row_id, part), here.get((row_id, part))
        if is_ is None:
            if whole or row_id in begun:
                wrong.lost.add(place)
        elif (row_id, part) not in should:
            wrong.extra.add(place)
        elif is_ != should[row_id, part]:
            wrong.altered.add(place)
            start, end = should[row_id, part][:2]
            text = truth.contents[row_id][0][start:end]
            if any(is_.vector == model(other).vector(text).tobytes() for other in DIMS if other != name):
                wrong.mixed.add(place)
