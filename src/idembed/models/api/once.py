"""Equal texts are asked for once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from idembed.models.api.journals import Passing
from idembed.models.base import Embedded, Journal

__all__ = ["each_once"]


def each_once(texts: list[str], journal: Journal, ask: Callable[[list[str], Journal], Embedded]) -> Embedded:
    """What is made of ``texts``, when ``ask`` is given each but once, with a journal that tells ``journal`` of all."""
    places: dict[str, list[int]] = {}
    for position, text in enumerate(texts):
        places.setdefault(text, []).append(position)
    if len(places) == len(texts):
        return ask(texts, journal)
    positions_of = list(places.values())
    made = ask(list(places), _Spread(journal, positions_of))
    order = np.empty(len(texts), np.int64)
    for number, positions in enumerate(positions_of):
        order[positions] = number
    refused = {p: reason for n, reason in made.refused.items() for p in positions_of[n]}
    long = frozenset(p for n in made.too_long for p in positions_of[n])
    return Embedded(made.vectors[order], [made.receipts[n] for n in order], refused, long)


class _Spread(Passing):
    """For texts that were given several times: what is made of one is made of all."""

    def __init__(self, journal: Journal, places: list[list[int]]) -> None:
        super().__init__(journal)
        self._places = places

    def made(self, positions: Sequence[int], made: Embedded) -> None:
        numbers = [n for n, position in enumerate(positions) for _ in self._places[position]]
        again = Embedded(
            made.vectors[numbers],
            [made.receipts[n] for n in numbers],
            {k: made.refused[n] for k, n in enumerate(numbers) if n in made.refused},
            frozenset(k for k, n in enumerate(numbers) if n in made.too_long),
        )
        self._journal.made([p for position in positions for p in self._places[position]], again)
