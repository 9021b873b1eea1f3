"""When what a model made is written: soon enough to lose little, not so often that writing costs much; and how much of
it at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from idembed.chunks import within
from idembed.stores.base import Filling, RowRecord, Store

__all__ = ["Pace", "batches"]

T = TypeVar("T", RowRecord, Filling)

_MODEL_SECONDS = 0.025
"""After this much of a model's work, 60 times what a small commit takes on a good disk, three times on a bad one."""
_SECONDS = 2.0
_ROWS = 5_000
_BYTES = 8 << 20


class Pace:
    """Says when the rows that were added are due; ``model_seconds`` tells how long models have worked so far."""

    def __init__(self, model_seconds: Callable[[], float]) -> None:
        self._model_seconds = model_seconds
        self._begin()

    def add(self, size: int) -> None:
        """One more row waits, with so many bytes to write."""
        self._rows += 1
        self._bytes += size

    @property
    def is_full(self) -> bool:
        """Whether no more may wait: it makes a batch."""
        return self._rows >= _ROWS or self._bytes >= _BYTES

    @property
    def is_due(self) -> bool:
        """Whether those that wait should be written now."""
        return (
            self.is_full
            or self._model_seconds() - self._model_began >= _MODEL_SECONDS
            or time.monotonic() - self._began >= _SECONDS
        )

    def written(self) -> None:
        """Nothing waits any more."""
        self._begin()

    def _begin(self) -> None:
        self._rows = self._bytes = 0
        self._began, self._model_began = time.monotonic(), self._model_seconds()


def batches(store: Store, waiting: Iterable[T], rows: int = _ROWS) -> Iterator[list[T]]:
    """What waits, in order, in batches of so many ``rows`` or of some megabytes, whichever comes first, and of no more
    than the store takes."""
    return within(waiting, rows, lambda one: one.size, min(_BYTES, store.capabilities.max_batch))
