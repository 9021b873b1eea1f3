"""Cosines of word vectors: exact inner products divided by lengths, the same bits on every machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from idembed import native

__all__ = ["best_of", "cosine", "divided", "norms_of"]

Floats = NDArray[np.float32]

_GRAM_ROWS = 32


def norms_of(rows: Floats) -> Floats:
    """Euclidean lengths float32 [n], from the diagonals of small Gram matrices: the core's inner products have
    the same bits everywhere, and in blocks they take 0.5 µs for a row of 100, a call for each row 10."""
    squares = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), _GRAM_ROWS):
        block = rows[start : start + _GRAM_ROWS]
        squares[start : start + len(block)] = native.scores(block, block, threads=1).diagonal()
    return np.sqrt(squares)


def divided(scores: Floats, norms: Floats) -> Floats:
    """Cosines, in the place of ``scores``; a zero vector has the score 0 already."""
    return np.divide(scores, norms, out=scores, where=norms > 0.0)


def cosine(a: Floats, b: Floats) -> float:
    return float(native.scores(native.normalize(a)[np.newaxis], native.normalize(b), threads=1)[0])


def best_of(scores: Floats, k: int) -> list[int]:
    """Positions of the k best, equals by position."""
    found = native.top_k(scores, k)
    return [*found.above.tolist(), *found.tied[: k - len(found.above)].tolist()]
