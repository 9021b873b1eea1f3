"""Rows to the store, with vectors for every generation that is kept right. Each batch is one durable transaction, so
a killed sync loses the batch in flight."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from idembed.errors import ModelError, SpaceMismatchError
from idembed.index.embed import Made, Work, spans
from idembed.index.owner import Writing
from idembed.index.report import Report
from idembed.index.spool import Verdict
from idembed.index.targets import Target
from idembed.rows import CheckedRow
from idembed.split import Splitter
from idembed.stores.base import PartRecord, RowRecord, Store

__all__ = ["Job", "Writer"]

Job = tuple[Verdict, CheckedRow]

_ROWS = 5_000
_FEWEST_BYTES, _MOST_BYTES = 32_768, 1_048_576
_SECONDS = 2.0
"""A batch aims at this time: short enough to lose little, long enough that its fsync costs nothing."""


class Writer:
    """Writes rows of one scope. The first of ``targets`` is the active generation, which has to have vectors for every
    row; another one is left behind, with a reason, when its model cannot be used."""

    def __init__(
        self, store: Store, writing: Writing, targets: Sequence[Target], scope: str, splitter: Splitter | None
    ) -> None:
        self._store = store
        self._writing = writing
        self._targets = targets
        self._scope = scope
        self._splitter = splitter
        self._batch_bytes = _FEWEST_BYTES
        self.report = Report()
        self.refused: list[str] = []
        """Ids of rows that were there and are not any more what they should be: they must be deleted."""

    def write(self, jobs: Iterable[Job], progress: Callable[[int], None]) -> None:
        """Upsert every row; ``progress`` gets the number of rows written so far."""
        done = 0
        for batch in self._batches(jobs):
            started = time.monotonic()
            self._write_batch(batch)
            done += len(batch)
            progress(done)
            took = time.monotonic() - started
            if took < _SECONDS / 2:
                self._batch_bytes = min(2 * self._batch_bytes, _MOST_BYTES)
            elif took > 2 * _SECONDS:
                self._batch_bytes = max(self._batch_bytes // 2, _FEWEST_BYTES)
        for target in self._targets:
            self.report.embedded += target.embedder.embedded
            self.report.tokens += target.embedder.tokens
            self.report.truncated += target.embedder.truncated
            self.report.model_seconds += target.embedder.seconds

    def _batches(self, jobs: Iterable[Job]) -> Iterator[list[Job]]:
        batch: list[Job] = []
        weight = 0
        for job in jobs:
            batch.append(job)
            weight += len(job[1].text) if job[0] >= Verdict.TEXT else 0
            if weight >= self._batch_bytes or len(batch) >= _ROWS:
                yield batch
                batch, weight = [], 0
        if batch:
            yield batch

    def _write_batch(self, batch: Sequence[Job]) -> None:
        work = [
            Work(row.id, row.text, spans(self._splitter, row.text)) for verdict, row in batch if verdict >= Verdict.TEXT
        ]
        active, *others = self._targets
        made = active.embedder.parts(work)
        self._note_empty(active, made)
        if made.refused:
            self.report.aside += tuple(made.refused.items())
            self.refused.extend(row.id for verdict, row in batch if verdict is Verdict.TEXT and row.id in made.refused)
            batch = [job for job in batch if job[1].id not in made.refused]
            work = [row for row in work if row.id not in made.refused]
        parts = {active.number: made.parts}
        asked = set(made.asked)
        for target in others:
            if (also := self._also(target, work)) is not None:
                parts[target.number] = also.parts
                asked |= also.asked
        self._store.upsert(self._writing.lease(), [self._record(verdict, row, parts) for verdict, row in batch])
        for verdict, row in batch:
            self.report.added += verdict is Verdict.ADDED
            self.report.changed += verdict is Verdict.TEXT
            self.report.updated += verdict is Verdict.METADATA
            self.report.reused += row.id not in asked

    def _also(self, target: Target, work: Sequence[Work]) -> Made | None:
        """The parts for a generation that is not searched; None, from now on, when its model cannot be used."""
        if target.behind or not work:
            return None
        try:
            made = target.embedder.parts(work)
        except (ModelError, SpaceMismatchError) as error:
            target.behind = error.message
            return None
        self._note_empty(target, made)
        for row in work:
            if reason := made.refused.get(row.id):
                self.report.skipped += ((row.id, f"no vector in generation {target.number}: {reason}"),)
                made.parts[row.id] = target.without_vectors(row)
        return made

    def _note_empty(self, target: Target, made: Made) -> None:
        where = "" if target is self._targets[0] else f" (generation {target.number})"
        self.report.skipped += tuple(
            (row_id, f"its part {number} has no word that {target.generation.model} knows{where}")
            for row_id, number in made.empty
        )

    def _record(self, verdict: Verdict, row: CheckedRow, parts: dict[int, dict[str, list[PartRecord]]]) -> RowRecord:
        text = row.text if verdict >= Verdict.TEXT else None
        mine = {number: found[row.id] for number, found in parts.items()} if text is not None else {}
        return RowRecord(row.id, self._scope, text, row.text_hash, row.metadata, row.metadata_hash, row.row_hash, mine)
