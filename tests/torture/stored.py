"""What an index holds, read through the contract of stores alone, and in what it differs from the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from world import DIMS, Part, Row, Spot, Truth, model, sum_of

from idembed.errors import IndexNotFoundError
from idembed.stores import open_store
from idembed.stores.base import Store, StoredPart, StoredRow


@dataclass
class Stored:
    """``generations``: (number, model, status, complete). ``parts`` of each by generation, current or not.
    ``orphans``: records that belong to nothing. ``torn``: rows of which the store does not say the same in every way in
    which it is asked. ``besides``: everything else that is there, for comparisons."""

    rows: dict[str, Row] = field(default_factory=dict)
    generations: list[tuple[int, str, str, bool]] = field(default_factory=list)
    parts: dict[int, dict[Spot, Part]] = field(default_factory=dict)
    orphans: int = 0
    torn: set[str] = field(default_factory=set)
    besides: list[Any] = field(default_factory=list)
    exists: bool = False
    is_all_or_none: bool = True
    """Whether a batch is (``capabilities.transactions``); else a row that was being written may be half-way."""

    @property
    def unsettled(self) -> int:
        return sum(row.row_hash is None for row in self.rows.values())

    def statuses(self) -> list[tuple[int, str, str]]:
        return [generation[:3] for generation in self.generations]


def read(url: str | Path, *, in_every_way: bool = False) -> Stored:
    """Everything in the index there; there need not be one while there are no rows. ``in_every_way``: the store is
    asked for it in all the ways there are."""
    try:
        store = open_store(url, create=False)
    except IndexNotFoundError:
        return Stored()
    with store:
        found = _read(store)
        if in_every_way:
            found.torn = _torn(store, found)
        return found


def _read(store: Store) -> Stored:
    found = Stored(exists=True, is_all_or_none=store.capabilities.transactions)
    generations = store.generations()
    for generation in generations:
        number = generation.number
        found.generations.append((number, generation.model, generation.status, generation.complete))
        rows = list(store.scan(number))
        found.rows = _rows(rows)
        found.parts[number] = {(row.id, part.part): _part(part) for row in rows for part in row.parts}
    if not generations:
        found.rows = _rows(list(store.scan()))
    found.orphans = sum(kind.count for kind in store.orphans())
    found.besides = [store.read_meta(), store.writer(), sorted(store.lost()), store.scopes(), store.count()]
    return found


def _rows(rows: Sequence[StoredRow]) -> dict[str, Row]:
    ids = [row.id for row in rows]
    assert ids == sorted(set(ids)), "the store gives rows twice, or in another order than that of ids"
    return {
        row.id: Row(
            row.scope,
            row.text,
            row.metadata_json,
            row.row_hash or None,
            row.text_hash or None,
            row.metadata_hash or None,
        )
        for row in rows
    }


def _part(part: StoredPart) -> Part:
    raw = None if part.vector is None else part.vector.astype("<f4", copy=False).tobytes()
    total = None if raw is None or not part.is_sound else sum_of(raw)
    return Part(*part.span, part.text_hash, part.address, part.tokens, int(part.truncated), part.checksum, raw, total)


def _torn(store: Store, found: Stored) -> set[str]:
    ids = list(found.rows)
    got = sorted(store.get(ids, vectors=False).values(), key=lambda row: row.id)
    torn = _differing(found.rows, _rows(got)) | _differing(found.rows, _rows(list(store.scan(vectors=False))))
    for number, *_ in found.generations:
        rows = sorted(store.get(ids, number, vectors=False).values(), key=lambda row: row.id)
        torn |= _differing(found.rows, _rows(rows)) | _misstated(store, found, number)
    return torn


def _differing(some: dict[str, Row], others: dict[str, Row]) -> set[str]:
    return {row_id for row_id in some.keys() | others.keys() if some.get(row_id) != others.get(row_id)}


def _misstated(store: Store, found: Stored, number: int) -> set[str]:
    """Rows whose state, by which syncs are planned, is not what is there."""
    states, wrong = store.states(list(found.rows), [number]), set()
    hashes: dict[str, set[bytes]] = {}
    for (row_id, _), part in found.parts[number].items():
        hashes.setdefault(row_id, set()).add(part.text_hash)
    for row_id, row in found.rows.items():
        is_current = row.text_hash is not None and hashes.get(row_id) == {row.text_hash}
        expected = (row_id, row.scope, row.text_hash or b"", row.metadata_hash or b"", row.row_hash or b"", is_current)
        state = states.get(row_id)
        if state is None or (*state[:5], state.current and row.text_hash is not None) != expected:
            wrong.add(row_id)
    return wrong


@dataclass
class Wrong:
    """What is not as the truth says: ``rows`` that are there and should not be, or the reverse, or are others; parts
    ``lost``, ``extra`` or ``altered`` by generation, those of ``mixed`` with the vector of another model. Rows that are
    merely unsettled are counted apart."""

    rows: set[str] = field(default_factory=set)
    lost: set[tuple[int, str, int]] = field(default_factory=set)
    extra: set[tuple[int, str, int]] = field(default_factory=set)
    altered: set[tuple[int, str, int]] = field(default_factory=set)
    mixed: set[tuple[int, str, int]] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    """Those among ``rows`` whose texts cannot be relied on, so that nothing can be said of their vectors."""
    orphans: int = 0
    unsettled: int = 0

    @property
    def vectors(self) -> set[tuple[int, str, int]]:
        """Those that are told apart from their rows."""
        return {place for place in self.lost | self.extra | self.altered if place[1] not in self.texts}

    def __bool__(self) -> bool:
        return bool(self.rows or self.lost or self.extra or self.altered or self.orphans)


def compare(found: Stored, truth: Truth) -> Wrong:
    """Everything in which they differ, but for which generations there are."""
    wrong = Wrong(orphans=found.orphans, unsettled=found.unsettled)
    for row_id in found.rows.keys() | truth.rows.keys():
        is_, should = found.rows.get(row_id), truth.rows.get(row_id)
        if is_ is None or should is None:
            wrong.rows.add(row_id)
            wrong.texts.add(row_id)
        elif is_ != should._replace(row_hash=should.row_hash if is_.row_hash is not None else None):
            wrong.rows.add(row_id)
            if (is_.text, is_.text_hash) != (should.text, should.text_hash):
                wrong.texts.add(row_id)
    for generation in truth.generations:
        if generation.number in found.parts:
            _compare_parts(wrong, found, truth, generation.number, generation.model, generation.whole)
    return wrong


def _compare_parts(wrong: Wrong, found: Stored, truth: Truth, number: int, name: str, whole: bool) -> None:
    """A row without any part is behind, not wrong, unless the generation is ``whole``."""
    here, should = found.parts[number], truth.parts(name)
    begun = {row_id for row_id, _ in here}
    for row_id, part in here.keys() | should.keys():
        place, is_ = (number, row_id, part), here.get((row_id, part))
        if is_ is None:
            if whole or row_id in begun:
                wrong.lost.add(place)
        elif (row_id, part) not in should:
            wrong.extra.add(place)
        elif is_ != should[row_id, part]:
            wrong.altered.add(place)
            start, end = should[row_id, part][:2]
            text = truth.contents[row_id][0][start:end]
            if any(is_.vector == model(other).vector(text).tobytes() for other in DIMS if other != name):
                wrong.mixed.add(place)
