"""Texts to the parts of one generation: each distinct missing text goes through the model once.

A vector is looked for where it may already be: in the batch, in the store by its address, in a vault. Only then is
the model asked.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from idembed.chunks import chunks
from idembed.errors import DiskFullError, LeaseHeldError, ModelChangedError, VaultError
from idembed.index.addresses import Addresses
from idembed.index.meter import Meter
from idembed.index.recent import Recent
from idembed.models.base import Embedded, Journal, Model, OnLong, Receipt, never
from idembed.space import Kept, address
from idembed.split import Splitter
from idembed.stores.base import Generation, PartRecord
from idembed.vault import Vault

_LOG = logging.getLogger(__name__)
_KEEP_TEXTS = 64
_KEEP_SECONDS = 0.1
"""What an API made is written to the vault when it is so many texts, or so old."""

__all__ = ["Embedder", "Lookup", "Made", "Span", "Work", "spans"]

Span = tuple[int, int]
Lookup = Callable[[Sequence[bytes]], Mapping[bytes, Kept]]
"""A place where vectors may be: what it has of some addresses."""


class Work(NamedTuple):
    """A row to find vectors for: the [start, end) of each of its parts in characters."""

    id: str
    text: str
    spans: list[Span]


@dataclass(frozen=True, slots=True)
class Made:
    """The parts of each row of a batch by id; ``refused`` rows have none, each with the reason; ``asked`` are the rows
    for which the model was asked (of equal texts, the first one's); ``empty`` lists (id, part) without a known word;
    ``too_long`` are the refused rows with a text that has more tokens than the model reads."""

    parts: dict[str, list[PartRecord]]
    refused: dict[str, str] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    empty: list[tuple[str, int]] = field(default_factory=list)
    too_long: set[str] = field(default_factory=set)


def spans(splitter: Splitter | None, text: str) -> list[Span]:
    """[start, end) of each part of ``text`` in characters: the whole text where nothing is split."""
    return splitter.parts(text) if splitter else [(0, len(text))]


class Embedder:
    """Finds or makes the vectors of one generation; counts what the model did."""

    def __init__(
        self,
        generation: Generation,
        model: Callable[[], Model],
        lookups: Sequence[Lookup],
        *,
        keep_in: Vault | None = None,
        alive: Callable[[], None] = lambda: None,
        meter: Meter | None = None,
        batch_size: int = Model.batch_size,
        recent: Recent | None = None,
        on_long: OnLong = "cut",
        on_made: Callable[[int], None] = lambda texts: None,
        ahead: Addresses | None = None,
    ) -> None:
        """``model`` is called when a text is missing for the first time. ``lookups`` are tried in order; everything
        that the model makes goes into ``keep_in``, as it comes. ``alive`` is called now and then while the model works.
        ``recent``: what was made and is not in the store yet, shared with other embedders that are written together
        with this one. ``on_long``: what an API shall do with texts that are too long; for other models that is settled
        before. ``on_made`` is called with how many texts are done of those asked for at once. ``ahead``: what the model
        was asked for just before, by its provider's batches: it counts as made here, once."""
        self.generation = generation
        self.batch_size = batch_size
        """How many texts the model is given at once."""
        self._load = model
        self._loaded: Model | None = None
        self._lookups = lookups
        self._keep_in = keep_in
        self._alive = alive
        self._meter = meter or Meter()
        self.recent = recent or Recent()
        self._on_long = on_long
        self._ahead = ahead
        self.on_made = on_made
        self.embedded = 0
        self.tokens = 0
        self.truncated = 0
        self.seconds = 0.0

    def parts(self, rows: Sequence[Work]) -> Made:
        """The parts of every row; rows of which the model refuses a text have none. Raises what the model raises."""
        space = self.generation.space
        places = {
            row.id: [address(space.id, "document", row.text[start:end]) for start, end in row.spans] for row in rows
        }
        found = self._find({place for row_places in places.values() for place in row_places})
        missing: dict[bytes, str] = {}
        asked = set()
        early = self._made_ahead(found)
        for row in rows:
            for (start, end), place in zip(row.spans, places[row.id], strict=True):
                if place in early:
                    early.remove(place)
                    asked.add(row.id)
                elif place not in found and place not in missing:
                    missing[place] = row.text[start:end]
                    asked.add(row.id)
        empty = self._empty(missing)
        made, reasons, long = self._embed({place: text for place, text in missing.items() if place not in empty})
        found |= made
        result = Made({}, asked=asked)
        for row in rows:
            if reason := next((reasons[place] for place in places[row.id] if place in reasons), None):
                result.refused[row.id] = reason
                if not long.isdisjoint(places[row.id]):
                    result.too_long.add(row.id)
                continue
            result.parts[row.id] = [
                _record(number, span, place, found.get(place))
                for number, (span, place) in enumerate(zip(row.spans, places[row.id], strict=True))
            ]
            result.empty.extend((row.id, number) for number, place in enumerate(places[row.id]) if place in empty)
        return result

    @property
    def dollars(self) -> float:
        """What was spent by all who are paid by the same meter."""
        return self._meter.dollars

    def has_made(self, row: Work) -> bool:
        """Whether all parts of a row were made, and are not written yet."""
        space_id = self.generation.space.id
        return all(address(space_id, "document", row.text[start:end]) in self.recent for start, end in row.spans)

    def _model(self) -> Model:
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def _find(self, places: set[bytes]) -> dict[bytes, Kept]:
        found = self.recent.among(places)
        for lookup in self._lookups:
            if rest := places.difference(found):
                found.update(lookup(sorted(rest)))
        if self._on_long != "cut" and not self.generation.space.repeatable:
            # Made when cutting was allowed. Whether a text is too long is known by asking the API, or from this.
            found = {place: kept for place, kept in found.items() if not kept.truncated}
        return found

    def _made_ahead(self, found: Mapping[bytes, Kept]) -> set[bytes]:
        """Those that were made ahead, and are counted now."""
        early = set() if self._ahead is None else self._ahead.take(found)
        self._count([Receipt(found[place].tokens, found[place].truncated) for place in early])
        return early

    def _empty(self, missing: Mapping[bytes, str]) -> set[bytes]:
        """Those without a word that the model knows."""
        if not missing or self._model().reads_every_text:
            return set()
        receipts = self._model().receipts(list(missing.values()))
        return {place for place, receipt in zip(missing, receipts, strict=True) if not receipt.tokens}

    def _embed(self, missing: dict[bytes, str]) -> tuple[dict[bytes, Kept], dict[bytes, str], set[bytes]]:
        """The vectors, the reasons why some texts have none, and which are too long."""
        made: dict[bytes, Kept] = {}
        reasons: dict[bytes, str] = {}
        long: set[bytes] = set()
        for batch in chunks(missing.items(), self.batch_size):
            places = [place for place, _ in batch]
            result = self._embed_batch(places, [text for _, text in batch], made)
            reasons |= {places[position]: reason for position, reason in result.refused.items()}
            long.update(places[position] for position in result.too_long)
        return made, reasons, long

    def _embed_batch(self, places: list[bytes], texts: list[str], made: dict[bytes, Kept]) -> Embedded:
        model = self._model()
        self._meter.check(model)
        started = time.monotonic()
        with _Desk(self, places, made) as desk:
            try:
                return model.embed_with(texts, desk, on_long="cut" if model.repeatable else self._on_long)
            except ModelChangedError:
                desk.drop()
                raise
            finally:
                self.seconds += time.monotonic() - started

    def _count(self, receipts: Sequence[Receipt]) -> None:
        self.embedded += len(receipts)
        self.tokens += sum(receipt.tokens for receipt in receipts)
        self.truncated += sum(receipt.truncated for receipt in receipts)


class _Desk(Journal):
    """What a model makes of the texts at some places: paid by the meter, and kept at once, so that a killed process
    loses only what was under way."""

    def __init__(self, embedder: Embedder, places: list[bytes], made: dict[bytes, Kept]) -> None:
        self._embedder = embedder
        self._places = places
        self._made = made
        self._unkept: dict[bytes, Kept] = {}
        self._all: set[bytes] = set()
        self._kept_at = time.monotonic()
        self._done = 0
        self._caller = threading.current_thread()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._keep()

    def reserve(self, texts: int, dollars: float, stopped: Callable[[], bool] = never) -> None:
        here = threading.current_thread() is self._caller
        self._embedder._meter.reserve(texts, dollars, self._embedder._alive if here else None, stopped=stopped)

    def settle(self, reserved: float, dollars: float) -> None:
        self._embedder._meter.settle(reserved, dollars)

    def alive(self) -> None:
        self._embedder._alive()
        if self._unkept and time.monotonic() - self._kept_at >= _KEEP_SECONDS:
            self._keep()

    def made(self, positions: Sequence[int], made: Embedded) -> None:
        receipts = []
        for number, position in enumerate(positions):
            if number not in made.refused:
                receipt = made.receipts[number]
                self._unkept[self._places[position]] = Kept(made.vectors[number], receipt.tokens, receipt.truncated)
                receipts.append(receipt)
        self._embedder._count(receipts)
        self._done += len(positions)
        self._embedder.on_made(self._done)
        if len(self._unkept) >= _KEEP_TEXTS or time.monotonic() - self._kept_at >= _KEEP_SECONDS:
            self._keep()

    def drop(self) -> None:
        """Another model answered meanwhile: nobody knows which of the vectors are whose."""
        space, places = self._embedder.generation.space, [*self._all]
        self._unkept = {}
        self._embedder.recent.remove(places)
        for place in places:
            self._made.pop(place, None)
        if self._embedder._keep_in is not None and places:
            self._embedder._keep_in.forget(space.id, places)

    def _keep(self) -> None:
        kept, self._unkept = self._unkept, {}
        keep_in, space = self._embedder._keep_in, self._embedder.generation.space
        if keep_in is not None and kept:
            try:
                with keep_in.writer(space.id, space.dim) as writer:
                    writer.put(kept)
            except (VaultError, DiskFullError, LeaseHeldError) as error:
                if space.repeatable:
                    raise
                # It was paid for: the index has it soon, and then it is safe.
                _LOG.warning("%s; what is made from now on is kept in the index alone", error.message)
                self._embedder._keep_in = None
        self._all.update(kept)
        self._embedder.recent.add(kept)
        self._made.update(kept)
        self._kept_at = time.monotonic()


def _record(number: int, span: Span, place: bytes, kept: Kept | None) -> PartRecord:
    if kept is None:
        return PartRecord(number, span, place, None, 0, False)
    return PartRecord(number, span, place, kept.vector, kept.tokens, kept.truncated)
