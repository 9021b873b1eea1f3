"""kill -9 at random moments of a sync, then sync: the index is the one that an uninterrupted sync makes, and
nothing whose vector was durable is embedded again. (What was in flight in one batch may be.)"""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from idembed.index import Index

HERE = Path(__file__).resolve().parent
SCRIPT = HERE / "sync_slowly.py"
TRIALS = 20


def run_sync(folder: Path, rows: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, SCRIPT, str(folder), rows])


def contents(path: Path) -> list[tuple[object, ...]]:
    """Ids, texts, metadata and the very bytes of the vectors, in order."""
    with Index(path) as index:
        store, active = index._catalog.readable()
        return [
            (row.id, row.text, row.metadata, [(p.part, p.span, p.address, p.vector.tobytes()) for p in row.parts])
            for row in store.scan(active.number)
            if all(p.vector is not None for p in row.parts)
        ]


def durable(path: Path) -> int:
    """Vectors that are committed."""
    if not path.exists():
        return 0
    try:
        with closing(sqlite3.connect(path)) as connection:
            return int(connection.execute("SELECT count(*) FROM vectors_1").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


@pytest.mark.parametrize("before", ["new", "half"])
def test_killed_anywhere_the_next_sync_ends_right(tmp_path: Path, before: str) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    for rows in ("half", "all") if before == "half" else ("all",):
        assert run_sync(whole, rows).wait() == 0
    expected = contents(whole / "pets.db")
    assert len(expected) == 400
    choose = random.Random(before)
    killed = 0
    for trial in range(TRIALS // 2):
        folder = tmp_path / str(trial)
        folder.mkdir()
        if before == "half":
            assert run_sync(folder, "half").wait() == 0
        (folder / "asked").unlink(missing_ok=True)
        process = run_sync(folder, "all")
        while not (folder / "asked").exists() and process.poll() is None:
            time.sleep(0.002)
        time.sleep(choose.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed += process.returncode == -signal.SIGKILL
        asked_before = Counter((folder / "asked").read_text().split())
        kept = durable(folder / "pets.db")
        assert run_sync(folder, "all").wait() == 0
        assert contents(folder / "pets.db") == expected
        asked = Counter((folder / "asked").read_text().split())
        twice = sum(asked.values()) - len(asked)
        in_flight = sum(asked_before.values()) - (kept - (200 if before == "half" else 0))
        assert twice <= max(in_flight, 0), f"{twice} embedded again, {in_flight} were in flight"
    assert killed >= TRIALS // 4, "the kills came too late to mean anything"
