"""The same index in another place: same rows, same vectors, same root, and no model is asked.

What differs is copied, so a copy that was interrupted goes on, and copying again brings the other place up to date.
What is searched there changes last, once it is whole: until then, a place that answers goes on to answer as before, and
a new one says that it holds only a part.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from idembed import stores
from idembed.errors import OptionError, RefusedError
from idembed.index.catalog import Catalog
from idembed.index.noise import ADOPTED
from idembed.index.origin import ADOPTING, COPY_OF, INDEX_ID, carry, change_meta, id_of, new_id
from idembed.index.owner import Writing, hold
from idembed.index.report import Phase, Tell, ignore, rows_lack
from idembed.index.root import Root, root_of
from idembed.index.transfer import Transfer, refuse_mass_deletion
from idembed.index.verdicts import JUDGED, JUDGED_ROWS
from idembed.shown import number_of
from idembed.stores.base import Generation, Store

__all__ = ["CopyReport", "copy"]


@dataclass(frozen=True, slots=True)
class CopyReport:
    """``copied`` and ``deleted`` rows there; ``filled``: rows that were there, and got the vectors of a generation that
    is new there; ``root`` of both places; ``seconds`` of copying alone. ``left_out``: generations that were not copied
    as they are not complete here, by number, and how far from it; ``stale``: the numbers of those there that are not
    here any more, which nothing keeps right."""

    to: str
    copied: int
    deleted: int
    filled: int
    rows: int
    root: str
    seconds: float
    left_out: tuple[tuple[int, str], ...] = ()
    stale: tuple[int, ...] = ()

    def __str__(self) -> str:
        written = self.copied + self.filled
        speed = f", {written / self.seconds:,.0f} rows/s" if written and self.seconds else ""
        filled = f", filled {self.filled:,}" if self.filled else ""
        did = f"copied {number_of(self.copied, 'row')}{filled}, deleted {self.deleted:,}"
        return f"{did}, {self.rows:,} {'is' if self.rows == 1 else 'are'} there{speed}; same root {self.root[:16]}…"

    def as_dict(self) -> dict[str, Any]:
        """All numbers, for JSON."""
        return asdict(self)


def copy(
    catalog: Catalog,
    to: str | Path,
    *,
    every_generation: bool = False,
    allow_mass_deletion: bool = False,
    tell: Tell = ignore,
) -> CopyReport:
    """Copy the index to ``to``, which must be new, or an earlier copy of this one (by the ids that indexes have, so
    either may have been moved).

    The generation that is searched is copied, and those that an earlier copy brought along, as long as they are
    complete here. ``every_generation``: all that are complete, as what they are: those on standby, to roll back to, and
    those that are built and not searched yet, which took as much to make. One that is not complete is left out, and
    named.

    Raises RefusedError where ``to`` holds something else, and while rows here are not what their source said;
    MassDeletionError, before anything is changed, where more than half of the rows there are not here, unless
    ``allow_mass_deletion``.
    """
    store, _ = catalog.readable()
    origin = id_of(store)
    with store.snapshot():
        active = catalog.readable()[1]
        _refuse_unsettled(catalog, store)
        with stores.open_store(to) as target:
            if _same_place(store, target):
                raise OptionError(f"{catalog.name} is copied to itself", hint="name another place: --to URL")
            with hold(target, catalog.wait) as writing:
                _refuse_others(catalog, target, origin)
                if not allow_mass_deletion:
                    refuse_mass_deletion(store, target)

                def told(phase: Phase, done: int, total: int | None, *paid: float) -> None:
                    writing.keep()
                    tell(phase, done, total)

                started = time.monotonic()
                place = _prepare(store, target, writing, active, origin, every_generation)
                transfer = Transfer(store, target, writing, place.pairs, told)
                transfer.run(allow_mass_deletion=allow_mass_deletion)
                left_out = place.left_out + _complete(store, target, writing, active, place.pairs)
                seconds = time.monotonic() - started
                whole = {n: there for n, there in place.pairs.items() if n not in dict(left_out)}
                roots = {n: _same_root(store, target, transfer, n, there) for n, there in whole.items()}
                _activate(store, target, writing, active, whole)
    root, did = roots[active.number], (transfer.copied, transfer.deleted, transfer.filled)
    return CopyReport(target.url, *did, root.rows, root.root, seconds, tuple(left_out), tuple(place.stale))


# May it? ------------------------------------------------------------------------------------------


def _refuse_unsettled(catalog: Catalog, store: Store) -> None:
    unsettled = sum(1 for _ in store.unsettled())
    if unsettled:
        raise RefusedError(
            f"{catalog.name} has {number_of(unsettled, 'row')} that another program edited, or that lack vectors",
            hint=f"sync their sources, or: idembed verify {catalog.typed} --repair",
        )


def _same_place(one: Store, other: Store) -> bool:
    try:
        return Path(one.url).samefile(other.url)
    except OSError:
        return one.url == other.url


def _refuse_others(catalog: Catalog, target: Store, origin: str) -> None:
    if target.generations() and target.read_meta()[1].get(COPY_OF, {}).get("index") != origin:
        raise RefusedError(
            f"{target.url} holds an index that is no copy of {catalog.name}; it was left as it is",
            hint="name another place, or remove it first",
        )


# Generations --------------------------------------------------------------------------------------


class _Place(NamedTuple):
    """The generations there by the numbers of those here; what is left out, and what is there and not here."""

    pairs: dict[int, Generation]
    left_out: list[tuple[int, str]]
    stale: list[int]


def _prepare(
    store: Store, target: Store, writing: Writing, active: Generation, origin: str, every_generation: bool
) -> _Place:
    """Make the generations that are not there yet, none of which is searched; settings are there before rows."""
    meta = store.read_meta()[1]
    begun = {INDEX_ID: new_id(), COPY_OF: {"index": origin, "generations": {}}}
    settings = change_meta(target, lambda there: there.update({**begun, **there, "splitter": meta.get("splitter")}))
    here = store.generations()
    known, free = _known(here, target.generations(), settings[COPY_OF]["generations"])
    asked = [g for g in here if every_generation or g.number in known or g == active]
    lacking = {g.number: sum(1 for _ in store.lacking(g.number)) for g in asked if g != active and not g.complete}
    wanted = [g for g in asked if not lacking.get(g.number)]
    for generation in (active, *wanted):  # one that is copied to no more is used again by another of its space
        same = [number for number, other in free.items() if other.space == generation.space]
        if same and generation.number not in known:
            known[generation.number] = free.pop(same[0])
    pairs = {g.number: known.get(g.number) or _made(target, writing, g) for g in wanted}
    numbers = {number: generation.number for number, generation in (known | pairs).items()}

    def record(there: dict[str, Any]) -> None:
        there.pop(ADOPTING, None)  # begun here, and nothing was taken over
        there[COPY_OF] = {"index": origin, "generations": {str(n): copied for n, copied in numbers.items()}}
        carry(meta, there, numbers, (ADOPTED, JUDGED, JUDGED_ROWS))

    change_meta(target, record)
    return _Place(pairs, [_left_out(g, lacking[g.number]) for g in asked if lacking.get(g.number)], sorted(free))


def _known(
    here: Sequence[Generation], there: Sequence[Generation], recorded: Mapping[str, int]
) -> tuple[dict[int, Generation], dict[int, Generation]]:
    """The generations there that are copies, by the numbers of those here, and the others, by their own."""
    mine, free = {g.number: g for g in here}, {g.number: g for g in there}
    known: dict[int, Generation] = {}
    for number, copied in recorded.items():
        original = mine.get(int(number))
        if original and copied in free and free[copied].space == original.space:
            known[original.number] = free.pop(copied)
    return known, free


def _made(target: Store, writing: Writing, generation: Generation) -> Generation:
    if generation.space.dim > target.capabilities.max_dim:
        raise RefusedError(f"{target.url} holds vectors of at most {target.capabilities.max_dim:,} dimensions")
    return target.create_generation(writing.lease(), generation.space, generation.model)


def _left_out(generation: Generation, lacking: int) -> tuple[int, str]:
    return generation.number, f"{rows_lack(lacking)} in it ({generation.model})"


def _complete(
    store: Store, target: Store, writing: Writing, active: Generation, pairs: Mapping[int, Generation]
) -> list[tuple[int, str]]:
    """Look whether all is there that is here: the generations that turn out to have been left behind here meanwhile.
    Raises RefusedError if the one that is searched here is not whole there."""
    lacking = {number: target.complete(writing.lease(), there.number) for number, there in pairs.items()}
    if lacking[active.number]:
        raise RefusedError(
            f"{target.url}: {rows_lack(lacking[active.number])} yet",
            hint="were they written meanwhile? Copy again: only what differs is copied",
        )
    return [_left_out(g, lacking[g.number]) for g in store.generations() if lacking.get(g.number)]


def _activate(
    store: Store, target: Store, writing: Writing, active: Generation, pairs: Mapping[int, Generation]
) -> None:
    """Search there what is searched here, and keep on standby there, in the same order, what is on standby here; all of
    ``pairs`` is whole."""
    status = {generation.number: generation for generation in target.generations()}
    for generation in sorted(store.generations(), key=lambda g: g.activated):
        if generation.number == active.number or generation.number not in pairs or not generation.activated:
            continue
        there = status[pairs[generation.number].number]
        if not there.activated:  # for a moment: only what was searched can be on standby
            target.activate(writing.lease(), there.number)
    number = pairs[active.number].number
    if next(g for g in target.generations() if g.number == number).status != "active":
        target.activate(writing.lease(), number)


# Is it the same? ----------------------------------------------------------------------------------


def _same_root(store: Store, target: Store, transfer: Transfer, number: int, there: Generation) -> Root:
    """The root of a generation in both places. Raises RefusedError if there are two."""
    mine, theirs = root_of(store, number, transfer.tell), root_of(target, there.number, transfer.tell)
    if mine != theirs and transfer.mend(number):
        theirs = root_of(target, there.number, transfer.tell)
    if mine != theirs:
        raise RefusedError(
            f"the copy has the root {theirs.root[:16]}…, {store.url} {mine.root[:16]}… (generation {number})",
            hint="was it written meanwhile? Copy again: only what differs is copied",
        )
    return theirs
