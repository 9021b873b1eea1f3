"""Offline batch jobs, whatever their provider: their rows, their states over time, their results out of order."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fakes.wire import Refusal

__all__ = ["ENDS", "Batches", "File", "Job", "Result", "Row"]

ENDS = ("completed", "expired", "failed")


@dataclass(frozen=True, slots=True)
class File:
    id: str
    name: str
    purpose: str
    created: float  # Unix seconds
    content: bytes


@dataclass(frozen=True, slots=True)
class Row:
    """One request of a job: what the client calls it, and its body."""

    key: Any
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a row: a status with the JSON of a body, or None where the job ended before its turn."""

    key: Any
    status: int | None
    body: bytes = b"null"

    @property
    def right(self) -> bool:
        return self.status == 200


@dataclass(slots=True)
class Job:
    """One job. `said` is what the client said of it: metadata, a display name, a model.

    Over `seconds` its state goes from "validating" through "in_progress" to `end`; a job that does not hold what it
    should (`errors`) ends as "failed" at once. An expired job has results for the first half of its rows.
    """

    id: str
    provider: str
    rows: Sequence[Row]
    said: Mapping[str, Any]
    seconds: float
    end: str
    created: float  # Unix seconds, as all times here
    errors: Sequence[str] = ()
    cancelled: float | None = None
    results: list[Result] | None = None  # out of order, once the job has ended
    files: dict[str, str] = field(default_factory=dict)  # "output" and "error": ids of files

    def state(self, now: float) -> str:
        if self.errors:
            return "failed"
        if self.cancelled is not None:
            return "cancelling" if now < self.cancelled + self.seconds / 4 else "cancelled"
        if now < self.created + self.seconds / 4:
            return "validating"
        return "in_progress" if now < self.created + self.seconds else self.end

    @property
    def ended(self) -> float:
        return self.created + (0 if self.errors else self.seconds)


class Batches:
    """All jobs and files. `seconds` is how long the next jobs take; `jobs` are in the order of their creation."""

    def __init__(self, seed: int) -> None:
        self.seconds = 0.2
        self.jobs: dict[str, Job] = {}
        self.stored: dict[str, File] = {}
        self.ends: deque[str] = deque()  # of the next jobs
        self.lock = threading.RLock()
        self._random = random.Random(seed)
        self._count = 0

    def store(self, name: str, purpose: str, content: bytes, prefix: str = "file-") -> File:
        with self.lock:
            file = File(self._id(prefix), name, purpose, time.time(), content)
            self.stored[file.id] = file
            return file

    def create(
        self, prefix: str, provider: str, rows: Sequence[Row], said: Mapping[str, Any], errors: Sequence[str] = ()
    ) -> Job:
        with self.lock:
            end = self.ends.popleft() if self.ends else "completed"
            broken = ["The job failed."] if end == "failed" else []
            errors = [*errors, *broken]
            job = Job(self._id(prefix), provider, rows, said, self.seconds, end, time.time(), errors)
            self.jobs[job.id] = job
            return job

    def cancel(self, job: Job) -> None:
        with self.lock:
            now = time.time()
            if job.cancelled is None and job.state(now) in ("validating", "in_progress"):
                job.cancelled = now

    def finish(self, job: Job, embed: Callable[[Row], tuple[int, bytes]]) -> bool:
        """Work out the results of a job that has ended; whether this was the first time."""
        with self.lock:
            state = job.state(time.time())
            if job.results is not None or state not in ("completed", "expired", "cancelled"):
                return False
            done = {"completed": len(job.rows), "expired": len(job.rows) // 2, "cancelled": 0}[state]
            results = [Result(row.key, *embed(row)) for row in job.rows[:done]]
            results += [Result(row.key, None) for row in job.rows[done:]]
            order = list(range(len(results)))
            while len(order) > 1 and order == sorted(order):
                self._random.shuffle(order)
            job.results = [results[at] for at in order]
            return True

    def of(self, provider: str, id_: str) -> Job:
        with self.lock:
            job = self.jobs.get(id_)
        if job is None or job.provider != provider:
            raise Refusal("no_such_path")
        return job

    def newest_first(self, provider: str) -> list[Job]:
        with self.lock:
            return [job for job in reversed(self.jobs.values()) if job.provider == provider]

    def _id(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count:08d}"
