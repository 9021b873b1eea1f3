"""Who holds a lease, and when it may be taken over."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeModel

from idembed.errors import LeaseHeldError
from idembed.index import Index
from idembed.index.owner import _machine, _started, hold, is_dead
from idembed.stores import open_store

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to look at processes")


def test_a_running_process_is_not_dead() -> None:
    assert not is_dead(f"{_machine()}:{os.getpid()}:{_started(os.getpid())}:ab")


@needs_proc
def test_an_ended_process_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert is_dead(f"{_machine()}:{child.pid}:123:ab")


@needs_proc
def test_a_process_id_that_another_process_has_now_is_dead() -> None:
    assert is_dead(f"{_machine()}:{os.getpid()}:1:ab")


@needs_proc
def test_a_process_that_ended_and_was_not_waited_for_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    started = _started(child.pid)
    assert child.stdout is not None
    child.stdout.read()  # ends with the child, which then is a zombie
    child.stdout.close()
    for _ in range(200):
        if is_dead(f"{_machine()}:{child.pid}:{started}:ab"):
            break
        time.sleep(0.01)
    assert is_dead(f"{_machine()}:{child.pid}:{started}:ab")
    child.wait()


@pytest.mark.parametrize("owner", ["", "somebody", "another-machine:1:2:ab", "a:b:c:d", "a:1:2"])
def test_whoever_cannot_be_looked_at_is_not_called_dead(owner: str) -> None:
    assert not is_dead(owner)


def test_a_living_owner_is_waited_for_then_refused(tmp_path: Path) -> None:
    with Index(tmp_path / "a.db", FakeModel()) as index:
        index.upsert([{"id": "a", "text": "a cat"}])
    store, other = open_store(tmp_path / "a.db"), open_store(tmp_path / "a.db")
    with hold(store, 0):
        with pytest.raises(LeaseHeldError, match="is being written by process") as caught, hold(other, 0.2):
            pass
        assert caught.value.message.endswith(f"a.db is being written by process {os.getpid()}")
        assert str(caught.value.facts["owner"]).startswith(_machine())
    lease = store.lease("elsewhere:17:?:ab", 3600)
    with pytest.raises(LeaseHeldError, match="written by process 17 of another machine"), hold(other, 0):
        pass
    store.release(lease)
    with hold(other, 0) as writing:
        assert writing.lease().fence > 0
    store.close()
    other.close()


@needs_proc
def test_a_dead_owner_is_succeeded_at_once(tmp_path: Path) -> None:
    with Index(tmp_path / "a.db", FakeModel()) as index:
        index.upsert([{"id": "a", "text": "a cat"}])
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    with open_store(tmp_path / "a.db") as store:
        store.lease(f"{_machine()}:{child.pid}:123:ab", 3600)
    with Index(tmp_path / "a.db", FakeModel(), wait=0) as index:
        assert index.upsert([{"id": "b", "text": "a dog"}]).added == 1


def test_a_lease_is_renewed_in_the_middle_of_a_long_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idembed.index.owner._RENEW_AFTER", 0)
    ends: list[float] = []

    class LongModel(FakeModel):
        def embed(self, texts: Any, side: Any = "document", **options: Any) -> Any:
            for _ in texts:
                options["progress"](1)
                with closing(sqlite3.connect(tmp_path / "a.db")) as other:
                    ends.extend(row[0] for row in other.execute("SELECT expires FROM leases"))
                time.sleep(0.01)
            return super().embed(texts, side)

    with Index(tmp_path / "a.db", LongModel()) as index:
        index.upsert([{"id": str(i), "text": f"text {i}"} for i in range(3)])
    assert ends[0] < ends[1] < ends[2]
