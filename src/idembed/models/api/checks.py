"""Is an answer what was asked for? Count, order, width, finite, not zero."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from idembed import native
from idembed.models.api.adapter import Answer
from idembed.models.base import Vectors

__all__ = ["BadReplyError", "Checked", "check"]


_FAR = 1e12


class BadReplyError(Exception):
    """An answer that cannot be used at all, and why. ``width``: of its vectors, where it is that which is wrong."""

    def __init__(self, reason: str, width: int = 0) -> None:
        super().__init__(reason)
        self.width = width


@dataclass(frozen=True, slots=True)
class Checked:
    """``vectors`` float32 [n, dim] of unit length, in the order of the texts; ``bad``: positions whose vector cannot be
    used, with the reason; what stands in their rows means nothing. ``dim`` is the width of the answer."""

    vectors: Vectors
    bad: dict[int, str] = field(default_factory=dict)
    truncated: frozenset[int] = frozenset()


def check(answer: Answer, count: int, dim: int | None) -> Checked:
    """The answer to ``count`` texts, in a space of ``dim`` (None: not known yet, then all must be of one width)."""
    order = _order(answer, count)
    numbers: list[Any] = [None] * count
    bad: dict[int, str] = {}
    for place, raw in zip(order, answer.vectors, strict=True):
        try:
            numbers[place] = _numbers(raw)
        except (TypeError, ValueError, OverflowError, binascii.Error):
            bad[place] = "no vector came back for it" if raw is None else "what came back for it is not a vector"
    widths = {len(vector) for vector in numbers if vector is not None}
    if not widths:
        raise BadReplyError("there is no vector in the answer")
    if len(widths) > 1 and dim is None:
        raise BadReplyError(f"vectors of {sorted(widths)} numbers came back at once")
    width = dim if dim is not None else widths.pop()
    if width == 0:
        raise BadReplyError("the vectors are empty")
    if dim is not None and widths.isdisjoint({dim}):
        raise BadReplyError(f"vectors of {min(widths)} numbers came back, this space has {dim}", min(widths))
    vectors = np.zeros((count, width), np.float32)
    for place, vector in enumerate(numbers):
        if vector is None:
            continue
        if len(vector) != width:
            bad[place] = f"a vector of {len(vector)} numbers came back for it, this space has {width}"
        else:
            vectors[place] = vector
    finite = np.all(np.isfinite(vectors), axis=1)
    some = np.any(vectors != 0, axis=1)
    for place in range(count):
        if place not in bad and not finite[place]:
            bad[place] = "a vector with NaN or infinity came back for it"
        elif place not in bad and not some[place]:
            bad[place] = "a vector of zeros came back for it"
    for place in bad:
        vectors[place] = 1.0
    peaks = np.abs(vectors).max(axis=1)
    far = (peaks > _FAR) | (peaks < 1 / _FAR)  # of these, squares are no float32
    vectors[far] /= peaks[far, None]
    unit = native.normalize(vectors)
    told = answer.truncated if isinstance(answer.truncated, list) else []
    cut = frozenset(place for place, truncated in zip(order, told, strict=False) if truncated is True)
    return Checked(unit, bad, cut)


def _order(answer: Answer, count: int) -> list[int]:
    if not isinstance(answer.vectors, list) or not isinstance(answer.indices, list | None):
        raise BadReplyError("the answer is not what the provider promises")
    if len(answer.vectors) != count:
        raise BadReplyError(f"{len(answer.vectors)} vectors came back for {count} texts")
    if answer.indices is None:
        return list(range(count))
    indices = list(answer.indices)
    if any(type(index) is not int for index in indices) or sorted(indices) != list(range(count)):
        raise BadReplyError(f"the answer's indices are not those of the {count} texts, each once")
    return indices


def _numbers(raw: Any) -> Any:
    if isinstance(raw, str):
        return np.frombuffer(base64.b64decode(raw, validate=True), "<f4")
    if not isinstance(raw, list):
        raise TypeError
    exact = np.asarray(raw)
    if exact.ndim != 1 or exact.dtype.kind not in "fiu":  # strings, booleans, None, numbers of hundreds of digits
        raise ValueError
    with np.errstate(over="ignore"):  # it becomes infinity, which is found
        return exact.astype(np.float32)
