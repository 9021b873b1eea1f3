"""What is particular to LanceDB: its files after a power cut, writers at the same time, and what keeps it fast."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idembed.canonical import canonical_json
from idembed.errors import DamagedError, IndexNotFoundError, LeaseLostError, NotAnIndexError, OptionError, StoreError
from idembed.filters import parse_where
from idembed.stores import open_store
from idembed.stores.collection.engine import ALL, EVERYTHING, KEYS, STATE, Among, Key, Record
from idembed.stores.lance import reading, upkeep, waiting
from idembed.stores.lance.engine import LanceEngine
from idembed.stores.lance.lock import locked
from idembed.stores.lance.place import place_of

ONE = np.array([1, 0, 0, 0], np.float32)


def head(row_id: str, **known: Any) -> Record:
    return Record(row_id, **{"order": 0, "place": 0, "live": True, "vector": ONE, **known})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "pets"


@pytest.fixture
def engine(folder: Path) -> Iterator[LanceEngine]:
    opened = LanceEngine(f"lance://{folder}")
    opened.create(1, 4)
    yield opened
    opened.close()


def again(folder: Path) -> LanceEngine:
    """As after a start of the machine."""
    return LanceEngine(f"lance://{folder}")


def versions(folder: Path, table: str = "g1") -> list[Path]:
    """Newest first."""
    return sorted((folder / f"{table}.lance" / "_versions").glob("*.manifest"))


def data(folder: Path, table: str = "g1") -> set[Path]:
    return set((folder / f"{table}.lance" / "data").iterdir())


# URLs -------------------------------------------------------------------------------------------------


def test_a_url_names_a_folder_or_a_place_in_an_object_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert place_of("lance:///folder/pets").folder == Path("/folder/pets")
    assert place_of("lance:folder/pets").folder == tmp_path / "folder" / "pets"
    assert place_of("lance://folder/pets").folder == tmp_path / "folder" / "pets"
    assert place_of("LANCE:pets").folder == tmp_path / "pets"
    for scheme in ("s3", "gs", "az"):
        place = place_of(f"lance+{scheme}://bucket/path/pets")
        assert (place.uri, place.folder) == (f"{scheme}://bucket/path/pets", None)


@pytest.mark.parametrize("url", ["lance:", "lance://", "lance:///", "lance+s3://bucket", "lance+ftp://a/b", "sqlite:x"])
def test_a_url_that_names_no_place_is_refused(url: str) -> None:
    with pytest.raises(OptionError):
        place_of(url)


@pytest.mark.parametrize(
    "url", ["lance+s3://key:hunter2@bucket/pets", "lance+s3://bucket/pets?aws_secret_access_key=hunter2"]
)
def test_credentials_in_a_url_are_refused_and_not_shown(url: str) -> None:
    with pytest.raises(OptionError, match="environment") as caught:
        place_of(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["a b", "ü%20x", "x#y", "q?z=1", "o'q", "日本"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    engine = LanceEngine(f"lance://{tmp_path}/{name}")
    engine.create(1, 4)
    engine.put(1, [head("a")])
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert again(tmp_path / name).count(1, ALL) == 1


def test_nothing_is_made_by_looking(folder: Path) -> None:
    engine = LanceEngine(f"lance://{folder}")
    assert (engine.documents(), engine.collections(), engine.size(), engine.damage()) == ({}, set(), 0, [])
    engine.remove_documents(["a"])
    engine.drop(1)
    assert not folder.exists()


def test_tables_of_other_programs_are_left_alone(tmp_path: Path) -> None:
    database = lancedb.connect(tmp_path)
    for name in ("g1", "documents", "idembed"):
        database.create_table(name, [{"name": "a", "v": 1}])
    engine = again(tmp_path)
    with pytest.raises(StoreError, match="g1"):
        engine.create(1, 4)
    with pytest.raises(NotAnIndexError, match="g1"):
        engine.drop(1)
    with pytest.raises(NotAnIndexError, match="idembed"):
        engine.documents()
    assert database.open_table("g1").count_rows() == 1


def test_an_index_does_not_lie_among_files_of_others(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(NotAnIndexError, match=r"something else is in it \(thesis.txt\)\n.*an empty folder"):
        open_store(f"lance://{tmp_path}")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_index_may_lie_beside_tables_of_others(tmp_path: Path) -> None:
    lancedb.connect(tmp_path).create_table("mine", [{"a": 1}])
    open_store(f"lance://{tmp_path}").close()
    (tmp_path / "notes.txt").write_text("since then")
    open_store(f"lance://{tmp_path}", create=False).close()


@pytest.mark.parametrize("name", ["taken", "taken/pets"])
def test_a_file_where_the_folder_should_be_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(StoreError, match=r"there is no folder .*taken.*and none can be made \(.*\)\n.*name a folder"):
        open_store(f"lance://{tmp_path}/{name}")


def test_the_size_is_known_though_files_go_meanwhile(
    engine: LanceEngine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = engine.size()
    assert before > 0
    walk = os.walk
    monkeypatch.setattr(os, "walk", lambda *of: [*walk(*of), (str(folder), [], ["tidied.lance"])])
    assert engine.size() == before


# Filters ----------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["'", "''", '"', "`", "\\", "\\'", "' OR 1=1 --", "%", "_", "$1", "\u202e", "😀", "\x1b", "\n", ";", "x'00'", "{}"]
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanceEngine]:
    opened = LanceEngine(f"lance://{tmp_path_factory.mktemp('lance')}/pets")
    yield opened
    opened.close()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(texts=st.lists(TEXTS, min_size=1, max_size=8, unique=True))
def test_what_goes_in_is_found_and_nothing_else(shared: LanceEngine, texts: list[str]) -> None:
    shared.drop(1)
    shared.create(1, 4)
    kept = [canonical_json({text: text}) for text in texts]
    shared.put(
        1, [head(f"-{t}", scope=t, metadata=m, tokens=i) for i, (t, m) in enumerate(zip(texts, kept, strict=True))]
    )
    for text in texts:
        key = Key(f"-{text}", 0)
        assert shared.fetch(1, [key], EVERYTHING)[key].scope == text
        assert [[record.key for record in page] for page in shared.find(1, Among(scope=text), KEYS)] == [[key]]
        assert shared.count(1, Among(scope=text)) == 1
        for where in (
            {text: text},
            {"$id": f"-{text}"},
            {"$scope": text},
            {text: {"gte": text}, "$tokens": {"gte": 0}},
        ):
            if any(name.startswith("$") and name not in ("$id", "$scope", "$tokens") for name in where):
                continue
            found = [one.record.key for one in shared.near(1, ONE, 100, parse_where(where), None, exact=True).found]
            assert key in found
            if "$id" in where or "$scope" in where:
                assert found == [key]
    shared.remove(1, [Key(f"-{texts[0]}", 0)])
    assert shared.count(1, ALL) == len(texts) - 1


def test_a_filter_leaves_out_nearly_all_that_does_not_satisfy_it(engine: LanceEngine) -> None:
    engine.put(1, [head(str(i), metadata=canonical_json({"n": i, "kind": f"k{i % 7}"})) for i in range(700)])
    near = lambda where: engine.near(1, ONE, 1000, parse_where(where), None, exact=True).found  # noqa: E731
    assert [one.record.id for one in near({"n": 12})] == ["12"]
    assert len(near({"kind": "k3"})) == 100
    assert len(near({"kind": ["k3", "k4"], "n": {"gte": 0}})) == 200
    assert near({"other": {"ne": 1}}) == []


# The disk ---------------------------------------------------------------------------------------------


def test_what_was_written_is_synced_before_the_verb_returns(
    engine: LanceEngine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[str] = set()
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.readlink(f"/proc/self/fd/{descriptor}")))
    before = {str(path) for path in folder.rglob("*")}
    engine.put(1, [head("a"), head("b")])
    engine.put(1, [head("a")])
    engine.remove(1, [Key("b", 0)])
    engine.put_document("meta", {})
    engine.build_ann(1, lambda: None)
    engine.tidy(1)
    made = {str(path) for path in folder.rglob("*") if path.suffix not in (".json", ".lock")} - before
    assert {Path(path).parent.name for path in made} >= {"data", "_versions", "_transactions", "_indices"}
    assert made - synced == set()
    assert {str(folder), str(folder / "g1.lance" / "_versions"), str(folder / "g1.lance" / "data")} <= synced


def test_after_a_power_cut_all_is_there_that_was_said_to_be(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a power cut empties every file that was not synced."""
    synced: set[str] = set()
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.readlink(f"/proc/self/fd/{descriptor}")))
    engine = again(folder)
    engine.create(1, 4)
    for i in range(50):
        engine.put(1, [head(f"row {i}"), head("same", text=str(i))])
        engine.put_document("meta", {"n": i})
    engine.remove(1, [Key("row 7", 0)])
    engine.build_ann(1, lambda: None)
    for path in folder.rglob("*"):
        if path.is_file() and str(path) not in synced:
            os.truncate(path, 0)
    opened = again(folder)
    found = {record.id: record.text for page in opened.find(1, ALL, EVERYTHING) for record in page}
    assert found == {"same": "49"} | {f"row {i}": "" for i in range(50) if i != 7}
    assert opened.documents() == {"meta": {"n": 49}}
    assert opened.has_ann(1)
    assert not list(folder.rglob("*.damaged"))


def cut(path: Path, length: int) -> None:
    os.truncate(path, min(length, path.stat().st_size - 1))


@contextmanager
def cut_off(folder: Path, table: str = "g1") -> Iterator[None]:
    """What is written here was not acknowledged: the power is cut before it is synced."""
    mark = folder / f"{table}.lance" / "synced.json"
    said = mark.read_bytes()
    yield
    mark.write_bytes(said)


@pytest.mark.parametrize("length", [0, 1, 100])
def test_a_table_with_a_broken_newest_version_is_as_it_was_before(
    engine: LanceEngine, folder: Path, length: int, caplog: pytest.LogCaptureFixture
) -> None:
    engine.put(1, [head("a")])
    with cut_off(folder):
        engine.put(1, [head("b")])
    cut(versions(folder)[0], length)
    with caplog.at_level(logging.WARNING):
        opened = again(folder)
        assert [key.id for key in opened.fetch(1, [Key("a", 0), Key("b", 0)], KEYS)] == ["a"]
    assert "cannot be read, as after a power cut" in caplog.text
    opened.put(1, [head("c")])
    assert again(folder).count(1, ALL) == 2
    (said,) = opened.damage()
    assert said.startswith("g1: a version was given up, as after a power cut")
    assert said.endswith(".manifest.damaged")


@pytest.mark.parametrize("length", [0, 7])
def test_a_version_whose_data_did_not_reach_the_disk_is_stepped_over_too(
    engine: LanceEngine, folder: Path, length: int
) -> None:
    engine.put(1, [head("a")])
    before = data(folder)
    with cut_off(folder):
        for name in ("b", "c"):
            engine.put(1, [head(name)])
    for path in data(folder) - before:
        cut(path, length)
    assert again(folder).count(1, ALL) == 1
    assert len(again(folder).fetch(1, [Key(name, 0) for name in "abc"], EVERYTHING)) == 1


def test_a_data_file_that_is_gone_is_stepped_over_too(engine: LanceEngine, folder: Path) -> None:
    engine.put(1, [head("a")])
    before = data(folder)
    with cut_off(folder):
        engine.put(1, [head("b")])
    (path,) = data(folder) - before
    path.unlink()
    assert again(folder).count(1, ALL) == 1


def test_what_was_acknowledged_is_never_given_up(engine: LanceEngine, folder: Path) -> None:
    added: list[Path] = []
    for i in range(4):
        engine.put(1, [head(f"r{i}", text=str(i))])
        added += data(folder) - {*added}
    raw, before_all = added[1].read_bytes(), versions(folder)
    cut(added[1], len(raw) - 10)
    with pytest.raises(DamagedError, match=f"{added[1].name} is cut off") as caught:
        again(folder).count(1, ALL)
    assert caught.value.facts["file"] == str(added[1])
    assert versions(folder) == before_all
    (said,) = again(folder).damage()
    assert added[1].name in said
    added[1].write_bytes(raw)
    opened = again(folder)
    found = {record.id: record.text for page in opened.find(1, ALL, EVERYTHING) for record in page}
    assert found == {"r0": "0", "r1": "1", "r2": "2", "r3": "3"}
    assert opened.damage() == []


def test_an_acknowledged_version_that_is_cut_off_is_damage(engine: LanceEngine, folder: Path) -> None:
    engine.put(1, [head("a")])
    newest = versions(folder)[0]
    cut(newest, 100)
    with pytest.raises(DamagedError, match=f"{newest.name} is cut off"):
        again(folder).count(1, ALL)
    assert versions(folder)[0] == newest


def test_where_it_is_not_known_what_was_synced_nothing_is_given_up(engine: LanceEngine, folder: Path) -> None:
    engine.put(1, [head("a")])
    (folder / "g1.lance" / "synced.json").unlink()
    cut(versions(folder)[0], 0)
    with pytest.raises(DamagedError):
        again(folder).count(1, ALL)
    assert not list(folder.rglob("*.damaged"))


def test_upkeep_that_was_cut_off_is_stepped_over_with_all_its_versions(engine: LanceEngine, folder: Path) -> None:
    for i in range(5):
        engine.put(1, [head(str(i))])
    before = data(folder)
    with cut_off(folder):
        engine.tidy(1)
        engine.build_ann(1, lambda: None)
    for path in data(folder) - before:
        cut(path, 7)
    assert len(again(folder).fetch(1, [Key(str(i), 0) for i in range(5)], EVERYTHING)) == 5
    assert len(list(folder.rglob("*.damaged"))) == 2


def test_a_table_that_was_not_made_to_its_end_may_be_dropped(folder: Path) -> None:
    engine = again(folder)
    engine.put_document("meta", {})
    engine.create(1, 4)
    (folder / "g1.lance" / "synced.json").unlink()
    cut(versions(folder)[0], 10)
    opened = again(folder)
    opened.drop(1)
    assert opened.collections() == set()


def test_what_cannot_be_opened_for_a_moment_is_not_given_up(
    engine: LanceEngine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        engine.put(1, [head(name)])
    (folder / "g1.lance" / "data" / "left.lance").write_bytes(b"")
    with monkeypatch.context() as patched:
        connect, failing = lancedb.connect, iter([True])

        def connected(*of: Any, **how: Any) -> Any:
            if next(failing, False):
                raise OSError(24, "Too many open files")
            return connect(*of, **how)

        patched.setattr(lancedb, "connect", connected)
        with suppress(StoreError):
            again(folder).count(1, ALL)
    assert again(folder).count(1, ALL) == 3
    assert not list(folder.rglob("*.damaged"))


def test_a_broken_table_of_another_program_is_not_dropped(tmp_path: Path) -> None:
    engine = again(tmp_path)
    engine.put_document("meta", {})
    lancedb.connect(tmp_path).create_table("g1", [{"name": "a", "v": 1}])
    for path in versions(tmp_path):
        cut(path, 10)
    before = sorted((tmp_path / "g1.lance").rglob("*"))
    with pytest.raises(StoreError):
        engine.drop(1)
    assert sorted((tmp_path / "g1.lance").rglob("*")) == before


@pytest.mark.parametrize("schema", [[{"name": "a", "v": 1}], [{"_key": "a", "vector": [1.0]}]])
def test_a_table_of_another_program_is_not_dropped(tmp_path: Path, schema: list[dict[str, Any]]) -> None:
    engine = again(tmp_path)
    engine.put_document("meta", {})
    table = lancedb.connect(tmp_path).create_table("g1", schema)
    with pytest.raises(NotAnIndexError, match="g1"):
        engine.drop(1)
    assert table.count_rows() == 1


def test_the_documents_step_back_as_well(engine: LanceEngine, folder: Path) -> None:
    engine.put_document("meta", {"n": 1})
    with cut_off(folder, "idembed"):
        engine.put_document("meta", {"n": 2})
    cut(versions(folder, "idembed")[0], 0)
    opened = again(folder)
    opened.put_document("new", {})
    assert opened.documents() == {"meta": {"n": 1}, "new": {}}
    opened.put_document("meta", {"n": 3})
    opened.remove_documents(["new"])
    assert again(folder).documents() == {"meta": {"n": 3}}


def test_a_table_of_which_nothing_reached_the_disk_was_never_made(engine: LanceEngine, folder: Path) -> None:
    engine.put_document("meta", {"n": 1})
    for path in (folder / "idembed.lance").rglob("*"):
        if path.is_file():
            os.truncate(path, 0)
    opened = again(folder)
    assert opened.documents() == {}
    opened.put_document("meta", {"n": 2})
    assert opened.documents() == {"meta": {"n": 2}}


def test_a_table_without_any_readable_version_is_damaged_and_left_as_it_is(engine: LanceEngine, folder: Path) -> None:
    engine.put(1, [head("a")])
    for path in versions(folder):
        cut(path, 10)
    before = sorted(folder.rglob("*"))
    with pytest.raises(DamagedError, match="no version"):
        again(folder).count(1, ALL)
    assert sorted(folder.rglob("*")) == before
    assert len(again(folder).damage()) == 1
    opened = again(folder)
    opened.put_document("meta", {})
    opened.drop(1)
    assert opened.collections() == set()


def test_a_table_that_is_being_written_is_opened_meanwhile(engine: LanceEngine, folder: Path) -> None:
    engine.put(1, [head("a")])
    with locked(folder / "g1.lock"):
        (folder / "g1.lance" / "data" / "begun.lance").write_bytes(b"some")
        assert again(folder).count(1, ALL) == 1


def test_a_file_that_belongs_to_no_version_does_no_harm(engine: LanceEngine, folder: Path) -> None:
    engine.put(1, [head("a")])
    (folder / "g1.lance" / "data" / "left.lance").write_bytes(b"")
    assert again(folder).count(1, ALL) == 1
    assert not list(folder.rglob("*.damaged"))


def test_damage_in_old_data_is_said(engine: LanceEngine, folder: Path) -> None:
    engine.put(1, [head("a", text="some text " * 1000)])
    (path,) = data(folder)
    raw = bytearray(path.read_bytes())
    raw[: len(raw) - 200] = bytes(len(raw) - 200)
    path.write_bytes(raw)
    opened = again(folder)
    try:
        said = opened.damage()
    finally:
        opened.close()
    assert [one.partition(":")[0] for one in said] == ["g1"]


WRITER = """
import sys
import numpy as np
from idembed.stores.collection.engine import Record
from idembed.stores.lance.engine import LanceEngine
from idembed.stores.lance.lock import locked
engine = LanceEngine(sys.argv[1])
for batch in range(1000):
    records = [Record(str(i), text=str(batch), live=True, vector=np.full(4, batch, np.float32)) for i in range(200)]
    engine.put(1, records)
    print(batch, flush=True)
"""


@pytest.mark.parametrize("after", [1, 3, 22])
def test_a_writer_that_is_killed_leaves_the_batch_before_or_the_one_it_wrote(
    engine: LanceEngine, folder: Path, after: int
) -> None:
    child = subprocess.Popen([sys.executable, "-c", WRITER, f"lance://{folder}"], stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        for _ in range(after):
            last = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        last = max([last, *map(int, child.stdout.read().split())])
    found = engine.fetch(1, [Key(str(i), 0) for i in range(200)], EVERYTHING)
    (text,) = {record.text for record in found.values()}
    assert int(text) in (last, last + 1)
    assert len(found) == engine.count(1, ALL) == 200
    engine.put(1, [head("new")])


class PanicException(BaseException):
    """As LanceDB raises where it has a mistake: no Exception."""


def panic(*_: object) -> None:
    raise PanicException("byte index 3 is not a character in `hunter2`")


def test_a_panic_is_an_error_as_any_other(engine: LanceEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.put(1, [head("a")])
    monkeypatch.setattr("idembed.stores.lance.engine.counted", panic)
    with pytest.raises(StoreError, match="broke off") as caught:
        engine.count(1, ALL)
    assert "hunter2" not in str(caught.value)


def test_a_panic_in_a_reading_is_damage(engine: LanceEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.put(1, [head("a")])
    monkeypatch.setattr(lancedb.table.LanceTable, "search", panic)
    assert [one.partition(":")[0] for one in engine.damage()] == ["g1"]


def test_a_panic_while_tidying_is_no_failure_of_what_was_written(
    engine: LanceEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine.put(1, [head("a")])
    monkeypatch.setattr(upkeep, "_INDEXED_FROM", 0)
    monkeypatch.setattr(upkeep, "_index", panic)
    engine.tidy(1)
    assert "could not be tidied" in caplog.text
    assert engine.count(1, ALL) == 1


# Several writers --------------------------------------------------------------------------------------


def test_writers_at_the_same_time_write_no_key_twice(engine: LanceEngine, folder: Path) -> None:
    failed: list[Exception] = []

    def write(number: int) -> None:
        opened = again(folder)
        try:
            for turn in range(5):
                opened.put(1, [head(f"{turn}/{i}", text=str(number)) for i in range(20)])
                opened.put_document(f"of {number}", {"turn": turn})
        except Exception as error:
            failed.append(error)
        finally:
            opened.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert engine.count(1, ALL) == 100
    assert engine.documents() == {f"of {number}": {"turn": 4} for number in range(4)}


def test_who_fills_a_table_writes_no_key_twice_whoever_else_writes(engine: LanceEngine, folder: Path) -> None:
    other = again(folder)

    def found() -> list[tuple[str, str]]:
        return sorted((record.id, record.text) for page in engine.find(1, ALL, EVERYTHING) for record in page)

    engine.put(1, [head("a"), head("b")])
    engine.put(1, [head("c"), head("b", text="new")])
    other.put(1, [head("d"), head("e")])
    engine.put(1, [head("d", text="new"), head("f")])
    engine.remove(1, [Key("f", 0)])
    engine.put(1, [head("f", text="new"), head("a", text="new")])
    engine.tidy(1)
    other.put(1, [head("g")])
    engine.put(1, [head("g", text="new")])
    texts = {"a": "new", "b": "new", "c": "", "d": "new", "e": "", "f": "new", "g": "new"}
    assert found() == sorted(texts.items())
    engine.drop(1)
    engine.create(1, 4)
    engine.put(1, [head("a")])
    other.put(1, [head("b")])
    engine.remove(1, [Key("a", 0)])
    engine.put(1, [head("b", text="new")])
    assert found() == [("b", "new")]
    engine.drop(1)
    engine.create(1, 4)
    engine.put(1, [head("a")])
    other.drop(1)
    other.create(1, 4)
    other.put(1, [head("b")])
    engine.put(1, [head("b", text="new"), head("c")])
    assert found() == [("b", "new"), ("c", "")]


def test_what_is_known_without_asking_is_forgotten_when_another_writes(engine: LanceEngine, folder: Path) -> None:
    other = again(folder)
    keys = [Key("a", 0), Key("b", 0)]

    def found(fields: frozenset[str] = STATE) -> dict[str, bytes]:
        return {key.id: record.seal for key, record in engine.fetch(1, keys, fields).items()}

    assert found() == {}
    other.put(1, [head("a", seal=b"1")])
    assert found() == {"a": b"1"}
    assert found() == {"a": b"1"}
    assert found(KEYS) == {"a": b""}
    other.put(1, [head("a", seal=b"2"), head("b", seal=b"2")])
    assert found() == {"a": b"2", "b": b"2"}
    engine.put(1, [head("b", seal=b"3")])
    assert found() == {"a": b"2", "b": b"3"}
    other.remove(1, keys[:1])
    assert found() == {"b": b"3"}
    engine.drop(1)
    engine.create(1, 4)
    assert found() == {}
    engine.put(1, [head("b", seal=b"4")])
    assert found() == {"b": b"4"}
    other.drop(1)
    other.create(1, 4)
    other.put(1, [head("a", seal=b"5")])
    assert found() == {"a": b"5"}


def test_the_database_itself_writes_no_key_twice_without_our_lock(engine: LanceEngine, folder: Path) -> None:
    from idembed.stores.lance.fields import columns_of

    tables = [lancedb.connect(folder).open_table("g1") for _ in range(4)]
    rows = columns_of([head(f"row {i}") for i in range(20)], tables[0].schema)

    def merge(table: Any) -> None:
        table.merge_insert("_key").when_matched_update_all().when_not_matched_insert_all().execute(rows)

    threads = [threading.Thread(target=merge, args=(table,)) for table in tables]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert engine.count(1, ALL) == 20


# What keeps it fast -----------------------------------------------------------------------------------


def test_many_small_writes_leave_few_files(engine: LanceEngine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idembed.stores.lance.engine._RETENTION", timedelta(milliseconds=1))
    monkeypatch.setattr("idembed.stores.lance.engine._SHORT_RETENTION", timedelta(milliseconds=1))
    for i in range(150):
        engine.put(1, [head(f"row {i}", text=str(i))])
        engine.put_document(f"claim {i % 3}", {"n": i})
    assert len(data(folder)) < 50
    assert len(versions(folder)) < 50
    assert len(versions(folder, "idembed")) < 130
    assert engine.count(1, ALL) == 150
    assert len(engine.fetch(1, [Key(f"row {i}", 0) for i in range(150)], EVERYTHING)) == 150


def test_processes_that_write_once_each_tidy_up_as_well(
    engine: LanceEngine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idembed.stores.lance.engine._RETENTION", timedelta(milliseconds=1))
    for i in range(130):
        opened = again(folder)
        opened.put(1, [head(f"row {i}")])
        opened.close()
    assert len(data(folder)) <= upkeep._MANY
    assert engine.count(1, ALL) == 130


def wait_until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_who_reads_for_long_keeps_what_is_read(
    engine: LanceEngine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idembed.stores.lance.engine._RETENTION", timedelta(milliseconds=1))
    monkeypatch.setattr(reading, "_HELD_AFTER", 1.0)
    for i in range(5):
        engine.put(1, [head(f"{i}/{j}") for j in range(2000)])
    pages = engine.find(1, ALL, EVERYTHING)
    found = list(next(pages))
    tags = folder / "g1.lance" / "_refs" / "tags"
    wait_until(lambda: tags.is_dir() and any(tags.glob("*.json")))
    other = again(folder)
    other.put(1, [head(f"{i}/{j}", text="new") for i in range(5) for j in range(2000)])
    other.tidy(1)
    other.tidy(1)
    found += [record for page in pages for record in page]
    assert len({record.id for record in found}) == 10_000
    assert {record.text for record in found} == {""}
    assert not list(tags.iterdir())
    other.tidy(1)
    assert len(versions(folder)) <= 3


def test_a_mark_of_a_reader_that_died_is_removed(
    engine: LanceEngine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idembed.stores.lance.engine._RETENTION", timedelta(milliseconds=1))
    engine.put(1, [head("a")])
    table = lancedb.connect(folder).open_table("g1")
    table.tags.create(f"{reading._TAG}1000000000-abc", table.version)
    engine.put(1, [head("b")])
    engine.tidy(1)
    assert table.tags.list() == {}
    assert len(versions(folder)) <= 2


def test_a_large_table_gets_indices_and_new_records_are_found_too(
    engine: LanceEngine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_INDEXED_FROM", 1000)
    records = [head(f"row {i}", order=i, address=i.to_bytes(16, "big")) for i in range(2000)]
    engine.put(1, records)
    engine.tidy(1)
    table = lancedb.connect(folder).open_table("g1")
    assert {index.columns[0] for index in table.list_indices()} == {"_key", "_order", "_address"}
    engine.put(1, [head("new", order=5, address=(7).to_bytes(16, "big")), head("row 3", order=9000)])
    for _ in range(2):
        found = lambda among: sorted(r.id for page in engine.find(1, among, KEYS) for r in page)  # noqa: E731
        assert found(Among(exactly=(5, 3))) == ["new", "row 5"]
        assert found(Among(addresses=((7).to_bytes(16, "big"),))) == ["new", "row 7"]
        assert found(Among(orders=range(1998, 2**63))) == ["row 1998", "row 1999", "row 3"]
        assert len(engine.fetch(1, [Key("new", 0), Key("row 3", 0), Key("row 4", 0)], KEYS)) == 3
        engine.tidy(1)


@pytest.mark.parametrize("dim", [64, 2001])
def test_an_approximate_search_finds_nine_of_ten(engine: LanceEngine, dim: int) -> None:
    random = np.random.default_rng(0)
    vectors = random.standard_normal((600, dim)).astype(np.float32)
    engine.create(2, dim)
    engine.put(2, [head(str(i), vector=one) for i, one in enumerate(vectors)])
    engine.build_ann(2, lambda: None)
    found = 0
    for query in random.standard_normal((20, dim)).astype(np.float32):
        exact = {str(i) for i in np.argsort(-(vectors @ query))[:10]}
        found += len(exact & {one.record.id for one in engine.near(2, query, 10, (), None, exact=False).found})
    assert found >= 180


def test_the_lease_is_kept_while_an_index_is_made(
    engine: LanceEngine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_EVERY", 0.01)
    vectors = np.random.default_rng(0).standard_normal((3000, 256)).astype(np.float32)
    engine.create(2, 256)
    engine.put(2, [head(str(i), vector=one) for i, one in enumerate(vectors)])
    kept: list[bool] = []
    other = again(folder)
    engine.build_ann(2, lambda: kept.append(other.has_ann(2)))
    assert kept.count(False) >= 2
    assert engine.has_ann(2)
    engine.put(2, [head("new", vector=vectors[0])])
    assert engine.count(2, ALL) == 3001


def test_who_lost_the_lease_does_not_wait_for_the_index(engine: LanceEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_EVERY", 0.01)
    going_on, is_lost = threading.Event(), threading.Event()

    def built(table: Any) -> None:
        is_lost.wait(20)
        going_on.set()

    def lose() -> None:
        raise LeaseLostError("another has it")

    monkeypatch.setattr("idembed.stores.lance.search.build_ann", built)
    with pytest.raises(LeaseLostError):
        engine.build_ann(1, lose)
    assert not going_on.is_set()
    is_lost.set()
    assert going_on.wait(20)
    engine.put(1, [head("a")])
    assert engine.count(1, ALL) == 1


def test_an_index_that_cannot_be_made_is_an_error(engine: LanceEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idembed.stores.lance.search.build_ann", panic)
    with pytest.raises(StoreError, match="broke off"):
        engine.build_ann(1, lambda: None)


def test_small_inner_products_are_told_apart(engine: LanceEngine) -> None:
    engine.put(1, [head(str(i), vector=ONE * np.float32(i * 1e-12)) for i in range(300)])
    found = engine.near(1, ONE, 5, (), None, exact=True).found
    assert [one.record.id for one in found] == ["299", "298", "297", "296", "295"]


def test_a_store_that_is_not_there_is_not_made_unless_asked(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError):
        open_store(f"lance://{tmp_path}/none", create=False)
    assert list(tmp_path.iterdir()) == []
