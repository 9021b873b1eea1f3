"""When the next request may be sent."""

from __future__ import annotations

import threading

import pytest

from idembed.models.api.adapter import Limits
from idembed.models.api.pacing import MOST_AT_ONCE, Pacer, Paused, Stopped, backoff, pacer_of, told_to_wait


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def may_send(pacer: Pacer, inputs: int = 1, tokens: int = 1) -> bool:
    """Whether a request is admitted at once; it is then under way."""
    try:
        pacer.admit(inputs, tokens, Once())
    except Stopped:
        return False
    return True


class Once:
    """Stops at the second look."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self) -> bool:
        self.looks += 1
        return self.looks > 1


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_four_requests_at_first_and_more_with_every_good_answer(clock: Clock) -> None:
    pacer = Pacer(Limits(10), clock)
    assert [may_send(pacer) for _ in range(5)] == [True, True, True, True, False]
    pacer.answered({})
    assert [may_send(pacer) for _ in range(3)] == [True, True, False]
    for _ in range(40):
        pacer.answered({})
        assert may_send(pacer)
    under_way = 5
    while may_send(pacer):
        under_way += 1
    assert under_way == MOST_AT_ONCE


def test_an_answer_that_failed_makes_it_no_faster(clock: Clock) -> None:
    pacer = Pacer(Limits(10), clock)
    for _ in range(4):
        assert may_send(pacer)
    pacer.answered({}, well=False)
    assert [may_send(pacer) for _ in range(2)] == [True, False]


def test_after_a_refusal_nothing_is_sent_before_the_time_that_was_told(clock: Clock) -> None:
    pacer = Pacer(Limits(10), clock)
    assert may_send(pacer)
    pacer.answered({}, well=False)
    pacer.refused(5.0, 0)
    clock.now += 4.99
    assert not may_send(pacer)
    clock.now += 0.12
    assert may_send(pacer)


def test_after_a_refusal_one_request_goes_first(clock: Clock) -> None:
    pacer = Pacer(Limits(10), clock)
    pacer.refused(1.0, 0)
    clock.now += 2
    assert [may_send(pacer) for _ in range(2)] == [True, False]
    pacer.answered({})
    assert [may_send(pacer) for _ in range(2)] == [True, True]


def test_without_a_time_the_wait_is_drawn_under_a_doubling_roof() -> None:
    assert [backoff(n, lambda: 1.0) for n in (1, 2, 3, 10, 50)] == [1.0, 2.0, 4.0, 60.0, 60.0]
    assert backoff(3, lambda: 0.25) == 1.0


def test_published_rates_are_kept_to(clock: Clock) -> None:
    pacer = Pacer(Limits(96, inputs_per_minute=120), clock)
    assert may_send(pacer, inputs=96)
    assert not may_send(pacer, inputs=96)
    clock.now += 35.9
    assert not may_send(pacer, inputs=96)
    clock.now += 0.2
    assert may_send(pacer, inputs=96)


def test_headers_tell_rates(clock: Clock) -> None:
    pacer = Pacer(Limits(2048), clock)
    assert may_send(pacer)
    told = {
        "x-ratelimit-limit-tokens": "60000",
        "x-ratelimit-remaining-tokens": "500",
        "x-ratelimit-reset-tokens": "59.5s",
    }
    pacer.answered(told)
    assert not may_send(pacer, tokens=1000)
    clock.now += 0.51
    assert may_send(pacer, tokens=1000)


def test_mistrals_headers_tell_rates(clock: Clock) -> None:
    pacer = Pacer(Limits(256), clock)
    assert may_send(pacer)
    pacer.answered({"x-ratelimit-limit-tokens-minute": "60000", "x-ratelimit-remaining-tokens-minute": "500"})
    assert not may_send(pacer, tokens=1000)
    clock.now += 0.51
    assert may_send(pacer, tokens=1000)


def left(requests: int) -> dict[str, str]:
    return {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": str(requests),
        "x-ratelimit-reset-requests": f"{60 - requests}s",
    }


def test_an_answer_that_was_overtaken_does_not_tell_what_is_left(clock: Clock) -> None:
    pacer = Pacer(Limits(10), clock)
    assert [may_send(pacer) for _ in range(3)] == [True, True, True]
    for answer in (1, 0, 2):  # the one that was sent first comes last
        pacer.answered(left(answer))
    assert not may_send(pacer)


def test_a_lone_answer_tells_what_is_left(clock: Clock) -> None:
    pacer = Pacer(Limits(10), clock)
    assert [may_send(pacer) for _ in range(2)] == [True, True]
    pacer.answered(left(0))
    pacer.answered(left(0))
    clock.now += 1.1
    assert may_send(pacer)
    pacer.answered(left(3))
    assert [may_send(pacer) for _ in range(4)] == [True, True, True, False]


def test_a_request_larger_than_the_whole_bucket_goes_when_it_is_full(clock: Clock) -> None:
    pacer = Pacer(Limits(10, tokens_per_minute=60), clock)
    assert may_send(pacer, tokens=1000)
    assert not may_send(pacer, tokens=1)
    clock.now += 1200
    assert may_send(pacer, tokens=1000)


def test_what_was_allowed_for_and_not_counted_is_free_again(clock: Clock) -> None:
    pacer = Pacer(Limits(10, tokens_per_minute=1000), clock)
    assert may_send(pacer, tokens=1000)
    pacer.answered({}, tokens=1000, counted=400)
    assert may_send(pacer, tokens=600)


@pytest.mark.parametrize("value", ["-1", "0", "x", ""])
def test_headers_that_make_no_sense_tell_nothing(clock: Clock, value: str) -> None:
    pacer = Pacer(Limits(10), clock)
    assert may_send(pacer)
    pacer.answered({"x-ratelimit-limit-requests": value, "x-ratelimit-remaining-requests": "0"})
    assert may_send(pacer)


def test_whoever_waits_can_be_stopped() -> None:
    pacer = Pacer(Limits(10))
    pacer.refused(60.0, 0)
    stopped = threading.Event()
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            pacer.admit(1, 1, stopped.is_set)
        except Stopped as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    stopped.set()
    thread.join(5)
    assert len(errors) == 1


def test_one_pacer_for_an_endpoint_and_a_key() -> None:
    one = pacer_of("https://a.example/v1", "key 1", "m", Limits(10))
    assert pacer_of("https://a.example/v1", "key 1", "m", Limits(10)) is one
    assert pacer_of("https://a.example/v1", "key 2", "m", Limits(10)) is not one
    assert pacer_of("https://b.example/v1", "key 1", "m", Limits(10)) is not one


def test_models_of_one_key_have_rates_of_their_own_and_pause_together() -> None:
    large = pacer_of("https://c.example/v1", "key", "large", Limits(10, inputs_per_minute=10))
    small = pacer_of("https://c.example/v1", "key", "small", Limits(10, inputs_per_minute=1000))
    assert (large.capacity("inputs"), small.capacity("inputs"), small.capacity("tokens")) == (10, 1000, None)
    large.refused(30.0, 0)
    assert not may_send(small)


def test_many_refusals_at_once_are_one(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idembed.models.api.pacing.backoff", lambda failures: float(failures))
    pacer = Pacer(Limits(10), clock)
    tickets = [pacer.admit(1, 1, Once()) for _ in range(4)]
    for ticket in tickets:
        pacer.answered({}, well=False)
        pacer.refused(None, ticket)
    clock.now += 1.01
    assert may_send(pacer)


def test_failures_one_after_the_other_are_an_outage(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idembed.models.api.pacing.backoff", lambda failures: float(failures))
    pacer = Pacer(Limits(10), clock)
    for _ in range(2):
        ticket = pacer.admit(1, 1, Once())
        pacer.answered({}, well=False)
        pacer.failed(ticket)
    assert may_send(pacer)
    pacer.answered({}, well=False)
    pacer.failed(0)
    assert not may_send(pacer)
    clock.now += 1.01
    assert [may_send(pacer) for _ in range(2)] == [True, False]


def test_a_success_ends_a_row_of_failures(clock: Clock) -> None:
    pacer = Pacer(Limits(10), clock)
    for well in (False, False, True, False, False):
        ticket = pacer.admit(1, 1, Once())
        pacer.answered({}, well=well)
        if not well:
            pacer.failed(ticket)
    assert may_send(pacer)


def test_nobody_waits_longer_than_they_have_patience(clock: Clock) -> None:
    pacer = Pacer(Limits(10), clock)
    pacer.refused(100.0, 0)
    with pytest.raises(Paused) as caught:
        pacer.admit(1, 1, lambda: False, patience=60.0)
    assert 100 <= caught.value.seconds <= 100.1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:17:00 GMT"}, 20.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"x-ratelimit-reset": "1m30s"}, 90.0),
        ({"x-ratelimit-reset": "17ms"}, 0.017),
        ({"x-ratelimit-reset": "12"}, 12.0),
    ],
)
def test_what_headers_ask_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert told_to_wait(headers, lambda: 1000.0) == seconds


def test_a_unix_time_is_when_not_how_long() -> None:
    assert told_to_wait({"x-ratelimit-reset": "1764100030"}, lambda: 1764100000.0) == 30.0
