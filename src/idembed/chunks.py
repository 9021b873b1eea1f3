"""Work in pieces of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

__all__ = ["chunks", "weighed", "within"]

T = TypeVar("T")


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of ``size`` items in order; the last may be shorter."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def weighed(items: Iterable[T], size: int, weight: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """Lists of at most ``size`` items in order; a list ends with the item that brings its weight to ``most``."""
    chunk: list[T] = []
    total = 0
    for item in items:
        chunk.append(item)
        total += weight(item)
        if len(chunk) == size or total >= most:
            yield chunk
            chunk, total = [], 0
    if chunk:
        yield chunk


def within(items: Iterable[T], size: int, weight: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """Lists of at most ``size`` items in order, which together weigh at most ``most``; an item that weighs more is
    alone in its list."""
    chunk: list[T] = []
    total = 0
    for item in items:
        heavy = weight(item)
        if chunk and (len(chunk) == size or total + heavy > most):
            yield chunk
            chunk, total = [], 0
        chunk.append(item)
        total += heavy
    if chunk:
        yield chunk
