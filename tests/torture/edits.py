"""What another program may do to the file, and what a search must make of it before the next sync."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from world import Place, Truth


class Seen(NamedTuple):
    """The truth with the rows as they are found now, the parts that are not found, and those that need not be."""

    truth: Truth
    hidden: frozenset[Place] = frozenset()
    perhaps: frozenset[Place] = frozenset()


@dataclass(frozen=True)
class Edit:
    """``sql``: what is done to row ``:id`` in generation N (in table names). ``seen``: what becomes of the answers of
    that generation, given the truth, the row, and the number of its last part."""

    name: str
    sql: str
    seen: Callable[[Truth, str, int], Seen]

    def applies(self, parts: int, rows: int) -> bool:
        """Whether it can be done to a row of so many parts, one of so many rows."""
        return (":last" not in self.sql or parts > 1) and ("another" not in self.name or rows > 1)


def _all(row_id: str, last: int) -> frozenset[Place]:
    return frozenset((row_id, part) for part in range(last + 1))


def _as_it_was(truth: Truth, row_id: str, last: int) -> Seen:
    return Seen(truth)


def _without_row(truth: Truth, row_id: str, last: int) -> Seen:
    return Seen(truth, _all(row_id, last))


def _without_part(truth: Truth, row_id: str, last: int) -> Seen:
    """One of its parts is not as it was; nothing is said of the others."""
    return Seen(truth, perhaps=_all(row_id, last))


def _without_any(truth: Truth, row_id: str, last: int) -> Seen:
    return Seen(truth.without(*truth.rows))


def _other_metadata(truth: Truth, row_id: str, last: int) -> Seen:
    scope, content = next((s, c) for s, c in truth.scopes.items() if row_id in c)
    return Seen(truth.synced(scope, {**content, row_id: (content[row_id][0], {"edited": 1})}))


_ME = "(SELECT key FROM rows WHERE id = :id)"
_MINE = f"WHERE key = {_ME}"
_METADATA = "'{\"edited\":1}'"
EDITS = (
    Edit("text", f"UPDATE texts SET text = 'edited' {_MINE}", _without_row),
    Edit("text replaced", f"INSERT OR REPLACE INTO texts SELECT key, 'edited' FROM texts {_MINE}", _without_row),
    Edit("text gone", f"DELETE FROM texts {_MINE}", _without_row),
    Edit("metadata", f"UPDATE rows SET metadata = {_METADATA} {_MINE}", _other_metadata),
    Edit("row gone", f"DELETE FROM rows {_MINE}", _without_row),
    Edit("all rows gone", "DELETE FROM rows WHERE :id IS NOT NULL", _without_any),
    Edit("renamed", f"UPDATE rows SET id = 'renamed ' || id {_MINE}", _without_row),
    Edit("row added", "INSERT INTO rows (id, scope) SELECT 'added', scope FROM rows WHERE id = :id", _as_it_was),
    Edit(
        "row added with hashes",
        "INSERT INTO rows (id, scope, row_hash, text_hash, metadata, metadata_hash) "
        "SELECT 'added', scope, row_hash, text_hash, metadata, metadata_hash FROM rows WHERE id = :id",
        _as_it_was,
    ),
    Edit(
        "row replaced",
        "INSERT OR REPLACE INTO rows (key, id, scope, row_hash, text_hash, metadata, metadata_hash) "
        f"SELECT key, id, scope, row_hash, text_hash, {_METADATA}, metadata_hash FROM rows WHERE id = :id",
        _without_row,
    ),
    Edit("vectors zeroed", f"UPDATE vectors_N SET vector = zeroblob(length(vector)) {_MINE}", _without_row),
    Edit("vectors gone", f"DELETE FROM vectors_N {_MINE}", _without_row),
    Edit("last vector gone", f"DELETE FROM vectors_N {_MINE} AND part = :last", _without_part),
    Edit("parts gone", f"DELETE FROM parts_N {_MINE}", _without_row),
    Edit("last part gone", f"DELETE FROM parts_N {_MINE} AND part = :last", _without_part),
    Edit(
        "part with a vector of another",
        f"UPDATE parts_N SET vid = (SELECT max(vid) FROM parts_N WHERE key <> {_ME}) {_MINE} AND part = 0",
        _without_part,
    ),
    Edit(
        "part of fewer characters",
        f'UPDATE parts_N SET "end" = "end" - 1 {_MINE} AND part = 0',
        _without_part,
    ),
)


def perform(edit: Edit, path: Path, truth: Truth, row_id: str, number: int) -> Seen:
    """Do it, as another program would; what is found now of generation ``number``."""
    last = _last_part(truth, row_id)
    with closing(sqlite3.connect(path)) as other, other:
        other.execute(edit.sql.replace("_N", f"_{number}"), {"id": row_id, "last": last})
    assert truth.active is not None
    is_seen = "_N" not in edit.sql or number == truth.active.number
    return edit.seen(truth, row_id, last) if is_seen else Seen(truth)


def choose_edit(choose: random.Random, truth: Truth, edits: Sequence[Edit]) -> tuple[Edit, str, int]:
    """One of these edits, a row, and a generation to which it can be done."""
    rows = sorted(truth.rows)
    possible = [(edit, row) for edit in edits for row in rows if edit.applies(_last_part(truth, row) + 1, len(rows))]
    edit = choose.choice([edit for edit in edits if any(edit is other for other, _ in possible)])
    victim = choose.choice([row for other, row in possible if other is edit])
    return edit, victim, choose.choice([g.number for g in truth.generations if g.whole])


def _last_part(truth: Truth, row_id: str) -> int:
    assert truth.active is not None
    return max(part for owner, part in truth.parts(truth.active.model) if owner == row_id)
