"""Damage to the file itself: bits flipped and ends cut off, wherever; and what verify says of what is wrong."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from answers import check_answers_of_damaged, opened
from place_sqlite import UnreadableError, read_file
from stored import Stored, Wrong, compare
from world import Truth
from wrong import refuse

from idembed.errors import IdembedError
from idembed.index.examine import Kind
from idembed.index.verify import Verification

_OF_ROWS = {Kind.TEXT, Kind.METADATA, Kind.ROW, Kind.EXTRA_ROW, Kind.LOST_ROW}
CELLS = (
    *("rows.id", "rows.scope", "rows.row_hash", "rows.text_hash", "rows.metadata", "rows.metadata_hash"),
    *("texts.text", "parts_N.text_hash", "parts_N.address", "parts_N.checksum", "vectors_N.vector", "vectors_N.sum"),
    *("generations.space", "generations.model", "generations.status", "meta.settings"),
)
"""Tables and columns; N is the number of a generation."""


def do_damage(choose: random.Random, path: Path, cells: Sequence[str] = CELLS) -> str:
    """Cut the file off, or flip a bit of it: anywhere, or within a value of one of ``cells``; if there is only one of
    these, there. What was done."""
    content = bytearray(path.read_bytes())
    kind = choose.random() if len(cells) != 1 else 0.5
    at, name = choose.randrange(len(content)), "somewhere"
    if kind < 0.15:
        os.truncate(path, at)
        return f"cut off at {at}"
    if cells and kind < 0.7:
        at, name = _cell(choose, path, content, cells)
    bit = choose.randrange(8)
    content[at] ^= 1 << bit
    path.write_bytes(content)
    return f"bit {bit} of byte {at} flipped ({name})"


def _cell(choose: random.Random, path: Path, content: bytes, cells: Sequence[str]) -> tuple[int, str]:
    """Where a byte of some value lies, and in which cell."""
    with closing(sqlite3.connect(path)) as db:
        numbers = [n for (n,) in db.execute("SELECT number FROM generations WHERE status <> 'dropped'")]
        while True:
            name = choose.choice(cells).replace("_N", f"_{choose.choice(numbers)}")
            table, column = name.split(".")
            values = [bytes(v) for (v,) in db.execute(f"SELECT CAST({column} AS BLOB) FROM {table} ORDER BY 1") if v]
            value = choose.choice(values) if values else b""
            places = _all_of(value, content) if value else []
            if places:
                return choose.choice(places) + choose.randrange(len(value)), name


def _all_of(value: bytes, content: bytes) -> list[int]:
    found, at = [], content.find(value)
    while at >= 0:
        found.append(at)
        at = content.find(value, at + 1)
    return found


class Autopsy:
    """What is wrong with a damaged file: nothing that can be told (``wrong`` None) where SQLite cannot read it.
    ``besides``: something is, that is neither a row nor a vector, so that anything may be refused."""

    def __init__(self, path: Path, backup: Path, truth: Truth) -> None:
        before = read_file(backup)
        self._path = path
        self._truth = truth
        self.wrong: Wrong | None = None
        self.besides = self.root_differs = False
        try:
            found = read_file(path)
        except UnreadableError:
            return
        self.wrong = compare(found, truth)
        self.besides = found.besides != before.besides or path.read_bytes()[:100] != backup.read_bytes()[:100]
        self.root_differs = _what_a_root_covers(found) != _what_a_root_covers(before)

    @property
    def what(self) -> str:
        """In short."""
        if self.wrong is None:
            return "unreadable"
        return "settings" if self.besides else "rows or vectors" if self.wrong else "nothing that matters"

    @property
    def can_be_mended(self) -> bool:
        """What verify --repair and a sync promise to mend."""
        return self.wrong is not None and not self.besides

    def check_answers(self) -> None:
        """A search refuses, or finds nothing wrong, and misses only what is."""
        with self._refusing(), opened(self._path, self._truth) as index:
            check_answers_of_damaged(index, self._truth, self._damaged())

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """What cannot be read is refused by an error that says so; rows and vectors never are."""
        try:
            yield
        except IdembedError:
            assert not self.can_be_mended

    def _damaged(self) -> set[tuple[str, int]] | None:
        """The parts that need not be found; None: all."""
        if self.wrong is None or self.besides:
            return None
        assert self._truth.active is not None
        places = self._truth.parts(self._truth.active.model)
        wrong = {(row_id, part) for number, row_id, part in self.wrong.vectors if number == self._truth.active.number}
        return wrong | {(row_id, part) for row_id, part in places if row_id in self.wrong.rows}

    def check_verify(self, lock: object) -> None:
        """It says what is wrong, all of it and nothing else; ``lock`` was taken before."""
        found = None
        with self._refusing(), opened(self._path, self._truth) as index:
            found = index.verify(everything=True, lock=lock)  # type: ignore[arg-type]
        if found is None:
            return
        if self.wrong is None:
            refuse("damage", missed_by_verify=int(Kind.DAMAGE not in {defect.kind for defect in found.defects}))
        elif not self.besides:
            check_verify(found, self.wrong)
            assert bool(found.differences) is self.root_differs, found.differences


def _what_a_root_covers(found: Stored) -> object:
    active = next((number for number, _, status, _ in found.generations if status == "active"), 0)
    parts = {place: (part.address, part.vector) for place, part in found.parts.get(active, {}).items()}
    return {row_id: (row.text, row.metadata) for row_id, row in found.rows.items()}, parts


def check_verify(found: Verification, wrong: Wrong) -> None:
    """What verify found is what is wrong: the very rows and vectors, and as many orphans."""
    rows = {defect.id for defect in found.defects if defect.kind in _OF_ROWS}
    vectors = {(d.generation, d.id, d.part) for d in found.defects if d.kind.of_vector}
    orphans = sum(kind.count for kind in found.orphans)
    refuse(
        f"{found.counts} instead of {wrong}",
        missed_by_verify=len(wrong.rows - rows) + len(wrong.vectors - vectors) + max(0, wrong.orphans - orphans),
        false_alarms=len(rows - wrong.rows) + len(vectors - wrong.vectors) + max(0, orphans - wrong.orphans),
    )
    assert found.ok is not bool(wrong), found.counts
    assert found.unsettled == wrong.unsettled
