"""One thread makes batches, another writes them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Self

import pytest

from idembed.errors import StoreError
from idembed.index import handover
from idembed.index.handover import Handover

SECONDS = 30.0
"""How long a test that has gone wrong waits."""


class Database:
    """Notes what is done to it, in which thread. With ``alone``, it is opened once only."""

    def __init__(self, alone: bool = False) -> None:
        self.alone = alone
        self.events: list[str] = []
        self.threads: dict[str, threading.Thread] = {}
        self.opened = 0

    def another(self) -> Callable[[], Any] | None:
        return None if self.alone else self._open

    def _open(self) -> Self:
        self.opened += 1
        self.note("open")
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.note("close")
        self.opened -= 1

    def note(self, event: str) -> None:
        self.events.append(event)
        self.threads[event] = threading.current_thread()


@pytest.fixture
def database() -> Database:
    return Database()


def over(
    database: Database,
    write: Callable[[Database, str], int] | None = None,
    written: Callable[[str, int], None] = lambda batch, result: None,
    alive: Callable[[], None] = lambda: None,
) -> Handover[str, int]:
    """Batches are words, and what comes of writing one is its length."""

    def note(store: Database, batch: str) -> int:
        store.note(batch)
        return len(batch)

    return Handover(database, write or note, written, alive)  # type: ignore[arg-type]


# Side by side -------------------------------------------------------------------------------------


def test_while_a_batch_is_written_the_next_is_made(database: Database) -> None:
    made = {word: threading.Event() for word in ("second", "third", "fourth")}
    after = {"second": "third", "third": "fourth"}
    seen = []

    def write(store: Database, batch: str) -> int:
        if batch in after:  # ends only when the next one was made
            seen.append(made[after[batch]].wait(SECONDS))
        return 0

    with over(database, write) as batches:
        batches.give("first")
        for word, event in made.items():
            event.set()
            batches.give(word)
    assert seen == [True, True]


def test_batches_are_written_one_after_the_other_in_their_order(database: Database) -> None:
    under_way, most, order = 0, 0, []
    lock = threading.Lock()

    def write(store: Database, batch: str) -> int:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        order.append(batch)
        with lock:
            under_way -= 1
        return 0

    with over(database, write) as batches:
        for number in range(50):
            batches.give(str(number))
    assert order == [str(number) for number in range(50)]
    assert most == 1


def test_no_more_than_one_batch_is_under_way(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "_WAIT", 0.01)
    go_on = threading.Event()

    def write(store: Database, batch: str) -> int:
        assert batch != "second" or go_on.wait(SECONDS)
        store.note(batch)
        return 0

    with over(database, write, alive=go_on.set) as batches:
        batches.give("first")
        batches.give("second")
        assert not batches.is_free
        batches.give("third")  # waits for the second, which waits for a sign of life
        assert "second" in database.events


def test_what_was_written_is_told_in_order_to_the_thread_that_made_it(database: Database) -> None:
    told = []

    def written(batch: str, length: int) -> None:
        told.append((batch, length, threading.current_thread() is threading.main_thread()))

    with over(database, written=written) as batches:
        for word in ("a", "bb", "ccc"):
            batches.give(word)
    assert told == [("a", 1, True), ("bb", 2, True), ("ccc", 3, True)]


def test_whoever_waits_gives_signs_of_life(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "_WAIT", 0.001)
    signs, enough = [], threading.Event()

    def alive() -> None:
        signs.append(1)
        if len(signs) == 3:
            enough.set()

    def write(store: Database, batch: str) -> int:
        assert batch == "first" or enough.wait(SECONDS)
        return 0

    with over(database, write, alive=alive) as batches:
        batches.give("first")
        batches.give("second")
    assert len(signs) >= 3


# Whose thread -------------------------------------------------------------------------------------


def test_the_thread_has_a_connection_of_its_own_and_closes_it(database: Database) -> None:
    with over(database) as batches:
        for word in ("first", "second", "third"):
            batches.give(word)
    assert database.events == ["first", "open", "second", "third", "close"]
    assert database.threads["first"] is threading.main_thread()
    assert len({database.threads[event] for event in ("open", "second", "third", "close")}) == 1
    assert database.threads["open"] is not threading.main_thread()
    assert not database.threads["open"].is_alive()


def test_for_one_batch_no_thread_is_made(database: Database) -> None:
    with over(database) as batches:
        batches.give("only")
        assert batches.is_free
    assert (database.events, database.threads["only"]) == (["only"], threading.main_thread())


def test_a_database_that_is_opened_once_is_written_by_whoever_gives() -> None:
    database = Database(alone=True)
    with over(database) as batches:
        for word in ("first", "second", "third"):
            batches.give(word)
            assert database.events[-1] == word
            assert batches.is_free
    assert set(database.threads.values()) == {threading.main_thread()}


# What goes wrong ----------------------------------------------------------------------------------


class _Killed(BaseException):
    """Nothing catches it."""


@pytest.mark.parametrize("error", [StoreError("the disk is full"), ValueError("a mistake"), _Killed()])
def test_what_goes_wrong_while_writing_is_raised_and_nothing_is_written_after_it(
    database: Database, error: BaseException
) -> None:
    def write(store: Database, batch: str) -> int:
        if batch == "second":
            raise error
        store.note(batch)
        return 0

    def give() -> None:
        with over(database, write) as batches:
            batches.give("first")
            batches.give("second")
            for _ in range(2):
                with pytest.raises(type(error)) as caught:
                    batches.give("third")
                assert caught.value is error
            with pytest.raises(type(error)):
                _ = batches.is_free

    with pytest.raises(type(error)):
        give()
    assert database.events == ["first", "open", "close"]


def test_what_goes_wrong_with_the_last_batch_is_raised_at_the_end(database: Database) -> None:
    def write(store: Database, batch: str) -> int:
        if batch == "last":
            raise StoreError("the disk is full")
        return 0

    def make() -> None:
        with over(database, write) as batches:
            batches.give("first")
            batches.give("last")

    with pytest.raises(StoreError, match="the disk is full"):
        make()


def test_where_no_other_connection_can_be_had_whoever_gives_writes_and_it_is_logged(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked, told = [], []

    def refuse() -> Database:
        asked.append(1)
        raise StoreError("too many connections")

    monkeypatch.setattr(database, "_open", refuse)
    with over(database, written=lambda batch, length: told.append((batch, length))) as batches:
        for word in ("a", "bb", "ccc"):
            batches.give(word)
    assert database.events == ["a", "bb", "ccc"]
    assert set(database.threads.values()) == {threading.main_thread()}
    assert told == [("a", 1), ("bb", 2), ("ccc", 3)]
    assert (len(asked), len(caplog.records)) == (1, 1)
    assert "too many connections" in caplog.text


def test_what_the_caller_cannot_write_either_is_an_error(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Database:
        raise StoreError("too many connections")

    def write(store: Database, batch: str) -> int:
        if batch == "second":
            raise StoreError("the server is gone")
        store.note(batch)
        return 0

    def make() -> None:
        with over(database, write) as batches:
            batches.give("first")
            batches.give("second")
            for _ in range(2):  # nothing is written after it
                with pytest.raises(StoreError, match="the server is gone"):
                    batches.give("third")

    monkeypatch.setattr(database, "_open", refuse)
    with pytest.raises(StoreError, match="the server is gone"):
        make()
    assert database.events == ["first"]


def test_a_mistake_in_opening_is_raised(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Database:
        raise ValueError("a mistake")

    def make() -> None:
        with over(database) as batches:
            batches.give("first")
            batches.give("second")

    monkeypatch.setattr(database, "_open", fail)
    with pytest.raises(ValueError, match="a mistake"):
        make()
    assert database.events == ["first"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StoreError("a model that is gone")])
def test_when_making_fails_what_was_given_is_written_and_that_error_is_raised(
    database: Database, error: BaseException
) -> None:
    failed = threading.Event()

    def write(store: Database, batch: str) -> int:
        assert batch == "first" or failed.wait(SECONDS)
        store.note(batch)
        return 0

    def make() -> None:
        with over(database, write) as batches:
            batches.give("first")
            batches.give("second")
            failed.set()
            raise error

    with pytest.raises(type(error)) as caught:
        make()
    assert caught.value is error
    assert database.events == ["first", "open", "second", "close"]
    assert database.opened == 0


def test_of_two_errors_the_one_of_making_is_raised(database: Database) -> None:
    failed = threading.Event()

    def write(store: Database, batch: str) -> int:
        if batch == "second":
            failed.wait(SECONDS)
            raise StoreError("the disk is full")
        return 0

    def make() -> None:
        with over(database, write) as batches:
            batches.give("first")
            batches.give("second")
            failed.set()
            raise ValueError("no such model")

    with pytest.raises(ValueError, match="no such model"):
        make()
