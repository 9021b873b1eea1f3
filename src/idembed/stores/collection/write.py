"""Writing rows and their vectors to collections.

Nothing here is one transaction, so the order of writing is what keeps an index right when it ends between two steps:
what other generations hold is written first and the home generation, which says what rows there are, last, so that a
row which was not written everywhere is still as it was for the next plan. Where a row gets fewer parts it is unsettled
first. Who fills a generation meanwhile looks again after having written (``fill``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from idembed.chunks import chunks
from idembed.stores.checks import refuse_other_scope, refuse_vanished
from idembed.stores.collection import generations
from idembed.stores.collection.engine import EVERYTHING, STATE, WHOLE, Engine, Key, Record, Standing
from idembed.stores.collection.forms import Content, content_of, head, keys_of, opened, records, rewritten, said_of
from idembed.stores.collection.plan import current_in
from idembed.stores.collection.read import heads, rows_of
from idembed.stores.collection.rewrite import put, rewrite
from idembed.stores.collection.seal import Seal
from idembed.stores.collection.state import State
from idembed.stores.records import Filling, PartRecord, RowRecord, lease_of

__all__ = ["delete", "fill", "settle", "unsettle", "upsert"]

_ONE_REQUEST: Final = 8 << 20
"""Bytes that every database takes in one request, and more."""
_AT_ONCE: Final = 500
"""Rows that are read with texts and vectors at a time."""


def upsert(engine: Engine, state: State, home: int, rows: Sequence[RowRecord]) -> None:
    """Write what ``check_rows`` let pass."""
    kept = engine.standing(home, [row.id for row in rows])
    for row in rows:
        if row.id in kept:
            refuse_other_scope(row.id, kept[row.id].scope, row.scope)
    refuse_vanished(rows, kept)
    given = [row for row in rows if row.text is not None]
    generations.widen(engine, state, _lengths(given))
    left_out = {
        number: _left_out(engine, number, [row for row in given if not row.parts.get(number)]) for number in state.known
    }
    lacking = {number for number, names in left_out.items() if len(names)}
    generations.refuse_complete(engine, state, lacking)
    contents = {row.id: content_of(row) for row in given}
    for number in _home_last(state, home):
        there = kept if number == home else engine.standing(number, [row.id for row in given])
        _write(engine, number, home, given, contents, left_out[number], there, state.dims[number])
    for number in lacking - {home}:  # who fills one may have read the rows before they were written
        again = [row for row in given if row.id in left_out[number]]
        gone = _left_out(engine, number, again)
        _remove(engine, number, gone)
        rewrite(engine, [number], {row.id: contents[row.id] for row in again if row.id not in gone})
    if lacking:  # and who began to look whether one is complete may not have seen them
        generations.refuse_complete(engine, None, lacking)
    _update_metadata(engine, state, home, [row for row in rows if row.text is None])


def _lengths(rows: Sequence[RowRecord]) -> dict[int, float]:
    """The greatest length of a vector for each generation."""
    given: dict[int, list[PartRecord]] = {}
    for row in rows:
        for number, parts in row.parts.items():
            given.setdefault(number, []).extend(parts)
    return {number: _longest(parts) for number, parts in given.items()}


def _longest(parts: Iterable[PartRecord]) -> float:
    vectors = [part.vector for part in parts if part.vector is not None]
    if not vectors:
        return 0.0
    rows = np.concatenate(vectors).reshape(len(vectors), -1)
    return float(np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64).max()))


def _home_last(state: State, home: int) -> list[int]:
    return [number for number in state.known if number != home] + [home]


def _around_home(state: State, home: int) -> list[int]:
    """And those once more that somebody may be filling, who may have read a row before it was written."""
    filled = [
        number
        for number, known in state.known.items()
        if number != home and (not known.complete or state.leases.get(lease_of(number), {}).get("owner"))
    ]
    return _home_last(state, home) + filled


def _left_out(engine: Engine, number: int, rows: Sequence[RowRecord]) -> set[str]:
    """Ids of those of the rows, for which no parts are given, that have none of their text either."""
    there = heads(engine, number, [row.id for row in rows if number not in row.parts])
    made_of = {name: Seal.read(record.seal).made_of for name, record in there.items()}
    return {row.id for row in rows if made_of.get(row.id) != row.text_hash}


def _write(
    engine: Engine,
    number: int,
    home: int,
    rows: Sequence[RowRecord],
    contents: Mapping[str, Content],
    left_out: Collection[str],
    there: Mapping[str, Standing],
    dim: int,
) -> None:
    """The rows in one generation: with the parts that are given, with those they have, or with none. ``there``: what is
    known of those that are there."""
    kept = [row.id for row in rows if not row.parts.get(number) and row.id not in left_out]
    given = [row for row in rows if row.parts.get(number)]
    if number == home:
        given += [row for row in rows if row.id in left_out]
    else:
        _remove(engine, number, left_out)
    _replace(engine, number, [records(contents[row.id], row.parts.get(number, ()), dim) for row in given], there)
    for some in chunks(kept, _AT_ONCE):
        found = rows_of(engine, number, some)
        put(engine, number, [rewritten(parts, contents[name]) for name, parts in found.items()])


def _replace(engine: Engine, number: int, rows: Sequence[list[Record]], there: Mapping[str, Standing]) -> None:
    """Write rows, and remove the parts they had beyond, which is known of those that are ``there``. Where that may take
    several requests, the row is not current until its head is written, which is last."""
    beyond: dict[str, list[Key]] = {}
    large = {row[0].id: row[-1] for row in rows if _size_of(row) > _ONE_REQUEST}
    for row in rows:
        if (old := there.get(row[0].id)) is not None:
            if old.last <= 1:
                continue  # whose one record is written anew
            written = {record.key for record in row}
            if more := [key for key in keys_of(row[0].id, old.last) if key not in written]:
                beyond[row[0].id] = more
    _open(engine, number, [*beyond, *(name for name in large if name in there)])
    if new := [opened(first) for name, first in large.items() if name not in there]:
        engine.put(number, new)
    if beyond:
        engine.remove(number, [key for more in beyond.values() for key in more])
    put(engine, number, rows)


def _size_of(row: Sequence[Record]) -> int:
    """Bytes of a row of several records, about; 0 of others, which are one request in any case."""
    vector = row[0].vector
    if len(row) == 1 or vector is None:
        return 0
    return len(row) * (vector.nbytes + len(row[0].metadata)) + len(row[-1].text)


def _open(engine: Engine, number: int, ids: Sequence[str]) -> None:
    """Make rows that are there neither settled nor current, before something happens to their parts."""
    if ids:
        found = heads(engine, number, ids, EVERYTHING)
        engine.put(number, [opened(record) for record in found.values()])


def _remove(engine: Engine, number: int, ids: Iterable[str]) -> None:
    """Remove rows from one generation; of those of several parts the heads at last."""
    last = {name: standing.last for name, standing in engine.standing(number, list(ids)).items()}
    others = [key for name, count in last.items() for key in keys_of(name, count)[1:]]
    if others:
        _open(engine, number, [name for name, count in last.items() if count > 1])
        engine.remove(number, others)
    if last:
        engine.remove(number, [head(name) for name in last])


def _update_metadata(engine: Engine, state: State, home: int, rows: Sequence[RowRecord]) -> None:
    """A row stays settled by this only if it was, if its text is the planned one, and if its vectors are there."""
    for some in chunks(rows, _AT_ONCE):
        old = heads(engine, home, [row.id for row in some], WHOLE)
        current = _current(engine, state, home, old)
        contents = {}
        for row in some:
            if (record := old.get(row.id)) is None:
                continue
            content = said_of(record, row.row_hash or b"")._replace(
                metadata=row.metadata, metadata_hash=row.metadata_hash
            )
            if not (record.row_hash and content.text_hash == row.text_hash and row.id in current):
                content = content._replace(row_hash=b"")
            contents[row.id] = content
        rewrite(engine, _around_home(state, home), contents)


def settle(engine: Engine, state: State, home: int, rows: Sequence[RowRecord]) -> int:
    """Give rows their hash that have these hashes of text and metadata, and vectors; how many these are."""
    count = 0
    for some in chunks(rows, _AT_ONCE):
        old = heads(engine, home, [row.id for row in some], WHOLE)
        current = _current(engine, state, home, old)
        contents = {}
        for row in some:
            if row.id in current:
                content = said_of(old[row.id], row.row_hash or b"")
                wanted = (row.scope, row.text_hash, row.metadata_hash)
                if (content.scope, content.text_hash, content.metadata_hash) == wanted:
                    contents[row.id] = content
        rewrite(engine, _around_home(state, home), contents)
        count += len(contents)
    return count


def unsettle(engine: Engine, state: State, home: int, ids: Sequence[str], texts: bool) -> None:
    """Take the hash of the row, and of its text if ``texts``."""
    for some in chunks(ids, _AT_ONCE):
        contents = {}
        for name, record in heads(engine, home, some, WHOLE).items():
            content = said_of(record, b"")
            contents[name] = content._replace(text_hash=b"") if texts else content
        rewrite(engine, _around_home(state, home), contents)


def _current(engine: Engine, state: State, home: int, rows: Mapping[str, Record]) -> set[str]:
    """Ids of the rows that have their vectors wherever they need them to be settled."""
    found = set(rows)
    for number, needed in state.needed.items():
        if needed:
            found &= current_in(engine, home, number, rows)
    return found


def fill(engine: Engine, state: State, home: int, generation: int, rows: Sequence[Filling]) -> int:
    """Replace the parts of rows whose text is still the one they were made from; how many these are.

    Others may write rows meanwhile: what was changed between reading a row and writing it here is seen by looking once
    more, and what changes later is written or removed here by who changes it.
    """
    dim = state.dims[generation]
    given = {row.id: row for row in rows}
    generations.widen(engine, state, {generation: _longest(part for row in rows for part in row.parts)})
    written: dict[str, Content] = {}
    for some in chunks(list(given), _AT_ONCE):
        written |= _fill(engine, home, generation, {name: given[name] for name in some}, dim)
    if generation != home:
        _look_again(engine, home, generation, given, written, dim)
    return len(written)


def _fill(engine: Engine, home: int, generation: int, given: Mapping[str, Filling], dim: int) -> dict[str, Content]:
    firsts = heads(engine, home, list(given), WHOLE)
    found = {name: said_of(record, record.row_hash) for name, record in firsts.items()}
    matching = {name: content for name, content in found.items() if content.text_hash == given[name].text_hash}
    there = engine.standing(generation, list(matching))
    made = [records(content, given[name].parts, dim) for name, content in matching.items()]
    _replace(engine, generation, made, there)
    return matching


def _look_again(
    engine: Engine,
    home: int,
    generation: int,
    given: Mapping[str, Filling],
    written: Mapping[str, Content],
    dim: int,
) -> None:
    names = list(written)
    while names:
        now = heads(engine, home, names, STATE)
        seals = {name: Seal.read(record.seal) for name, record in now.items()}
        gone = [name for name in names if name not in now or seals[name].text_hash != written[name].text_hash]
        _remove(engine, generation, gone)
        names = [
            name
            for name in set(names) - set(gone)
            if (seals[name].metadata_hash, now[name].row_hash) != (written[name].metadata_hash, written[name].row_hash)
        ]
        written = _fill(engine, home, generation, {name: given[name] for name in names}, dim)
        names = list(written)


def delete(engine: Engine, state: State, home: int, ids: Sequence[str]) -> int:
    """Remove the rows in every generation; the number that existed. Once more in the others at the end, for who fills
    one may have read a row before it was gone."""
    count = 0
    others = [number for number in state.known if number != home]
    for some in chunks(list(dict.fromkeys(ids)), _AT_ONCE):
        count += len(engine.standing(home, some))
        for number in (*others, home, *others):
            _remove(engine, number, some)
    return count
