"""Vectors that exist already taken over, once a sample of them has been compared with what the model says.

What is taken over is searched once all of it is there. Until then the index says that it is a part, and of what; taking
the same over again goes on.
"""

from __future__ import annotations

import heapq
import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idembed import models, stores
from idembed.errors import IndexNotFoundError, OptionError, RowError, SourceError, SpaceMismatchError
from idembed.index.chunks import chunks
from idembed.index.distinct import Ids, digest_of
from idembed.index.ending import refuse_gone_model
from idembed.index.noise import ADOPTED, noise_between
from idembed.index.origin import ADOPTING, COPY_OF, INDEX_ID, change_meta, new_id
from idembed.index.owner import Writing, hold
from idembed.index.pace import batches
from idembed.index.report import Tell, ignore
from idembed.models.base import Model, Receipt
from idembed.models.profiles import DEFAULT, chosen, named
from idembed.models.texts import raise_refused
from idembed.rows import CheckedRow, check_id
from idembed.shown import number_of
from idembed.sources.vectors import RowsWithVectors
from idembed.space import address, checksum
from idembed.stores.base import Generation, PartRecord, RowRecord, Store

__all__ = ["Adoption", "adopt"]

_SAME = 0.9999
"""Vectors of one model have at least this cosine, whoever computed them: in float32, other libraries are apart by some
1e-7 of a number, which is 1e-14 of the cosine; rounded to half precision, by 4e-8 of it (both measured). Those of other
models are apart by far more. It tells only whose they are; what is recorded is what was measured."""
_ROWS = 500

Vector = NDArray[np.float32]


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
        sampled = _sampled(source, loaded.space.dim, sample, ids)
        equal, cosines = _compare(loaded, sampled)
        lowest = min(cosines)
        if lowest < _SAME:
            raise _not_theirs(source, loaded, cosines)
        if equal < len(cosines):
            _refuse_another_profile(source, loaded, sampled, lowest)
        noise = noise_between(cosines) if equal < len(cosines) else None
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
    return Adoption(url, loaded.name, rows, len(cosines), equal, lowest, time.monotonic() - started)


# Whose are they? ----------------------------------------------------------------------------------


def _sampled(source: RowsWithVectors, dim: int, count: int, ids: Ids) -> list[tuple[CheckedRow, Vector]]:
    """A fair draw of rows: those whose ids have the smallest hashes. Every row is read, and so checked, its id noted in
    ``ids``, and no id may occur twice."""

    def keyed() -> Iterator[tuple[bytes, CheckedRow, Vector]]:
        for chunk in chunks(source.read(dim), _ROWS):
            if (again := ids.add([row.id for row, _ in chunk])) is not None:
                raise RowError(f"{source.name}: the id {again!r} occurs more than once", id=again)
            yield from ((digest_of(row.id), row, vector) for row, vector in chunk)

    found = heapq.nsmallest(count, keyed(), key=lambda item: item[0])
    if not found:
        raise OptionError(f"{source.name} has no rows", hint="there is nothing to take over")
    return [(row, vector) for _, row, vector in found]


def _compare(model: Model, rows: Sequence[tuple[CheckedRow, Vector]]) -> tuple[int, list[float]]:
    """How many vectors, as they will be stored, are the model's to the bit, and the cosines of all."""
    equal, cosines = 0, []
    made = model.embed([row.text for row, _ in rows])
    raise_refused(made, [row.id for row, _ in rows])
    for (_, vector), own in zip(rows, made.vectors, strict=True):
        mine = _unit(vector, model)
        equal += mine.tobytes() == own.tobytes()
        cosines.append(_likeness(mine.astype(np.float64), own.astype(np.float64)))
    return equal, cosines


def _likeness(there: NDArray[np.float64], here: NDArray[np.float64]) -> float:
    """The cosine of vectors of equal length, and less than that for others: by their lengths, too, the vectors of a
    ``dot`` space are told apart."""
    squares = float(there @ there + here @ here)
    return 2 * float(there @ here) / squares if squares else 0.0


def _not_theirs(source: RowsWithVectors, model: Model, cosines: Sequence[float]) -> SpaceMismatchError:
    return SpaceMismatchError(
        f"the vectors of {source.name} are not those of {model.name}: of {len(cosines):,} compared, the lowest cosine "
        f"is {min(cosines):.4f}, the mean {float(np.mean(cosines)):.4f}",
        hint="nothing was written. Name the model that made them, with its prompts, maximum length and profile; or "
        "sync the texts: idembed sync SOURCE INDEX",
        lowest=min(cosines),
    )


def _refuse_another_profile(
    source: RowsWithVectors, model: Model, rows: Sequence[tuple[CheckedRow, Vector]], lowest: float
) -> None:
    """Raise SpaceMismatchError where vectors that are near the model's are of another profile of it. Those of f32 and
    of i16 are as near to each other as those of two libraries; but no other library computes a profile of integers."""
    from idembed.models.checkpoint import Checkpoint

    if not isinstance(model, Checkpoint):
        return
    if model.profile != DEFAULT:
        raise SpaceMismatchError(
            f"the vectors of {source.name} are not those of {model.name} to the bit",
            hint="nothing was written. Only idembed computes this profile: adopt without a profile, then idembed "
            "upgrade",
            lowest=lowest,
        )
    other = Checkpoint(model.files, named(chosen(model.name, None)[0], "i16-1"), profile="i16-1")
    other.settings = model.settings
    if _compare(other, rows)[0] == len(rows):
        raise SpaceMismatchError(
            f"the vectors of {source.name} are not those of {model.name}, but those of {other.name} to the bit",
            hint=f"nothing was written. Adopt with that model: --model {shlex.quote(other.name)}",
            lowest=lowest,
        )


# Taking over --------------------------------------------------------------------------------------


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
        rows = [(row, _unit(vector, model)) for row, vector in chunk]
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


def _unit(vector: Vector, model: Model) -> Vector:
    """As it is, unless its length is not 1 in a space of unit vectors."""
    length = float(np.linalg.norm(vector.astype(np.float64)))
    if model.space.similarity == "dot" or not length or abs(length - 1) <= 1e-6:
        return vector
    return (vector.astype(np.float64) / length).astype(np.float32)
