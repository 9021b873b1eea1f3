"""A sync with an API's model that is killed, or stopped by what it may cost, again and again: in the end all is there,
and only what was under way was asked for twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sync_an_api import rows

from fakes.api import FakeApi
from fakes.exchange import Request
from idembed.index import Index
from idembed.models.api.probes import PROBES

SCRIPT = Path(__file__).resolve().parent / "sync_an_api.py"
COUNT = 5000
KILLS = 4
JUST_NOW = 0.6
"""What came so short a time before the kill was not written yet (index/embed.py), or not even read."""
LIMIT_REACHED = 3

if not hasattr(signal, "SIGKILL"):
    pytest.skip("needs SIGKILL, to kill at any moment", allow_module_level=True)


pytestmark = pytest.mark.slow


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with FakeApi() as server:
        server.latency = 0.3
        yield server


def start(fake: FakeApi, path: Path, dollars: float = 0.0) -> subprocess.Popen[bytes]:
    name = f"{fake.base('compatible')}#m?dimensions=16&price=1"
    return subprocess.Popen([sys.executable, SCRIPT, path, name, str(COUNT), str(dollars)])


def texts_in(requests: Iterable[Request]) -> Counter[str]:
    """How often each row's text was asked for."""
    asked = Counter(text for request in requests for text in request.texts)
    for probe in PROBES:
        del asked[probe]
    return asked


def quiet(fake: FakeApi) -> list[Request]:
    """What was asked so far, when the fake is done with all of it."""
    deadline = time.monotonic() + 10
    while any(request.finished is None for request in fake.requests):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return list(fake.requests)


def assert_all_is_there(fake: FakeApi, path: Path) -> None:
    with Index(path) as index:
        store, active = index._catalog.readable()
        found = {row.id: row.parts[0].vector for row in store.scan(active.number)}
    wanted = rows(COUNT)
    assert sorted(found) == [row["id"] for row in wanted]
    expected = np.array([fake.vector("compatible", "m", row["text"], 16) for row in wanted])
    np.testing.assert_allclose(np.array([found[row["id"]] for row in wanted]), expected, atol=1e-6)


def test_a_killed_sync_asks_again_for_what_was_under_way_at_most(fake: FakeApi, tmp_path: Path) -> None:
    path, choose = tmp_path / "a.db", random.Random(5)
    under_way: Counter[str] = Counter()
    seen = kills = 0
    for _ in range(4 * KILLS):
        process = start(fake, path)
        while not texts_in(fake.requests[seen:]) and process.poll() is None:
            time.sleep(0.01)
        time.sleep(choose.uniform(0.0, 1.4))
        killed_at = time.monotonic()
        process.send_signal(signal.SIGKILL)
        if process.wait() != -signal.SIGKILL:
            assert process.returncode == 0
            break
        kills += 1
        requests = quiet(fake)[seen:]
        seen += len(requests)
        lost = texts_in(r for r in requests if r.finished is not None and r.finished > killed_at - JUST_NOW)
        assert lost.total() <= 32 * 16 * (1 + JUST_NOW / fake.latency)
        under_way += lost
        if kills == KILLS:
            assert start(fake, path).wait() == 0
            break
    assert kills == KILLS
    assert_all_is_there(fake, path)
    asked = texts_in(fake.requests)
    assert len(asked) == COUNT
    again = asked - Counter(dict.fromkeys(asked, 1))
    assert again <= under_way, f"{(again - under_way).total()} texts were asked for again that were long there"


def test_a_sync_that_costs_too_much_asks_for_nothing_again(fake: FakeApi, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    tokens = sum(fake.tokens(row["text"]) for row in rows(COUNT))
    stops = 0
    while (ended := start(fake, path, tokens / 4 / 1e6).wait()) == LIMIT_REACHED:
        stops += 1
        assert stops < 12
    assert ended == 0
    assert stops >= 3
    assert_all_is_there(fake, path)
    assert texts_in(fake.requests) == Counter(row["text"] for row in rows(COUNT))
