"""Rate limits: buckets that fill up again all the time."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Bucket", "Limits", "Taken"]


@dataclass(slots=True)
class Bucket:
    """`rate` a second flow in, up to `capacity`; `level` is what was there at `at` (monotonic seconds)."""

    name: str  # "requests", "tokens" or "inputs"
    per_minute: float
    capacity: float
    level: float
    at: float

    @property
    def rate(self) -> float:
        return self.per_minute / 60

    def fill(self, now: float) -> None:
        self.level = min(self.capacity, self.level + (now - self.at) * self.rate)
        self.at = now

    def wait(self, amount: float) -> float:
        """Seconds until `amount` is there; what is more than the bucket can hold waits for a full one."""
        return max(0.0, min(amount, self.capacity) - self.level) / self.rate

    def until_full(self) -> float:
        return (self.capacity - self.level) / self.rate


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a try to take: `short` is the bucket that had too little, or None, and `wait` how long until it has.

    `left` and `reset` say of each bucket what is left, and in how many seconds it is full again.
    """

    short: str | None
    wait: float
    asked: Mapping[str, int]
    limit: Mapping[str, int]
    left: Mapping[str, int]
    reset: Mapping[str, float]
    too_large: bool = False  # more than the bucket ever holds: waiting does not help


class Limits:
    """The limits of one provider, shared by its keys' requests: all buckets are taken from at once, or none is."""

    def __init__(self, per_minute: Mapping[str, float], burst: float) -> None:
        """`burst`: how many seconds' worth a bucket holds. Buckets start full."""
        now = time.monotonic()
        self.lock = threading.Lock()
        held = {name: rate / 60 * burst for name, rate in per_minute.items()}
        self.buckets = [Bucket(name, rate, held[name], held[name], now) for name, rate in per_minute.items()]

    def take(self, amounts: Mapping[str, int]) -> Taken:
        with self.lock:
            now = time.monotonic()
            for bucket in self.buckets:
                bucket.fill(now)
            waits = {bucket.name: bucket.wait(amounts[bucket.name]) for bucket in self.buckets}
            large = [bucket.name for bucket in self.buckets if amounts[bucket.name] > bucket.capacity]
            short = large[0] if large else max(waits, key=lambda name: waits[name], default=None)
            if short is not None and not large and waits[short] == 0:
                short = None
            if short is None:
                for bucket in self.buckets:
                    bucket.level -= amounts[bucket.name]
            return Taken(
                short,
                waits[short] if short else 0.0,
                {bucket.name: amounts[bucket.name] for bucket in self.buckets},
                {bucket.name: int(bucket.per_minute) for bucket in self.buckets},
                {bucket.name: int(bucket.level) for bucket in self.buckets},
                {bucket.name: bucket.until_full() for bucket in self.buckets},
                bool(large),
            )
