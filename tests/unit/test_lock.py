"""The lock: a file that says what an index holds, taken only as it was written, and compared with what there is."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeModel, rows

from databases import on_sqlite
from idembed.errors import LockError
from idembed.index import Index
from idembed.index.lock import read_lock
from idembed.split import Splitter

PETS = rows("é:a cat", "b:a dog", kind="pet")


@pytest.fixture
def path(place: Path | str) -> Path | str:
    return place


@pytest.fixture
def index(path: Path) -> Iterator[Index]:
    with Index(path, FakeModel(), vault="none") as opened:
        opened.sync(PETS)
        yield opened


Tampered = Callable[..., Path]


@pytest.fixture
def tampered(index: Index, tmp_path: Path) -> Tampered:
    """The file of a lock in which some fields are other ones."""

    def write(**fields: Any) -> Path:
        value = json.loads(index.lock().to_json()) | fields
        (tmp_path / "x.lock").write_text(json.dumps(value))
        return tmp_path / "x.lock"

    return write


# The file --------------------------------------------------------------------------------------------


def test_a_lock_is_json_that_reads_back(index: Index, tmp_path: Path) -> None:
    lock = index.lock()
    (tmp_path / "idembed.lock").write_text(lock.to_json())
    assert read_lock(tmp_path / "idembed.lock") == lock
    value = json.loads(lock.to_json())
    assert list(value) == sorted(value)
    assert value["generations"] == [{"model": "fake", "space": FakeModel().space.id, "status": "active"}]
    assert (value["splitter"], value["versions"]["format"]) == (None, 1)
    assert lock.to_json() == index.lock().to_json()


def test_the_names_of_models_cannot_act_on_a_terminal(tmp_path: Path) -> None:
    name = "grün \x1b]0;title\x07 \x9b2J \x7f \u202e"
    with Index(tmp_path / "pets.db", FakeModel(name), vault="none") as index:
        index.sync(PETS)
        lock = index.lock()
    text = lock.to_json()
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or c == "\u202e" for c in text.replace("\n", ""))
    assert '"model": "grün \\u001b]0;title' in text
    assert text.count("\n") == len(text.splitlines())
    (tmp_path / "idembed.lock").write_text(text, "utf-8")
    assert read_lock(tmp_path / "idembed.lock") == lock
    assert lock.generations[0]["model"] == name


def test_models_in_files_are_named_without_the_folders_of_this_machine(tmp_path: Path) -> None:
    with Index(tmp_path / "pets.db", FakeModel(str(tmp_path / "pets.w2v")), vault="none") as index:
        index.sync(PETS)
        assert index.lock().generations[0]["model"] == "pets.w2v"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[]", "it is not an object"),
        ("{}", "'content' is missing"),
        ('{"versions": {"format": 1}, "root": "x"}', "'content' is missing"),
    ],
)
def test_a_file_that_is_no_lock_is_refused_by_name(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "x.lock").write_text(text)
    with pytest.raises(LockError, match=rf"x\.lock is not a lock: {says}") as caught:
        read_lock(tmp_path / "x.lock")
    assert caught.value.exit_code == 3


def test_bytes_that_are_no_text_are_no_lock(tmp_path: Path) -> None:
    (tmp_path / "x.lock").write_bytes(b"\xff\xfe")
    with pytest.raises(LockError, match="is not a lock: it is not JSON"):
        read_lock(tmp_path / "x.lock")


@pytest.mark.parametrize("more", ["", ', "root": "x", "rows": {}, "another": 1'])
def test_a_lock_of_a_newer_format_is_called_that_whatever_else_it_has(tmp_path: Path, more: str) -> None:
    (tmp_path / "x.lock").write_text(f'{{"versions": {{"format": 9}}{more}}}')
    with pytest.raises(LockError, match=r"x\.lock was written by a newer idembed \(format 9\)") as caught:
        read_lock(tmp_path / "x.lock")
    assert "pip install -U idembed" in caught.value.hint


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"root": "12ab"}, "'root' is not a hash of 64 hex digits"),
        ({"content": "A" * 64}, "'content' is not a hash of 64 hex digits"),
        ({"vectors": " ".join(["ab"] * 32)[:64]}, "'vectors' is not a hash of 64 hex digits"),
        ({"vectors": None}, "'vectors' is not a hash of 64 hex digits"),
        ({"root": "0" * 64}, "its root is not that of its content and vectors"),
        ({"vectors": "0" * 64}, "its root is not that of its content and vectors"),
        ({"rows": "2"}, "'rows' is not a number of rows"),
        ({"rows": True}, "'rows' is not a number of rows"),
        ({"parts": -1}, "'parts' is not a number of parts"),
        ({"parts": 2.0}, "'parts' is not a number of parts"),
        ({"generations": {}}, "'generations' is not a list of space, model and status"),
        ({"generations": [{"space": "x", "model": 1, "status": "active"}]}, "'generations' is not a list"),
        ({"generations": [{"space": "x"}]}, "'generations' is not a list"),
        ({"splitter": "none"}, "'splitter' is not an object"),
        ({"versions": [1]}, "'versions' does not say that it is of format 1"),
        ({"versions": {"format": "9"}}, "'versions' does not say that it is of format 1"),
        ({"versions": {"format": True}}, "'versions' does not say that it is of format 1"),
        ({"versions": {"format": 0}}, "'versions' does not say that it is of format 1"),
        ({"another": 1}, "it has an unknown 'another'"),
    ],
)
def test_a_lock_that_was_edited_is_refused(tampered: Tampered, fields: dict[str, Any], says: str) -> None:
    with pytest.raises(LockError, match=rf"x\.lock is not a lock: {says}"):
        read_lock(tampered(**fields))


def test_a_root_that_was_made_to_fit_is_a_difference(index: Index, tampered: Tampered) -> None:
    lock = index.lock()
    root = hashlib.sha256(bytes.fromhex(lock.content) + bytes(32)).hexdigest()
    found = index.verify(lock=tampered(vectors="0" * 64, root=root))
    assert found.differences == [f"vectors {lock.vectors[:16]}…; locked are {'0' * 16}…"]


def test_a_lock_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LockError, match=r"no\.lock cannot be read"):
        read_lock(tmp_path / "no.lock")


# Compared --------------------------------------------------------------------------------------------


def test_verify_compares_with_a_lock(index: Index, tmp_path: Path) -> None:
    lock = tmp_path / "idembed.lock"
    lock.write_text(index.lock().to_json())
    found = index.verify(lock=lock)
    assert (found.ok, found.differences) == (True, [])
    index.upsert(rows("new:a fox"))
    found = index.verify(lock=lock)
    assert not found.ok
    assert found.defects == []
    assert found.differences is not None
    assert found.differences[0] == "3 rows with 3 vectors; locked are 2 with 2"
    assert [line.split()[0] for line in found.differences] == ["3", "content", "vectors"]


def test_another_splitter_than_the_locked_one_is_a_difference(index: Index, tampered: Tampered) -> None:
    splitter = Splitter(size=300).recorded()
    found = index.verify(lock=tampered(splitter=splitter))
    assert not found.ok
    assert found.differences == [
        f"texts are not split; locked is: texts are split at 300 characters by {splitter['name']} {splitter['version']}"
    ]


def test_another_space_than_the_locked_one_is_a_difference(index: Index, tampered: Tampered) -> None:
    space = FakeModel().space.id
    other = {"space": "0" * 64, "model": "other", "status": "active"}
    found = index.verify(lock=tampered(generations=[other]))
    assert not found.ok
    assert found.differences == [f"space {space[:16]}… (fake); locked is {'0' * 16}… (other)"]
    assert index.verify(lock=tampered(generations=[])).differences == [f"space {space[:16]}… (fake); locked is none"]


def test_generations_that_are_not_searched_may_come_and_go(index: Index) -> None:
    lock = index.lock()
    index.upgrade(FakeModel("new"))
    assert index.verify(lock=lock).differences == []
    index.drop(2)
    assert index.verify(lock=lock).differences == []


@on_sqlite
def test_an_index_that_cannot_be_read_to_its_end_is_not_what_was_locked(path: Path) -> None:
    with Index(path, FakeModel(), vault="none") as index:
        index.sync(rows(*(f"{i}:text {i}" for i in range(2000))))
        lock = index.lock()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'parts_1'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    content = bytearray(path.read_bytes())
    content[(page - 1) * size : page * size] = b"\xa5" * size
    path.write_bytes(content)
    with Index(path, vault="none", models=[FakeModel()]) as damaged:
        found = damaged.verify(lock=lock)
    assert found.root is None
    assert found.differences == ["nothing could be compared: the index cannot be read to its end"]
    assert found.as_dict()["lock"] == found.differences
