"""What the client of a server and the embedded engine say alike, each with classes of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from idembed.stores.qdrant.points import Between, NoneOf, OneOf, OneTest, Point, Test

__all__ = ["INDEXED_FROM", "Words", "as_filter", "read_points"]

INDEXED_FROM: Final = 10_000
"""Kilobytes of vectors from which a segment is indexed once that is asked for; below it is scanned, which is faster."""


class Words(NamedTuple):
    """What makes filters and conditions."""

    all_of: Callable[[list[Any]], Any]
    any_of: Callable[[list[Any]], Any]
    none_of: Callable[[list[Any]], Any]
    equal: Callable[[str, str | int], Any]
    among: Callable[[str, list[str] | list[int]], Any]
    between: Callable[[Between], Any]
    null: Callable[[str], Any]


def as_filter(tests: Sequence[Test], words: Words) -> Any:
    """None for no tests."""
    if not tests:
        return None
    each = [[_condition(one, words) for one in test] for test in tests]
    return words.all_of([some[0] if len(some) == 1 else words.any_of(some) for some in each])


def _condition(test: OneTest, words: Words) -> Any:
    if isinstance(test, OneOf):
        one, *others = test.values
        return words.among(test.path, list(test.values)) if others else words.equal(test.path, one)  # type: ignore[arg-type]
    if isinstance(test, NoneOf):
        return words.none_of([_condition(OneOf(test.path, test.values), words)])
    return words.between(test) if isinstance(test, Between) else words.null(test.path)


def read_points(found: Sequence[Any]) -> list[Point]:
    return [
        Point(str(one.id), one.payload or {}, None if one.vector is None else np.array(one.vector, np.float32))
        for one in found
    ]
