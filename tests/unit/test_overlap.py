"""A model makes vectors while those before are written, where the database is written by a thread of its own: the same
index, whatever is quicker."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fake_models import FakeModel, one_row_a_batch, rows

from databases import new_schema, place_and_schema
from idembed.errors import StoreError
from idembed.index import Index
from idembed.stores import open_store
from idembed.stores.base import Filling, Lease, RowRecord, Store
from idembed.stores.postgres import PostgresStore
from idembed.stores.sqlite import CAPABILITIES, SQLiteStore

SECONDS = 30.0
"""How long a test that has gone wrong waits."""
PETS = rows(*(f"{n:02}:text {n}" for n in range(12)))
TWINS = rows(*(f"{n:02}:text {n // 2}" for n in range(12)))


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row is a step and a batch of its own, and a SQLite file too is written by a thread."""
    one_row_a_batch(monkeypatch)
    monkeypatch.setattr("idembed.index.transfer._ROWS", 1)
    monkeypatch.setattr("idembed.index.build._IDS", 1)
    monkeypatch.setattr(FakeModel, "batch_size", 1)
    monkeypatch.setattr(
        SQLiteStore, "another", lambda store: lambda: SQLiteStore(store.url, create=False), raising=False
    )


class Watched:
    """Calls of ``upsert`` and ``fill`` of every store; ``before`` is called with their rows in a thread of its own."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, before: Callable[[Sequence[Any]], object] = lambda rows: None
    ) -> None:
        self.written: list[str] = []
        self.by_thread = 0
        for kind in (SQLiteStore, PostgresStore):
            for name in ("upsert", "fill"):
                self._watch(monkeypatch, kind, name, before)

    def _watch(
        self, monkeypatch: pytest.MonkeyPatch, kind: type[Store], name: str, before: Callable[[Sequence[Any]], object]
    ) -> None:
        original = getattr(kind, name)

        def watched(store: Store, lease: Lease, *args: Any) -> Any:
            given: Sequence[RowRecord] | Sequence[Filling] = args[-1]
            if threading.current_thread() is not threading.main_thread():
                before(given)
                self.by_thread += 1
            done = original(store, lease, *args)
            self.written += [one.id for one in given]
            return done

        monkeypatch.setattr(kind, name, watched)


class Seen(FakeModel):
    """Says when it was asked for a text."""

    def __init__(self, name: str = "fake") -> None:
        super().__init__(name)
        self.was_asked: dict[str, threading.Event] = {row["text"]: threading.Event() for row in PETS}  # type: ignore[misc]

    def embed(self, texts: Sequence[str], *args: Any, **kwargs: Any) -> Any:
        made = super().embed(texts, *args, **kwargs)
        for text in texts:
            self.was_asked[text].set()
        return made

    def was_asked_for_the_next(self, written: Sequence[Any]) -> bool:
        """Waits until it was asked for the text after that of the row that is written now."""
        number = int(written[-1].id)
        return number == 11 or self.was_asked[f"text {number + 1}"].wait(SECONDS)


# Side by side -------------------------------------------------------------------------------------


def test_the_next_text_is_embedded_while_a_batch_is_written(place: Path | str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, waited = Seen(), []
    watched = Watched(monkeypatch, lambda given: waited.append(model.was_asked_for_the_next(given)))
    with Index(place, model, vault="none") as index:
        index.sync(PETS)
        assert (watched.by_thread, len(waited), all(waited)) == (11, 11, True)
        assert watched.written == [row["id"] for row in PETS]
        assert index.verify().ok


def test_the_next_text_is_embedded_while_a_generation_is_filled(
    place: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, waited = Seen("new"), []
    with Index(place, FakeModel(), vault="none") as index:
        index.sync(PETS)
        watched = Watched(monkeypatch, lambda given: waited.append(model.was_asked_for_the_next(given)))
        report = index.upgrade(model)
        assert (report.rows, report.complete) == (12, True)
        assert (watched.by_thread, len(waited), all(waited)) == (11, 11, True)
        index.switch(force=True)
        assert index.verify().ok


def test_the_next_rows_are_read_while_a_copy_is_written(
    place: Path | str, new_place: Callable[[], Path | str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Index(place, FakeModel(), vault="none") as index:
        index.sync(PETS)
        read, waited = [threading.Event() for _ in PETS], []
        counted = iter(read)
        for kind in (SQLiteStore, PostgresStore):

            def get(store: Store, *args: Any, original: Any = kind.get, **kwargs: Any) -> Any:
                found = original(store, *args, **kwargs)
                next(counted).set()
                return found

            monkeypatch.setattr(kind, "get", get)

        def before(given: Sequence[Any]) -> None:
            """When a row is given, the one after it was read; the next but one is read while it is written."""
            number = len(waited) + 1  # the first row is not written by a thread
            waited.append(number + 2 >= len(read) or read[number + 2].wait(SECONDS))

        watched = Watched(monkeypatch, before)
        report = index.copy(new_place())
        assert report.root == index.lock().root
        assert (report.copied, watched.by_thread, len(waited), all(waited)) == (12, 11, 11, True)


def test_the_index_is_the_one_that_a_thread_alone_makes(
    new_place: Callable[[], Path | str], monkeypatch: pytest.MonkeyPatch
) -> None:
    locks = []
    for alone in (False, True):
        if alone:
            monkeypatch.setattr(PostgresStore, "another", lambda store: None)
            monkeypatch.setattr(SQLiteStore, "another", lambda store: None)
        with Index(new_place(), FakeModel(), vault="none") as index:
            index.sync(PETS)
            index.sync(rows(*(f"{n:02}:text {11 - n}" for n in range(12)), "new:text 3"))  # swapped
            index.upgrade(FakeModel("new"))
            locks.append((index.lock().root, [row.id for row in index.scan()]))
    assert locks[0] == locks[1]


def test_a_text_whose_vector_is_on_its_way_is_not_embedded_again(
    place: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch is not written before the model was asked for the text after the next: its twin has been looked for."""
    model = Seen()

    def later(given: Sequence[Any]) -> None:
        number = int(given[-1].id) // 2 + 1
        assert number > 5 or int(given[-1].id) % 2 or model.was_asked[f"text {number}"].wait(SECONDS)

    watched = Watched(monkeypatch, later)
    monkeypatch.setattr("idembed.index.pace._ROWS", 3)
    with Index(place, model, vault="none") as index:
        report = index.sync(TWINS)
        assert watched.by_thread >= 2
        assert Counter(model.asked) == {f"text {n}": 1 for n in range(6)}
        assert (report.embedded, report.reused) == (6, 6)
        assert index.verify().ok


# What goes wrong ----------------------------------------------------------------------------------


def test_a_database_that_fails_stops_the_sync_and_what_was_written_stays(
    place: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(given: Sequence[RowRecord]) -> None:
        if given[0].id == "04":
            raise StoreError("the disk is full")

    model = FakeModel()
    with Index(place, model, vault="none") as index:
        with monkeypatch.context() as patch:
            Watched(patch, fail)
            with pytest.raises(StoreError, match="the disk is full"):
                index.sync(PETS)
        assert [row.id for row in index.scan()] == ["00", "01", "02", "03"]
        model.asked.clear()
        assert index.sync(PETS).added == 8
        assert sorted(model.asked) == sorted(f"text {n}" for n in range(4, 12))
        assert index.verify().ok


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StoreError("no answer")])
def test_when_the_model_is_stopped_what_it_made_is_written(
    place: Path | str, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    class Stopped(FakeModel):
        def embed(self, texts: Sequence[str], *args: Any, **kwargs: Any) -> Any:
            if "text 5" in texts:
                raise error
            return super().embed(texts, *args, **kwargs)

    threads = set(threading.enumerate())
    with Index(place, Stopped(), vault="none") as index:
        watched = Watched(monkeypatch)
        with pytest.raises(type(error)):
            index.sync(PETS)
        assert watched.by_thread == 4
        assert [row.id for row in index.scan()] == ["00", "01", "02", "03", "04"]
        assert set(threading.enumerate()) <= threads
    with open_store(place) as store:
        assert store.writer()[1] == ""  # the lease was given back


def test_a_generation_whose_database_fails_goes_on_later(place: Path | str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(given: Sequence[Filling]) -> None:
        if given[0].id == "04":
            raise StoreError("the disk is full")

    with Index(place, FakeModel(), vault="none") as index:
        index.sync(PETS)
        with monkeypatch.context() as patch:
            Watched(patch, fail)
            with pytest.raises(StoreError, match="the disk is full"):
                index.upgrade(FakeModel("new"))
        new = FakeModel("new")
        report = index.upgrade(new)
        assert (report.rows, report.complete, len(new.asked)) == (8, True, 8)


def test_a_connection_that_breaks_while_a_batch_is_written_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """All connections break in the middle of a transaction, some batches later again."""
    from idembed.stores import postgres_write

    place, cuts = new_schema(), []
    found_again = postgres_write._found_again

    def cut(connection: Any, ids: Sequence[str]) -> None:
        if list(ids) in (["03"], ["08"]) and len(cuts) < 2 and [*ids] not in cuts:
            cuts.append([*ids])
            with suppress(psycopg.Error), psycopg.connect(place_and_schema(place)[0], autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'idembed'"
                )
        found_again(connection, ids)

    monkeypatch.setattr(postgres_write, "_found_again", cut)
    model = FakeModel()
    with Index(place, model, vault="none") as index:
        assert index.sync(PETS).added == 12
        assert cuts == [["03"], ["08"]]
        assert Counter(model.asked) == {f"text {n}": 1 for n in range(12)}
        assert index.verify().ok
        with Index(new_schema(), FakeModel(), vault="none") as calm:
            calm.sync(PETS)
            assert index.lock().root == calm.lock().root


# How much at once ---------------------------------------------------------------------------------


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The ids in each batch that is written to a SQLite file, of at most 100 rows and some 1,000 bytes."""
    found: list[list[str]] = []
    upsert = SQLiteStore.upsert

    def noted(store: SQLiteStore, lease: Lease, given: Sequence[RowRecord]) -> None:
        found.append([row.id for row in given])
        upsert(store, lease, given)

    monkeypatch.setattr(SQLiteStore, "upsert", noted)
    for name in ("write._ROWS", "pace._ROWS", "transfer._ROWS"):
        monkeypatch.setattr(f"idembed.index.{name}", 100)
    monkeypatch.setattr("idembed.index.pace._BYTES", 1_000)
    monkeypatch.setattr(FakeModel, "batch_size", 100)
    return found


def test_a_batch_ends_before_its_texts_metadata_and_vectors_are_too_many_bytes(
    tmp_path: Path, sizes: list[list[str]]
) -> None:
    given = rows("a:short", "b:short", f"c:{'long' * 125}", f"d:{'long' * 500}", "e:short", "f:short")
    with Index(tmp_path / "pets.db", FakeModel(), vault="none") as index:
        index.sync(given)
        assert sizes == [["a", "b"], ["c"], ["d"], ["e", "f"]]
        sizes.clear()
        index.copy(tmp_path / "copy.db")
        assert sorted(row_id for batch in sizes for row_id in batch) == ["a", "b", "c", "d", "e", "f"]
        assert ["d"] in sizes
        assert max(map(len, sizes)) < 4


def test_a_batch_is_no_larger_than_the_store_declares(
    tmp_path: Path, sizes: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idembed.stores.sqlite.CAPABILITIES", replace(CAPABILITIES, max_batch=500))
    with Index(tmp_path / "pets.db", FakeModel(), vault="none") as index:
        index.sync(rows("a:one", "b:two", "c:three"))
    assert sizes == [["a"], ["b"], ["c"]]


def test_large_rows_are_read_some_at_a_time_for_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idembed.index.transfer._ROWS", 6)
    monkeypatch.setattr("idembed.index.transfer._FIRST", 2)
    monkeypatch.setattr("idembed.index.transfer._BYTES", 3_000)
    with Index(tmp_path / "pets.db", FakeModel(), vault="none") as index:
        index.sync(rows(*(f"{n:02}:{n:02}{'long' * 250}" for n in range(12))))
        read, get = [], SQLiteStore.get

        def noted(store: Store, ids: Sequence[str], *args: Any, **kwargs: Any) -> Any:
            read.append(len(ids))
            return get(store, ids, *args, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(SQLiteStore, "get", noted)
        assert index.copy(tmp_path / "copy.db").copied == 12
    assert read == [2] * 6
    read.clear()
    with Index(tmp_path / "small.db", FakeModel(), vault="none") as index:
        index.sync(rows(*(f"{n:02}:short" for n in range(13))))
        read.clear()
        index.copy(tmp_path / "copy of small.db")
    assert read == [2, 4, 6, 1]
