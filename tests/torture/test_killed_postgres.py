"""kill -9 of a sync into Postgres, and of the server under it: the index is the one that an uninterrupted sync
makes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sync_slowly import SlowModel, rows

from databases import new_schema, patiently, postgres
from idembed.index import Index

SCRIPT = Path(__file__).resolve().parent / "sync_slowly.py"
TRIALS = 4


def start(folder: Path, state: str, url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, SCRIPT, str(folder), state, url], stdout=subprocess.DEVNULL)


def uninterrupted(folder: Path) -> str:
    """The root that syncs make which nobody stops, in SQLite."""
    with Index(folder / "whole.db", SlowModel()) as index:
        index.sync(rows("half"))
        index.sync(rows("all"))
        return index.lock().root


def test_a_sync_that_was_killed_anywhere_is_ended_by_the_next(tmp_path: Path) -> None:
    choose, expected = random.Random(5), uninterrupted(tmp_path)
    for trial in range(TRIALS):
        url = new_schema()
        (folder := tmp_path / str(trial)).mkdir()
        assert start(folder, "half", url).wait() == 0
        process = start(folder, "all", url)
        time.sleep(0.4 + choose.random())
        process.send_signal(signal.SIGKILL)
        process.wait()
        with Index(url, SlowModel()) as index:
            assert index.verify().counts.keys() <= {"missing vector"}
            index.sync(rows("all"))
            assert index.lock().root == expected
            assert index.verify(everything=True).ok


class Killing(SlowModel):
    """Kills the server when it is asked for the first text, and starts it again two seconds later."""

    def embed(self, texts: Any, *args: Any, **kwargs: Any) -> Any:
        if not self.asked:
            os.kill(postgres().get_pid(), signal.SIGKILL)
            self.starter = threading.Timer(2.0, patiently, [postgres().ensure_postgres_running])
            self.starter.start()
        return super().embed(texts, *args, **kwargs)


def test_a_server_that_is_killed_under_a_sync_and_comes_back_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idembed.stores.postgres_link._PATIENCE", 90.0)  # a busy machine needs time to recover it
    url, model = new_schema(), Killing()
    with Index(url, SlowModel(), vault="none") as index:
        index.sync(rows("half"))
    with Index(url, model, vault="none") as index:
        index.sync(rows("all"))
        model.starter.join()
        assert index.lock().root == uninterrupted(tmp_path)
        assert index.verify(everything=True).ok
