"""What is wrong in collections as such: those that are gone, and records that belong to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from idembed.chunks import chunks
from idembed.errors import DamagedError
from idembed.stores.collection.engine import HEADS, KEYS, NOT_HEAD, STATE, Among, Engine, Key
from idembed.stores.collection.forms import keys_of
from idembed.stores.collection.read import heads
from idembed.stores.collection.seal import Seal
from idembed.stores.collection.state import State
from idembed.stores.records import RESTORE, Orphans

__all__ = ["check_collections", "orphans", "sweep", "sweep_rows"]

_EXAMPLES: Final = 5
_AT_ONCE: Final = 1000
_PARTS: Final = Among(orders=range(NOT_HEAD, NOT_HEAD + 1))


def check_collections(engine: Engine, state: State) -> None:
    """Raise DamagedError where a collection is gone, without which a sync might find nothing to do."""
    if gone := sorted(state.known.keys() - engine.collections()):
        raise DamagedError(
            f"{engine.url}: the collection of generation {gone[0]} is gone", hint=RESTORE, url=engine.url
        )


def orphans(engine: Engine, state: State) -> list[Orphans]:
    """The kinds of which there are some."""
    found = []
    if unknown := sorted(_left_behind(engine, state)):
        names = tuple(str(number) for number in unknown[:_EXAMPLES])
        found.append(Orphans("collections without a generation", len(unknown), names))
    for number in state.known:
        parts = [key for some in _without_a_row(engine, state.home, number) for key in some]
        if parts:
            names = tuple(f"{key.id}/{key.part}" for key in parts[:_EXAMPLES])
            found.append(Orphans(f"parts without a row in generation {number}", len(parts), names))
    return found


def sweep(engine: Engine, state: State) -> int:
    """Remove them; how many."""
    unknown = _left_behind(engine, state)
    for number in unknown:
        engine.drop(number)
    return len(unknown) + sum(sweep_rows(engine, state.home, number) for number in state.known)


def _left_behind(engine: Engine, state: State) -> set[int]:
    """Collections whose numbers were used up by this index and are no generations: who made or dropped one died."""
    return {
        number
        for number in engine.collections() - state.known.keys()
        if number < state.upcoming or number == state.making
    }


def sweep_rows(engine: Engine, home: int | None, number: int) -> int:
    """Remove what has no row from one generation; how many records."""
    count = 0
    for keys in list(_without_a_row(engine, home, number)):
        engine.remove(number, keys)
        count += len(keys)
    return count


def _without_a_row(engine: Engine, home: int | None, number: int) -> Iterator[list[Key]]:
    """Keys of records whose row is not there, and of parts beyond those that their head knows of."""
    if home is not None and number != home:
        for page in engine.find(number, HEADS, STATE):
            for some in chunks(page, _AT_ONCE):
                there = heads(engine, home, [record.id for record in some], KEYS)
                gone = [record for record in some if record.id not in there]
                if keys := [key for record in gone for key in keys_of(record.id, Seal.read(record.seal).last)]:
                    yield keys
    for page in engine.find(number, _PARTS, KEYS):
        for some in chunks(page, _AT_ONCE):
            there = heads(engine, number, list({record.id for record in some}))
            last = {name: Seal.read(record.seal).last for name, record in there.items()}
            if keys := [record.key for record in some if record.part >= last.get(record.id, 0)]:
                yield keys
