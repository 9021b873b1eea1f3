"""An index is compared with the truth: exactly, after a process that was stopped, and by its answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from answers import check_answers
from stored import Stored, Wrong, compare, read
from world import Content, Generation, Truth
from wrong import refuse


def check_exactly(path: Path, truth: Truth) -> None:
    """The file holds the truth: nothing lost, stale, extra or mixed, in no generation."""
    found = read(path)
    expected = [(g.number, g.model, g.status) for g in truth.generations]
    assert found.statuses() == expected, f"generations {found.statuses()} instead of {expected}"
    assert all(complete for number, _, _, complete in found.generations if number in _whole(truth))
    _check(found, truth, "the index")


def check_between(path: Path, before: Truth, after: Truth, *other: Truth) -> Truth:
    """The file of a process that was stopped: every row as it was, or as it should become, with its own vectors, and
    the generations before or after, or those of an ``other`` moment. What it holds."""
    found = read(path)
    held = _held(found, before, after, *other)
    _check(found, held, "an index whose writer was stopped")
    return held


def _held(found: Stored, before: Truth, after: Truth, *other: Truth) -> Truth:
    """The truth half-way that the file seems to be."""
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
    for truth in (after, before, *other):
        if found.statuses() == [(g.number, g.model, g.status) for g in truth.generations]:
            both = _whole(before) & _whole(after)
            return replace(truth, scopes=rows, generations=tuple(_as_far(g, both) for g in truth.generations))
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


__all__ = ["check_answers", "check_between", "check_exactly", "counts"]
