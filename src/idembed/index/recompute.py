"""Stored vectors computed again by their model, and compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from idembed.chunks import chunks, weighed
from idembed.errors import CostLimitError, ModelError, SpaceMismatchError
from idembed.index.catalog import Catalog
from idembed.index.examine import Defect, Kind, examine_parts, examine_row
from idembed.index.meter import Meter, Paying
from idembed.index.noise import noise_of
from idembed.index.report import Tell
from idembed.models.base import Model
from idembed.stores.base import Generation, Store, StoredPart, StoredRow

__all__ = ["Recomputed", "recompute"]

_ROWS = 256
_CHARACTERS = 262_144
_MOST_DEFECTS = 100_000


@dataclass(slots=True)
class Recomputed:
    """``vectors`` were compared; ``defects`` are those that are not what the model says; ``passed_over`` those that
    could not be compared, as the API refuses their texts now, or cut them once at a place that nobody knows;
    ``stopped``: why the rest was not compared, if so."""

    vectors: int = 0
    passed_over: int = 0
    defects: list[Defect] = field(default_factory=list)
    stopped: str = ""


def recompute(
    catalog: Catalog, store: Store, generation: Generation, ids: Sequence[str] | None, meter: Meter, tell: Tell
) -> Recomputed:
    """Compare the vectors of these rows, or of all, where nothing else is wrong with them: bytes where the model is
    repeatable, else cosine within its measured noise."""
    found = Recomputed()
    meta = store.read_meta()[1]
    model: Model | None = None
    total = store.count() if ids is None else len(ids)
    done = 0
    for rows in weighed(_rows(store, generation, ids), _ROWS, lambda row: len(row.text), _CHARACTERS):
        try:
            model = model or catalog.model_of(generation)
            meter.check(model)
            noise = noise_of(meta, generation, model.least_cosine)
            _compare(model, _healthy(rows, catalog, generation), generation.number, noise, meter, found)
        except (ModelError, SpaceMismatchError, CostLimitError) as error:
            found.stopped = error.message
        if len(found.defects) >= _MOST_DEFECTS:
            found.stopped = f"{len(found.defects):,} are not what the model says, and the rest was not looked at"
        if found.stopped:
            break
        done += len(rows)
        tell("comparing", done, total)
    return found


def _rows(store: Store, generation: Generation, ids: Sequence[str] | None) -> Iterator[StoredRow]:
    if ids is None:
        return store.scan(generation.number)
    return (row for chunk in chunks(ids, _ROWS) for row in store.get(chunk, generation.number).values())


def _healthy(
    rows: Iterable[StoredRow], catalog: Catalog, generation: Generation
) -> Iterator[tuple[StoredRow, StoredPart, NDArray[np.float32]]]:
    """The vectors of rows with which nothing is wrong."""
    splitter = catalog.splitter()
    for row in rows:
        if not any(examine_row(row)) and not any(examine_parts(row, generation, splitter)):
            yield from ((row, part, part.vector) for part in row.parts if part.vector is not None)


def _compare(
    model: Model,
    stored: Iterable[tuple[StoredRow, StoredPart, NDArray[np.float32]]],
    number: int,
    noise: float | None,
    meter: Meter,
    found: Recomputed,
) -> None:
    for chunk in chunks(stored, _ROWS):
        texts = [row.text[part.span[0] : part.span[1]] for row, part, _ in chunk]
        made = model.embed_with(texts, Paying(meter))
        for place, ((row, part, vector), again) in enumerate(zip(chunk, made.vectors, strict=True)):
            if place in made.refused or (part.truncated and not model.repeatable):
                found.passed_over += 1
                continue
            found.vectors += 1
            if difference := _difference(vector, again, noise):
                found.defects.append(Defect(Kind.MODEL, row.id, number, part.part, difference))


def _difference(stored: NDArray[np.float32], made: NDArray[np.float32], noise: float | None) -> str:
    """How two vectors differ, in words; "" if they do not. ``noise``: the cosine they must have; None: all bits."""
    if stored.tobytes() == np.asarray(made, np.float32).tobytes():
        return ""
    product, lengths = float(stored @ made), float(np.linalg.norm(stored) * np.linalg.norm(made))
    cosine = product / lengths if lengths else 0.0
    if noise is not None and cosine >= noise:
        return ""
    return f"cosine {cosine:.6f}" + ("" if noise is None else f", below {noise:.6f}")
