"""A hundred thousand texts through an API that limits the rate of tokens and of whose answers one in twenty is a fault,
of any kind that tests/fakes/faults.py knows."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

import idembed
from fakes.api import FakeApi
from fakes.exchange import Request
from fakes.faults import KINDS
from fakes.vectors import vectors
from idembed.models.api.probes import PROBES

COUNT, DIM = 100_000, 16
MODEL = "codestral-embed"
TOKENS_PER_MINUTE, BURST = 15e6, 2.0
DRAWN = 0.025
"""The probability of a fault; beside those that are drawn, there is one of each kind."""
EVERY = 0.5
TOLD = 1.2
"""Seconds that the fault rate_limit says to wait."""
ON_THE_WAY = 0.6
"""So long after a refusal there may still arrive what was sent before it was heard of, on a busy machine."""
HARMLESS = ("", "shuffle", "slow")
ONE_ROW = ("nan", "zero", "null")

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Run:
    """``requests`` without those that get to know the model; ``seconds`` from their first to the end of the last."""

    texts: list[str]
    vectors: np.ndarray
    expected: np.ndarray
    tokens: int
    requests: list[Request]

    @property
    def seconds(self) -> float:
        return max(request.finished or 0.0 for request in self.requests) - self.requests[0].time


def texts() -> list[str]:
    """Of 12 to 70 tokens, no two alike."""
    tails = [" and then some more of it" * n for n in range(10)]
    return [f"Entry {n} of the log, written at {n % 86400} seconds{tails[n % 10]}." for n in range(COUNT)]


def fail_in_every_way(fake: FakeApi, over: threading.Event) -> None:
    for kind in KINDS:
        if over.wait(EVERY):
            return
        fake.next_fault(kind)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with FakeApi(seed=1) as fake, pytest.MonkeyPatch.context() as patch:
        patch.setenv("IDEMBED_DATA", str(tmp_path_factory.mktemp("data")))
        patch.setenv("MISTRAL_BASE_URL", fake.base("mistral"))
        patch.setenv("MISTRAL_API_KEY", fake.key)
        model = idembed.load(f"mistral:{MODEL}", dimensions=DIM)
        model.evidence()
        made = texts()
        fake.retry_after, fake.stall_seconds = TOLD, 1.0
        fake.limit("mistral", tokens_per_minute=TOKENS_PER_MINUTE, burst=BURST)
        fake.faults(**dict.fromkeys(KINDS, DRAWN / len(KINDS)))
        seen = len(fake.requests)
        over = threading.Event()
        one_of_each = threading.Thread(target=fail_in_every_way, args=(fake, over))
        one_of_each.start()
        try:
            found = model.encode(made)
        finally:
            over.set()
            one_of_each.join()
        expected = vectors(fake.space(fake.providers["mistral"], MODEL, ""), made, DIM)
        yield Run(made, found, expected, sum(map(fake.tokens, made)), fake.requests[seen:])


def test_every_vector_is_right(run: Run) -> None:
    assert run.vectors.shape == (COUNT, DIM)
    np.testing.assert_allclose(run.vectors, run.expected, atol=2e-6)


def test_one_answer_in_twenty_was_a_fault_and_there_were_all_kinds(run: Run) -> None:
    faults = Counter(request.fault for request in run.requests if request.fault)
    assert faults.keys() == set(KINDS)
    assert faults.total() >= 0.05 * len(run.requests)


def test_nothing_is_asked_twice_but_after_a_fault(run: Run) -> None:
    last: dict[str, Request] = {}
    again: Counter[int] = Counter()
    for request in run.requests:
        for text in request.texts:
            if text in PROBES:  # that it is still the same model is asked once more at the end
                continue
            if (before := last.get(text)) is not None:
                assert before.finished is not None
                assert before.finished <= request.time + 0.1  # it is noted when the reply is already on its way
                assert before.status != 200 or before.fault not in HARMLESS
                if before.status == 200 and before.fault in ONE_ROW:
                    again[id(before)] += 1
            last[text] = request
    assert set(again.values()) <= {1}
    assert last.keys() == set(run.texts)


def test_after_a_429_nothing_is_sent_before_the_time(run: Run) -> None:
    told = [request for request in run.requests if request.status == 429 and request.told == TOLD]
    assert told
    for refused in told:
        assert refused.finished is not None
        early = refused.finished + ON_THE_WAY, refused.finished + TOLD
        assert not [request for request in run.requests if early[0] < request.time < early[1]]


def test_the_rate_is_used(run: Run) -> None:
    """bench/apis.py measures how well, on a quiet machine; here both sides share two cores with whatever runs."""
    allowed = TOKENS_PER_MINUTE / 60 * (run.seconds + BURST)
    assert run.tokens / allowed >= 0.6
