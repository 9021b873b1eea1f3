"""When the next request may be sent: one pacer for each provider and key in a process.

It stands between all threads and the provider: it keeps to the rates that were published or that headers tell, waits
as long as it was told to, and has no more requests under way than were answered well lately.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from idembed.models.api.adapter import Limits
from idembed.models.api.faults import seconds_in

__all__ = ["MOST_AT_ONCE", "Pacer", "Stopped", "backoff", "pacer_of", "told_to_wait"]

MOST_AT_ONCE = 16
"""Requests under way."""
_FIRST_AT_ONCE = 4
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 60.0
_STEP = 0.25
_NAMES = {"requests": ("requests", "req-minute"), "inputs": ("inputs",), "tokens": ("tokens", "tokens-minute")}
"""What each rate is called in headers: by OpenAI, and most others; by Mistral."""


class Stopped(Exception):  # noqa: N818  not an error
    """Nobody waits for the answer any more."""


def backoff(failures: int, draw: Callable[[], float] = random.random) -> float:
    """Seconds to wait after so many failures in a row when nobody said how long: full jitter under a doubling roof."""
    return draw() * min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(failures, 10))


@dataclass(slots=True)
class _Bucket:
    """So much may be taken now (``level``), ``rate`` more a second, up to ``capacity``."""

    capacity: float
    level: float
    rate: float
    at: float

    def fill(self, now: float) -> None:
        self.level = min(self.capacity, self.level + self.rate * (now - self.at))
        self.at = now

    def wait(self, amount: float) -> float:
        """Seconds until ``amount`` is there; more than the capacity is let pass when it is full."""
        missing = min(amount, self.capacity) - self.level
        return 0.0 if missing <= 0 else missing / self.rate if self.rate > 0 else _STEP


class Pacer:
    """``clock`` is that of the time module."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._at_once = _FIRST_AT_ONCE
        self._under_way = 0
        self._is_crowd = False
        """Whether there were several under way since none was."""
        self._resume = 0.0
        self._on_trial = False
        """After a pause one request is sent, and the others only when it was answered."""
        self._refusals = 0
        self._buckets: dict[str, _Bucket] = {}
        for name in _NAMES:
            if rate := getattr(limits, f"{name}_per_minute"):
                self._buckets[name] = _Bucket(rate, rate, rate / 60, clock())

    def admit(self, inputs: int, tokens: int, stopped: Callable[[], bool]) -> None:
        """Wait until a request of so many texts and tokens may be sent; then it is under way until ``answered``.
        Raises Stopped."""
        needs = {"requests": 1, "inputs": inputs, "tokens": tokens}
        with self._changed:
            while True:
                if stopped():
                    raise Stopped
                wait = self._wait(needs)
                if wait <= 0:
                    break
                self._changed.wait(min(wait, _STEP))
            for name, bucket in self._buckets.items():
                bucket.level -= needs[name]
            self._under_way += 1
            self._is_crowd |= self._under_way > 1

    def _wait(self, needs: Mapping[str, int]) -> float:
        now = self._clock()
        if now < self._resume:
            return self._resume - now
        if self._under_way >= (1 if self._on_trial else self._at_once):
            return _STEP
        for bucket in self._buckets.values():
            bucket.fill(now)
        return max((bucket.wait(needs[name]) for name, bucket in self._buckets.items()), default=0.0)

    def answered(
        self, headers: Mapping[str, str], *, tokens: int = 0, counted: int | None = None, well: bool = True
    ) -> None:
        """A request came back, ``well`` or not (also without any answer: no headers). ``tokens`` were allowed for, and
        ``counted`` by the provider."""
        with self._changed:
            self._under_way -= 1
            if well:
                self._at_once = min(MOST_AT_ONCE, self._at_once + 1)
                self._on_trial, self._refusals = False, 0
            if counted is not None and "tokens" in self._buckets:
                self._buckets["tokens"].level += tokens - counted
            for name in _NAMES:
                self._read(name, headers)
            self._is_crowd &= self._under_way > 0
            self._changed.notify_all()

    def released(self) -> None:
        """A request that was admitted was not sent, or nobody waits for it any more."""
        with self._changed:
            self._under_way -= 1
            self._changed.notify_all()

    def refused(self, after: float | None) -> float:
        """The provider said that there were too many requests, and how many seconds to wait, or not: nothing is sent
        before. The seconds."""
        with self._changed:
            self._refusals += 1
            wait = backoff(self._refusals) if after is None else after + random.random() * min(0.1, 0.05 * after)
            self._resume = max(self._resume, self._clock() + wait)
            self._at_once = max(1, self._at_once // 2)
            self._on_trial = True
            self._changed.notify_all()
            return wait

    def _read(self, name: str, headers: Mapping[str, str]) -> None:
        """What headers tell about the rate of ``name``: the limit a minute, what is left of it, and when all is there
        again."""
        called = next((each for each in _NAMES[name] if f"x-ratelimit-limit-{each}" in headers), name)
        limit = _number(headers.get(f"x-ratelimit-limit-{called}"))
        left = _number(headers.get(f"x-ratelimit-remaining-{called}"))
        if limit is None or left is None or limit <= 0 or left < 0:
            return
        now = self._clock()
        reset = seconds_in(headers.get(f"x-ratelimit-reset-{called}", "")) or 0.0
        rate = limit / 60 if reset <= 60 or left >= limit else (limit - left) / reset
        bucket = self._buckets.get(name)
        if bucket is None:
            self._buckets[name] = _Bucket(limit, left, rate, now)
            return
        bucket.fill(now)
        bucket.capacity, bucket.rate = limit, rate
        # In a crowd, what was left after this request may have been taken by another that was answered before.
        bucket.level = min(bucket.level, left) if self._is_crowd else left


def told_to_wait(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """Seconds that an answer's headers ask to wait: retry-after-ms, retry-after (seconds or a date), or
    x-ratelimit-reset (seconds, a duration, or a Unix time); None where they say nothing."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None and milliseconds >= 0:
        return milliseconds / 1000
    stated = headers.get("retry-after", "")
    if (seconds := seconds_in(stated)) is not None and seconds >= 0:
        return seconds
    if stated:
        from email.utils import parsedate_to_datetime

        try:
            return max(0.0, parsedate_to_datetime(stated).timestamp() - now())
        except (TypeError, ValueError):
            pass
    reset = seconds_in(headers.get("x-ratelimit-reset", ""))
    if reset is None or reset < 0:
        return None
    return max(0.0, reset - now()) if reset > 1e9 else reset


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


_PACERS: dict[tuple[str, str], Pacer] = {}
_LOCK = threading.Lock()


def pacer_of(endpoint: str, key_hash: str, limits: Limits) -> Pacer:
    """The one pacer of this process for an endpoint and a key (a hash of it)."""
    with _LOCK:
        return _PACERS.setdefault((endpoint, key_hash), Pacer(limits))
