"""When what a model made is written: soon enough to lose little, not so often that writing costs much."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Pace"]

_MODEL_SECONDS = 0.025
"""After this much of a model's work, 60 times what a small commit takes on a good disk, three times on a bad one."""
_SECONDS = 2.0
_ROWS = 5_000
_CHARACTERS = 1 << 20


class Pace:
    """Says when the rows that were added are due; ``model_seconds`` tells how long models have worked so far."""

    def __init__(self, model_seconds: Callable[[], float]) -> None:
        self._model_seconds = model_seconds
        self._begin()

    def add(self, characters: int) -> None:
        """One more row waits, with so many characters to write."""
        self._rows += 1
        self._characters += characters

    @property
    def is_due(self) -> bool:
        """Whether those that wait should be written now."""
        return (
            self._rows >= _ROWS
            or self._characters >= _CHARACTERS
            or self._model_seconds() - self._model_began >= _MODEL_SECONDS
            or time.monotonic() - self._began >= _SECONDS
        )

    def written(self) -> None:
        """Nothing waits any more."""
        self._begin()

    def _begin(self) -> None:
        self._rows = self._characters = 0
        self._began, self._model_began = time.monotonic(), self._model_seconds()
