"""Generations are switched and rolled back while several threads and processes search: each answer is of one
generation, of one that was searched while it was asked for."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from answers import opened
from place import Place
from places import MODULES, PLACES
from watching import Watched, watch, watchers
from workers import WHY_NOT, Workers, wait_until
from world import Content, Generation, Truth, model

if WHY_NOT:
    pytest.skip(WHY_NOT, allow_module_level=True)

NAMES = ("old", "third")
"""Their vectors have as many numbers, so that a question of the wrong one would be answered."""
ROWS: Content = {f"r{n:02}": (f"text {n}", {"n": n % 3}) for n in range(40)}
TRUTH = Truth({"default": ROWS}, 0, (Generation(1, "old", "active", 1), Generation(2, "third", "building")), 2)
THREADS, PROCESSES = 2, 2


class Switch:
    """That one generation is searched instead of another: a moment between ``began`` and ``ended``."""

    def __init__(self, name: str, began: float) -> None:
        self.name = name
        self.began = began
        self.ended = math.inf


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(MODULES) as opened:
        yield opened


@pytest.mark.parametrize("kind", PLACES)
def test_each_answer_is_of_one_generation_that_was_searched_then(workers: Workers, tmp_path: Path, kind: str) -> None:
    place = PLACES[kind](tmp_path / "pets")
    with opened(place.url, TRUTH) as index:
        index.sync([{"id": i, "text": text, "metadata": metadata} for i, (text, metadata) in ROWS.items()])
        index.upgrade(model("third"))
    seen = list[Watched]()
    task = {"do": "watch", "url": str(place.url), "rows": ROWS, "names": NAMES}
    pids = [workers.start(task, tmp_path) for _ in range(PROCESSES if place.is_shared else 0)]
    threads = [
        threading.Thread(target=lambda: seen.extend(watch(str(place.url), TRUTH, NAMES, tmp_path)))
        for _ in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: watchers(tmp_path) == len(threads) + len(pids) or not all(map(workers.is_running, pids)))
        switches = switch_often(place)
    finally:
        (tmp_path / "over").touch()
        for thread in threads:
            thread.join()
    for outcome in [workers.end(pid) for pid in pids]:
        assert outcome.code == 0, outcome
        seen += [Watched(*answer) for answer in outcome.said]
    mixed = [answer for answer in seen if not answer.name]
    assert not mixed, f"{len(mixed)} of {len(seen)} answers are of no generation: {mixed[:3]}"
    late = [answer for answer in seen if not was_searched(answer, switches)]
    assert not late, f"{len(late)} of {len(seen)} answers are of a generation that was not searched then: {late[:3]}"
    assert {answer.name for answer in seen} == set(NAMES)


def switch_often(place: Place) -> list[Switch]:
    """There and back again, by ``switch`` and by ``rollback``; the first that is noted was before."""
    switches = [Switch("old", -math.inf)]
    with opened(place.url, TRUTH) as index:
        for n in range(place.switches):
            time.sleep(0.02 * (n % 4))
            switches.append(Switch(NAMES[1 - n % 2], time.monotonic()))
            if n and n % 3:
                index.rollback()
            else:
                index.switch(2 - n % 2)
            switches[-1].ended = time.monotonic()
    return switches


def was_searched(answer: Watched, switches: list[Switch]) -> bool:
    """Whether its generation may have been the one searched at a moment at which it was asked for."""
    ends = [*(switch.ended for switch in switches[1:]), math.inf]
    return any(
        switch.name == answer.name and switch.began <= answer.ended and answer.began <= end
        for switch, end in zip(switches, ends, strict=True)
    )
