"""Damage to what the file says of itself is named as damage; damage to a vector is seen whatever its sum is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from kit import Index, row

from idembed.errors import DamagedError
from idembed.stores import open_store

QUERY = np.array([[1, 0, 0, 0]], np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.db"


@pytest.fixture
def index(path: Path) -> Iterator[Index]:
    made = Index(lambda: open_store(path))
    yield made
    made.store.close()


def harm(path: Path, sql: str) -> None:
    """As damage on the disk, which fires no trigger."""
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE ours SET writing = 1")
        other.execute(sql)
        other.execute("UPDATE ours SET writing = 0")


@pytest.mark.parametrize("settings", ["'{'", "'[1]'", "x'80'", "7", "''"])
def test_settings_that_cannot_be_read_are_damage(index: Index, path: Path, settings: str) -> None:
    harm(path, f"UPDATE meta SET settings = {settings}")
    with pytest.raises(DamagedError, match=r"index\.db: the settings of the index cannot be read"):
        index.store.read_meta()


@pytest.mark.parametrize("space", ["'{'", "'[1]'", '\'{"kind":"api"}\'', "x'80'", "7"])
def test_a_space_that_cannot_be_read_is_damage(index: Index, path: Path, space: str) -> None:
    harm(path, f"UPDATE generations SET space = {space}")
    with pytest.raises(DamagedError, match="the space of generation 1 cannot be read"):
        index.store.generations()


def test_damage_to_a_vector_whose_sum_is_0_is_seen(index: Index, path: Path) -> None:
    words = np.array([1 << 30, 1 << 30, 3 << 30, 3 << 30], np.uint32)  # of 2.0 and -2.0
    index.upsert(row("zero", "zero", words.view(np.float32).tolist()), row("one", "one", [1, 0, 0, 0]))
    with closing(sqlite3.connect(path)) as other:
        assert (bytes(4),) in other.execute("SELECT sum FROM vectors_1").fetchall()
    assert [match.id for match in index.store.search(1, QUERY, 9)[0]] == ["zero", "one"]
    harm(path, "UPDATE vectors_1 SET vector = x'000000410000004000000040000000c0' WHERE sum = zeroblob(4)")
    with open_store(path) as store:
        assert [match.id for match in store.search(1, QUERY, 9)[0]] == ["one"]


def test_a_vector_without_a_sum_is_searched(index: Index, path: Path) -> None:
    index.upsert(row("a", "a", [1, 0, 0, 0]), row("b", "b", [0, 1, 0, 0]))
    harm(path, "UPDATE vectors_1 SET sum = NULL WHERE vid = 1")  # as older versions wrote them
    with open_store(path) as store:
        assert [match.id for match in store.search(1, QUERY, 9)[0]] == ["a", "b"]
        assert all(stored.parts[0].is_sound for stored in store.scan(1))


def test_reading_rows_of_a_damaged_index_ends(index: Index, path: Path) -> None:
    index.upsert(*(row(f"row-{i:04}", "text", [1, 0, 0, 0]) for i in range(700)))  # 512 are read at a time
    index.store.close()
    raw = path.read_bytes()
    assert raw.count(b"row-0511") == 2  # in the table, and in the index of ids
    for at in (raw.find(b"row-0511"), raw.rfind(b"row-0511")):
        path.write_bytes(raw[:at] + b"bow-0511" + raw[at + 8 :])
        with open_store(path) as store:
            found = []
            with suppress(DamagedError):
                found += (stored.id for stored in islice(store.scan(1), 2000))
            assert len(found) <= 700


@pytest.mark.parametrize("table", ["texts", "parts_1", "vectors_1"])
def test_a_table_that_is_gone_is_said_when_the_index_is_opened(index: Index, path: Path, table: str) -> None:
    index.upsert(row("a", "a", [1, 0, 0, 0]))
    index.store.close()
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"DROP TABLE {table}")
    with pytest.raises(DamagedError, match=rf"index\.db: the table {table} is gone"):
        open_store(path)


@pytest.mark.parametrize("ours", [0, 1])
def test_a_row_whose_id_is_no_text_is_an_orphan_and_never_read(index: Index, path: Path, ours: int) -> None:
    index.upsert(row("a", "a", [1, 0, 0, 0]), row("b", "b", [0, 1, 0, 0]))
    with closing(sqlite3.connect(path)) as other, other:
        other.execute(f"UPDATE ours SET writing = {ours}")
        other.execute("UPDATE rows SET id = x'ff62' WHERE id = 'b'")
        other.execute("UPDATE ours SET writing = 0")
    store = index.store
    assert [stored.id for stored in store.scan(1)] == ["a"]
    assert [*store.unsettled(), *store.lacking(1)] == []
    assert [(found.kind, found.count) for found in store.orphans()] == [("rows whose id is no text", 1)]
    assert store.get(["a", b"\xffb"], 1).keys() == {"a"}  # type: ignore[list-item]
    store.sweep(index.lease)
    assert (store.orphans(), store.count()) == ([], 1)
