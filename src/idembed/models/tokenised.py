"""Tokenised texts, in batches of about as many tokens as keep all threads busy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Batch", "Batches"]

_TOKENS_A_THREAD = 4096  # about a second of work; bounds memory and is often enough for a progress bar
_MOST_TOKENS = 262_144


class Batch(NamedTuple):
    """Token ids of consecutive texts, cut to the maximum length, and how many tokens each had before."""

    ids: list[list[int]]
    whole: list[int]


class Batches:
    """Takes tokenised texts as they come and gives batches that are large enough for so many threads."""

    __slots__ = ("_batch", "_enough", "_tokens")

    def __init__(self, threads: int) -> None:
        self._enough = min(_TOKENS_A_THREAD * max(2, threads), _MOST_TOKENS)
        self._batch, self._tokens = Batch([], []), 0

    def add(self, texts: Batch) -> Iterator[Batch]:
        """The batches that became full; what is left of ``texts`` begins the next."""
        for ids, whole in zip(*texts, strict=True):
            self._batch.ids.append(ids)
            self._batch.whole.append(whole)
            self._tokens += len(ids)
            if self._tokens >= self._enough:
                yield from self.rest()

    def rest(self) -> Iterator[Batch]:
        """The last batch, if anything is left."""
        if self._batch.ids:
            full, self._batch, self._tokens = self._batch, Batch([], []), 0
            yield full
