"""An index is compared with the truth: exactly, after a process that was stopped, and by its answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import NamedTuple

from answers import check_answers, check_answers_half_way, opened
from half_way import check_rows_half_way
from place import Place
from stored import Stored, Wrong, compare
from world import Content, Generation, Truth
from wrong import refuse


class Held(NamedTuple):
    """What an index holds whose writer was stopped. ``is_exact``: so much is known; else a row that was being written
    may be half-way, and ``truth`` says which generations there are."""

    truth: Truth
    is_exact: bool


def check_exactly(place: Place, truth: Truth) -> None:
    """The index holds the truth: nothing lost, stale, extra or mixed, in no generation."""
    expected = [(g.number, g.model, g.status) for g in truth.generations]
    for found in place.readings():
        assert found.statuses() == expected, f"generations {found.statuses()} instead of {expected}"
        assert all(complete for number, _, _, complete in found.generations if number in _whole(truth))
        refuse("the index, asked in several ways", torn=len(found.torn))
        _check(found, truth, "the index")


def check_between(place: Place, before: Truth, after: Truth, *other: Truth) -> Held:
    """The index of a process that was stopped: every row as it was, or as it should become, with its own vectors, and
    the generations before or after, or those of an ``other`` moment; and it answers so. Where a batch is not all or
    none, that is said of each row that was not being written, and nothing wrong is found of the others."""
    found = place.read()
    held = _held_generations(found, before, after, *other)
    if found.is_all_or_none:
        held = replace(held, scopes=_held_rows(found, before, after))
        _check(found, held, "an index whose writer was stopped")
    else:
        check_rows_half_way(found, held, before, after)
    if held.active is not None:
        with opened(place.url, held) as index:
            if found.is_all_or_none:
                check_answers(index, held)
            else:
                check_answers_half_way(index, held.active.model, before, after)
    return Held(held, found.is_all_or_none)


def _held_rows(found: Stored, before: Truth, after: Truth) -> dict[str, Content]:
    """The truth half-way that the rows seem to be."""
    rows: dict[str, Content] = {scope: {} for scope in {**before.scopes, **after.scopes}}
    for truth in (before, after):
        for scope, content in truth.scopes.items():
            for row_id, row in content.items():
                if found.rows.get(row_id) == truth.rows[row_id]:
                    rows[scope][row_id] = row
    stale = found.rows.keys() & (before.rows.keys() | after.rows.keys()) - {i for c in rows.values() for i in c}
    refuse(
        "rows of a process that was stopped",
        lost=len(before.rows.keys() & after.rows.keys() - found.rows.keys()),
        extra=len(found.rows.keys() - before.rows.keys() - after.rows.keys()),
        stale=len(stale),
    )
    return rows


def _held_generations(found: Stored, before: Truth, after: Truth, *other: Truth) -> Truth:
    for truth in (after, before, *other):
        if found.statuses() == [(g.number, g.model, g.status) for g in truth.generations]:
            both = _whole(before) & _whole(after)
            return replace(truth, generations=tuple(_as_far(g, both) for g in truth.generations))
    raise AssertionError(f"generations {found.statuses()} of a process that was stopped")


def _as_far(generation: Generation, whole: set[int]) -> Generation:
    """What was active all the time, or was whole before and after, has vectors for every row at any moment."""
    return replace(generation, whole=generation.status == "active" or generation.number in whole)


def _whole(truth: Truth) -> set[int]:
    return {g.number for g in truth.generations if g.whole}


def _check(found: Stored, truth: Truth, where: str) -> None:
    wrong = compare(found, truth)
    refuse(where, **counts(wrong, found, truth))
    refuse(where, stale=wrong.unsettled)


def counts(wrong: Wrong, found: Stored, truth: Truth) -> Counter[str]:
    """How many of each kind."""
    missing, spare = truth.rows.keys() - found.rows.keys(), found.rows.keys() - truth.rows.keys()
    return Counter(
        lost=len(missing) + sum(row_id not in missing for _, row_id, _ in wrong.lost),
        extra=len(spare) + len(wrong.extra) + wrong.orphans,
        stale=len(wrong.rows - missing - spare) + len(wrong.altered - wrong.mixed),
        mixed=len(wrong.mixed),
    )


__all__ = ["Held", "check_answers", "check_between", "check_exactly", "counts"]
