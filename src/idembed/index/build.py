"""Filling a generation from the stored texts: a new one, one that has fallen behind, or a part of one.

It goes on beside everything else. Vectors are computed without any lease, so a sync may write rows meanwhile; they are
written only for rows whose text is still the one they were made from. Killed anywhere, it goes on with what is left.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from idembed.chunks import chunks, weighed
from idembed.errors import IdembedError, NoKnownWordError
from idembed.index.addresses import Addresses
from idembed.index.catalog import Catalog
from idembed.index.embed import Embedder, Made, Work, spans
from idembed.index.handover import Handover
from idembed.index.meter import Meter
from idembed.index.owner import Writing, hold
from idembed.index.pace import Pace, batches
from idembed.index.report import Tell, ignore
from idembed.index.targets import LONG, LookInto, embedder_for, without_vectors
from idembed.models.base import OnEmpty
from idembed.shown import dollars_of, number_of
from idembed.split import Splitter
from idembed.stores.base import Filling, Generation, Lease, Store, StoredRow, lease_of

__all__ = ["BuildReport", "fill"]

_IDS = 500
_DAMAGED = "its stored text is damaged"


@dataclass(slots=True)
class BuildReport:
    """What filling a generation did: ``rows`` that got vectors, ``embedded`` texts that went through the model,
    ``tokens`` and ``dollars`` of them, ``truncated`` of them; ``skipped`` rows that the model has no vector for, each
    with the reason: those that this run came to, and once the generation is complete all that it has; ``partly``: rows
    that have vectors, but not for every part, with the reason, of this run; ``aside``: rows whose stored texts are
    damaged and so are not embedded, with the reason; ``lacking`` rows that are yet to be dealt with, those ``aside``
    among them, of ``total``. After a rebuild: ``same_root``, whether the root is that of the generation that is
    searched (None before it is complete), and ``not_exact``, why it need not be, empty where it must."""

    generation: int
    model: str
    rows: int = 0
    embedded: int = 0
    truncated: int = 0
    tokens: int = 0
    dollars: float = 0.0
    skipped: tuple[tuple[str, str], ...] = ()
    partly: tuple[tuple[str, str], ...] = ()
    aside: tuple[tuple[str, str], ...] = ()
    lacking: int = 0
    total: int = 0
    seconds: float = 0.0
    model_seconds: float = 0.0
    same_root: bool | None = None
    not_exact: str = ""

    @property
    def proved(self) -> bool:
        """Of a rebuild: whether it gave the same root, or there is a reason why it need not."""
        return bool(self.same_root or self.not_exact)

    @property
    def complete(self) -> bool:
        """Whether every row has been dealt with."""
        return self.lacking == 0

    def __str__(self) -> str:
        state = "complete" if self.complete else f"{self.lacking:,} of {number_of(self.total, 'row')} to go"
        done = f"filled {number_of(self.rows, 'row')}, embedded {number_of(self.embedded, 'text')}"
        cost = f"; {dollars_of(self.dollars)}" if self.dollars else ""
        return f"generation {self.generation} ({self.model}): {done}; {state}{cost}"

    def as_dict(self) -> dict[str, Any]:
        """All numbers, for JSON."""
        return {**asdict(self), "complete": self.complete}


def fill(
    catalog: Catalog,
    generation: Generation,
    *,
    only: Iterable[str] | None = None,
    goal: int | None = None,
    on_empty: OnEmpty = "error",
    anew: bool = False,
    meter: Meter | None = None,
    ahead: Addresses | None = None,
    tell: Tell = ignore,
) -> BuildReport:
    """Give vectors to every row that lacks them, or to those of the ids ``only``, of which about ``goal`` lack them;
    but to none whose text is damaged.

    ``anew``: no vector that is already somewhere is used. ``ahead``: as in Embedder. Raises NoKnownWordError for the
    first row without a word that the model knows unless ``on_empty`` is skip: then the generation has no vector for it,
    and the row counts as dealt with. Raises LeaseHeldError while another process fills this generation.
    """
    store, _ = catalog.readable()
    meter = meter or Meter()
    report = BuildReport(generation.number, generation.model, total=store.count())
    with hold(store, catalog.wait, lease_of(generation.number)) as writing:
        look_into: LookInto = "nothing" if anew else "everything"
        embedder = embedder_for(catalog, store, writing, generation, meter=meter, look_into=look_into, ahead=ahead)
        splitter = catalog.splitter()
        if goal is None:
            goal = sum(1 for _ in store.lacking(generation.number))
        filled, report.lacking = -1, 1
        damaged: dict[str, str] = {}
        while report.lacking and filled < report.rows:  # again, where texts were changed meanwhile
            filled = report.rows
            ids = store.lacking(generation.number) if only is None else only
            with _Filling(store, writing, embedder, report, goal, tell) as filling:
                for rows in _steps(store, generation, ids, splitter, embedder.batch_size, damaged):
                    work = [Work(row.id, row.text, spans(splitter, row.text)) for row in rows]
                    embedder.on_made = filling.counting(len(rows))
                    made = embedder.parts(work)
                    _refuse_empty(made, work, generation, on_empty)
                    _note_missing(report, made, work)
                    parts = {row.id: made.parts.get(row.id) or without_vectors(generation, row) for row in work}
                    filling.add([Filling(row.id, row.text_hash, parts[row.id]) for row in rows])
            report.lacking = store.complete(writing.lease(), generation.number)
            if only is not None:
                break
        if report.complete:
            report.skipped += tuple(_skipped_before(store, generation, report))
    report.aside = tuple(damaged.items())
    report.embedded, report.tokens, report.truncated = embedder.embedded, embedder.tokens, embedder.truncated
    report.model_seconds, report.dollars = embedder.seconds, meter.dollars
    return report


_Parcel = tuple[Lease, list[Filling]]


class _Filling:
    """Fillings on their way to the store; those that wait when the block is left, also by an error, are written."""

    def __init__(
        self, store: Store, writing: Writing, embedder: Embedder, report: BuildReport, goal: int, tell: Tell
    ) -> None:
        self._writing = writing
        self._embedder = embedder
        self._report = report
        self._goal = goal
        self._tell = tell
        self._told_tokens = not embedder.generation.space.repeatable
        self._waiting: list[Filling] = []
        self._under_way = 0
        self._pace = Pace(lambda: embedder.seconds)
        self._handover = Handover(store, self._fill, self._filled, writing.keep)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            with contextlib.suppress(*((IdembedError,) if kind else ())):  # the first error matters
                self._write()
                self._handover.finish()
        finally:
            self._handover.close()

    def add(self, fillings: Sequence[Filling]) -> None:
        self._waiting += fillings
        for filling in fillings:
            self._pace.add(filling.size)
        if self._pace.is_due and (self._handover.is_free or self._pace.is_full):
            self._write()

    def counting(self, most: int) -> Callable[[int], None]:
        """What tells of the rows of one step, of which there are ``most``, that the model is through with."""
        return lambda made: self._said(self._report.rows + self._under_way + len(self._waiting) + min(made, most))

    def _said(self, rows: int) -> None:
        paid = (self._embedder.tokens, self._embedder.dollars) if self._told_tokens else (0, 0.0)
        self._tell("embedding", rows, max(self._goal, rows), *paid)

    def _write(self) -> None:
        if self._waiting:
            self._handover.finish()
            self._embedder.recent.hand_over()
            self._under_way = len(self._waiting)
            self._handover.give((self._writing.lease(), self._waiting))
        self._waiting = []
        self._pace.written()
        self._said(self._report.rows + self._under_way)

    def _fill(self, store: Store, parcel: _Parcel) -> int:
        lease, fillings = parcel
        number = self._embedder.generation.number
        return sum(store.fill(lease, number, batch) for batch in batches(store, fillings))

    def _filled(self, _: _Parcel, rows: int) -> None:
        self._under_way = 0
        self._report.rows += rows
        self._embedder.recent.arrived()


def _steps(
    store: Store,
    generation: Generation,
    ids: Iterable[str],
    splitter: Splitter | None,
    texts: int,
    damaged: dict[str, str],
) -> Iterator[list[StoredRow]]:
    """Those of the rows that lack vectors, with about so many ``texts`` at a time; ``damaged`` is added to."""
    rows = (row for chunk in chunks(ids, _IDS) for row in _lacking(store, generation, chunk, damaged))
    size = splitter.size if splitter else LONG
    return weighed(rows, max(_IDS, texts), lambda row: 1 + len(row.text) // min(size, LONG), texts)


def _lacking(store: Store, generation: Generation, ids: list[str], damaged: dict[str, str]) -> list[StoredRow]:
    """Those of the rows that are still there and still lack vectors; those whose texts are not what was written go to
    ``damaged`` instead, with the reason: their vectors would be taken for those of the right texts."""
    rows = store.get(ids, generation.number, vectors=False)
    lacking = [
        row
        for row_id in dict.fromkeys(ids)
        if (row := rows.get(row_id)) and row.text_hash and not (row.parts and all(map(row.has_current, row.parts)))
    ]
    damaged |= {row.id: _DAMAGED for row in lacking if not row.has_right_text}
    return [row for row in lacking if row.has_right_text]


def _refuse_empty(made: Made, work: list[Work], generation: Generation, on_empty: OnEmpty) -> None:
    if made.empty and on_empty == "error":
        row_id, part = made.empty[0]
        which = "the text" if len(next(row.spans for row in work if row.id == row_id)) == 1 else f"part {part}"
        raise NoKnownWordError(
            f"{which} of row {row_id!r} has no word that {generation.model} knows",
            hint="what was filled is kept. Leave such rows out of this generation, so that it does not find them: "
            'on_empty="skip", --on-empty skip',
            id=row_id,
            part=part,
        )


def _note_missing(report: BuildReport, made: Made, work: list[Work]) -> None:
    """Which rows, and which parts of others, the model has no vector for."""
    empty: dict[str, list[int]] = {}
    for row_id, part in made.empty:
        empty.setdefault(row_id, []).append(part)
    report.skipped += tuple(made.refused.items())
    for row in work:
        missing = empty.get(row.id, [])
        if len(missing) == len(row.spans):
            report.skipped += ((row.id, "no known word"),)
        elif missing:
            parts = ", ".join(map(str, missing))
            report.partly += ((row.id, f"no known word in part{'s' * (len(missing) > 1)} {parts}"),)


def _skipped_before(store: Store, generation: Generation, report: BuildReport) -> Iterator[tuple[str, str]]:
    """The other rows of a complete generation that have no vector there: earlier runs and syncs came to them. Looking
    for them reads all rows; there are none where this run came to all, nor for checkpoints, which read every text."""
    if report.rows >= report.total or generation.space.kind == "checkpoint":
        return
    known = {row_id for row_id, _ in report.skipped}
    for row in store.scan(generation.number, vectors=False):
        if row.id not in known and row.parts and all(part.empty for part in row.parts):
            yield row.id, "no vector, as was found before"
