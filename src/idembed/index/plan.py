"""The exact difference between a source and its scope, made before anything is written.

A stored row and a row of the source meet by id. Their text hashes decide whether the text changed, their
metadata hashes whether the metadata did, and the store says whether every vector is there and was made from
that text: three separate facts. What the store holds and the source lacks, within the scope, is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from idembed.errors import MassDeletionError, RowError
from idembed.index.chunks import chunks
from idembed.index.spool import Spool, Verdict
from idembed.rows import BUCKETS
from idembed.stores.base import RowState, Store, StoredRow

__all__ = ["Plan", "judge", "plan_rows", "plan_scope", "refuse_mass_deletion", "tally"]

_ROWS_AT_ONCE = 250_000
"""Rows whose hashes are in memory at a time: some 60 MB."""
_IDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows ``added``, with another ``text``, with other ``metadata`` only, ``deleted`` and ``unchanged``;
    ``stored`` rows were in the scope before. ``text_bytes``: UTF-8 bytes of the texts that need vectors.
    ``empty`` rows of the source are left out, as the model has no vector for them; only a sync asks the model."""

    added: int
    changed: int
    updated: int
    deleted: int
    unchanged: int
    stored: int
    text_bytes: int
    empty: int = 0

    @property
    def is_empty(self) -> bool:
        """True when the index already is what the source says."""
        return not (self.added or self.changed or self.updated or self.deleted)

    def __str__(self) -> str:
        return (
            f"added {self.added:,}, text changed {self.changed:,}, metadata changed {self.updated:,}, "
            f"deleted {self.deleted:,}, unchanged {self.unchanged:,}"
        )


def judge(text_hash: bytes, metadata_hash: bytes, state: RowState | None) -> Verdict:
    """What a row of the source means, given what is stored under its id."""
    if state is None:
        return Verdict.ADDED
    if not state.current or state.text_hash != text_hash:
        return Verdict.TEXT
    return Verdict.UNCHANGED if state.metadata_hash == metadata_hash else Verdict.METADATA


def plan_scope(
    spool: Spool,
    store: Store | None,
    scope: str,
    generations: Sequence[int],
    progress: Callable[[int], None] | None = None,
) -> Plan:
    """Compare the spooled source with its scope, bucket by bucket in bounded memory; the verdicts and the
    ids to delete are recorded in the spool. Raises RowError for an id that occurs twice or that another scope
    holds."""
    stored = kept = 0
    for buckets in _ranges(max(spool.rows, store.count() if store else 0)):
        waiting = spool.hashes(buckets)
        kept += len(waiting)
        verdicts: list[tuple[int, Verdict]] = []
        doomed: list[str] = []
        for state in store.state(buckets, generations) if store else ():
            mine = state.scope == scope
            stored += mine
            row = waiting.pop(state.id, None)
            if row is None:
                if mine:
                    doomed.append(state.id)
                continue
            verdict = _judge_within(scope, row, state)
            if verdict is not Verdict.UNCHANGED:
                verdicts.append((row[0], verdict))
        verdicts.extend((position, Verdict.ADDED) for position, _, _ in waiting.values())
        spool.judge(verdicts)
        spool.doom(doomed)
        if progress is not None:
            progress(kept)
    return tally(spool, stored)


def plan_rows(spool: Spool, store: Store | None, scope: str, generations: Sequence[int]) -> Plan:
    """Compare each spooled row with the stored row of its id; nothing is deleted."""
    for buckets in _ranges(spool.rows):
        for chunk in chunks(spool.hashes(buckets).items(), _IDS_AT_ONCE):
            ids = [row_id for row_id, _ in chunk]
            stored = store.get(ids, *generations[:1], vectors=False) if store else {}
            verdicts = [
                (row[0], _judge_within(scope, row, _state(stored[row_id]) if row_id in stored else None))
                for row_id, row in chunk
            ]
            spool.judge(item for item in verdicts if item[1] is not Verdict.UNCHANGED)
    return tally(spool, 0)


def _judge_within(scope: str, row: tuple[int, bytes, bytes], state: RowState | None) -> Verdict:
    if state is not None and state.scope != scope:
        raise RowError(
            f"row {state.id!r} belongs to scope {state.scope!r}, not {scope!r}",
            hint=f"an id names one row of the whole index: delete it from {state.scope!r}, or use another id",
            id=state.id,
        )
    return judge(row[1], row[2], state)


def tally(spool: Spool, stored: int) -> Plan:
    """The plan that the verdicts in the spool make; ``stored``: rows in the scope, 0 if the source is not all of it."""
    kinds = (Verdict.ADDED, Verdict.TEXT, Verdict.METADATA, Verdict.EMPTY)
    added, changed, updated, empty = map(spool.count, kinds)
    unchanged = spool.rows - added - changed - updated - empty
    return Plan(added, changed, updated, spool.doomed_count(), unchanged, stored, spool.text_bytes(), empty)


def refuse_mass_deletion(plan: Plan, rows: int, scope: str, allow_empty: bool, allow_mass_deletion: bool) -> None:
    """Raise MassDeletionError for an empty source, or a plan that deletes more than half of the scope."""
    if rows == 0 and not allow_empty:
        raise MassDeletionError(
            f"the source has no rows; scope {scope!r} holds {plan.stored:,}",
            hint="nothing was changed. If the source is right, allow it: allow_empty=True, --allow-empty",
        )
    if 2 * plan.deleted > plan.stored and not allow_mass_deletion:
        raise MassDeletionError(
            f"this sync would delete {plan.deleted:,} of the {plan.stored:,} rows of scope {scope!r}",
            hint="nothing was changed. If the source is right, allow it: allow_mass_deletion=True, "
            "--allow-mass-deletion; if it is one of several sources, give each its own scope",
        )


def _ranges(rows: int) -> Iterator[range]:
    count = min(BUCKETS, -(-rows // _ROWS_AT_ONCE) or 1)
    edges = [BUCKETS * i // count for i in range(count + 1)]
    return (range(a, b) for a, b in pairwise(edges))


def _state(row: StoredRow) -> RowState:
    current = bool(row.parts) and all(map(row.has_current, row.parts))
    return RowState(row.id, row.scope, row.text_hash, row.metadata_hash, current)
