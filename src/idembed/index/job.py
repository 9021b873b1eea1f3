"""A batch job that is under way, and one that is being packed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from idembed.models.api.batches.batch import Batch
from idembed.models.api.batches.journal import JobRecord

__all__ = ["Job", "Packing"]

_FIRST_WAIT = 2.0
_LONGEST_WAIT = 60.0
_SLOWER = 1.5
"""A job is looked at after two seconds, then less and less often, down to once a minute."""
_MOST_BYTES = 64_000_000
"""Of lines in a job, which are in memory; providers take 200 MB and more."""
_MOST_RESULTS = 1_000_000_000
"""Bytes of results of a job, which lie in the temporary folder while they are read."""
_NEAR = 0.9
_SILENT = 256


@dataclass(slots=True)
class Job:
    """``due``: when it is looked at next, by the monotonic clock."""

    record: JobRecord
    pause: float = 0.0
    due: float = 0.0

    def __post_init__(self) -> None:
        self.put_off()

    def put_off(self) -> None:
        """It has not ended yet."""
        self.pause = min(_LONGEST_WAIT, self.pause * _SLOWER or _FIRST_WAIT)
        self.due = time.monotonic() + self.pause


@dataclass(slots=True)
class Packing:
    """Lines of the next job, of texts at ``places`` with ``tokens`` by guess, within what the provider takes."""

    batch: Batch
    dim: int
    places: list[bytes] = field(default_factory=list)
    tokens: int = 0
    _lines: list[bytes] = field(default_factory=list)
    _bytes: int = 0

    def may_go(self, tokens: int, limit: int | None, high: float, silent: bool) -> bool:
        """Whether a text of so many tokens, by guess, surely is not too long. Those that may be are left to be asked
        for one by one. ``high``: by how much more than the guess it may have; ``silent``: the provider may cut it
        without a word."""
        if silent:
            return tokens < (_SILENT if limit is None else limit // 2)
        return limit is None or tokens * high <= limit * _NEAR

    def fits(self, line: bytes, tokens: int, most_tokens: int | None) -> bool:
        """Whether another line can go into the job; into an empty one any can."""
        most = min(self.batch.most_texts, max(1, int(_MOST_RESULTS / (self.dim * self.batch.number_bytes))))
        if not self.places:
            return True
        return (
            len(self.places) < most
            and self._bytes + len(line) <= _MOST_BYTES
            and (most_tokens is None or self.tokens + tokens <= most_tokens)
        )

    def add(self, place: bytes, line: bytes, tokens: int) -> None:
        self.places.append(place)
        self._lines.append(line)
        self._bytes += len(line)
        self.tokens += tokens

    def content(self) -> bytes:
        """The file."""
        return b"".join(self._lines)

    def clear(self) -> None:
        """Begin the next job."""
        self.places, self._lines, self.tokens, self._bytes = [], [], 0, 0
