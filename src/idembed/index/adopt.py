"""Vectors that exist already taken over, once a sample of them has been compared with what the model says.

What is taken over is searched once all of it is there. Until then the index says that it is a part, and of what; taking
the same over again goes on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from idembed import models, stores
from idembed.chunks import chunks
from idembed.errors import IndexNotFoundError, OptionError, SourceError
from idembed.index.distinct import Ids
from idembed.index.ending import refuse_gone_model
from idembed.index.noise import ADOPTED, noise_between
from idembed.index.origin import ADOPTING, COPY_OF, INDEX_ID, change_meta, new_id
from idembed.index.owner import Writing, hold
from idembed.index.pace import batches
from idembed.index.report import Tell, ignore
from idembed.index.whose import Vector, as_stored, checked_likeness, sample_of
from idembed.models.base import Model, Receipt
from idembed.rows import CheckedRow, check_id
from idembed.shown import number_of
from idembed.sources.vectors import RowsWithVectors
from idembed.space import address, checksum
from idembed.stores.base import Generation, PartRecord, RowRecord, Store

__all__ = ["Adoption", "adopt"]

_ROWS = 500


@dataclass(frozen=True, slots=True)
class Adoption:
    """``rows`` were taken over. Of ``sampled`` ones, ``equal`` were the model's own to the bit; ``lowest`` is the
    lowest cosine between what was there and what the model says; less than that in a ``dot`` space, if lengths
    differ."""

    index: str
    model: str
    rows: int
    sampled: int
    equal: int
    lowest: float
    seconds: float

    def __str__(self) -> str:
        whose = (
            "to the bit"
            if self.equal == self.sampled
            else f"cosine {self.lowest:.7f} or more, computed by another library"
        )
        return f"took over {number_of(self.rows, 'vector')} of {self.model} ({self.sampled:,} compared: {whose})"

    def as_dict(self) -> dict[str, Any]:
        """All numbers, for JSON."""
        return asdict(self)


def adopt(
    source: RowsWithVectors,
    to: str | Path,
    *,
    model: str | Model,
    scope: str,
    sample: int,
    wait: float,
    tell: Tell = ignore,
) -> Adoption:
    """Make the new index ``to`` of the rows and vectors of ``source``; or go on with it, where that was begun with this
    source, scope and model, and did not come to its end: what is there already is not written again.

    Raises SpaceMismatchError, before anything is written, when the vectors are not the model's. Unless all that were
    compared are the model's own to the bit, the index records, before the first row, how far others may be apart
    (``noise_between``), and ``verify`` compares within that. OptionError where something else is at ``to``.
    """
    if sample < 1:
        raise OptionError(f"sample={sample}: at least one vector must be compared")
    check_id(scope, "scope")
    started = time.monotonic()
    loaded = models.load(model) if isinstance(model, str) else model
    refuse_gone_model(loaded)
    work = {"source": source.name, "scope": scope, "space": loaded.space.id}
    try:
        with stores.open_store(to, create=False) as store:
            _refuse_others(store, work)
    except IndexNotFoundError:
        pass
    with Ids() as ids:
        likeness = checked_likeness(source.name, loaded, sample_of(source, loaded.space.dim, sample, ids))
        noise = None if likeness.is_equal else noise_between(likeness.cosines)
        with stores.open_store(to) as store, hold(store, wait) as writing:
            rows = ids.count
            if _refuse_others(store, work):
                rows = _count_of(store, ids)
            else:
                generation = _begin(store, writing, loaded, work, noise)
                _write(store, writing, generation, source, loaded, scope, ids, tell)
                _remove_others(store, writing, ids)
                store.activate(writing.lease(), generation.number)
            change_meta(store, lambda meta: meta.pop(ADOPTING, None))
            url = store.url
    compared, equal, lowest = len(likeness.cosines), likeness.equal, likeness.lowest
    return Adoption(url, loaded.name, rows, compared, equal, lowest, time.monotonic() - started)


def _refuse_others(store: Store, work: dict[str, str]) -> bool:
    """Raise OptionError unless there is nothing yet, or the same was begun. True where all of that is there and
    searched, and only the end of it was not noted: rows are not written again, as syncs may have changed them since."""
    generations = store.generations()
    begun = store.read_meta()[1].get(ADOPTING)
    if any(generation.status == "active" for generation in generations):
        if begun == work:
            return True
        raise OptionError(f"{store.url} is an index already", hint="vectors are taken over into a new one")
    if generations and begun != work:
        what = f"a part of {begun['source']}, taken over in another way" if begun else "a part of something else"
        raise OptionError(
            f"{store.url} holds {what}",
            hint="go on with the same source, scope and model; or remove the file, or name another place",
        )
    return False


def _begin(store: Store, writing: Writing, model: Model, work: dict[str, str], noise: float | None) -> Generation:
    """The generation to write into, which is not searched yet; that this is a part, and how far the vectors may be from
    the model's, is known before the first row."""

    def begin(meta: dict[str, Any]) -> None:
        meta.pop(COPY_OF, None)  # one that was begun here, and of which nothing is there
        meta.update({INDEX_ID: new_id(), "splitter": None, ADOPTING: work})

    change_meta(store, begin)
    found = store.generations() or [store.create_generation(writing.lease(), model.space, model.name)]
    number = str(found[0].number)
    change_meta(store, lambda meta: meta.update({ADOPTED: {} if noise is None else {number: noise}}))
    return found[0]


def _write(
    store: Store,
    writing: Writing,
    generation: Generation,
    source: RowsWithVectors,
    model: Model,
    scope: str,
    ids: Ids,
    tell: Tell,
) -> None:
    """Every row. Raises SourceError where the source has not as many as when it was compared: what is written stays,
    to go on with."""
    begun, done = store.count() > 0, 0
    for chunk in chunks(source.read(model.space.dim), _ROWS):
        rows = [(row, as_stored(vector, model)) for row, vector in chunk]
        if begun:
            rows = _unwritten(store, generation, rows)
        if rows:
            receipts = model.receipts([row.text for row, _ in rows])
            records = [
                _record(row, vector, receipt, scope, generation)
                for (row, vector), receipt in zip(rows, receipts, strict=True)
            ]
            for batch in batches(store, records):
                store.upsert(writing.lease(), batch)
        done += len(chunk)
        writing.keep()
        tell("copying", done, ids.count)
    if done != ids.count:
        raise SourceError(
            f"{source.name} had {ids.count:,} rows at first, and {done:,} when it was read again",
            hint="let nothing write to it meanwhile, and take it over again: what is there already stays",
        )


def _unwritten(
    store: Store, generation: Generation, rows: Sequence[tuple[CheckedRow, Vector]]
) -> list[tuple[CheckedRow, Vector]]:
    """Those that are not there with this text, metadata and vector."""
    found = store.get([row.id for row, _ in rows], generation.number, vectors=False)

    def written(row: CheckedRow, vector: Vector) -> bool:
        there = found.get(row.id)
        if there is None or there.row_hash != row.row_hash or len(there.parts) != 1:
            return False
        (part,), raw = there.parts, vector.astype("<f4", copy=False).tobytes()
        return there.has_current(part) and part.checksum == checksum(part.address, raw, part.tokens, part.truncated)

    return [(row, vector) for row, vector in rows if not written(row, vector)]


def _remove_others(store: Store, writing: Writing, ids: Ids) -> None:
    """Rows that an earlier attempt found, and that the source has no more."""
    if store.count() > ids.count:
        for chunk in chunks((row.id for row in store.scan(vectors=False)), _ROWS):
            store.delete(writing.lease(), ids.absent(chunk))


def _count_of(store: Store, ids: Ids) -> int:
    """How many of the rows are there."""
    found = chunks((row.id for row in store.scan(vectors=False)), _ROWS)
    return sum(len(chunk) - len(ids.absent(chunk)) for chunk in found)


def _record(row: CheckedRow, vector: Vector, receipt: Receipt, scope: str, generation: Generation) -> RowRecord:
    place = address(generation.space.id, "document", row.text)
    part = PartRecord(0, (0, len(row.text)), place, vector, receipt.tokens, receipt.truncated)
    return RowRecord(
        row.id,
        scope,
        row.text,
        row.text_hash,
        row.metadata,
        row.metadata_hash,
        row.row_hash,
        {generation.number: [part]},
    )
