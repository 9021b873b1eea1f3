"""What holds for generations in every database: which one is meant, which may be searched, which may be dropped.

``place`` is the store as it may be shown, ``facts`` name it for programs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from idembed.errors import DamagedError, IncompleteError, StoreError
from idembed.space import Space
from idembed.stores.records import RESTORE, Generation

__all__ = ["needed_of", "one_of", "refuse_active", "refuse_incomplete", "space_of"]


@lru_cache(64)
def space_of(number: int, recorded: str) -> Space:
    """The space of generation ``number``, from its canonical JSON. Raises DamagedError where that is none."""
    try:
        return Space.from_canonical(recorded)
    except (ValueError, KeyError, TypeError):
        raise DamagedError(
            f"the space of generation {number} cannot be read",
            hint=RESTORE,
            generation=number,
        ) from None


def needed_of(found: Sequence[Generation]) -> dict[int, bool]:
    """Every generation by number, and whether a row needs vectors in it to be settled."""
    return {generation.number: generation.complete or generation.status == "active" for generation in found}


def one_of(found: Sequence[Generation], number: int, place: str, **facts: object) -> Generation:
    """Generation ``number``, or a StoreError that lists those there are."""
    for generation in found:
        if generation.number == number:
            return generation
    there = ", ".join(str(generation.number) for generation in found) or "none"
    raise StoreError(f"{place}: there is no generation {number}", hint=f"generations: {there}", **facts)


def refuse_incomplete(place: str, generation: Generation, missing: int) -> None:
    """Raise IncompleteError: a generation that so many rows lack vectors in is not searched."""
    raise IncompleteError(
        f"{place}: {missing:,} rows have no vectors in generation {generation.number} ({generation.model})",
        hint="nothing was changed",
        lacking=missing,
        generation=generation.number,
    )


def refuse_active(place: str, generation: Generation) -> None:
    """Raise StoreError where the generation is the one that is searched: it is not dropped."""
    if generation.status == "active":
        raise StoreError(
            f"{place}: generation {generation.number} is the one searched, so it is not dropped",
            hint="switch to another generation first",
        )
