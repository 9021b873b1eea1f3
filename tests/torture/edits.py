"""What another program may do to an index, and what a search must make of it before the next sync."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from world import Spot, Truth

if TYPE_CHECKING:
    from place import Place


class Seen(NamedTuple):
    """The truth with the rows as they are found now, the parts that are not found, and those that need not be."""

    truth: Truth
    hidden: frozenset[Spot] = frozenset()
    perhaps: frozenset[Spot] = frozenset()


@dataclass(frozen=True)
class Edit:
    """``does``: what is done to the row ``id`` in generation N (in table names), of whose parts the ``last`` may be
    meant, in the words of the database. ``seen``: what becomes of the answers of that generation, given the truth, the
    row, and the number of its last part."""

    name: str
    does: str
    seen: Callable[[Truth, str, int], Seen]

    def applies(self, parts: int, rows: int) -> bool:
        """Whether it can be done to a row of so many parts, one of so many rows."""
        return ("last" not in self.name or parts > 1) and ("another" not in self.name or rows > 1)


def _all(row_id: str, last: int) -> frozenset[Spot]:
    return frozenset((row_id, part) for part in range(last + 1))


def as_it_was(truth: Truth, row_id: str, last: int) -> Seen:
    return Seen(truth)


def without_row(truth: Truth, row_id: str, last: int) -> Seen:
    return Seen(truth, _all(row_id, last))


def without_part(truth: Truth, row_id: str, last: int) -> Seen:
    """One of its parts is not as it was; nothing is said of the others."""
    return Seen(truth, perhaps=_all(row_id, last))


def without_any(truth: Truth, row_id: str, last: int) -> Seen:
    return Seen(truth.without(*truth.rows))


def other_metadata(truth: Truth, row_id: str, last: int) -> Seen:
    scope, content = next((s, c) for s, c in truth.scopes.items() if row_id in c)
    return Seen(truth.synced(scope, {**content, row_id: (content[row_id][0], {"edited": 1})}))


def perform(edit: Edit, place: Place, truth: Truth, row_id: str, number: int) -> Seen:
    """Do it, as another program would; what is found now of generation ``number``."""
    last = _last_part(truth, row_id)
    place.edit(edit.does.replace("_N", f"_{number}"), {"id": row_id, "last": last})
    assert truth.active is not None
    is_seen = "_N" not in edit.does or number == truth.active.number
    return edit.seen(truth, row_id, last) if is_seen else Seen(truth)


def choose_edit(choose: random.Random, truth: Truth, edits: Sequence[Edit]) -> tuple[Edit, str, int]:
    """One of these edits, a row, and a generation to which it can be done."""
    rows = sorted(truth.rows)
    possible = [(edit, row) for edit in edits for row in rows if edit.applies(_last_part(truth, row) + 1, len(rows))]
    edit = choose.choice([edit for edit in edits if any(edit is other for other, _ in possible)])
    victim = choose.choice([row for other, row in possible if other is edit])
    return edit, victim, choose.choice([g.number for g in truth.generations if g.whole])


def _last_part(truth: Truth, row_id: str) -> int:
    assert truth.active is not None
    return max(part for owner, part in truth.parts(truth.active.model) if owner == row_id)
