"""kill -9 of a sync into Milvus, and of the server under it: the index is the one that an uninterrupted sync makes."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sync_slowly import SlowModel, rows
from test_killed_postgres import start, uninterrupted

from idembed.index import Index
from idembed.stores.milvus import link
from milvus_server import MilvusServer, milvus, new_milvus

TRIALS = 4


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MilvusServer]:
    monkeypatch.setattr(link, "PATIENCE", 90.0)  # a busy machine needs time to start it
    milvus()  # skips where there is none
    server = MilvusServer()
    yield server
    server.stop()


def test_a_sync_that_was_killed_anywhere_is_ended_by_the_next(tmp_path: Path) -> None:
    choose, expected = random.Random(5), uninterrupted(tmp_path)
    for trial in range(TRIALS):
        url = new_milvus()
        (folder := tmp_path / str(trial)).mkdir()
        assert start(folder, "half", url).wait() == 0
        process = start(folder, "all", url)
        time.sleep(1.5 + 2 * choose.random())
        process.send_signal(signal.SIGKILL)
        process.wait()
        with Index(url, SlowModel()) as index:
            index.sync(rows("all"))
            assert index.lock().root == expected
            assert index.verify(everything=True).ok


class Killing(SlowModel):
    """Kills the server when it is asked for the first text, and starts it again two seconds later."""

    def __init__(self, server: MilvusServer) -> None:
        super().__init__()
        self.server = server

    def embed(self, texts: Any, *args: Any, **kwargs: Any) -> Any:
        if not self.asked:
            self.server.kill()
            self.starter = threading.Timer(2.0, self.server.start)
            self.starter.start()
        return super().embed(texts, *args, **kwargs)


def test_a_server_that_is_killed_under_a_sync_and_comes_back_is_waited_for(
    tmp_path: Path, server: MilvusServer
) -> None:
    url, model = server.url("pets", ""), Killing(server)
    with Index(url, SlowModel(), vault="none") as index:
        index.sync(rows("half"))
    with Index(url, model, vault="none") as index:
        index.sync(rows("all"))
        model.starter.join()
        assert index.lock().root == uninterrupted(tmp_path)
        assert index.verify(everything=True).ok
