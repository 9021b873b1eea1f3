"""``sentence_transformers.util`` for numpy: the functions that programs call most."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike

from idembed import native
from idembed.errors import OptionError
from idembed.models.base import Vectors
from idembed.models.similarity import as_matrix, cos_sim, dot_score

__all__ = [
    "Found",
    "cos_sim",
    "dot_score",
    "normalize_embeddings",
    "pairwise_cos_sim",
    "pairwise_dot_score",
    "pytorch_cos_sim",
    "semantic_search",
]

pytorch_cos_sim = cos_sim


class Found(TypedDict):
    """One result of ``semantic_search``: the position in the corpus and its score."""

    corpus_id: int
    score: float


def normalize_embeddings(embeddings: ArrayLike) -> Vectors:
    """float32 of the same shape, each vector divided by its length."""
    return native.normalize(np.asarray(embeddings, dtype=np.float32))


def pairwise_dot_score(a: ArrayLike, b: ArrayLike) -> Vectors:
    """Inner products float32 [n] of row i of ``a`` [n, dim] with row i of ``b`` [n, dim]."""
    rows, others = as_matrix(a), as_matrix(b)
    if rows.shape != others.shape:
        raise OptionError(f"shapes {list(rows.shape)} and {list(others.shape)} are not pairs")
    pairs = [native.scores(other[np.newaxis], row) for row, other in zip(rows, others, strict=True)]
    return np.concatenate(pairs) if pairs else np.empty(0, np.float32)


def pairwise_cos_sim(a: ArrayLike, b: ArrayLike) -> Vectors:
    """Cosines float32 [n] of row i of ``a`` [n, dim] with row i of ``b`` [n, dim]."""
    return pairwise_dot_score(native.normalize(as_matrix(a)), native.normalize(as_matrix(b)))


def semantic_search(
    query_embeddings: ArrayLike,
    corpus_embeddings: ArrayLike,
    query_chunk_size: int = 100,
    corpus_chunk_size: int = 500_000,
    top_k: int = 10,
    score_function: Callable[[Vectors, Vectors], ArrayLike] = cos_sim,
) -> list[list[Found]]:
    """For each query the ``top_k`` best of the corpus, best first; among equals the lower position first.

    ``query_chunk_size`` bounds memory. ``corpus_chunk_size`` is accepted and has no influence.
    """
    if top_k < 1 or query_chunk_size < 1:
        raise OptionError("top_k and query_chunk_size must be at least 1")
    queries, corpus = as_matrix(query_embeddings), as_matrix(corpus_embeddings)
    if not len(corpus):
        return [[] for _ in queries]
    if score_function in (cos_sim, pytorch_cos_sim):  # measure the corpus once, not once a chunk
        queries, corpus, score_function = native.normalize(queries), native.normalize(corpus), dot_score
    results: list[list[Found]] = []
    for start in range(0, len(queries), query_chunk_size):
        scores = as_matrix(score_function(queries[start : start + query_chunk_size], corpus))
        results += [_best(row, top_k) for row in scores]
    return results


def _best(scores: Vectors, k: int) -> list[Found]:
    best = native.top_k(scores, k)
    places = [*best.above.tolist(), *best.tied.tolist()][:k]
    return [{"corpus_id": place, "score": float(scores[place])} for place in places]
