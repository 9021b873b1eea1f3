"""kill -9 at random moments of a sync, then sync: the index is the one that an uninterrupted sync makes, and
nothing whose vector was durable is embedded again."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ledger import Addresses, asked, in_flight, in_index
from place import Place
from places import PLACES
from workers import WHY_NOT

from idembed.index import Index

if WHY_NOT:
    pytest.skip(WHY_NOT, allow_module_level=True)

SCRIPT = Path(__file__).resolve().parent / "sync_slowly.py"
BEFORE = [("sqlite", "new"), *((kind, "half") for kind, place in PLACES.items() if place.trials)]
"""Whether the sync that is killed makes the index, or changes much of one."""


def start(folder: Path, state: str, place: Place) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    return subprocess.Popen([sys.executable, SCRIPT, str(folder), state, str(place.url)], stdout=subprocess.DEVNULL)


def contents(place: Place) -> list[tuple[object, ...]]:
    """Ids, texts, metadata and the very bytes of the vectors, in order."""
    with Index(place.url) as index:
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


def durable(folder: Path, place: Place) -> Addresses:
    """Addresses of the vectors that are committed: in the database, or in flight."""
    return in_index(place.read()) | in_flight(folder)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    """What an uninterrupted sync makes in SQLite, and so everywhere."""
    folder = tmp_path_factory.mktemp("whole")
    place = PLACES["sqlite"](folder / "pets")
    assert start(folder, "all", place).wait() == 0
    return contents(place)


@pytest.mark.parametrize(("kind", "before"), BEFORE)
def test_killed_anywhere_the_next_sync_ends_right(
    tmp_path: Path, kind: str, before: str, expected: list[tuple[object, ...]]
) -> None:
    whole, place = tmp_path / "whole", PLACES[kind](tmp_path / "pets")
    if before == "half":
        assert start(whole, "half", place).wait() == 0
    began = time.monotonic()
    assert start(whole, "all", place).wait() == 0
    seconds = time.monotonic() - began
    assert len(expected) == 400
    assert contents(place) == expected

    choose = random.Random(before)
    killed = 0
    for trial in range(4 * place.trials):
        if killed == place.trials:
            break
        folder, place = tmp_path / str(trial), place.another(f"pets {trial}")
        if before == "half":
            assert start(folder, "half", place).wait() == 0
        kept = durable(folder, place)
        asked(folder)
        process = start(folder, "all", place)
        time.sleep(choose.uniform(0.1, 0.9) * seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.returncode == -signal.SIGKILL:
            killed += 1
        else:
            assert process.returncode == 0, "the sync failed before it was killed"
            seconds *= 0.8  # it had ended: this machine has become quicker
        assert not asked(folder).keys() & kept
        kept |= durable(folder, place)
        assert start(folder, "all", place).wait() == 0
        assert contents(place) == expected
        assert not asked(folder).keys() & kept
        assert not list((folder / "vault" / "in-flight").glob("*"))
        with Index(place.url) as index:
            assert index.verify(sample=0).ok
    assert killed == place.trials, f"only {killed} of {4 * place.trials} syncs were killed before they ended"
