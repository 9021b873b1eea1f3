"""A copy that was killed at any point, is brought up to date, or meets something else at its place."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeModel, rows
from killing import killed_at

from idembed.errors import MassDeletionError, RefusedError, StoreError
from idembed.index import Index, Progress
from idembed.index.origin import COPY_OF, INDEX_ID, id_of
from idembed.stores import open_store
from idembed.stores.sqlite import SQLiteStore

PETS = rows("a:a cat", "b:a dog", "c:a fox", "d:an owl", "e:an elk")


def opened(path: Path | str, *names: str) -> Index:
    return Index(path, vault="none", models=[FakeModel(name) for name in names or ("fake", "new")])


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """Two rows at a time are copied."""
    monkeypatch.setattr("idembed.index.transfer._ROWS", 2)
    with Index(tmp_path / "pets.db", FakeModel(), vault="none", models=[FakeModel("new")]) as opened:
        opened.sync(PETS)
        yield opened


# Killed -------------------------------------------------------------------------------------------


def test_a_first_copy_killed_anywhere_is_no_index_and_the_next_one_goes_on(
    index: Index, new_place: Callable[[], Path | str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = index.lock().root
    for step in range(100):
        place = new_place()
        if not killed_at(step, place, monkeypatch, lambda place=place: index.copy(place)):  # type: ignore[misc]
            break
        with opened(place) as part:
            for use in (lambda: part.search("a fox"), part.lock, part.verify, lambda: part.copy(tmp_path / "no.db")):
                with pytest.raises(StoreError, match=r"holds no vectors yet|holds only a part of a copy"):
                    use()
            if part._catalog.store and COPY_OF in part._catalog.store.read_meta()[1]:
                for write in (lambda: part.sync(PETS), lambda: part.upsert(PETS), lambda: part.plan(PETS)):
                    with pytest.raises(StoreError, match="holds only a part of a copy"):
                        write()
        assert index.copy(place).root == root
        with opened(place) as copy:
            assert copy.lock().root == root
            assert copy.verify().ok
    assert step >= 8  # 3 settings and generation, 3 upserts, complete, activate
    assert not (tmp_path / "no.db").exists()


def test_a_later_copy_killed_anywhere_still_answers_as_before_or_as_after(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.copy(tmp_path / "before.db")
    index.upgrade(FakeModel("new"))
    index.switch()
    index.upsert(rows("c:a vixen", "f:an ant"))
    index.delete("a")
    root, before = index.lock().root, (tmp_path / "before.db").read_bytes()
    searched = set()
    for step in range(100):
        place = tmp_path / f"copy{step}.db"
        place.write_bytes(before)
        was_killed = killed_at(step, place, monkeypatch, lambda place=place: index.copy(place))  # type: ignore[misc]
        with opened(place) as copy:
            (active,) = (g for g in copy.generations if g.status == "active")
            assert active.complete
            assert copy.verify().ok
            assert [hit.id for hit in copy.search("a dog", k=1)] == ["b"]
            searched.add(active.model)
        assert index.copy(place).root == root
        if not was_killed:
            break
    assert step >= 8
    assert searched == {"fake", "new"}


def test_a_generation_that_came_since_is_filled_in_rows_that_are_there(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.copy(tmp_path / "copy.db")
    index.upgrade(FakeModel("new"))

    def stop(progress: Progress) -> None:
        if progress.phase == "copying" and progress.done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.copy(tmp_path / "copy.db", every_generation=True, progress=stop)
    report = index.copy(tmp_path / "copy.db", every_generation=True)
    assert (report.copied, report.filled) == (0, 1)  # four were filled before
    with opened(tmp_path / "copy.db") as copy:
        assert [(g.model, g.status, g.complete) for g in copy.generations] == [
            ("fake", "active", True),
            ("new", "building", True),
        ]
        copy.switch(force=True)
        assert copy.verify().ok


def test_no_model_is_asked_or_looked_for_whatever_is_copied(index: Index, tmp_path: Path) -> None:
    new = FakeModel("new")
    index.upgrade(new)
    asked = len(new.asked)
    with Index(tmp_path / "pets.db", vault="none") as blind:
        blind.copy(tmp_path / "copy.db", every_generation=True)
        blind.delete("b")
        blind.copy(tmp_path / "copy.db", every_generation=True)
    assert len(new.asked) == asked


# Meanwhile ----------------------------------------------------------------------------------------


def test_a_copy_is_of_one_moment_whoever_writes_meanwhile(index: Index, tmp_path: Path) -> None:
    root = index.lock().root
    with opened(tmp_path / "pets.db") as writer:

        def write(progress: Progress) -> None:
            writer.upsert(rows(f"new{progress.done}:a new one", "b:two dogs"))

        report = index.copy(tmp_path / "copy.db", progress=write)
    assert (report.root, report.rows) == (root, 5)
    assert index.lock().root != root


def test_the_lease_is_renewed_while_the_copy_is_made(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.upsert(rows(*(f"{i}:text {i}" for i in range(300))))
    monkeypatch.setattr("idembed.index.owner._RENEW_AFTER", 0.0)
    phases = set()
    index.copy(tmp_path / "copy.db", progress=lambda progress: phases.add(progress.phase))
    assert phases == {"copying", "checking"}


def test_everything_that_was_opened_is_closed(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [str(tmp_path / "pets.db")]
    begin, end = SQLiteStore.__init__, SQLiteStore.close

    def init(self: SQLiteStore, path: str, **options: Any) -> None:
        begin(self, path, **options)
        places.append(path)

    def close(self: SQLiteStore) -> None:
        places.remove(self.url)
        end(self)

    monkeypatch.setattr(SQLiteStore, "__init__", init)
    monkeypatch.setattr(SQLiteStore, "close", close)
    index.copy(tmp_path / "copy.db")
    assert places == [str(tmp_path / "pets.db")]


def test_what_was_begun_at_a_place_and_is_empty_leaves_nothing_behind(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.export(tmp_path / "all.jsonl")

    def adopt(place: Path) -> None:
        Index.adopt(tmp_path / "all.jsonl", model=FakeModel(), to=place)

    assert killed_at(1, tmp_path / "one.db", monkeypatch, lambda: index.copy(tmp_path / "one.db"))
    adopt(tmp_path / "one.db")
    with pytest.raises(RefusedError, match="no copy of"):
        index.copy(tmp_path / "one.db")
    assert killed_at(1, tmp_path / "two.db", monkeypatch, lambda: adopt(tmp_path / "two.db"))
    index.copy(tmp_path / "two.db")
    with open_store(tmp_path / "two.db") as store:
        assert sorted(store.read_meta()[1]) == ["copy_of", "index_id", "splitter"]


# Whose copy? --------------------------------------------------------------------------------------


def test_a_copy_of_another_index_is_refused_before_anything_is_written(index: Index, tmp_path: Path) -> None:
    with opened(tmp_path / "other.db") as other:
        other.sync(rows("a:a cat", "b:a dog"))
        other.copy(tmp_path / "copy.db")
    before = dump(tmp_path / "copy.db")
    with pytest.raises(RefusedError, match=r"copy\.db holds an index that is no copy of .*pets\.db; it was left as"):
        index.copy(tmp_path / "copy.db", allow_mass_deletion=True)
    assert dump(tmp_path / "copy.db") == before


def test_a_part_of_a_copy_of_another_index_is_refused_too(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path / "other.db") as other:
        other.sync(rows("a:a cat", "b:a dog"))
        assert killed_at(5, tmp_path / "copy.db", monkeypatch, lambda: other.copy(tmp_path / "copy.db"))
    with pytest.raises(RefusedError, match="no copy of"):
        index.copy(tmp_path / "copy.db")


def test_a_copy_is_known_wherever_it_and_its_original_were_moved(index: Index, tmp_path: Path) -> None:
    index.copy(tmp_path / "copy.db")
    index.close()
    (tmp_path / "pets.db").rename(tmp_path / "moved.db")
    (tmp_path / "copy.db").rename(tmp_path / "elsewhere.db")
    with opened(tmp_path / "moved.db") as moved:
        report = moved.copy(tmp_path / "elsewhere.db")
        assert (report.copied, report.rows) == (0, 5)
    with opened(tmp_path / "pets.db") as another:  # another index where the first was
        another.sync(PETS)
        with pytest.raises(RefusedError, match="no copy of"):
            another.copy(tmp_path / "elsewhere.db")


def test_every_index_has_an_id_of_its_own_from_the_first_write(index: Index, tmp_path: Path) -> None:
    index.copy(tmp_path / "copy.db")
    index.export(tmp_path / "all.jsonl")
    Index.adopt(tmp_path / "all.jsonl", model=FakeModel(), to=tmp_path / "adopted.db")
    ids = []
    for name in ("pets.db", "copy.db", "adopted.db"):
        with open_store(tmp_path / name) as store:
            ids.append(store.read_meta()[1][INDEX_ID])
            assert id_of(store) == ids[-1]
    assert len({*ids}) == 3
    with open_store(tmp_path / "copy.db") as store:
        assert store.read_meta()[1][COPY_OF] == {"index": ids[0], "generations": {"1": 1}}


def test_an_index_without_an_id_is_given_one_unless_it_cannot_be_written(tmp_path: Path) -> None:
    open_store(tmp_path / "old.db").close()
    with open_store(tmp_path / "old.db", read_only=True) as store:
        assert id_of(store) != id_of(store)
    with open_store(tmp_path / "old.db") as store:
        assert id_of(store) == id_of(store)


# Deleting -----------------------------------------------------------------------------------------


def test_a_copy_that_would_delete_more_than_half_is_refused_unless_allowed(index: Index, tmp_path: Path) -> None:
    index.copy(tmp_path / "copy.db")
    index.delete(["a", "b", "c"])
    before = dump(tmp_path / "copy.db")
    with pytest.raises(MassDeletionError, match=r"this copy would delete 3 of the 5 rows of .*copy\.db"):
        index.copy(tmp_path / "copy.db")
    assert dump(tmp_path / "copy.db") == before
    report = index.copy(tmp_path / "copy.db", allow_mass_deletion=True)
    assert (report.deleted, report.rows) == (3, 2)


def test_rows_that_changed_or_went_to_another_scope_are_not_deleted(index: Index, tmp_path: Path) -> None:
    index.copy(tmp_path / "copy.db")
    index.delete(["a", "b", "c"])
    index.upsert(rows("a:a cat", "b:a dog", "c:a fox"), scope="other")
    index.upsert(rows("d:two owls", "e:two elks"))
    assert index.copy(tmp_path / "copy.db").rows == 5


def test_more_than_half_of_the_rows_edited_there_come_back(index: Index, tmp_path: Path) -> None:
    index.copy(tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as other, other:
        other.execute("UPDATE texts SET text = 'edited'")
        other.execute("DELETE FROM rows WHERE id = 'a'")
    assert index.copy(tmp_path / "copy.db").root == index.lock().root
    with opened(tmp_path / "copy.db") as copy:
        assert copy.verify().ok


def dump(path: Path) -> list[str]:
    """All that is in the file but the lease, which whoever looks takes."""
    with closing(sqlite3.connect(path)) as connection:
        return [line for line in connection.iterdump() if '"leases"' not in line]
