"""What a task has to say of itself, worked out from what the file held before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from ledger import Addresses, needed
from stored import Stored
from workers import Task
from world import Row, Truth

Made = Counter[bytes]


def check_said(task: Task, said: Any, before: Stored, after: Truth, kept: Addresses, made: Made) -> None:
    """``said`` is what a task must say that began with the file as it was ``before`` and ended with ``after``, while
    ``kept`` were the vectors that were durable and ``made`` is what models were asked for."""
    what = task["do"]
    if isinstance(said, dict) and "embedded" in said:
        assert said["embedded"] == made.total(), f"{what} says it embedded {said['embedded']} texts of {made.total()}"
    if what in ("sync", "upsert"):
        expected = _sync_report(task, before, after, kept)
        found = {name: said[name] for name in expected}
        assert found == expected, f"{what} said {found} instead of {expected}"
    if what == "upgrade":
        found = (said["total"], said["complete"] or task["until"] is not None)
        assert found == (len(after.rows), True), said
    if what == "rebuild":
        assert (said["total"], said["complete"], said["same_root"]) == (len(after.rows), True, True), said
    if what == "delete":
        assert said == len(before.rows.keys() & set(task["ids"])), said
    if what == "switch":
        _check_warnings(said, before, after)
    if what in ("rollback", "drop"):
        assert said == (after.active.number if what == "rollback" and after.active else task.get("number")), said
    if what == "repair":
        assert (said["ok"], said["counts"], said["mended"], said["rows"]) == (True, {}, 0, len(after.rows)), said


def _sync_report(task: Task, before: Stored, after: Truth, kept: Addresses) -> dict[str, Any]:
    """Rows are counted by what became of them; texts, by whether their vectors were there."""
    kept, models = set(kept), {generation.model for generation in after.generations}
    tokens = {part.address: part.tokens for name in models for part in after.parts(name).values()}
    counts: Counter[str] = Counter()
    for row_id in task["rows"]:
        outcome = _outcome(row_id, before, after)
        counts[outcome] += 1
        places = needed(after, [row_id], models) if outcome in ("added", "changed") else set()
        counts["embedded"] += len(places - kept)
        counts["tokens"] += sum(tokens[place] for place in places - kept)
        counts["reused"] += places <= kept
        kept |= places
    gone = [i for i, row in before.rows.items() if row.scope == task["scope"] and i not in task["rows"]]
    counts["deleted"] = len(gone) if task["do"] == "sync" else 0
    moved = _moved(before, after, task["rows"], gone) if task["do"] == "sync" else 0
    counts["added"], counts["deleted"], counts["moved"] = counts["added"] - moved, counts["deleted"] - moved, moved
    names = ("embedded", "tokens", "truncated", "reused", "added", "changed", "updated", "moved", "deleted")
    return {name: counts[name] for name in names} | {"skipped": [], "aside": [], "behind": []}


def _outcome(row_id: str, before: Stored, after: Truth) -> str:
    was, is_ = before.rows.get(row_id), after.rows[row_id]
    if was is None:
        return "added"
    if was.row_hash == is_.row_hash:
        return "unchanged"
    return "updated" if was.text_hash == is_.text_hash and _is_current(row_id, was, before) else "changed"


def _is_current(row_id: str, row: Row, before: Stored) -> bool:
    """Whether every generation that is kept right has its vectors."""
    kept_right = [number for number, _, status, complete in before.generations if complete or status == "active"]
    for number in kept_right:
        hashes = [part.text_hash for (owner, _), part in before.parts[number].items() if owner == row_id]
        if not hashes or any(text_hash != row.text_hash for text_hash in hashes):
            return False
    return True


def _moved(before: Stored, after: Truth, rows: Collection[str], gone: Collection[str]) -> int:
    """How many new rows have the text of one that goes, each of those taken once."""
    new = Counter(after.rows[row_id].text_hash for row_id in rows if row_id not in before.rows)
    old = Counter(before.rows[row_id].text_hash for row_id in gone)
    return (new & old).total()


def _check_warnings(said: list[str], before: Stored, after: Truth) -> None:
    """That nothing was judged, unless both are of one model, and what else is on standby."""
    assert after.active is not None
    was = next(name for _, name, status, _ in before.generations if status == "active")
    others = sum(status == "standby" and n != after.active.number for n, _, status, _ in before.generations)
    expected = int(was != after.active.model) + others
    assert len(said) == expected, said
    assert ("nothing was judged" in said[0]) if was != after.active.model else True, said
