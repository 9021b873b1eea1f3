"""Exact inner products, their k best, and unit length."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from idembed.native.library import check, isa_name, library, thread_count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

__all__ = ["TopK", "normalize", "scores", "top_k"]


def scores(
    matrix: Floats,
    query: Floats,
    *,
    mask: NDArray[np.bool_] | NDArray[np.uint8] | None = None,
    threads: int | None = None,
    isa: str | None = None,
) -> Floats:
    """Inner products of `query` with every row of `matrix`.

    `matrix` is float32 [rows, dim], its rows contiguous but perhaps apart (a slice of a wider one). `query`
    is float32 [dim] for a result [rows], or [queries, dim] for [queries, rows]. Where `mask` [rows] is false
    the score is -inf and the row is not read. One score is the same bits however it is computed.
    """
    if matrix.dtype != np.float32 or matrix.ndim != 2:
        raise ValueError(f"matrix must be float32 [rows, dim], not {matrix.dtype} {list(matrix.shape)}")
    rows, dim = matrix.shape
    if matrix.size and dim > 1 and matrix.strides[1] != 4:
        raise ValueError("the rows of the matrix must be contiguous")
    if query.dtype != np.float32 or query.ndim not in (1, 2) or query.shape[-1] != dim:
        raise ValueError(f"query must be float32 [{dim}], not {query.dtype} {list(query.shape)}")
    stride = matrix.strides[0] // 4 if rows > 1 and dim else dim
    if stride < dim or matrix.strides[0] % 4:
        matrix, stride = np.ascontiguousarray(matrix), dim
    queries = np.ascontiguousarray(query.reshape(-1, dim))
    if mask is not None and (mask.shape != (rows,) or mask.dtype not in (np.bool_, np.uint8)):
        raise ValueError(f"mask must be bool [{rows}], not {mask.dtype} {list(mask.shape)}")
    kept = None if mask is None else np.ascontiguousarray(mask)
    out = np.empty((len(queries), rows), np.float32)
    status = library().idembed_scores(
        matrix.ctypes.data,
        rows,
        dim,
        stride,
        queries.ctypes.data,
        len(queries),
        None if kept is None else kept.ctypes.data,
        out.ctypes.data,
        thread_count(threads),
        isa_name(isa),
    )
    check(status, isa=isa)
    return out[0] if query.ndim == 1 else out


class TopK(NamedTuple):
    """The k best scores with all their ties: take `above`, then ``k - len(above)`` of `tied` by row id.

    `above` holds positions whose score is above `threshold`, best first (equals by position), always fewer
    than k. `tied` holds every position whose score equals it, ascending. NaN and -inf are never returned;
    when fewer than k scores are left, both together hold them all.
    """

    above: Ints
    tied: Ints
    threshold: float


def top_k(scores: Floats, k: int) -> TopK:
    """Positions of the `k` best of `scores` (float32 [n]), never cutting between equals; see `TopK`."""
    scores = np.ascontiguousarray(scores)
    if scores.dtype != np.float32 or scores.ndim != 1:
        raise ValueError(f"scores must be float32 [n], not {scores.dtype} {list(scores.shape)}")
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    k = min(k, max(len(scores), 1))
    above = np.empty(k, np.int64)
    tied = np.empty(k + 256, np.int64)
    n_above, n_tied, threshold = ctypes.c_int64(), ctypes.c_int64(), ctypes.c_float()
    while True:
        status = library().idembed_top_k(
            scores.ctypes.data,
            len(scores),
            k,
            above.ctypes.data,
            ctypes.byref(n_above),
            tied.ctypes.data,
            len(tied),
            ctypes.byref(n_tied),
            ctypes.byref(threshold),
        )
        check(status)
        if n_tied.value <= len(tied):
            return TopK(above[: n_above.value], tied[: n_tied.value].copy(), threshold.value)
        tied = np.empty(n_tied.value, np.int64)


def normalize(vectors: Floats, *, isa: str | None = None) -> Floats:
    """A copy of `vectors` (float32 [n, dim] or [dim]), each divided by max(its Euclidean norm, 1e-12)."""
    if vectors.dtype != np.float32 or vectors.ndim not in (1, 2):
        raise ValueError(f"vectors must be float32 [n, dim], not {vectors.dtype} {list(vectors.shape)}")
    out = np.array(vectors, dtype=np.float32, order="C", copy=True)
    dim = out.shape[-1]
    n = 1 if out.ndim == 1 else len(out)
    check(library().idembed_normalize(out.ctypes.data, n, dim, dim, isa_name(isa)), isa=isa)
    return out
