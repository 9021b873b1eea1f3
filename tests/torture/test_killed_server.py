"""kill -9 of the server under an index, which is then started again: tasks go on, or end with an error that says what
to do; nothing is lost, nothing durable is embedded again, and no search answers wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from answers import check_answers, opened
from history import History
from outages import server_dies_in
from places import MODULES, PLACES
from sync_slowly import SlowModel, rows
from tasks import Choice
from workers import WHY_NOT, Workers

from idembed.errors import StoreError
from idembed.index import Index

if WHY_NOT:
    pytest.skip(WHY_NOT, allow_module_level=True)

SERVED = [kind for kind, place in PLACES.items() if place.server]
STEPS = (("sync", "upsert"), ("upgrade", "fill"), ("switch", "activate"))
"""What is done, and the call of the store just before which the server is killed."""
DOWN = 2.0
"""Seconds for which the server is away."""


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(MODULES) as opened:
        yield opened


@pytest.mark.parametrize("kind", SERVED)
def test_whatever_is_done_when_the_server_dies_ends_right(workers: Workers, tmp_path: Path, kind: str) -> None:
    with History(workers, tmp_path, kind, seed=4) as life:
        life.run(*life.tasks.sync(life.truth))
        for what, step in STEPS:
            server_dies_in(life, *choice(life, what), step)


def choice(life: History, what: str) -> Choice:
    """Of two models, one searched and one not, from the first upgrade on."""
    if what == "upgrade":
        return {"do": "upgrade", "to": "new", "until": None}, life.truth.built("new")
    return life.tasks.of(what, life.truth)


class Killing(SlowModel):
    """Kills the server when it is asked for the first text, and starts it again later."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.server = PLACES[kind].server

    def embed(self, texts: Any, *args: Any, **kwargs: Any) -> Any:
        if not self.asked:
            assert self.server is not None
            self.server.kill()
            self.starter = threading.Timer(DOWN, self.server.start)
            self.starter.start()
        return super().embed(texts, *args, **kwargs)


@pytest.mark.parametrize("kind", SERVED)
def test_a_server_that_dies_under_a_sync_and_comes_back_is_waited_for(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in PLACES[kind].patience.items():
        monkeypatch.setattr(name, seconds)  # a busy machine needs time to start it
    url, model = PLACES[kind](tmp_path / "pets").url, Killing(kind)
    with Index(url, SlowModel(), vault="none") as index:
        index.sync(rows("half"))
    with Index(url, model, vault="none") as index:
        index.sync(rows("all"))
        model.starter.join()
        root = index.lock().root
        assert index.verify(everything=True).ok
    with Index(tmp_path / "whole.db", SlowModel(), vault="none") as index:
        index.sync(rows("all"))
        assert index.lock().root == root


@pytest.mark.parametrize("kind", SERVED)
def test_searches_are_right_or_say_why_not_while_the_server_is_away(
    workers: Workers, tmp_path: Path, kind: str
) -> None:
    with History(workers, tmp_path, kind, seed=4) as life:
        life.run(*life.tasks.sync(life.truth))
        server, answered, failed = life.place.server, 0, []
        assert server is not None
        with opened(life.place.url, life.truth) as index:
            check_answers(index, life.truth)
            server.kill()
            starter = threading.Timer(DOWN, server.start)
            starter.start()
            while starter.is_alive() or not answered:
                try:
                    check_answers(index, life.truth)
                    answered += 1
                except StoreError as error:
                    failed.append(error)
                    time.sleep(0.1)
            starter.join()
            check_answers(index, life.truth)
        assert all(error.hint for error in failed)
