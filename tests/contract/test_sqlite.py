"""What only the SQLite store promises: its file, foreign edits, crashes, errors in our words."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from kit import Index, part, row, space

from idembed import stores
from idembed.errors import (
    DamagedError,
    DiskFullError,
    IndexNotFoundError,
    NewerSchemaError,
    NotAnIndexError,
    OptionError,
    ReadOnlyError,
    RowError,
    StoreError,
)
from idembed.filters import parse_where
from idembed.rows import check_row
from idembed.stores import (
    open_store,
    sqlite_file,
    sqlite_generations,
    sqlite_matrix,
    sqlite_migrate,
    sqlite_plan,
    sqlite_schema,
    sqlite_vectors,
    without_password,
)
from idembed.stores.base import Generation, RowState

QUERY = np.array([[1, 0, 0, 0]], np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.db"


@pytest.fixture
def index(path: Path) -> Iterator[Index]:
    made = Index(lambda: open_store(path))
    yield made
    made.store.close()


@contextmanager
def another_program(path: Path) -> Iterator[sqlite3.Connection]:
    """A program that knows nothing of idembed, with SQLite's own defaults; commits at the end."""
    with closing(sqlite3.connect(path)) as connection, connection:
        yield connection


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def ids(index: Index) -> list[str]:
    return [hit.id for hit in index.store.search(1, QUERY, 100)[0]]


# Opening ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["{}/a.db", "sqlite:///{}/a.db"])
def test_a_path_or_a_url_opens_a_file(tmp_path: Path, url: str) -> None:
    open_store(url.format(tmp_path)).close()
    assert (tmp_path / "a.db").read_bytes()[:15] == b"SQLite format 3"


def test_a_relative_url_is_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_store("sqlite:///a.db").close()
    open_store("b ?#%25.db").close()
    assert sorted(files(tmp_path)) == ["a.db", "b ?#%25.db"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:geheim@host:1/db?password=geheim",
        "qdrant://host/pets?api_key=geheim",
        "lance+s3://me:geheim@bucket/pets",
    ],
)
def test_a_database_whose_client_is_not_installed_says_what_to_install_without_the_password(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = stores._KINDS[url.partition(":")[0]]
    monkeypatch.setitem(sys.modules, kind.module, None)
    with pytest.raises(StoreError, match="is not installed") as caught:
        open_store(url)
    assert "geheim" not in str(caught.value)
    assert caught.value.hint == f'pip install "idembed[{kind.extra}]"'


@pytest.mark.parametrize("url", ["mysql://u:geheim@h/db", "redis://h", "http://u:geheim@h"])
def test_an_unknown_kind_of_url_lists_the_known_ones(url: str) -> None:
    with pytest.raises(OptionError, match=r"a file such as demo\.db, or a database: sqlite:///demo\.db") as caught:
        open_store(url)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("url", ["", " ", "sqlite://", "sqlite:///", ":memory:"])
def test_an_empty_name_names_nothing(url: str) -> None:
    with pytest.raises(OptionError):
        open_store(url)


def test_passwords_leave_urls() -> None:
    assert without_password("a://u:p:q@h/x") == "a://u:***@h/x"
    assert without_password("a://:p@h") == "a://:***@h"
    assert without_password("a://u@h/x:y@z") == "a://u@h/x:y@z"
    assert without_password("a://h?Token=1&b=2&access-key=3#f") == "a://h?Token=***&b=2&access-key=***"
    assert without_password("a://h?api_key=abc#def&g=h") == "a://h?api_key=***"
    assert without_password("a://h?b=2#f") == "a://h?b=2#f"
    assert without_password("a://h?token=1&b=2#f") == "a://h?token=***&b=2#f"


def test_importing_the_stores_imports_no_database() -> None:
    code = "import sys, idembed.stores; print({'sqlite3', 'numpy', 'psycopg'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def test_a_missing_file_is_not_made_unless_wanted(path: Path) -> None:
    for options in ({"create": False}, {"read_only": True}):
        with pytest.raises(IndexNotFoundError, match=r"index\.db"):
            open_store(path, **options)
    assert not path.exists()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        open_store(tmp_path / "nowhere" / "index.db")


def test_an_empty_file_counts_as_new(path: Path) -> None:
    path.touch()
    with pytest.raises(IndexNotFoundError):
        open_store(path, create=False)
    with open_store(path) as store:
        assert store.count() == 0


def test_a_new_index_is_durable_and_has_our_mark(index: Index, path: Path) -> None:
    with another_program(path) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert other.execute("PRAGMA application_id").fetchone() == (0x69646D62,)
        assert other.execute("PRAGMA user_version").fetchone() == (2,)
    assert index.store._connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


@pytest.mark.parametrize("content", [b"x", b"hello world\n" * 100, b"SQLite format 3\0", b"\0" * 5000])
def test_a_file_that_is_not_ours_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for options in ({}, {"create": False}, {"read_only": True}):
        with pytest.raises(NotAnIndexError, match=r"index\.db"):
            open_store(path, **options)
    assert files(path.parent) == {"index.db": content}


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_database_of_another_program_is_refused_and_left_alone(path: Path, mode: str) -> None:
    with another_program(path) as other:
        other.execute(f"PRAGMA journal_mode = {mode}")
        other.execute("CREATE TABLE rows (id)")
    before = files(path.parent)
    with pytest.raises(NotAnIndexError, match="another program"):
        open_store(path)
    assert files(path.parent) == before


def test_a_folder_is_not_an_index(tmp_path: Path) -> None:
    with pytest.raises(NotAnIndexError, match="folder"):
        open_store(tmp_path)


def test_an_index_of_a_newer_version_is_refused_and_left_alone(index: Index, path: Path) -> None:
    index.store.close()
    with another_program(path) as other:
        other.execute("PRAGMA user_version = 99")
    before = files(path.parent)
    with pytest.raises(NewerSchemaError, match="schema 99"):
        open_store(path)
    assert files(path.parent) == before


@pytest.fixture
def old(path: Path) -> Path:
    """An index of schema 1."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((Path(__file__).parent / "schema_1.sql").read_text(encoding="utf-8"))
        connection.execute(f"PRAGMA application_id = {sqlite_schema.APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
    return path


def test_an_index_of_schema_1_is_brought_up_to_date_with_everything_in_it(old: Path) -> None:
    with pytest.raises(ReadOnlyError, match="older schema 1"):
        open_store(old, read_only=True)
    with open_store(old) as store:
        assert [(g.number, g.status, g.complete, g.activated) for g in store.generations()] == [(1, "active", True, 1)]
        assert store.read_meta() == (1, {"splitter": {"name": "passages", "size": 25, "version": 1}})
        assert store.writer() == (3, "")
        found = {stored.id: stored for stored in store.scan(1)}
        assert {name: (stored.text, stored.metadata) for name, stored in found.items()} == {
            "a": ("First sentence here. Second sentence there.", {"k": 1}),
            "é": ("a dog", {}),
            "x": ("edited", {}),
        }
        assert found["a"].row_hash == check_row("a", found["a"].text, {"k": 1}, "").row_hash
        assert (found["x"].row_hash, found["x"].text_hash) == (b"", b"")
        assert list(store.unsettled()) == ["x"]
        assert [len(found[name].parts) for name in "aéx"] == [2, 1, 1]
        places = [part.address for part in found["a"].parts]
        assert store.vectors_at(1, places).keys() == set(places)  # whose checksums are looked at
        assert {match.id for match in store.search(1, QUERY, 9)[0]} == {"a", "é"}
        assert (store.orphans(), store.damage()) == ([], [])
        lease = store.lease("w")
        store.upsert(lease, [row("new"), row("x", "edited", scope="other")])
        assert list(store.unsettled()) == []
        store.delete(lease, ["a"])
    with another_program(old) as other:
        assert other.execute("PRAGMA user_version").fetchone() == (2,)
        assert other.execute("SELECT count(*) FROM vectors_1").fetchone() == (3,)
        assert other.execute("SELECT name FROM sqlite_master WHERE name LIKE 'old%'").fetchall() == []
        other.execute("UPDATE rows SET metadata = '{\"k\":2}' WHERE id = 'é'")
    with open_store(old) as store:
        assert list(store.unsettled()) == ["é"]


def test_a_migrated_index_has_the_schema_of_a_new_one(old: Path, tmp_path: Path) -> None:
    with open_store(tmp_path / "new.db") as new:
        new.create_generation(new.lease("w"), space(), "m")
    open_store(old).close()
    found = []
    for path in (old, tmp_path / "new.db"):
        with closing(sqlite3.connect(path)) as connection:
            kinds = "SELECT type, name, replace(sql, '\"', '') FROM sqlite_master"
            sql = f"{kinds} WHERE name NOT LIKE 'sqlite_%' ORDER BY 1, 2"
            found.append(connection.execute(sql).fetchall())
    assert found[0] == found[1]


def test_a_step_that_fails_leaves_the_version_before_it(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE half (x)")
        connection.execute("SELECT nonsense")

    monkeypatch.setattr(sqlite_migrate, "_STEPS", {1: half})
    with pytest.raises(StoreError, match="nonsense"):
        open_store(old)
    with another_program(old) as other:
        assert other.execute("PRAGMA user_version").fetchone() == (1,)
        assert other.execute("SELECT count(*) FROM sqlite_master WHERE name = 'half'").fetchone() == (0,)


def test_many_processes_may_make_the_same_index_at_once(path: Path) -> None:
    code = "import sys; from idembed.stores import open_store; print(open_store(sys.argv[1]).count())"
    made = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    assert [process.communicate(timeout=60)[0] for process in made] == ["0\n"] * 4


# Reading where nothing can be written -------------------------------------------------------------------


def test_read_only_searches_and_does_not_write(index: Index, path: Path) -> None:
    index.upsert(row("a"))
    with open_store(path, read_only=True) as store:
        assert store.search(1, QUERY, 1)[0][0].id == "a"
        with pytest.raises(ReadOnlyError, match=r"index\.db"):
            store.lease("b")
        index.upsert(row("b", "b", [2, 0, 0, 0]))
        assert store.search(1, QUERY, 1)[0][0].id == "b"


def test_a_folder_that_cannot_be_written_is_searched_without_a_trace(
    index: Index, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.upsert(row("a", metadata={"k": 1}))
    index.store.close()
    before = files(path.parent)
    monkeypatch.setattr(sqlite_file.os, "access", lambda *_: False)
    with open_store(path) as store:
        assert store.search(1, QUERY, 1, parse_where({"k": [1, *range(5, 500)]}))[0][0].id == "a"
        with pytest.raises(ReadOnlyError):
            store.lease("b")
        assert files(path.parent) == before


def test_an_empty_log_may_be_a_living_writers(index: Index, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index.upsert(row("a"))
    index.store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert path.with_name("index.db-wal").stat().st_size == 0
    monkeypatch.setattr(sqlite_file.os, "access", lambda *_: False)
    with open_store(path) as reader:
        index.upsert(row("b", "b", [2, 0, 0, 0]))
        assert [hit.id for hit in reader.search(1, QUERY, 2)[0]] == ["b", "a"]


def test_a_reader_without_locks_follows_a_writer_that_comes_later(
    index: Index, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.upsert(row("a"))
    index.store.close()
    with monkeypatch.context() as patch:
        patch.setattr(sqlite_file.os, "access", lambda *_: False)
        reader = open_store(path)
    assert [hit.id for hit in reader.search(1, QUERY, 2)[0]] == ["a"]
    with open_store(path) as writer:
        writer.upsert(index.lease, [row("b", "b", [2, 0, 0, 0])])
        assert [hit.id for hit in reader.search(1, QUERY, 2)[0]] == ["b", "a"]
    reader.close()
    with pytest.raises(StoreError, match="closed"):
        reader.count()


def test_what_a_reader_without_locks_read_while_somebody_wrote_is_not_used(
    index: Index, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.upsert(row("a"))
    index.store.close()
    monkeypatch.setattr(sqlite_file.os, "access", lambda *_: False)
    with open_store(path) as reader:
        refused = pytest.raises(StoreError, match="written while it was read")
        with refused, reader._reading(), another_program(path) as other:
            other.execute("DELETE FROM rows")
        assert reader.count() == 0


@pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root may write everywhere")
def test_permissions_are_respected(index: Index, path: Path) -> None:
    index.upsert(row("a"))
    index.store.close()
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        with open_store(path) as store:
            assert store.search(1, QUERY, 1)[0][0].id == "a"
            with pytest.raises(ReadOnlyError):
                store.lease("b")
        with pytest.raises(StoreError):
            open_store(path.parent / "new.db")
    finally:
        path.parent.chmod(0o700)


# Errors -----------------------------------------------------------------------------------------------


def test_a_full_disk_loses_the_batch_and_nothing_else(index: Index) -> None:
    index.upsert(row("a"))
    pages = index.store._connection.execute("PRAGMA page_count").fetchone()[0]
    index.store._connection.execute(f"PRAGMA max_page_count = {pages + 5}")
    with pytest.raises(DiskFullError, match="full"):
        index.upsert(*(row(f"r{i}", "x" * 10_000) for i in range(100)))
    assert index.store.count() == 1
    index.store._connection.execute("PRAGMA max_page_count = 1000000")
    index.upsert(row("b"))
    assert ids(index) == ["a", "b"]


def test_a_limit_on_file_size_is_a_full_disk(index: Index, path: Path) -> None:
    resource = pytest.importorskip("resource")
    index.upsert(row("a"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    wal = path.with_name(path.name + "-wal")
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size + 50_000, limits[1]))
    try:
        with pytest.raises(DiskFullError):
            index.upsert(*(row(f"r{i}", "x" * 10_000) for i in range(100)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert index.store.count() == 1
    index.upsert(row("b"))
    assert ids(index) == ["a", "b"]


def test_a_damaged_file_is_named(index: Index, path: Path) -> None:
    index.upsert(*(row(f"r{i}", "some text " * 50) for i in range(500)))
    index.store.close()
    content = bytearray(path.read_bytes())
    content[3 * 16384 :] = b"\xa5" * (len(content) - 3 * 16384)
    path.write_bytes(content)
    with pytest.raises(DamagedError, match=r"index\.db"), open_store(path) as store:
        list(store.scan())


def test_a_cut_off_file_is_damaged(index: Index, path: Path) -> None:
    index.upsert(*(row(f"r{i}", "some text " * 50) for i in range(500)))
    index.store.close()
    os.truncate(path, 100_000)
    with pytest.raises(DamagedError), open_store(path) as store:
        list(store.scan(1))


def test_a_lock_that_another_program_keeps_is_named(index: Index, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with open_store(path) as store, pytest.raises(StoreError, match="keeps it locked"):
            store.lease("b")
        assert index.store.count() == 0  # reading goes on


def test_an_index_that_would_not_fit_in_memory_is_refused_with_advice(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.upsert(*(row(f"r{i}") for i in range(1000)))
    monkeypatch.setenv("IDEMBED_MAX_MEMORY", "10K")
    with pytest.raises(StoreError, match="1,000 vectors") as caught:
        index.search([1, 0, 0, 0])
    assert caught.value.facts["available"] == 10_240
    assert "IDEMBED_MAX_MEMORY" in caught.value.hint
    monkeypatch.setenv("IDEMBED_MAX_MEMORY", "1M")
    assert len(index.search([1, 0, 0, 0])) == 10
    monkeypatch.setenv("IDEMBED_MAX_MEMORY", "plenty")
    index.upsert(row("more"))
    with pytest.raises(OptionError, match="plenty"):
        index.search([1, 0, 0, 0])


def test_the_limit_on_memory_is_for_all_vectors_in_it(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    index.upsert(*(row(f"r{i}") for i in range(1000)))
    monkeypatch.setenv("IDEMBED_MAX_MEMORY", "50K")
    index.search([1, 0, 0, 0])
    index.upsert(*(row(f"more{i}") for i in range(1000)))
    with pytest.raises(StoreError, match="2,000 vectors"):
        index.search([1, 0, 0, 0])


def test_vectors_of_another_generation_make_room_for_those_that_are_searched(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.store.create_generation(index.lease, space(4, "other"), "m")
    both = {1: [part("t", [1, 0, 0, 0])], 2: [part("t", [0, 1, 0, 0])]}
    index.upsert(*(replace(row(f"r{i}", "t"), parts=both) for i in range(1000)))
    monkeypatch.setenv("IDEMBED_MAX_MEMORY", "50K")  # for 1,300 vectors
    for generation, score in (1, 1.0), (2, 0.0), (1, 1.0):
        assert index.store.search(generation, QUERY, 1)[0][0].score == score


# Other programs ---------------------------------------------------------------------------------------


def edited(index: Index, path: Path, *statements: str) -> dict[str, RowState]:
    """States after another program did ``statements`` to the rows a and b, both current."""
    index.upsert(row("a", "text a", [1, 0, 0, 0], {"k": 1}), row("b", "text b", [2, 0, 0, 0], {"k": 2}))
    assert ids(index) == ["b", "a"]
    with another_program(path) as other:
        for statement in statements:
            other.execute(statement)
    return index.states()


def test_a_foreign_edit_of_a_text_is_seen_and_its_vector_not_searched(index: Index, path: Path) -> None:
    states = edited(index, path, "UPDATE texts SET text = 'edited' WHERE key = (SELECT key FROM rows WHERE id = 'b')")
    assert (states["b"].text_hash, states["b"].current, states["a"].current) == (b"", False, True)
    assert len(states["b"].metadata_hash) == 32
    assert not index.states(generations=[])["b"].current
    assert ids(index) == ["a"]
    index.upsert(row("b", "text b", [2, 0, 0, 0], {"k": 2}))  # the sync that repairs it
    assert index.states()["b"].current
    assert ids(index) == ["b", "a"]


def test_a_foreign_edit_of_metadata_is_seen_and_its_vector_still_searched(index: Index, path: Path) -> None:
    states = edited(index, path, "UPDATE rows SET metadata = '{\"k\": 7.0}' WHERE id = 'b'")
    assert (states["b"].metadata_hash, states["b"].current) == (b"", True)
    assert index.search([1, 0, 0, 0], where={"k": 7}) == [("b", 2.0)]
    assert index.store.get(["b"])["b"].metadata == {"k": 7.0}


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE texts SET text = 'edited' WHERE key = 2",
        "DELETE FROM texts WHERE key = 2",
        "REPLACE INTO texts VALUES (2, 'text b')",
        "UPDATE rows SET metadata = '{\"k\": 2}' WHERE id = 'b'",
        "UPDATE rows SET scope = 'other' WHERE id = 'b'",
        "UPDATE parts_1 SET tokens = 99 WHERE key = 2",
        "DELETE FROM parts_1 WHERE key = 2",
        "INSERT INTO parts_1 SELECT key, 1, 0, 1, text_hash, address, 1, 0, checksum, NULL FROM parts_1 WHERE key = 2",
        "UPDATE vectors_1 SET vector = zeroblob(16) WHERE key = 2",
        "DELETE FROM vectors_1 WHERE key = 2",
        "UPDATE rows SET row_hash = zeroblob(16) WHERE id = 'b'",
        "UPDATE rows SET text_hash = zeroblob(32) WHERE id = 'b'",
        "REPLACE INTO rows (key, id, scope, row_hash, text_hash, metadata, metadata_hash) "
        "SELECT key, id, scope, row_hash, text_hash, '{\"k\": 3}', metadata_hash FROM rows WHERE id = 'b'",
    ],
)
def test_whatever_another_program_edits_unsettles_the_row(index: Index, path: Path, edit: str) -> None:
    states = edited(index, path, edit)
    assert list(index.store.unsettled()) == ["b"]
    assert (states["b"].row_hash, len(states["a"].row_hash)) == (b"", 16)


def test_a_row_that_another_program_removed_is_lost_until_it_is_written_or_deleted(index: Index, path: Path) -> None:
    edited(index, path, "DELETE FROM rows")
    assert index.store.lost() == ["a", "b"]
    index.upsert(row("a"))
    assert index.store.lost() == ["b"]
    assert index.store.delete(index.lease, ["b"]) == 0
    assert index.store.lost() == []


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE parts_1 SET vid = 1 WHERE key = 2",
        "UPDATE parts_1 SET address = randomblob(16) WHERE key = 2",
        'UPDATE parts_1 SET "end" = 1 WHERE key = 2',
        "INSERT INTO parts_1 SELECT 2, 1, 0, 1, text_hash, address, 1, 0, checksum, 1 FROM parts_1 WHERE key = 1",
    ],
)
def test_a_part_that_another_program_made_or_altered_is_not_searched(index: Index, path: Path, edit: str) -> None:
    states = edited(index, path, edit)
    assert not states["b"].current
    added = edit.startswith("INSERT")
    assert [(m.id, m.part) for m in index.store.search(1, QUERY, 9)[0]] == ([("b", 0)] if added else []) + [("a", 0)]


def test_hashes_that_another_program_writes_for_a_new_row_are_not_believed(index: Index, path: Path) -> None:
    states = edited(
        index,
        path,
        "INSERT INTO rows SELECT 77, 'twin', scope, row_hash, text_hash, metadata, metadata_hash FROM rows "
        "WHERE id = 'b'",
        "INSERT INTO texts VALUES (77, 'text b')",
    )
    assert states["twin"] == ("twin", "docs", b"", b"", b"", False)
    assert list(index.store.unsettled()) == ["twin"]


def test_a_key_that_something_was_left_of_is_not_used_again(index: Index, path: Path) -> None:
    edited(index, path, "REPLACE INTO rows (key, id, scope) SELECT 0, id, scope FROM rows WHERE id = 'b'")
    index.upsert(row("new", "new", [9, 0, 0, 0]))
    assert index.states()["new"].current
    assert ids(index) == ["new", "a"]


def test_a_foreign_edit_that_says_the_same_changes_nothing(index: Index, path: Path) -> None:
    states = edited(
        index,
        path,
        "UPDATE texts SET text = text",
        "UPDATE rows SET metadata = metadata, id = id, scope = 'docs'",
    )
    assert all(len(s.text_hash) == len(s.metadata_hash) == 32 and s.current for s in states.values())


def test_our_own_edits_keep_the_hashes(index: Index) -> None:
    index.upsert(row("a", "one", [1, 0, 0, 0], {"k": 1}))
    index.upsert(row("a", "two", [1, 0, 0, 0], {"k": 2}))
    state = index.states()["a"]
    assert (state.text_hash, state.metadata_hash, state.current) == (
        row("a", "two").text_hash,
        row("a", metadata={"k": 2}).metadata_hash,
        True,
    )


@pytest.mark.parametrize("metadata", ["{", "", "[1]", "7", '"k"', "null", '{"k": 1e999}'])
def test_broken_metadata_of_another_program_breaks_no_reading(index: Index, path: Path, metadata: str) -> None:
    states = edited(index, path, f"UPDATE rows SET metadata = '{metadata}' WHERE id = 'b'")
    assert states["b"].metadata_hash == b""
    assert isinstance(index.store.get(["b"])["b"].metadata, dict)
    assert index.search([1, 0, 0, 0], where={"k": 1}) == [("a", 1.0)]
    assert ids(index) == ["b", "a"]


def test_a_foreign_renaming_is_a_row_that_went_and_one_that_came(index: Index, path: Path) -> None:
    states = edited(index, path, "UPDATE rows SET id = 'renamed' WHERE id = 'b'")
    assert states["renamed"] == ("renamed", "docs", b"", row("b", metadata={"k": 2}).metadata_hash, b"", False)
    assert index.store.lost() == ["b"]
    assert states.keys() == {"a", "renamed"}
    assert ids(index) == ["a"]
    assert index.store.delete(index.lease, ["renamed"]) == 1


@pytest.mark.parametrize("foreign_keys", ["ON", "OFF"])
def test_a_foreign_deletion_takes_everything_with_it(index: Index, path: Path, foreign_keys: str) -> None:
    edited(index, path, f"PRAGMA foreign_keys = {foreign_keys}", "DELETE FROM rows WHERE id = 'b'")
    assert index.states().keys() == {"a"}
    assert (index.store.lost(), index.store.lost("docs"), index.store.lost("other")) == (["b"], ["b"], [])
    assert ids(index) == ["a"]
    with another_program(path) as other:
        for table in ("texts", "parts_1", "vectors_1"):
            assert other.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,)


def test_a_foreign_row_is_read_but_never_current(index: Index, path: Path) -> None:
    states = edited(
        index,
        path,
        "INSERT INTO rows (id) VALUES ('bare')",
        "INSERT INTO rows (key, id, metadata) VALUES (77, 'with text', '{\"x\": 1}')",
        "INSERT INTO texts VALUES (77, 'foreign text')",
    )
    assert states["bare"] == ("bare", "", b"", b"", b"", False)
    assert sorted(index.store.unsettled("")) == ["bare", "with text"]
    assert not states["with text"].current
    assert sorted(states) == ["a", "b", "bare", "with text"]
    found = index.store.get(["bare", "with text"], 1)
    assert (found["bare"].text, found["bare"].metadata, found["bare"].text_hash) == ("", {}, b"")
    assert (found["with text"].text, found["with text"].metadata) == ("foreign text", {"x": 1})
    assert [stored.id for stored in index.store.scan(1)] == ["a", "b", "bare", "with text"]
    assert ids(index) == ["b", "a"]
    with pytest.raises(RowError, match="'bare' belongs to scope ''"):
        index.upsert(row("bare", "adopted", [9, 0, 0, 0]))
    index.upsert(row("bare", "adopted", [9, 0, 0, 0], scope=""))
    assert index.states()["bare"].current
    assert ids(index)[0] == "bare"


def test_a_foreign_replacement_is_not_current_until_the_next_sync(index: Index, path: Path) -> None:
    states = edited(index, path, "REPLACE INTO texts SELECT key, 'edited' FROM rows WHERE id = 'b'")
    assert (states["b"].text_hash, states["b"].current) == (b"", False)
    with another_program(path) as other:
        other.execute("REPLACE INTO rows (id, scope, metadata) VALUES ('a', 'docs', '{}')")
    assert not index.states()["a"].current
    assert ids(index) == []
    index.upsert(row("a", "text a"), row("b", "text b", [2, 0, 0, 0]))
    assert all(state.current for state in index.states().values())
    assert ids(index) == ["b", "a"]


def test_a_text_that_another_program_removed_is_missed(index: Index, path: Path) -> None:
    states = edited(index, path, "DELETE FROM texts WHERE key = (SELECT key FROM rows WHERE id = 'b')")
    assert (states["b"].text_hash, states["b"].current) == (b"", False)
    assert index.store.get(["b"])["b"].text == ""


def test_what_belongs_to_nothing_is_found_and_swept(index: Index, path: Path) -> None:
    index.upsert(row("a"), row("b", "b"))
    with another_program(path) as other:
        other.execute("INSERT INTO texts VALUES (77, 'no row')")
        other.execute(
            "INSERT INTO parts_1 SELECT 78, 0, 0, 1, text_hash, address, 1, 0, checksum, NULL FROM parts_1 LIMIT 1"
        )
        other.execute("INSERT INTO vectors_1 SELECT 79, 1, 0, vector, sum FROM vectors_1 LIMIT 1")
    assert [(o.kind, o.count, o.examples) for o in index.store.orphans()] == [
        ("texts without a row", 1, ("77",)),
        ("parts without a row in generation 1", 1, ("78/0",)),
        ("vectors without a part in generation 1", 1, ("79",)),
    ]
    assert index.store.sweep(index.lease) == 3
    assert index.store.orphans() == []
    assert ids(index) == ["a", "b"]


def test_a_vector_whose_bytes_are_not_those_that_were_written_is_not_found_by_address(index: Index, path: Path) -> None:
    written = row("a", "text a", [1, 2, 3, 4])
    index.upsert(written)
    place = written.parts[1][0].address
    assert index.store.vectors_at(1, [place]).keys() == {place}
    with another_program(path) as other:
        other.execute("DROP TRIGGER vectors_1_edited")  # as a bit that flips on the disk
        other.execute("UPDATE vectors_1 SET vector = x'0000803f000000400000404000008041'")
    assert index.store.vectors_at(1, [place]) == {}


def test_text_that_is_not_utf_8_is_read_with_replacements(index: Index, path: Path) -> None:
    index.upsert(row("a", "text a"))
    with another_program(path) as other:
        other.execute("UPDATE texts SET text = CAST(x'61ff62' AS TEXT)")
    assert index.store.get(["a"])["a"].text == "a\ufffdb"
    assert [stored.text for stored in index.store.scan()] == ["a\ufffdb"]


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE vectors_1 SET vector = x'0100803f000000000000000000000000' WHERE vid = 1",  # one bit
        "UPDATE vectors_1 SET vector = zeroblob(16) WHERE vid = 1",
        "UPDATE vectors_1 SET vector = x'0000' WHERE vid = 1",
        "DELETE FROM vectors_1 WHERE vid = 1",
    ],
)
def test_a_vector_that_was_damaged_on_the_disk_is_not_searched_and_that_is_logged(
    index: Index, path: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    index.upsert(row("a"), row("b", "b", [2, 0, 0, 0]))
    with another_program(path) as other:
        other.execute("UPDATE ours SET writing = 1")  # no trigger notices
        other.execute(harm)
        other.execute("UPDATE ours SET writing = 0")
    with open_store(path) as store:
        assert [match.id for match in store.search(1, QUERY, 9)[0]] == ["b"]
    assert "1 vectors of generation 1 are not as they were written" in caplog.text


def test_large_generations_are_read_by_several_threads(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sqlite_vectors, "_FEW_BYTES", 1)
    monkeypatch.setattr(sqlite_vectors, "_PIECE_BYTES", 16 * 7)
    index = Index(lambda: open_store(path))
    index.upsert(*(row(f"r{i:03}", f"t{i}", [i, 0, 0, 0]) for i in range(500)))
    index.store.delete(index.lease, [f"r{i:03}" for i in range(100, 200)])
    with open_store(path) as store:
        found = store.search(1, QUERY, 500)[0]
        assert [match.id for match in found] == [f"r{i:03}" for i in reversed([*range(100), *range(200, 500)])]


def test_what_goes_while_threads_read_is_read_as_the_transaction_sees_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_vectors, "_FEW_BYTES", 1)
    monkeypatch.setattr(sqlite_vectors, "_PIECE_BYTES", 16 * 7)
    index = Index(lambda: open_store(path))
    index.upsert(*(row(f"r{i:03}", f"t{i}", [i, 0, 0, 0]) for i in range(50)))
    opened = sqlite_file.open_reader

    def late(place: str) -> sqlite3.Connection:
        index.store.delete(index.lease, [f"r{i:03}" for i in range(10)])
        return opened(place)

    with open_store(path) as store:
        monkeypatch.setattr("idembed.stores.sqlite_transactions.open_reader", late)
        with store._reading() as connection:
            found = store._searcher.search(connection, 1, 4, QUERY, 99, (), None)[0]
        assert len(found) == 50
        assert len(store.search(1, QUERY, 99)[0]) == 40


def test_a_schema_that_is_not_utf_8_any_more_is_damage(index: Index, path: Path) -> None:
    index.upsert(row("a"))
    index.store.close()
    content = path.read_bytes()
    path.write_bytes(content.replace(b"CREATE TABLE leases", b"CREATE TABLE l\xd4ases"))
    with pytest.raises(DamagedError, match=r"index\.db: the file is damaged"), open_store(path) as store:
        store.writer()


@pytest.mark.parametrize("raw", ["7afc72696368", "61", "ff", "efbfbd", "efbfbdff"])
def test_rows_whose_ids_are_not_utf_8_are_read_once_each(index: Index, path: Path, raw: str) -> None:
    """In pages of one row, so that each id is where the next page begins."""
    index.upsert(row("b", "x"), row("zz", "x"), row("\U0001f600", "x"))
    with another_program(path) as other:
        other.execute(f"INSERT INTO rows (id) VALUES (CAST(x'{raw}' AS TEXT))")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("idembed.stores.sqlite_read._SCAN_ROWS", 1)
        found = [stored.id for stored in islice(index.store.scan(1), 9)]
    assert len(found) == 4
    assert sorted(set(found) - {bytes.fromhex(raw).decode(errors="replace")}) == ["b", "zz", "\U0001f600"]


def test_an_id_that_is_not_utf_8_any_more_is_damage(index: Index, path: Path) -> None:
    index.upsert(row("a"), row("b"))
    with another_program(path) as other:
        other.execute("UPDATE rows SET id = CAST(x'61ff' AS TEXT) WHERE id = 'a'")
    with pytest.raises(DamagedError, match=r"index\.db: the file is damaged"):
        list(index.store.unsettled())


def test_damage_in_the_file_is_told(index: Index, path: Path) -> None:
    index.upsert(*(row(f"r{i}", "some text " * 50) for i in range(500)))
    index.store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    content[20 * 16384 : 20 * 16384 + 8] = b"\xff" * 8
    path.write_bytes(content)
    with open_store(path) as store:
        assert store.damage() != []


def test_the_table_of_vectors_is_not_read_unless_asked(index: Index) -> None:
    index.upsert(row("a"))
    read: list[str] = []
    index.store._connection.set_trace_callback(read.append)
    assert index.store.get(["a"], 1, vectors=False)["a"].parts
    assert [sql for sql in read if "vectors_1" in sql] == []
    assert index.store.get(["a"], 1)["a"].parts
    assert len([sql for sql in read if "vectors_1" in sql]) == 1


@pytest.mark.parametrize("harm", ["INSERT", "DELETE FROM parts_2 WHERE key = 1", "DELETE FROM vectors_2 WHERE key = 1"])
def test_rows_are_counted_before_the_write_begins_and_those_that_changed_meanwhile_again(
    index: Index, path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    index.store.create_generation(index.lease, space(2), "m")
    both = {1: [part("t", [1, 0, 0, 0])], 2: [part("t", [1, 0])]}
    index.upsert(*(replace(row(name, "t"), parts=both) for name in "ab"))
    assert index.store.complete(index.lease, 2) == 0
    count = sqlite_generations.count

    def counted(connection: sqlite3.Connection, generation: Generation) -> sqlite_plan.Counted:
        found = count(connection, generation)
        monkeypatch.undo()
        if harm == "INSERT":
            with open_store(path) as other:
                other.upsert(index.lease, [row("c", "c")])
        else:
            with another_program(path) as program:
                program.execute(harm)
        return found

    monkeypatch.setattr(sqlite_generations, "count", counted)
    assert index.store.complete(index.lease, 2) == 1
    assert [g.complete for g in index.store.generations()] == [True, False]
    assert index.store.complete(index.lease, 2) == 1


def test_making_a_generation_active_is_one_transaction(index: Index, path: Path) -> None:
    with another_program(path) as other:
        other.execute(
            "CREATE TRIGGER refuse BEFORE UPDATE ON generations WHEN NEW.status = 'active' BEGIN "
            "SELECT raise(ABORT, 'no'); END"
        )
    with pytest.raises(StoreError):
        index.store.create_generation(index.lease, space(2), "m", activate=True)
    assert [(g.number, g.status) for g in index.store.generations()] == [(1, "active")]


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE vectors_1 SET vector = x'00' WHERE vid = 1",
        "UPDATE vectors_1 SET vector = (SELECT vector FROM vectors_1 WHERE vid = 2) WHERE vid = 1",
        "INSERT OR REPLACE INTO vectors_1 SELECT 1, key, part, vector, sum FROM vectors_1 WHERE vid = 2",
        "DELETE FROM vectors_1 WHERE vid = 1",
    ],
)
def test_a_vector_that_another_program_touched_is_neither_searched_nor_current(
    index: Index, path: Path, harm: str
) -> None:
    edited(index, path)
    assert ids(index) == ["b", "a"]
    with another_program(path) as other:
        sql = "SELECT id FROM rows JOIN parts_1 USING (key) WHERE vid = 1"
        harmed = other.execute(sql).fetchone()[0]
        other.execute(harm)
    with open_store(path) as fresh:
        for store in (index.store, fresh):
            assert {match.id for match in store.search(1, QUERY, 99)[0]} == {"a", "b"} - {harmed}
        assert [s.id for s in fresh.states(["a", "b"], [1]).values() if not s.current] == [harmed]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.db")
    with pytest.raises(NotAnIndexError, match=r"pipe\.db is not a file"):
        open_store(tmp_path / "pipe.db")


def test_an_index_without_its_schema_version_is_damaged(index: Index, path: Path) -> None:
    with another_program(path) as other:
        other.execute("PRAGMA user_version = 0")
    with pytest.raises(DamagedError, match="whose schema version is gone"):
        open_store(path)


# Crashes and other processes ----------------------------------------------------------------------------

WRITER = """
import sys
sys.path.insert(0, {folder!r})
from kit import row
from idembed.stores import open_store
store = open_store(sys.argv[1])
lease = store.lease("child")
for batch in range({batches}):
    store.upsert(lease, [row(f"{{batch:03}}-{{i:03}}", "text " * 200, [batch, i, 0, 1]) for i in range(100)])
    print(batch, flush=True)
"""


def writing_process(path: Path, batches: int) -> subprocess.Popen[str]:
    code = WRITER.format(folder=str(Path(__file__).parent), batches=batches)
    return subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)


def test_killed_in_the_middle_of_a_batch_every_batch_is_whole_or_absent(index: Index, path: Path) -> None:
    index.store.release(index.lease)
    index.store.close()
    for delay in (0.0, 0.003, 0.01):
        with writing_process(path, 1000) as child:
            assert child.stdout is not None
            last = [int(child.stdout.readline()) for _ in range(3)][-1]
            time.sleep(delay)
            child.send_signal(signal.SIGKILL)
            last = int((child.stdout.read().split() or [last])[-1])
        with open_store(path) as store:
            count = store.count()
            assert count % 100 == 0
            assert count >= 100 * (last + 1)
            everything = [found.id for found in store.scan()]
            assert all(state.current for state in store.states(everything, [1]).values())
            assert len(list(store.scan(1))) == count
            with closing(sqlite3.connect(path)) as check:
                assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            lease = store.lease("next", instead_of="child")
            store.delete(lease, everything)
            store.release(lease)


def test_a_search_sees_what_another_process_wrote_and_reads_only_that(
    index: Index, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.upsert(row("a"), row("b", "b", [0.5, 0, 0, 0]))
    assert ids(index) == ["a", "b"]
    index.store.release(index.lease)
    loaded = []
    append = sqlite_matrix.Matrix._append
    monkeypatch.setattr(
        sqlite_matrix.Matrix, "_append", lambda self, vectors: (loaded.append(len(vectors)), append(self, vectors))
    )
    with writing_process(path, 3) as child:
        assert child.wait(60) == 0
    assert len(index.store.search(1, QUERY, 1000)[0]) == 302
    assert sum(loaded) == 300
    with another_program(path) as other:
        other.execute("DELETE FROM rows WHERE id >= '001-050' AND id < '002'")
    assert len(index.store.search(1, QUERY, 1000)[0]) == 252
    assert ids(index)[0] == "002-000"
    assert sum(loaded) == 300


def test_vectors_of_deleted_rows_do_not_pile_up_in_memory(index: Index) -> None:
    for round_ in range(5):
        index.upsert(*(row(f"r{i}", f"text {round_}", [i, round_, 0, 0]) for i in range(1000)))
        assert len(index.search([1, 0, 0, 0], 2000)) == 1000
    assert index.store._searcher._matrices[1].bytes_held <= 3024 * 48
    assert index.search([0, 1, 0, 0], 1) == [("r0", 4.0)]


def test_growing_over_several_blocks_keeps_every_vector(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_matrix, "_BLOCK_BYTES", 7 * 16)
    for begin in range(0, 60, 5):
        index.upsert(*(row(f"r{i:02}", f"t{i}", [i, 0, 0, 0]) for i in range(begin, begin + 5)))
        assert index.search([1, 0, 0, 0], 100) == [(f"r{i:02}", float(i)) for i in reversed(range(begin + 5))]


def test_a_copied_file_is_the_same_index(index: Index, tmp_path: Path) -> None:
    index.upsert(row("a"))
    index.store.close()
    shutil.copy(tmp_path / "index.db", tmp_path / "copy.db")
    with open_store(tmp_path / "copy.db", create=False) as copy:
        assert copy.search(1, QUERY, 1)[0][0].id == "a"
