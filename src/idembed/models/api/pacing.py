"""When the next request may be sent: one pacer for each provider and key in a process.

It stands between all threads and the provider: it keeps to the rates that were published or that headers tell, waits
as long as it was told to, and has no more requests under way than were answered well lately.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from idembed.models.api.adapter import Limits
from idembed.models.api.faults import seconds_in

__all__ = ["MOST_AT_ONCE", "Pacer", "Paused", "Stopped", "backoff", "pacer_of", "told_to_wait"]

MOST_AT_ONCE = 16
"""Requests under way."""
_FIRST_AT_ONCE = 4
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 60.0
_STEP = 0.25
_FAILURES = 3
"""So many failures in a row, each after the last was known, are an outage."""
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


class Paused(Exception):  # noqa: N818  not an error of its own
    """It was told to wait for so many ``seconds`` more, which is longer than anybody wants to."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class _Line:
    """What all requests with one key to one endpoint share."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.most = _FIRST_AT_ONCE
        """Requests that may be in flight."""
        self.in_flight = 0
        self.is_crowd = False
        """Whether there were several in flight since none was."""
        self.resume = 0.0
        self.on_trial = False
        """After a pause one request is sent, and the others only when it was answered."""
        self.epoch = 0
        """Counts pauses. Refusals of requests that were sent before the last pause are no news."""
        self.refusals = 0
        self.failures = 0


class Pacer:
    """The rates of one model, on the ``line`` of an endpoint and key (None: one of its own). ``clock`` is that of the
    time module."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic, line: _Line | None = None) -> None:
        self._clock = clock
        self._line = line or _Line()
        self._changed = self._line.changed
        self._buckets: dict[str, _Bucket] = {}
        for name in _NAMES:
            if rate := getattr(limits, f"{name}_per_minute"):
                self._buckets[name] = _Bucket(rate, rate, rate / 60, clock())

    def capacity(self, name: str) -> float | None:
        """The most ``tokens``, ``inputs`` or ``requests`` that are ever allowed at once, if that is known."""
        with self._changed:
            bucket = self._buckets.get(name)
            return bucket.capacity if bucket else None

    def admit(self, inputs: int, tokens: int, stopped: Callable[[], bool], patience: float = math.inf) -> int:
        """Wait until a request of so many texts and tokens may be sent; then it is in flight until ``answered``. A
        ticket, for ``refused`` and ``failed``. Raises Stopped, and Paused where it was told to wait for longer than
        ``patience`` seconds."""
        line, needs = self._line, {"requests": 1, "inputs": inputs, "tokens": tokens}
        with self._changed:
            while True:
                if stopped():
                    raise Stopped
                if (told := line.resume - self._clock()) > patience:
                    raise Paused(told)
                wait = self._wait(needs)
                if wait > patience:
                    raise Paused(wait)
                if wait <= 0:
                    break
                self._changed.wait(min(wait, _STEP))
            for name, bucket in self._buckets.items():
                bucket.level -= needs[name]
            line.in_flight += 1
            line.is_crowd |= line.in_flight > 1
            return line.epoch

    def _wait(self, needs: Mapping[str, int]) -> float:
        line, now = self._line, self._clock()
        if now < line.resume:
            return line.resume - now
        if line.in_flight >= (1 if line.on_trial else line.most):
            return _STEP
        for bucket in self._buckets.values():
            bucket.fill(now)
        return max((bucket.wait(needs[name]) for name, bucket in self._buckets.items()), default=0.0)

    def answered(
        self, headers: Mapping[str, str], *, tokens: int = 0, counted: int | None = None, well: bool = True
    ) -> None:
        """A request came back, ``well`` or not (also without any answer, or unsent: no headers). ``tokens`` were
        allowed for, and ``counted`` by the provider."""
        line = self._line
        with self._changed:
            line.in_flight -= 1
            if well:
                line.most = min(MOST_AT_ONCE, line.most + 1)
                line.on_trial, line.refusals, line.failures = False, 0, 0
            if counted is not None and "tokens" in self._buckets:
                self._buckets["tokens"].level += tokens - counted
            for name in _NAMES:
                self._read(name, headers)
            line.is_crowd &= line.in_flight > 0
            self._changed.notify_all()

    def refused(self, after: float | None, ticket: int) -> None:
        """The provider said that there were too many requests, and how many seconds to wait, or not: nothing is sent
        before."""
        line = self._line
        with self._changed:
            if ticket == line.epoch:
                line.refusals += 1
            elif after is None:
                return
            if after is None:
                self._pause(backoff(line.refusals))
            else:  # told again and again that it is time, and refused: it is not
                drawn = backoff(line.refusals - 1) if line.refusals > 1 else 0.0
                self._pause(max(drawn, after + random.random() * min(0.1, 0.05 * after)))

    def failed(self, ticket: int) -> None:
        """A request failed for a reason that will pass. When one after the other does and none is answered well, the
        next one is sent after a while, and alone."""
        line = self._line
        with self._changed:
            if ticket == line.epoch:
                line.failures += 1
                if line.failures >= _FAILURES:
                    self._pause(backoff(line.failures - _FAILURES + 1))

    def _pause(self, seconds: float) -> None:
        line = self._line
        line.resume = max(line.resume, self._clock() + seconds)
        line.most = max(1, line.most // 2)
        line.on_trial = True
        line.epoch += 1
        self._changed.notify_all()

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
        bucket.level = min(bucket.level, left) if self._line.is_crowd else left


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
        number = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


_LINES: dict[tuple[str, str], _Line] = {}
_PACERS: dict[tuple[str, str, str], Pacer] = {}
_LOCK = threading.Lock()


def pacer_of(endpoint: str, key_hash: str, model: str, limits: Limits) -> Pacer:
    """The one pacer of this process for an endpoint, a key (a hash of it) and a model; with the other models of that
    key it shares how many requests are in flight, and pauses."""
    with _LOCK:
        line = _LINES.setdefault((endpoint, key_hash), _Line())
        return _PACERS.setdefault((endpoint, key_hash, model), Pacer(limits, line=line))
