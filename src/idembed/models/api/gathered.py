"""Vectors as they come, put where their texts are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from idembed.models.base import Embedded, Receipt, Vectors

__all__ = ["Gathered"]


class Gathered:
    """What is made of ``count`` texts, in vectors of ``dim`` numbers (None: as many as come)."""

    def __init__(self, count: int, dim: int | None) -> None:
        self._dim = dim or 0
        self._vectors: Vectors | None = None
        self._receipts = [Receipt(0)] * count
        self._refused: dict[int, str] = {}
        self._too_long: set[int] = set()

    def add(self, positions: Sequence[int], made: Embedded) -> None:
        """``made.vectors[i]`` is that of the text at ``positions[i]``; where all are refused, they may have no
        numbers."""
        if width := made.vectors.shape[1]:
            if self._vectors is None:
                self._vectors = np.zeros((len(self._receipts), width), np.float32)
            self._vectors[positions] = made.vectors
        for number, position in enumerate(positions):
            self._receipts[position] = made.receipts[number]
        self._refused |= {positions[number]: reason for number, reason in made.refused.items()}
        self._too_long.update(positions[number] for number in made.too_long)

    def whole(self) -> Embedded:
        """All that came; zeros stand where nothing did."""
        if self._vectors is None:
            self._vectors = np.zeros((len(self._receipts), self._dim), np.float32)
        return Embedded(self._vectors, self._receipts, self._refused, frozenset(self._too_long))
