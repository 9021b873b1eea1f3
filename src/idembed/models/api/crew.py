"""Threads that work off a heap of jobs, each when its time has come, while one thread waits for what they make."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

__all__ = ["Crew"]

J = TypeVar("J")
R = TypeVar("R")

_TICK = 0.1
_STEP = 0.25
_GRACE = 60.0


class Crew(Generic[J, R]):
    """``work(job)`` is called by up to ``threads`` threads; it may ``add`` jobs, and ``give`` results, each of which
    settles so many of the ``tasks`` there are. The first error ends it all; what is under way then may still end."""

    def __init__(self, work: Callable[[J], None], threads: int, tasks: int) -> None:
        self._work = work
        self._threads = threads
        self._left = tasks
        self._jobs: list[tuple[float, int, J]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._results: queue.SimpleQueue[R | None] = queue.SimpleQueue()
        self._busy = 0
        self._stopped = False
        self._error: BaseException | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether nothing new should be begun."""
        return self._stopped or self._error is not None

    def add(self, job: J, after: float = 0.0, *, first: bool = False) -> None:
        """To be done ``after`` so many seconds at the earliest, or before all others."""
        with self._changed:
            number = next(self._order)
            heapq.heappush(self._jobs, (0.0, -number, job) if first else (time.monotonic() + after, number, job))
            self._changed.notify()

    def give(self, result: R, settled: int) -> None:
        """A result, with which so many tasks are done."""
        with self._changed:
            self._left -= settled
            self._results.put(result)
            if self._left <= 0:
                self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """End with this error, unless there is one already."""
        with self._changed:
            self._error = self._error or error
            self._results.put(None)  # whoever waits looks again
            self._changed.notify_all()

    def results(self, jobs: Iterable[J], idle: Callable[[], None]) -> Iterator[R]:
        """Everything that is given, as it comes; ``idle`` is called ten times a second. Raises the first error, after
        what was under way has ended. Left early, as by Ctrl-C, it stops at once."""
        for job in jobs:
            self.add(job)
        threads = [
            threading.Thread(target=self._run, name="idembed-api", daemon=True)
            for _ in range(min(self._threads, len(self._jobs)))
        ]
        try:
            for thread in threads:
                thread.start()
            while not self._is_over():
                with contextlib.suppress(queue.Empty):
                    if (result := self._results.get(timeout=_TICK)) is not None:
                        yield result
                idle()
            deadline = time.monotonic() + _GRACE
            while self._busy and time.monotonic() < deadline:
                idle()
                with self._changed:
                    self._changed.wait(_STEP)
            while not self._results.empty():
                if (result := self._results.get()) is not None:
                    yield result
        finally:
            with self._changed:
                self._stopped = True
                self._changed.notify_all()
        if self._error is not None:
            raise self._error

    def _is_over(self) -> bool:
        with self._changed:
            return self._error is not None or (self._left <= 0 and self._results.empty())

    def _run(self) -> None:
        while (job := self._next()) is not None:
            try:
                self._work(job)
            except BaseException as error:
                self.fail(error)
            finally:
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()
        self._results.put(None)  # whoever waits looks again

    def _next(self) -> J | None:
        with self._changed:
            while True:
                if self.is_stopped or self._left <= 0:
                    return None
                now = time.monotonic()
                if self._jobs and self._jobs[0][0] <= now:
                    self._busy += 1
                    return heapq.heappop(self._jobs)[2]
                self._changed.wait(min(_STEP, self._jobs[0][0] - now) if self._jobs else _STEP)
