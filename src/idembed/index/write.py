"""Rows to the store, with vectors for every generation that is kept right. Each batch is one durable transaction, so
a killed sync loses what is in flight: the batch that is written (handover.py), and the one that is gathered
(pace.py)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence

from idembed.chunks import weighed
from idembed.errors import IdembedError, ModelError, SpaceMismatchError, TooLongError
from idembed.index.embed import Made, Work, spans
from idembed.index.handover import Handover
from idembed.index.outcome import Outcome
from idembed.index.owner import Writing
from idembed.index.pace import Pace, batches
from idembed.index.recent import Recent
from idembed.index.report import Report
from idembed.index.targets import LONG, Target, without_vectors
from idembed.rows import CheckedRow
from idembed.split import Splitter
from idembed.stores.base import Lease, PartRecord, RowRecord, Store

__all__ = ["Job", "Writer"]

Job = tuple[Outcome, CheckedRow]
_Parcel = tuple[Lease, list[RowRecord]]

_ROWS = 1000
_MIXED = 2048
"""Texts at once where an API and a local model are asked side by side: a full request, and little work to lose."""


class Writer:
    """Writes rows of one scope. The first of ``targets`` is the active generation, which has to have vectors for every
    row; another one is left behind, with a reason, when its model cannot be used."""

    def __init__(
        self,
        store: Store,
        writing: Writing,
        targets: Sequence[Target],
        scope: str,
        splitter: Splitter | None,
        *,
        refuse_long: bool = False,
    ) -> None:
        """``refuse_long``: a text that the model turns out to find too long is an error."""
        self._store = store
        self._writing = writing
        self._targets = targets
        self._scope = scope
        self._splitter = splitter
        self._refuse_long = refuse_long
        self._waiting: list[RowRecord] = []
        self._pace = Pace(lambda: sum(target.embedder.seconds for target in targets))
        self.report = Report()
        self.refused: list[str] = []
        """Ids of rows that were there and are not any more what they should be: they must be deleted."""

    def write(self, jobs: Iterable[Job], progress: Callable[[int], None]) -> None:
        """Upsert every row; ``progress`` gets the number of rows that are through so far. What was made before an
        error is written all the same."""
        with Handover(self._store, _upsert, self._written, self._writing.keep) as handover:
            self._write(jobs, progress, handover)
        for target in self._targets:
            self.report.embedded += target.embedder.embedded
            self.report.tokens += target.embedder.tokens
            self.report.truncated += target.embedder.truncated
            self.report.model_seconds += target.embedder.seconds

    def _write(self, jobs: Iterable[Job], progress: Callable[[int], None], handover: Handover[_Parcel, None]) -> None:
        done, batch = 0, self._batch_size()
        step: list[Job] = []
        try:
            for step in weighed(jobs, max(_ROWS, batch), self._texts, batch):
                self._targets[0].embedder.on_made = _counting(progress, done, len(step))
                self._waiting += self._records(step)
                done += len(step)
                if self._pace.is_due and (handover.is_free or self._pace.is_full):
                    self._commit(handover)
                    progress(done)
        except BaseException:
            with contextlib.suppress(IdembedError):  # the first error matters
                self._rescue(step)
                self._commit(handover)
            raise
        self._commit(handover)
        handover.finish()
        progress(done)

    @property
    def paid_tokens(self) -> int:
        """Tokens that APIs read, until now."""
        return sum(t.embedder.tokens for t in self._targets if not t.generation.space.repeatable)

    def _batch_size(self) -> int:
        sizes = [target.embedder.batch_size for target in self._targets]
        return min(max(sizes), max(min(sizes), _MIXED))

    def _texts(self, job: Job) -> int:
        """How many texts of a row may have to go through a model: about, where texts are split."""
        outcome, row = job
        if outcome < Outcome.TEXT:
            return 0
        return 1 + len(row.text) // min(self._splitter.size if self._splitter else LONG, LONG)

    def _rescue(self, step: Sequence[Job]) -> None:
        """What was made, and perhaps paid for, of a step that came to no end is written too."""
        written = {record.id for record in self._waiting}
        left = [job for job in step if job[1].id not in written and self._is_made(job)]
        if left:
            self._waiting += self._records(left)

    def _is_made(self, job: Job) -> bool:
        outcome, row = job
        if outcome < Outcome.TEXT:
            return False
        work = Work(row.id, row.text, spans(self._splitter, row.text))
        return all(target.behind or target.embedder.has_made(work) for target in self._targets)

    def _commit(self, handover: Handover[_Parcel, None]) -> None:
        if self._waiting:
            handover.finish()
            for recent in self._recent():
                recent.hand_over()
            handover.give((self._writing.lease(), self._waiting))
        self._waiting = []
        self._pace.written()

    def _written(self, parcel: _Parcel, _: None) -> None:
        for recent in self._recent():
            recent.arrived()

    def _recent(self) -> set[Recent]:
        return {target.embedder.recent for target in self._targets}

    def _records(self, step: Sequence[Job]) -> list[RowRecord]:
        """What is to be written for some rows, with vectors for every generation."""
        work = [
            Work(row.id, row.text, spans(self._splitter, row.text)) for outcome, row in step if outcome >= Outcome.TEXT
        ]
        active, *others = self._targets
        made = active.embedder.parts(work)
        self._note_empty(active, made)
        if made.too_long and self._refuse_long:
            row_id = min(made.too_long)
            raise TooLongError(
                f"the text of row {row_id!r}: {made.refused[row_id]}",
                hint='what was embedded is kept. Split the text (split=…), or allow on_long="cut" or "skip"',
                id=row_id,
            )
        if made.refused:
            self.report.aside += tuple(made.refused.items())
            self.refused.extend(row.id for outcome, row in step if outcome is Outcome.TEXT and row.id in made.refused)
            step = [job for job in step if job[1].id not in made.refused]
            work = [row for row in work if row.id not in made.refused]
        parts = {active.number: made.parts}
        asked = set(made.asked)
        for target in others:
            if (also := self._also(target, work)) is not None:
                parts[target.number] = also.parts
                asked |= also.asked
        for outcome, row in step:
            self.report.added += outcome is Outcome.ADDED
            self.report.changed += outcome is Outcome.TEXT
            self.report.updated += outcome is Outcome.METADATA
            self.report.reused += row.id not in asked
        records = [self._record(outcome, row, parts) for outcome, row in step]
        for record in records:
            self._pace.add(record.size)
        return records

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
                made.parts[row.id] = without_vectors(target.generation, row)
        return made

    def _note_empty(self, target: Target, made: Made) -> None:
        where = "" if target is self._targets[0] else f" (generation {target.number})"
        self.report.skipped += tuple(
            (row_id, f"its part {number} has no word that {target.generation.model} knows{where}")
            for row_id, number in made.empty
        )

    def _record(self, outcome: Outcome, row: CheckedRow, parts: dict[int, dict[str, list[PartRecord]]]) -> RowRecord:
        text = row.text if outcome >= Outcome.TEXT else None
        mine = {number: found[row.id] for number, found in parts.items()} if text is not None else {}
        return RowRecord(row.id, self._scope, text, row.text_hash, row.metadata, row.metadata_hash, row.row_hash, mine)


def _upsert(store: Store, parcel: _Parcel) -> None:
    lease, rows = parcel
    for batch in batches(store, rows):
        store.upsert(lease, batch)


def _counting(progress: Callable[[int], None], done: int, most: int) -> Callable[[int], None]:
    """What tells of the rows of one step, of which there are ``most``, that the model is through with."""
    return lambda made: progress(done + min(made, most))
