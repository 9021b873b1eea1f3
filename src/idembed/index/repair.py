"""Mending what verify found: vectors from the vault, else from the model; what belongs to nothing goes.

What a row said before another program edited it cannot be known here. Such a row is not searched any more (for an
edited text), and its hash is taken from it, so that the next sync of its source puts it right.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from idembed.chunks import chunks
from idembed.errors import CostLimitError, ModelError, SpaceMismatchError
from idembed.index.catalog import Catalog
from idembed.index.embed import Embedder, Work, spans
from idembed.index.examine import Defect, Kind
from idembed.index.meter import Meter
from idembed.index.owner import Writing, hold
from idembed.index.pace import batches
from idembed.index.report import Tell, ignore
from idembed.index.targets import embedder_for
from idembed.rows import row_hash, text_hash
from idembed.stores.base import Filling, RowRecord, Store, StoredRow

__all__ = ["repair"]

_ROWS = 256


def repair(
    catalog: Catalog, defects: Sequence[Defect], *, meter: Meter | None = None, tell: Tell = ignore
) -> dict[int, str]:
    """Mend what can be mended; the reasons, by generation, why the vectors of some could not."""
    store, _ = catalog.readable()
    unmended: dict[int, str] = {}
    broken: set[str] = set()
    with hold(store, catalog.wait) as writing:
        store.sweep(writing.lease())
        _unsettle(store, writing, defects)
        done = 0
        for generation in store.generations():
            ids = sorted({d.id for d in defects if d.generation == generation.number and d.kind.of_vector})
            # Into no generation: what is wrong there could be what is found.
            embedder = embedder_for(catalog, store, writing, generation, meter=meter, look_into="vault")
            for chunk in chunks(ids, _ROWS):
                if generation.number not in unmended:
                    try:
                        refused = _mend(catalog, store, writing, embedder, chunk)
                    except (ModelError, SpaceMismatchError, CostLimitError) as error:
                        unmended[generation.number] = error.message
                    else:
                        broken.update(refused)
                if generation.number in unmended:
                    broken.update(chunk)
                done += len(chunk)
                tell("embedding", done, len(defects))
            if ids and generation.status != "building":
                store.complete(writing.lease(), generation.number)
        _settle(store, writing, broken)
    return unmended


def _unsettle(store: Store, writing: Writing, defects: Sequence[Defect]) -> None:
    for kinds, texts in (((Kind.TEXT, Kind.ROW), True), ((Kind.METADATA,), False)):
        for chunk in chunks(sorted({d.id for d in defects if d.kind in kinds}), _ROWS):
            store.unsettle(writing.lease(), chunk, texts=texts)


def _mend(catalog: Catalog, store: Store, writing: Writing, embedder: Embedder, ids: Sequence[str]) -> list[str]:
    """All parts of these rows anew, where their texts are right; the ids of rows that the model refuses."""
    splitter, generation = catalog.splitter(), embedder.generation
    rows = [row for row in store.get(ids).values() if row.text_hash == text_hash(row.text)]
    made = embedder.parts([Work(row.id, row.text, spans(splitter, row.text)) for row in rows])
    fillings = [Filling(row.id, row.text_hash, made.parts[row.id]) for row in rows if row.id in made.parts]
    embedder.recent.hand_over()
    for batch in batches(store, fillings):
        store.fill(writing.lease(), generation.number, batch)
    embedder.recent.arrived()
    return list(made.refused)


def _settle(store: Store, writing: Writing, broken: Collection[str]) -> None:
    """Rows of which only vectors were edited are what their source said again."""
    for chunk in chunks((row_id for row_id in store.unsettled() if row_id not in broken), _ROWS):
        records = [record for row in store.get(chunk).values() if (record := _record(row))]
        store.settle(writing.lease(), records)


def _record(row: StoredRow) -> RowRecord | None:
    """None when its text or metadata are not right."""
    if row.text_hash != text_hash(row.text) or row.metadata_hash != text_hash(row.metadata_json):
        return None
    whole = row_hash(row.id, row.text, row.metadata_json)
    return RowRecord(row.id, row.scope, None, row.text_hash, row.metadata_json, row.metadata_hash, whole)
