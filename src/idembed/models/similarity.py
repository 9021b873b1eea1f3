"""Similarities of vectors, the same bits on every machine: no BLAS, whose sums depend on the shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from idembed import native
from idembed.errors import OptionError
from idembed.models.base import Vectors

__all__ = ["as_matrix", "cos_sim", "dot_score"]


def cos_sim(a: ArrayLike, b: ArrayLike) -> Vectors:
    """Cosines float32 [n, m] of every row of ``a`` [n, dim] with every row of ``b`` [m, dim]; a single
    vector [dim] is one row."""
    return dot_score(native.normalize(as_matrix(a)), native.normalize(as_matrix(b)))


def dot_score(a: ArrayLike, b: ArrayLike) -> Vectors:
    """Inner products float32 [n, m] of every row of ``a`` [n, dim] with every row of ``b`` [m, dim]."""
    rows, others = as_matrix(a), as_matrix(b)
    if rows.shape[1] != others.shape[1]:
        raise OptionError(f"vectors of {rows.shape[1]} and of {others.shape[1]} dimensions cannot be compared")
    return native.scores(others, rows)


def as_matrix(vectors: ArrayLike) -> Vectors:
    """``vectors`` as float32 [n, dim]. Raises OptionError for anything that is not one vector or a matrix."""
    matrix = np.asarray(vectors, dtype=np.float32)
    if matrix.ndim == 1:
        matrix = matrix[np.newaxis]
    if matrix.ndim != 2:
        raise OptionError(f"expected a vector or a matrix, not an array of shape {list(matrix.shape)}")
    return np.ascontiguousarray(matrix)
