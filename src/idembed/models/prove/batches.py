"""Which texts stand beside which: batches as lists of positions in the texts, duplicates among them.

The same ones every time, from the same seeds: a difference can be looked for again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import pairwise

__all__ = ["PLACES", "SIZES", "every_place", "large", "odd_pieces", "random_batch"]

PLACES = (*range(2, 17), 32, 64)
"""Sizes of the batches in which each text comes to every place: as many batches as there are texts in one."""
_MIXED, _SHORTEST = 16, 40
SIZES = (17, 24, 31, 33, 48, 63, 64, 65, 96, 100, 127, 128, 129, 200, 255, 256, 257, 384, 511, 512, 700, 1023, 1024)
"""Sizes of the others: powers of two, their neighbours, and what is neither."""
_PIECES = (1, 3, 5, 7, 11, 2, 13, 97, 17, 251)
_MOST = 1024


def every_place(texts: Sequence[str]) -> Iterator[list[int]]:
    """For each size of ``PLACES`` one batch turned round and round, so that each of its texts comes to every place. The
    short stand beside the long, and some are there twice; batches of more than 16 are of the shortest texts only."""
    choose = random.Random(2)
    by_length = sorted(range(len(texts)), key=lambda n: (len(texts[n]), n))
    for size in PLACES:
        pool = by_length if size <= _MIXED else by_length[:_SHORTEST]
        starts = [len(pool) * n // size for n in range(size + 1)]
        members = [pool[choose.randrange(a, max(a + 1, b))] for a, b in pairwise(starts)]
        choose.shuffle(members)
        if size > 2:
            members[-1] = members[0]
        for turn in range(size):
            yield members[turn:] + members[:turn]


def large(texts: Sequence[str]) -> Iterator[list[int]]:
    """One batch of each of ``SIZES``."""
    choose = random.Random(17)
    for size in SIZES:
        yield random_batch(texts, choose, size)


def random_batch(texts: Sequence[str], choose: random.Random, size: int | None = None) -> list[int]:
    """Texts drawn again and again, the short ones more often, each tenth a duplicate; of 2 to 1,024 texts, small
    batches being as likely as large ones, unless ``size`` says."""
    if size is None:
        size = int(2 * (_MOST / 2) ** choose.random())
    weights = [1 / (20 + len(text)) for text in texts]
    members = choose.choices(range(len(texts)), weights, k=size)
    for n in range(9, size, 10):
        members[n] = members[choose.randrange(n)]
    choose.shuffle(members)
    return members


def odd_pieces(members: Sequence[int]) -> Iterator[list[int]]:
    """The same ones in order, in pieces of 1, 3, 5, 7, 11, ..."""
    start = piece = 0
    while start < len(members):
        size = _PIECES[piece % len(_PIECES)]
        yield list(members[start : start + size])
        start, piece = start + size, piece + 1
