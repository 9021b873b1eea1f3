"""How good one ranking is: numbers from 0 to 1 that look at its first ``k`` rows.

A ranking is row ids, best first, each once. ``relevant`` has the gain, above 0, of the rows that answer the question
(see ``Question``). ``ndcg`` and ``recall`` are trec_eval's ``ndcg_cut`` and ``recall``; its ``recip_rank`` has no k.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

__all__ = ["ndcg", "overlap", "recall", "reciprocal_rank"]


def ndcg(ranked: Sequence[str], relevant: Mapping[str, float], k: int) -> float:
    """nDCG@k: the gains found, each divided by log2(rank + 1), of the most that could be found so.

    The gain is linear, as in trec_eval and BEIR (not 2^gain − 1). Source: Järvelin and Kekäläinen, 2002.
    """
    best = _discounted(sorted(relevant.values(), reverse=True)[:k])
    return _discounted(relevant.get(row, 0.0) for row in ranked[:k]) / best if best else 0.0


def recall(ranked: Sequence[str], relevant: Mapping[str, float], k: int) -> float:
    """recall@k: the share of the relevant rows that are among the first k; under 1 if there are more than k."""
    return sum(row in relevant for row in ranked[:k]) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranked: Sequence[str], relevant: Mapping[str, float], k: int) -> float:
    """1 / rank of the first relevant row, 0 when it is not among the first k; its mean is MRR@k."""
    return next((1.0 / rank for rank, row in enumerate(ranked[:k], 1) if row in relevant), 0.0)


def overlap(a: Sequence[str], b: Sequence[str], k: int) -> float:
    """The share of the first k of two rankings that both have, in whatever order; 1 when both are empty.

    Where an index has fewer than k rows, of the longer ranking.
    """
    a, b = a[:k], b[:k]
    longer = max(len(a), len(b))
    return len(set(a) & set(b)) / longer if longer else 1.0


def _discounted(gains: Iterable[float]) -> float:
    return math.fsum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))
