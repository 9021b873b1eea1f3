"""Large batches are written to SQLite while its triggers are away; nothing else may be different for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kit import Index, part, row, space

from idembed.errors import DiskFullError
from idembed.stores import open_store
from idembed.stores.base import RowRecord
from idembed.stores.records import Filling

MANY = 300
TABLES = ("rows", "texts", "parts_1", "vectors_1", "parts_2", "vectors_2", "lost")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.db"


@pytest.fixture
def index(path: Path) -> Iterator[Index]:
    made = Index(lambda: open_store(path))
    yield made
    made.store.close()


def rows_of(version: int, parts: int, count: int = MANY) -> list[RowRecord]:
    """Each of so many parts, the last of which has no vector now and then."""
    found = []
    for number in range(count):
        made = row(f"r{number:03}", f"text {number} of version {version}", metadata={"version": version})
        some = [part(f"{made.text}/{p}", [number, p, version, 1], p) for p in range(parts)]
        if number % 50 == 7:
            some[-1] = replace(some[-1], vector=None)
        found.append(replace(made, parts={1: some}))
    return found


def content(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        return {table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in TABLES}


def triggers(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))


def edit(path: Path, statement: str) -> None:
    """By another program."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_one_large_batch_leaves_what_many_small_ones_leave(tmp_path: Path) -> None:
    found: dict[int, list[Any]] = {MANY: [], 30: []}
    for size, seen in found.items():
        index = Index(lambda size=size: open_store(tmp_path / f"{size}.db"))  # type: ignore[misc]
        index.store.create_generation(index.lease, space(4, "other"), "m")
        in_both = [replace(some, parts={1: some.parts[1], 2: some.parts[1][:1]}) for some in rows_of(1, 2)]
        for rows in in_both, rows_of(2, 3), rows_of(3, 1):
            for begin in range(0, MANY, size):
                index.upsert(*rows[begin : begin + size])
            seen += [content(tmp_path / f"{size}.db"), index.search([1, 0, 0, 0], 900)]
        for begin in range(0, MANY, size):
            some = rows_of(3, 1)[begin : begin + size]
            index.store.fill(index.lease, 2, [Filling(r.id, r.text_hash, [part("t", [1, 2, 3, 4])]) for r in some])
        seen += [content(tmp_path / f"{size}.db"), index.store.generations(), index.store.orphans()]
        index.store.close()
    assert found[MANY] == found[30]
    first, _, second, _, third, hits, filled, _, orphans = found[MANY]
    assert [len(some["parts_1"]) for some in (first, second, third)] == [600, 900, 300]
    assert [len(some["vectors_1"]) for some in (first, second, third)] == [594, 894, 294]
    assert [len(some["vectors_2"]) for some in (first, second, filled)] == [300, 0, 300]
    assert (len(hits), orphans) == (294, [])


def test_another_program_is_noticed_after_a_large_batch_as_before_it(index: Index, path: Path) -> None:
    before = triggers(path)
    index.upsert(*rows_of(1, 1))
    assert triggers(path) == before
    assert list(index.store.unsettled()) == []
    edit(path, "UPDATE texts SET text = 'edited' WHERE key = 7")
    edit(path, "DELETE FROM rows WHERE key = 9")
    assert list(index.store.unsettled()) == ["r006"]
    assert index.store.lost() == ["r008"]


def test_a_program_that_has_the_file_open_is_noticed_with_the_statements_it_had_prepared(
    index: Index, path: Path
) -> None:
    index.upsert(*rows_of(1, 1))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        sql = "UPDATE rows SET metadata = ? WHERE id = ?"
        other.execute(sql, ('{"version":1}', "r001"))  # as it was
        index.upsert(*rows_of(2, 1))
        other.execute(sql, ('{"version":9}', "r002"))
    assert list(index.store.unsettled()) == ["r002"]


def test_a_large_batch_that_fails_leaves_the_triggers(index: Index, path: Path) -> None:
    index.upsert(row("a"))
    before = triggers(path)
    connection = index.store._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 5}")
    with pytest.raises(DiskFullError):
        index.upsert(*(row(f"r{i}", "x" * 10_000) for i in range(MANY)))
    connection.execute("PRAGMA max_page_count = 1000000")
    assert triggers(path) == before
    edit(path, "DELETE FROM parts_1")
    assert list(index.store.unsettled()) == ["a"]


def test_who_holds_vectors_in_memory_sees_a_large_batch(index: Index, path: Path) -> None:
    query = np.array([[0, 0, 1, 0]], np.float32)
    with open_store(path) as reader:
        for version in 1, 2, 3:
            index.upsert(*rows_of(version, 2))
            hits = reader.search(1, query, 1000)[0]
            assert len(hits) == 2 * MANY - MANY // 50
            assert {hit.score for hit in hits} == {float(version)}


def test_a_trigger_of_somebody_else_acts_in_a_large_batch_too(index: Index, path: Path) -> None:
    edit(path, "CREATE TABLE mine (text)")
    edit(path, "CREATE TRIGGER mine AFTER INSERT ON texts BEGIN INSERT INTO mine VALUES (NEW.text); END")
    index.upsert(*rows_of(1, 1))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM mine").fetchone() == (MANY,)
    assert "mine" in triggers(path)


def test_a_vector_of_another_row_is_not_removed_with_a_part_that_was_made_to_name_it(index: Index, path: Path) -> None:
    index.upsert(*rows_of(1, 1))
    edit(path, "UPDATE parts_1 SET vid = (SELECT vid FROM parts_1 WHERE key = 2) WHERE key = 1")
    index.upsert(*rows_of(2, 1, 1), *rows_of(1, 1)[2:])  # r001, whose key is 2, is not among them
    (stored,) = index.store.get(["r001"], 1).values()
    assert stored.parts[0].vector is not None
    assert stored.parts[0].vector.tolist() == [1, 0, 1, 1]


@pytest.mark.parametrize("count", [9, MANY])
@pytest.mark.parametrize("column", ["part", "vid"])
def test_parts_whose_numbers_are_none_any_more_are_replaced(index: Index, path: Path, column: str, count: int) -> None:
    index.upsert(*rows_of(1, 2, count))
    edit(path, f"UPDATE parts_1 SET {column} = CAST(x'FF00' AS TEXT) WHERE key = 3 AND part = 1")
    index.upsert(*rows_of(2, 2, count))
    (stored,) = index.store.get(["r002"], 1).values()
    assert [(found.part, found.is_sound) for found in stored.parts] == [(0, True), (1, True)]
    assert [kind.name for kind in index.store.orphans() if "parts" in kind.name] == []
    assert all(state.current for state in index.states().values())


def test_small_batches_leave_the_schema_as_it_is(index: Index, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        versions = []
        for count, parts in (0, 1), (99, 1), (100, 1), (50, 2):
            index.upsert(*rows_of(1, parts, count))
            versions.append(connection.execute("PRAGMA schema_version").fetchone()[0])
    assert versions[0] == versions[1] < versions[2] < versions[3]
