"""Generations as collections: made, made active, completed, dropped."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Final
from uuid import uuid4

import numpy as np

from idembed.chunks import chunks
from idembed.errors import StoreError
from idembed.space import Space
from idembed.stores.collection import audit, leases, plan
from idembed.stores.collection import state as states
from idembed.stores.collection.claims import alone
from idembed.stores.collection.engine import HEADS, STATE, WHOLE, Engine
from idembed.stores.collection.forms import records, said_of
from idembed.stores.collection.read import heads
from idembed.stores.collection.rewrite import rewrite
from idembed.stores.collection.state import Known, State
from idembed.stores.generation_rules import refuse_active, refuse_incomplete
from idembed.stores.records import Lease, lease_of

__all__ = ["activate", "complete", "create", "drop", "name_model", "refuse_complete", "widen"]

_AT_ONCE: Final = 500
Keep = Callable[[], None]
"""Called now and then while something takes long: it renews the lease."""


def create(engine: Engine, space: Space, model: str) -> int:
    """A new, empty generation; its number, which none that was dropped had. That it is being made is recorded first,
    so that what is left of it where its maker died is known to be ours."""
    with alone(engine) as still:
        state = states.read(engine)
        number = state.upcoming
        if state.making == number:
            engine.drop(number)
        elif number in engine.collections():
            raise StoreError(
                f"{engine.url}: the collection of generation {number}, which is to be made, is there already",
                hint="it is another program's: rename it, or copy the index to one of another name",
            )
        still()
        states.write_numbers(engine, number, state.active, number)
    engine.create(number, space.dim)
    with alone(engine) as still:
        state = states.read(engine)
        still()
        states.write(engine, Known(number, space.canonical, model))
        states.write_numbers(engine, number + 1, state.active)
    if state.home is None or engine.count(state.home, HEADS) == 0:
        complete(engine, number, lambda: None)
    return number


def complete(engine: Engine, number: int, keep: Keep) -> int:
    """The number of rows that lack vectors; with none, the generation is complete from now on, unless somebody wrote a
    row without vectors for it meanwhile. Where it is known to be complete, only unsettled rows can lack vectors, and
    only they are looked at."""
    token = uuid4().hex
    with alone(engine) as still:
        known, home = _known(engine, number)
        still()
        states.write(engine, replace(known, looking=token))
    missing = 0
    for _ in plan.lacking(engine, home, number, unsettled_only=known.complete, keep=keep):
        missing += 1
    with alone(engine) as still:
        known, _ = _known(engine, number)
        is_complete = missing == 0 and known.looking == token
        still()
        states.write(engine, replace(known, looking="", complete=is_complete))
    return missing


def _known(engine: Engine, number: int) -> tuple[Known, int]:
    """The generation, and the one that says which rows there are."""
    state = states.read(engine)
    state.one(number)
    home = state.home
    assert home is not None
    return state.known[number], home


def refuse_complete(engine: Engine, state: State | None, numbers: Collection[int]) -> None:
    """Rows are without vectors in these generations, so that none of them is complete. ``state``: what is known already
    of who calls them complete, or is about to."""
    if not numbers:
        return
    state = state or states.read(engine)
    for number in numbers:
        known = state.known.get(number)
        if known is not None and (known.complete or known.looking):
            with alone(engine) as still:
                known = states.read(engine).known[number]
                still()
                states.write(engine, replace(known, complete=False, looking=""))


def widen(engine: Engine, state: State, lengths: Mapping[int, float]) -> None:
    """Record, before vectors of these lengths are written, that there are such: a power of two, so that it is seldom
    done."""
    for number, length in lengths.items():
        if length > state.known[number].norm:
            with alone(engine) as still:
                known = states.read(engine).known[number]
                still()
                wide = float(np.exp2(np.ceil(np.log2(length))))
                states.write(engine, replace(known, norm=max(known.norm, wide)))


def activate(engine: Engine, lease: Lease, number: int, incomplete: bool, keep: Keep) -> None:
    """The pointer of the database moves in one step; what is recorded besides follows from it. The lease is looked at
    once more then: as long as it holds, nobody else wrote a row. Whoever fills the generation does so no more."""
    missing = complete(engine, number, keep)
    state = states.read(engine)
    home = state.home
    assert home is not None
    if missing and not incomplete:
        refuse_incomplete(engine.url, state.one(number), missing)
    if number != home:
        if missing:
            _bring(engine, home, number, state.dims[number], keep)
        if engine.count(number, HEADS) != engine.count(home, HEADS):
            audit.sweep_rows(engine, home, number)
    elif missing:
        _unsettle_lacking(engine, number)
    if state.active == number:
        return
    with alone(engine) as still:
        state = states.read(engine)
        leases.check(engine, lease, state)
        leases.end(engine, lease_of(number))
        still()
        engine.point(number)
        states.write_numbers(engine, state.upcoming, number, state.making)
        if state.active is not None:
            states.write(engine, state.known[state.active])
        states.write(engine, replace(state.known[number], activated=state.last_activated + 1))


def _bring(engine: Engine, home: int, number: int, dim: int, keep: Keep) -> None:
    """Rows without current vectors in the generation come there without any, not settled, so that it has every row."""
    for page in engine.find(home, HEADS, STATE):
        for some in chunks(page, _AT_ONCE):
            keep()
            rows = {record.id: record for record in some}
            lacking = rows.keys() - plan.current_in(engine, home, number, rows)
            found = heads(engine, home, list(lacking), WHOLE)
            bare = [record for first in found.values() for record in records(said_of(first, b""), (), dim)]
            if bare:
                engine.put(number, bare)


def _unsettle_lacking(engine: Engine, home: int) -> None:
    for some in chunks(plan.lacking(engine, home, home), _AT_ONCE):
        first = heads(engine, home, some, WHOLE)
        rewrite(engine, [home], {name: said_of(record, b"") for name, record in first.items()})


def name_model(engine: Engine, number: int, model: str) -> None:
    """Record another name of its model."""
    with alone(engine) as still:
        known, _ = _known(engine, number)
        still()
        states.write(engine, replace(known, model=model))


def drop(engine: Engine, number: int) -> None:
    """Remove it: first what is known of it, then its records, so that what remains half way belongs to nothing. Raises
    StoreError for the active one, and for one that alone says which rows there are."""
    with alone(engine) as still:
        state = states.read(engine)
        generation = state.one(number)
        refuse_active(engine.url, generation)
        if number == state.home and engine.count(number, HEADS):
            raise StoreError(
                f"{engine.url}: generation {number} is the oldest and none is active, so its rows are the index's",
                hint="make another generation active first",
            )
        still()
        states.write_numbers(engine, state.upcoming, state.active, state.making)
        states.forget(engine, number)
    engine.drop(number)
