"""kill -9 at random moments of a sync, then sync: the index is the one that an uninterrupted sync makes, and
nothing whose vector was durable is embedded again."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from workers import WHY_NOT

from idembed.index import Index
from idembed.vault import Vault

if WHY_NOT:
    pytest.skip(WHY_NOT, allow_module_level=True)

SCRIPT = Path(__file__).resolve().parent / "sync_slowly.py"
TRIALS = 6


def start(folder: Path, state: str) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    return subprocess.Popen([sys.executable, SCRIPT, str(folder), state], stdout=subprocess.DEVNULL)


def contents(path: Path) -> list[tuple[object, ...]]:
    """Ids, texts, metadata and the very bytes of the vectors, in order."""
    with Index(path) as index:
        store, active = index._catalog.readable()
        return [
            (
                row.id,
                row.text,
                row.metadata,
                [(p.span, p.address, p.text_hash, None if p.vector is None else p.vector.tobytes()) for p in row.parts],
            )
            for row in store.scan(active.number)
        ]


def durable(folder: Path) -> set[str]:
    """Addresses of the vectors that are committed: in the database, or in flight."""
    found = set()
    for place in (folder / "vault" / "in-flight").glob("*"):
        vault = Vault(place)
        for space in vault.stats():
            for segment in vault.segments(vault.folder_of(space.space_id)):
                raw = segment.addresses.tobytes()
                found |= {raw[i : i + 16].hex() for i in range(0, len(raw), 16)}
    if (folder / "pets.db").exists():
        with closing(sqlite3.connect(folder / "pets.db")) as connection:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'parts_1'").fetchone():
                found |= {a.hex() for (a,) in connection.execute("SELECT address FROM parts_1")}
    return found


def asked(folder: Path) -> set[str]:
    """Addresses of the texts that the model was asked for."""
    log = folder / "asked"
    return set(log.read_text().split()) if log.exists() else set()


@pytest.mark.parametrize("before", ["new", "half"])
def test_killed_anywhere_the_next_sync_ends_right(tmp_path: Path, before: str) -> None:
    whole = tmp_path / "whole"
    if before == "half":
        assert start(whole, "half").wait() == 0
    began = time.monotonic()
    assert start(whole, "all").wait() == 0
    seconds = time.monotonic() - began
    expected = contents(whole / "pets.db")
    assert len(expected) == 400

    choose = random.Random(before)
    killed = 0
    for trial in range(4 * TRIALS):
        if killed == TRIALS:
            break
        folder = tmp_path / str(trial)
        if before == "half":
            assert start(folder, "half").wait() == 0
        kept = durable(folder)
        (folder / "asked").unlink(missing_ok=True)
        process = start(folder, "all")
        time.sleep(choose.uniform(0.1, 0.9) * seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.returncode == -signal.SIGKILL:
            killed += 1
        else:
            assert process.returncode == 0, "the sync failed before it was killed"
            seconds *= 0.8  # it had ended: this machine has become quicker
        assert not asked(folder) & kept
        kept |= durable(folder)
        (folder / "asked").unlink(missing_ok=True)
        assert start(folder, "all").wait() == 0
        assert contents(folder / "pets.db") == expected
        assert not asked(folder) & kept
        assert not list((folder / "vault" / "in-flight").glob("*"))
    assert killed == TRIALS, f"only {killed} of {4 * TRIALS} syncs were killed before they ended"
