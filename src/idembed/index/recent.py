"""Vectors that were made a moment ago, and cannot be found in the store yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from idembed.space import Kept

__all__ = ["Recent"]


class Recent:
    """By address. What was handed over to the store stays until it is there, while more is made."""

    def __init__(self) -> None:
        self._made: dict[bytes, Kept] = {}
        self._on_the_way: list[dict[bytes, Kept]] = []

    def __contains__(self, place: bytes) -> bool:
        return any(place in some for some in (self._made, *self._on_the_way))

    def among(self, places: Iterable[bytes]) -> dict[bytes, Kept]:
        """Those of the places that are here."""
        everything = (self._made, *self._on_the_way)
        return {place: some[place] for place in places for some in everything if place in some}

    def add(self, made: Mapping[bytes, Kept]) -> None:
        """Something was made."""
        self._made.update(made)

    def remove(self, places: Iterable[bytes]) -> None:
        """It is not to be used after all."""
        for place in places:
            for some in (self._made, *self._on_the_way):
                some.pop(place, None)

    def hand_over(self) -> None:
        """What was made so far is given to the store."""
        self._on_the_way.append(self._made)
        self._made = {}

    def arrived(self) -> None:
        """What was handed over first is in the store."""
        del self._on_the_way[:1]
