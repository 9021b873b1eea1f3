"""Rows to vectors to the store: each distinct missing text goes through the model once.

A vector is looked for where it may already be: in the batch, in the store by its address, in the vault. Only
then is the model asked. Each batch is one durable transaction, so a killed sync loses the batch in flight.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from idembed.index.owner import Writing
from idembed.index.report import Report
from idembed.index.spool import Verdict
from idembed.models.base import Model
from idembed.rows import CheckedRow
from idembed.space import address
from idembed.split import Splitter
from idembed.stores.base import Generation, Kept, PartRecord, RowRecord, Store
from idembed.vault import Vault

__all__ = ["Job", "Writer", "spans"]

Span = tuple[int, int]
Job = tuple[Verdict, CheckedRow]

_ROWS = 5_000
_FEWEST_BYTES, _MOST_BYTES = 32_768, 1_048_576
_SECONDS = 2.0
"""A batch aims at this time: short enough to lose little, long enough that its fsync costs nothing."""


class Writer:
    """Writes rows of one scope into one generation, whose vectors ``model()`` makes when it must."""

    def __init__(
        self,
        store: Store,
        writing: Writing,
        target: Generation,
        model: Callable[[], Model],
        scope: str,
        splitter: Splitter | None,
        *,
        vaults: Sequence[Vault],
        keep_in: Vault | None,
    ) -> None:
        """``vaults`` are looked into; everything that the model makes goes into ``keep_in``."""
        self._store = store
        self._writing = writing
        self._target = target
        self._model = model
        self._scope = scope
        self._splitter = splitter
        self._vaults = vaults
        self._keep_in = keep_in
        self._batch_bytes = _FEWEST_BYTES
        self.report = Report()

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
        parts = {
            row.id: [
                (span, address(self._target.space.id, "document", row.text[span[0] : span[1]]))
                for span in spans(self._splitter, row.text)
            ]
            for verdict, row in batch
            if verdict >= Verdict.TEXT
        }
        found = self._find({place for row_parts in parts.values() for _, place in row_parts})
        missing: dict[bytes, str] = {}
        owing = set()
        for _, row in batch:
            for (start, end), place in parts.get(row.id, ()):
                if place not in found and place not in missing:
                    missing[place] = row.text[start:end]
                    owing.add(row.id)
        if empty := self._empty(missing):
            self._report_empty(empty, parts)
        found.update(self._embed({place: text for place, text in missing.items() if place not in empty}))
        records = [self._record(row, parts.get(row.id), found) for _, row in batch]
        self._store.upsert(self._writing.lease(), records)
        self._count(batch, owing)

    def _find(self, places: set[bytes]) -> dict[bytes, Kept]:
        if not places:
            return {}
        found = self._store.vectors_at(self._target.number, sorted(places))
        for vault in self._vaults:
            if rest := places.difference(found):
                found.update(vault.get(self._target.space.id, sorted(rest)))
        return found

    def _empty(self, missing: dict[bytes, str]) -> set[bytes]:
        """Those that have no vector: parts without a known word, of rows that have others. (Rows of whose parts
        none has one do not come here.)"""
        if not missing or self._splitter is None or self._model().reads_every_text:
            return set()
        receipts = self._model().receipts(list(missing.values()))
        return {place for place, receipt in zip(missing, receipts, strict=True) if not receipt.tokens}

    def _report_empty(self, empty: set[bytes], parts: dict[str, list[tuple[Span, bytes]]]) -> None:
        knows = f"has no word that {self._model().name} knows"
        self.report.skipped += tuple(
            (row_id, f"its part {number} {knows}")
            for row_id, row_parts in parts.items()
            for number, (_, place) in enumerate(row_parts)
            if place in empty
        )

    def _embed(self, missing: dict[bytes, str]) -> dict[bytes, Kept]:
        if not missing:
            return {}
        model = self._model()
        started = time.monotonic()
        texts = list(missing.values())
        result = model.embed(texts, "document", progress=lambda done: self._writing.keep())
        self.report.model_seconds += time.monotonic() - started
        self.report.embedded += len(missing)
        self.report.tokens += sum(receipt.tokens for receipt in result.receipts)
        self.report.truncated += sum(receipt.truncated for receipt in result.receipts)
        made = {
            place: Kept(vector, receipt.tokens, receipt.truncated)
            for place, vector, receipt in zip(missing, result.vectors, result.receipts, strict=True)
        }
        if self._keep_in is not None:
            with self._keep_in.writer(self._target.space.id, self._target.space.dim) as writer:
                writer.put(made)
        return made

    def _record(self, row: CheckedRow, parts: list[tuple[Span, bytes]] | None, found: dict[bytes, Kept]) -> RowRecord:
        made = {}
        if parts is not None:
            made[self._target.number] = [
                PartRecord(number, span, place, kept.vector, kept.tokens, kept.truncated)
                for number, (span, place) in enumerate(parts)
                if (kept := found.get(place))  # one without a known word is left out
            ]
        text = row.text if parts is not None else None
        return RowRecord(row.id, self._scope, text, row.text_hash, row.metadata, row.metadata_hash, made)

    def _count(self, batch: Sequence[Job], owing: set[str]) -> None:
        for verdict, row in batch:
            self.report.added += verdict is Verdict.ADDED
            self.report.changed += verdict is Verdict.TEXT
            self.report.updated += verdict is Verdict.METADATA
            self.report.reused += row.id not in owing


def spans(splitter: Splitter | None, text: str) -> list[Span]:
    """[start, end) of each part of ``text`` in characters: the whole text where nothing is split."""
    return splitter.parts(text) if splitter else [(0, len(text))]
