"""The exact difference between a source and its scope, made before anything is written.

Rows that are as they are stored have the hash of a stored row, and that is all that is looked at of them: bucket by
bucket, two sorted arrays of 16 bytes a row. What is left over on either side meets by id. Their text hashes decide
whether the text changed, their metadata hashes whether the metadata did, and the store says whether every vector is
there and was made from that text: three separate facts. What the store holds and the source lacks, within the scope,
is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from idembed.chunks import chunks
from idembed.errors import MassDeletionError, RowError
from idembed.index.estimate import Estimate
from idembed.index.outcome import Noted, Outcome
from idembed.index.spool import Spool
from idembed.rows import BUCKETS
from idembed.stores.base import RowState, Store

__all__ = ["Plan", "outcome_of", "plan_rows", "plan_scope", "refuse_mass_deletion", "tally"]

_ROWS_AT_ONCE = 1 << 21
"""Rows that are compared at a time: some 200 MB."""
_IDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows ``added``, with another ``text``, with other ``metadata`` only, ``moved`` (to another id, with their text:
    neither added nor deleted), ``deleted`` and ``unchanged``; ``stored`` rows were in the scope before. ``text_bytes``:
    UTF-8 bytes of the texts of new and changed rows. ``lost`` rows were removed by another program, and the source does
    not have them either. ``aside`` rows of the source are left out, as the model has no
    vector for them; only a sync asks the model. ``estimates``: what embedding takes, for each generation."""

    added: int
    changed: int
    updated: int
    moved: int
    deleted: int
    unchanged: int
    stored: int
    text_bytes: int
    lost: int = 0
    aside: int = 0
    estimates: tuple[Estimate, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True when the index already is what the source says."""
        return not (self.added or self.changed or self.updated or self.moved or self.deleted or self.lost)

    def __str__(self) -> str:
        return (
            f"added {self.added:,}, text changed {self.changed:,}, metadata changed {self.updated:,}, "
            f"moved {self.moved:,}, deleted {self.deleted:,}, unchanged {self.unchanged:,}"
        )

    def as_dict(self) -> dict[str, Any]:
        """All numbers, for JSON."""
        return asdict(self)


def outcome_of(row_hash: bytes, text_hash: bytes, state: RowState | None) -> Outcome:
    """What a row of the source means, given what is stored under its id."""
    if state is None:
        return Outcome.ADDED
    if state.row_hash == row_hash:
        return Outcome.UNCHANGED
    if not state.row_hash or not state.current or state.text_hash != text_hash:
        return Outcome.TEXT  # also where another program touched it, whatever it was: whole vectors are found again
    return Outcome.METADATA


def plan_scope(
    spool: Spool,
    store: Store | None,
    scope: str,
    generations: Sequence[int],
    progress: Callable[[int], None] | None = None,
) -> Plan:
    """Compare the spooled source with its scope, bucket by bucket in bounded memory; the outcomes and the
    ids to delete are recorded in the spool. Raises RowError for an id that occurs more than once or that another
    scope holds."""
    stored = store.count(scope) if store else 0
    spool.forget_outcomes()
    for buckets in _ranges(max(spool.rows, stored)):
        spool.compare(buckets, store.row_hashes(scope, buckets) if store else None)
        if progress is not None:
            progress(spool.rows * buckets.stop // BUCKETS)
    _compare_differing(spool, store, scope, generations, whole=True)
    if store:
        for hashes in spool.gone():
            _doom(spool, store, list(store.ids_at(scope, hashes).values()))
        for ids in chunks(store.unsettled(scope), _IDS_AT_ONCE):
            _doom(spool, store, ids)
        _doom(spool, store, store.lost(scope))
    return tally(spool, stored)


def plan_rows(spool: Spool, store: Store | None, scope: str, generations: Sequence[int]) -> Plan:
    """Compare each spooled row with the stored row of its id; nothing is deleted."""
    spool.forget_outcomes()
    for buckets in _ranges(spool.rows):
        spool.compare(buckets, None)
    _compare_differing(spool, store, scope, generations, whole=False)
    return tally(spool, 0)


def _compare_differing(
    spool: Spool, store: Store | None, scope: str, generations: Sequence[int], *, whole: bool
) -> None:
    for rows in spool.differing():
        states = store.states([row.id for _, row in rows], generations) if store else {}
        outcomes = []
        for ordinal, row in rows:
            state, text_hash = states.get(row.id), row.text_hash
            if state is not None and state.scope != scope:
                raise RowError(
                    f"row {row.id!r} belongs to scope {state.scope!r}, not {scope!r}",
                    hint=f"an id names one row of the whole index: delete it from {state.scope!r}, or use another id",
                    id=row.id,
                )
            if whole and state is not None and state.row_hash not in (b"", row.row_hash):
                spool.refuse_twin(ordinal, state.row_hash)
            outcome = outcome_of(row.row_hash, text_hash, state)
            size = len(row.text) if row.text.isascii() else len(row.text.encode())
            outcomes.append(Noted(ordinal, outcome, row.id, text_hash, size))
        spool.note(outcomes)


def _doom(spool: Spool, store: Store, ids: Sequence[str]) -> None:
    """Delete those that the source does not have in another form; what is there no longer is only noted."""
    gone = sorted(set(ids) - spool.differs(ids))
    states = store.states(gone, ())
    spool.doom((row_id, states[row_id].text_hash if row_id in states else None) for row_id in gone)


def tally(spool: Spool, stored: int) -> Plan:
    """The plan that the outcomes in the spool make; ``stored``: rows in the scope, 0 if the source is not all of it."""
    kinds = (Outcome.ADDED, Outcome.TEXT, Outcome.METADATA, Outcome.ASIDE)
    added, changed, updated, aside = map(spool.count, kinds)
    unchanged = spool.rows - added - changed - updated - aside
    moved = spool.moved_count()
    return Plan(
        added - moved,
        changed,
        updated,
        moved,
        spool.doomed_count() - moved,
        unchanged,
        stored,
        spool.text_bytes(),
        spool.lost_count(),
        aside,
    )


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
            hint="nothing was deleted. If the source is right, allow it: allow_mass_deletion=True, "
            "--allow-mass-deletion; if it is one of several sources, give each its own scope",
        )


def _ranges(rows: int) -> Iterator[range]:
    count = min(BUCKETS, -(-rows // _ROWS_AT_ONCE) or 1)
    edges = [BUCKETS * i // count for i in range(count + 1)]
    return (range(a, b) for a, b in pairwise(edges))
