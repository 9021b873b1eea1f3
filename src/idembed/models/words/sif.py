"""Vectors of texts from vectors of words: the mean of the words, frequent ones counting less.

S. Arora, Y. Liang, T. Ma: A simple but tough-to-beat baseline for sentence embeddings (ICLR 2017), without the common
component that it takes away: that would make a vector depend on the texts beside it.

Profile ``f32-1``: weights are made in float64 by single divisions and additions, then rounded to float32; a product of
a weight and a vector is rounded, then added to what was there, word after word, from +0. So no bit depends on the
batch, the machine, or numpy's version.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Frequency", "frequency_of", "weighted_means", "word_weights"]

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Frequency = Literal["counts", "zipf"]

_FEWEST = 8
"""Texts in step below which a step costs more than taking the rest of each text by itself."""
_BLOCK = 1 << 18
"""Numbers at a time for one text: 1 MB."""


def frequency_of(counts: Ints | None) -> Frequency:
    """Where p(w) comes from: from ``counts``, or, where there are none, from Zipf's law."""
    return "zipf" if counts is None or not counts.any() else "counts"


def word_weights(counts: Ints | None, words: int, a: float) -> Floats:
    """a / (a + p(w)) for each word, float32 [words].

    p(w) is the word's share of all ``counts``, or, where there are none, Zipf's law over the ranks that the order of
    the words gives: 1 / (rank · (1 + 1/2 + … + 1/words)), rank from 1 on.
    """
    if counts is not None and frequency_of(counts) == "counts":
        p = counts.astype(np.float64) / float(counts.sum())
    else:
        ranks = np.arange(1, words + 1, dtype=np.float64)
        p = 1.0 / (ranks * math.fsum((1.0 / ranks).tolist()))  # fsum is exact, so its order does not matter
    return (a / (a + p)).astype(np.float32)


def weighted_means(vectors: Floats, weights: Floats, ids: Ints, lengths: Ints) -> Floats:
    """Means float32 [n, dim] of the words of ``n`` texts: text i has the next ``lengths[i]`` >= 1 of ``ids``.

    ``vectors`` [V, dim] may have rows apart. Texts go in step, longest first: the t-th words of all that have so many
    are added at once. What is left of the few longest is summed one text at a time, in the same order of additions.
    """
    starts = np.cumsum(lengths) - lengths
    order = np.argsort(-lengths, kind="stable")
    lasting = np.sort(lengths)  # how many texts have more than t words: those at or after t's place here
    sums = np.zeros((len(lengths), vectors.shape[1]), np.float32)
    step = 0
    while (running := len(lengths) - int(np.searchsorted(lasting, step, "right"))) >= _FEWEST:
        rows = ids[starts[order[:running]] + step]
        # Not np.take: it copies the whole matrix first when its rows lie apart.
        sums[:running] += vectors[rows] * weights[rows, None]
        step += 1
    for place in range(running):
        start = int(starts[order[place]])
        _add_in_order(sums[place], vectors, weights, ids[start + step : start + int(lengths[order[place]])])
    means = np.empty_like(sums)
    means[order] = sums / lengths[order].astype(np.float32)[:, None]
    return means


def _add_in_order(total: Floats, vectors: Floats, weights: Floats, ids: Ints) -> None:
    """Add the weighted words to ``total`` [dim] one after another (``accumulate``, unlike ``sum``, promises that)."""
    most = max(1, _BLOCK // len(total))
    for start in range(0, len(ids), most):
        rows = ids[start : start + most]
        products = vectors[rows] * weights[rows, None]
        products[0] += total
        total[:] = np.add.accumulate(products, axis=0, out=products)[-1]
