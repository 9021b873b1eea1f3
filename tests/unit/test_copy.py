"""The same index elsewhere without a model call."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_models import FakeModel, rows

from databases import on_sqlite
from idembed.errors import (
    DamagedError,
    IndexNotFoundError,
    OptionError,
    RefusedError,
    StoreError,
)
from idembed.index import Index
from idembed.index.noise import noise_of
from idembed.index.verdicts import Judged, record
from idembed.stores import open_store

PETS = rows("a:a cat", "b:a dog", "c:a fox", "é:an owl", kind="pet")


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def index(place: Path | str, model: FakeModel) -> Iterator[Index]:
    with Index(place, model, vault="none") as opened:
        opened.sync(PETS)
        opened.sync(rows("x:other scope"), scope="other")
        yield opened


def opened(path: Path) -> Index:
    return Index(path, FakeModel(), vault="none")


# Copy ------------------------------------------------------------------------------------------------


def test_a_copy_has_the_same_root_and_asks_no_model(index: Index, model: FakeModel, tmp_path: Path) -> None:
    model.asked.clear()
    report = index.copy(tmp_path / "copy.db")
    assert (report.copied, report.deleted, report.rows, model.asked) == (5, 0, 5, [])
    assert report.root == index.lock().root
    with opened(tmp_path / "copy.db") as copy:
        assert copy.lock().root == index.lock().root
        assert copy.verify().ok
        assert copy.status().scopes == {"default": 4, "other": 1}
        assert copy.plan(PETS).is_empty
        assert [hit.id for hit in copy.search("a fox", k=1)] == ["c"]


def test_copying_again_copies_only_what_differs(index: Index, tmp_path: Path) -> None:
    index.copy(tmp_path / "copy.db")
    assert index.copy(tmp_path / "copy.db").copied == 0
    index.sync(rows("a:a cat", "b:two dogs", "new:an elk", kind="pet"))
    report = index.copy(tmp_path / "copy.db")
    assert (report.copied, report.deleted, report.rows) == (2, 2, 4)
    with opened(tmp_path / "copy.db") as copy:
        assert copy.lock().root == index.lock().root


def test_a_copy_follows_a_switch_and_what_went_since(index: Index, tmp_path: Path) -> None:
    index.copy(tmp_path / "copy.db")
    index.upgrade(FakeModel("new"))
    index.switch()
    index.delete(["a", "x"])
    report = index.copy(tmp_path / "copy.db")
    assert (report.copied, report.filled, report.deleted, report.rows) == (0, 3, 2, 3)
    with Index(tmp_path / "copy.db", FakeModel("new"), vault="none", models=[FakeModel()]) as copy:
        assert copy.verify().ok
        assert copy.status().scopes == {"default": 3}


def test_a_row_that_went_to_another_scope_is_copied(index: Index, tmp_path: Path) -> None:
    index.copy(tmp_path / "copy.db")
    index.delete("x")
    index.upsert(rows("x:other scope"), scope="third")
    assert index.copy(tmp_path / "copy.db").rows == 5


def test_a_copy_that_was_interrupted_goes_on(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idembed.index.transfer._ROWS", 2)

    def stop(progress: Any) -> None:
        if progress.phase == "copying" and progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.copy(tmp_path / "copy.db", progress=stop)
    report = index.copy(tmp_path / "copy.db")
    assert (report.copied, report.rows) == (3, 5)


def test_splitting_and_metadata_are_copied(tmp_path: Path, model: FakeModel) -> None:
    with Index(tmp_path / "s.db", model, split=25, vault="none") as index:
        index.sync(rows("a:First sentence here. Second sentence there.", n=[1, {"x": None}]))
        index.copy(tmp_path / "copy.db")
        with opened(tmp_path / "copy.db") as copy:
            assert copy.splitter == index.splitter
            assert copy.lock() == index.lock()
            assert copy.plan(rows("a:First sentence here. Second sentence there.", n=[1, {"x": None}])).is_empty


def test_other_generations_are_copied_if_asked(index: Index, tmp_path: Path) -> None:
    new = FakeModel("new")
    index.upgrade(new)
    index.switch()
    index.copy(tmp_path / "one.db")
    index.copy(tmp_path / "all.db", every_generation=True)
    with Index(tmp_path / "one.db", new, vault="none") as copy:
        assert [(g.model, g.status) for g in copy.generations] == [("new", "active")]
    with Index(tmp_path / "all.db", new, vault="none", models=[FakeModel()]) as copy:
        assert [(g.model, g.status, g.complete) for g in copy.generations] == [
            ("fake", "standby", True),
            ("new", "active", True),
        ]
        assert copy.rollback().model == "fake"
        assert copy.verify().ok


def test_what_is_no_copy_of_this_index_is_left_as_it_is(index: Index, tmp_path: Path) -> None:
    with opened(tmp_path / "other.db") as other:
        other.sync(rows("z:mine"))
    with pytest.raises(RefusedError, match=r"other\.db holds an index that is no copy of"):
        index.copy(tmp_path / "other.db")
    with opened(tmp_path / "other.db") as other:
        assert [row.id for row in other.scan()] == ["z"]


def test_an_index_is_not_copied_to_itself(index: Index, place: Path | str) -> None:
    with pytest.raises(OptionError, match="copied to itself"):
        index.copy(place)


@on_sqlite
def test_an_index_is_not_copied_to_itself_by_another_path(index: Index, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="copied to itself"):
        index.copy(tmp_path / "." / "pets.db")


@on_sqlite
def test_rows_that_another_program_edited_are_not_copied(index: Index, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "pets.db")) as other, other:
        other.execute("UPDATE texts SET text = 'edited' WHERE key = 1")
    with pytest.raises(RefusedError, match=r"has 1 row that another program edited"):
        index.copy(tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


@on_sqlite
def test_damaged_vectors_are_not_copied(index: Index, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "pets.db")) as other, other:
        other.execute("DROP TRIGGER vectors_1_edited")
        other.execute("UPDATE vectors_1 SET vector = zeroblob(64) WHERE vid = 2")
    with pytest.raises(DamagedError, match="the vector of row 'b' is damaged"):
        index.copy(tmp_path / "copy.db")


def test_there_is_nothing_to_copy_where_there_is_no_index(tmp_path: Path) -> None:
    with opened(tmp_path / "no.db") as index, pytest.raises(IndexNotFoundError):
        index.copy(tmp_path / "copy.db")
    assert list(tmp_path.iterdir()) == []


# Generations -----------------------------------------------------------------------------------------


def several(place: Path) -> Index:
    return Index(place, vault="none", models=[FakeModel(name) for name in ("fake", "new", "third", "late")])


def shown(place: Path) -> list[tuple[str, str, bool]]:
    with several(place) as index:
        return [(g.model, g.status, g.complete) for g in index.generations]


def test_one_that_is_built_and_not_searched_is_copied_if_asked_and_not_searched_there(
    index: Index, tmp_path: Path
) -> None:
    index.upgrade(FakeModel("new"))
    index.copy(tmp_path / "one.db")
    report = index.copy(tmp_path / "all.db", every_generation=True)
    assert (report.left_out, report.stale) == ((), ())
    assert shown(tmp_path / "one.db") == [("fake", "active", True)]
    assert shown(tmp_path / "all.db") == [("fake", "active", True), ("new", "building", True)]


def test_one_that_is_not_complete_is_left_out_and_named(index: Index, tmp_path: Path) -> None:
    index.upgrade(FakeModel("new"), until=0.5)
    report = index.copy(tmp_path / "copy.db", every_generation=True)
    ((number, reason),) = report.left_out
    assert number == 2
    assert reason.endswith("rows have no vectors in it (new)")
    assert shown(tmp_path / "copy.db") == [("fake", "active", True)]
    index.upgrade(FakeModel("new"))
    assert index.copy(tmp_path / "copy.db", every_generation=True).left_out == ()
    assert shown(tmp_path / "copy.db") == [("fake", "active", True), ("new", "building", True)]


def test_those_on_standby_go_back_in_the_same_order(tmp_path: Path) -> None:
    with Index(tmp_path / "pets.db", FakeModel(), vault="none") as index:
        index.sync(PETS)
    with several(tmp_path / "pets.db") as index:
        index.upgrade(FakeModel("new"))
        index.switch(2, force=True)
        index.rollback()
        index.upgrade(FakeModel("third"))
        index.switch(3, force=True)
        index.copy(tmp_path / "copy.db", every_generation=True)
    assert shown(tmp_path / "copy.db") == [
        ("fake", "standby", True),
        ("new", "standby", True),
        ("third", "active", True),
    ]
    with several(tmp_path / "copy.db") as copy:
        assert copy.rollback().model == "fake"


def test_what_a_copy_brought_along_is_kept_right_without_asking_again(index: Index, tmp_path: Path) -> None:
    index.upgrade(FakeModel("new"))
    index.copy(tmp_path / "copy.db", every_generation=True)
    index.upsert(rows("f:an ant"))
    index.copy(tmp_path / "copy.db")
    assert shown(tmp_path / "copy.db") == [("fake", "active", True), ("new", "building", True)]


def test_one_that_was_dropped_here_is_named_as_no_longer_kept_right(index: Index, tmp_path: Path) -> None:
    index.upgrade(FakeModel("new"))
    index.copy(tmp_path / "copy.db", every_generation=True)
    index.drop(2)
    index.upsert(rows("f:an ant"))
    report = index.copy(tmp_path / "copy.db")
    assert report.stale == (2,)
    assert shown(tmp_path / "copy.db") == [("fake", "active", True), ("new", "building", False)]


def test_a_rebuilt_generation_that_is_searched_here_is_searched_there(index: Index, tmp_path: Path) -> None:
    """It is of the same space as the one before."""
    index.copy(tmp_path / "copy.db")
    index.rebuild()
    index.switch(2, force=True)
    index.drop(1)
    report = index.copy(tmp_path / "copy.db")
    assert (report.copied, report.filled, report.stale) == (0, 0, ())
    assert shown(tmp_path / "copy.db") == [("fake", "active", True)]


def test_how_far_vectors_may_be_from_their_models_is_copied(tmp_path: Path) -> None:
    class Farther(FakeModel):
        def vector(self, text: str) -> np.ndarray:
            made = super().vector(text).astype(np.float64)
            made[0] += 1e-4
            return made.astype(np.float32)

    with Index(tmp_path / "made.db", Farther(), vault="none") as made:
        made.sync(PETS)
        made.export(tmp_path / "all.jsonl")
    Index.adopt(tmp_path / "all.jsonl", model=FakeModel(), to=tmp_path / "adopted.db")
    with several(tmp_path / "adopted.db") as index:
        index.upgrade(FakeModel("new"))
        index.copy(tmp_path / "copy.db")
        index.copy(tmp_path / "again.db")
    for name in ("adopted.db", "copy.db", "again.db"):
        with several(tmp_path / name) as copy:
            store, active = copy._catalog.readable()
            assert noise_of(store.read_meta()[1], active) == 1 - 1e-6
            assert copy.verify(everything=True).ok


def test_what_was_judged_is_copied_with_the_generation(index: Index, tmp_path: Path) -> None:
    index.upgrade(FakeModel("third"))
    index.drop(2)
    index.upgrade(FakeModel("new"))
    _, active = index._catalog.readable()
    no_go = Judged("NO-GO", "it is worse", active.space.id, 50, False, "2026-01-01T00:00:00Z")
    record(index._catalog, index._catalog.generation(3), no_go, {"hashes": "00", "below": ""})
    index.copy(tmp_path / "copy.db", every_generation=True)
    with several(tmp_path / "copy.db") as copy, pytest.raises(RefusedError, match="it is worse"):
        copy.switch(2)
    with open_store(tmp_path / "copy.db") as store:
        assert store.read_meta()[1]["judged_rows"] == {"2": {"hashes": "00", "below": ""}}


# Damage ----------------------------------------------------------------------------------------------


def test_a_row_that_is_damaged_there_is_written_again(index: Index, tmp_path: Path) -> None:
    index.copy(tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as other, other:
        other.execute("DROP TRIGGER vectors_1_edited")
        other.execute("UPDATE vectors_1 SET vector = zeroblob(64) WHERE vid = 2")
    assert index.copy(tmp_path / "copy.db").copied == 1
    with opened(tmp_path / "copy.db") as copy:
        assert copy.verify().ok


@on_sqlite
def test_a_damaged_text_is_not_copied(index: Index, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "pets.db")) as other, other:
        other.execute("DROP TRIGGER texts_edited")
        other.execute("UPDATE texts SET text = 'a cut' WHERE key = 1")
    with pytest.raises(DamagedError, match="row 'a' is damaged"):
        index.copy(tmp_path / "copy.db")
    with opened(tmp_path / "copy.db") as copy, pytest.raises(StoreError, match="holds only a part of a copy"):
        copy.search("a cat")
