"""What embedding will take, before it is done: texts, tokens, time, money and disk."""

from __future__ import annotations

import hashlib
import heapq
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from idembed.chunks import chunks
from idembed.errors import ModelError, OptionError, SpaceMismatchError
from idembed.index.catalog import Catalog
from idembed.index.embed import spans
from idembed.index.outcome import Outcome
from idembed.index.spool import Spool
from idembed.index.targets import lookups_for
from idembed.models.api.batches.registry import share_of
from idembed.models.base import Model
from idembed.space import Space, address
from idembed.stores.base import Generation

__all__ = ["Estimate", "estimate_build", "estimate_plan"]

_ROWS = 2000
"""Rows that are looked at to know what all are like."""
_SAMPLE = 256
_SECONDS = 1.0
"""For so long, and not much longer, the speed of a local model is measured."""
_PART_BYTES = 160
"""What a store keeps beside the numbers of a vector: hashes, indexes, spans."""
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Estimate:
    """Distinct ``texts`` that must go through ``model``; their ``tokens`` and the ``seconds`` (None for an API, whose
    speed is not known) are extrapolated from a sample of ``sampled`` texts; ``dollars`` by the model's price (None: not
    known); ``disk`` in bytes, of vectors and what belongs to them. ``problem``: why tokens, time and money are not
    known, where the model is not to be had."""

    model: str
    texts: int
    tokens: int
    seconds: float | None
    dollars: float | None
    disk: int
    sampled: int
    problem: str = ""

    def __str__(self) -> str:
        if not self.texts:
            return f"{self.model}: nothing to embed"
        texts = f"{self.texts:,} text{'' if self.texts == 1 else 's'} to embed"
        disk = f"{max(self.disk / 1e6, 0.1):,.1f} MB of disk"
        if self.problem:
            return f"{self.model}: {texts}, {disk}; {self.problem}"
        took = "" if self.seconds is None else f", about {_duration(self.seconds)} here"
        price = ", at a price that is not known" if self.dollars is None else _price(self.dollars)
        return f"{self.model}: {texts}, about {self.tokens:,} tokens{took}{price}, {disk}"

    def as_dict(self) -> dict[str, Any]:
        """All numbers, for JSON."""
        return asdict(self)


class _Survey:
    """Counts texts; keeps a uniform sample of them, those with the smallest addresses."""

    def __init__(self) -> None:
        self.texts = 0
        self.characters = 0
        self._sample: list[tuple[int, str]] = []

    def add(self, place: bytes, text: str) -> None:
        self.texts += 1
        self.characters += len(text)
        item = (-int.from_bytes(place, "big"), text)
        if len(self._sample) < _SAMPLE:
            heapq.heappush(self._sample, item)
        elif item > self._sample[0]:
            heapq.heapreplace(self._sample, item)

    def times(self, share: float) -> None:
        """As if so many times as many texts of the same kind had been added."""
        self.characters = round(self.characters * share)
        self.texts = max(round(self.texts * share), min(1, self.texts))

    def estimate(self, model: Model, disk: int, share: float = 1.0) -> Estimate:
        """``disk``: bytes that all that is written takes; ``share``: of the ordinary price."""
        sample = [text for _, text in sorted(self._sample, reverse=True)]
        if not sample:
            return Estimate(model.name, 0, 0, 0.0, 0.0, disk, 0)
        receipts = model.receipts(sample)
        read = sum(receipt.tokens for receipt in receipts)
        tokens = round(read * self.characters / sum(map(len, sample)))
        known = [text for text, receipt in zip(sample, receipts, strict=True) if receipt.tokens]
        seconds = _seconds(model, known, tokens) if model.space.repeatable else None
        price = model.dollars_per_million_tokens
        dollars = None if price is None else tokens * price * share / 1e6
        return Estimate(model.name, self.texts, tokens, seconds, dollars, disk, len(sample))


def estimate_plan(catalog: Catalog, spool: Spool, split: int | None, *, batch_api: bool = False) -> list[Estimate]:
    """What a planned sync will embed, for each generation that it keeps right. ``split``: as the source suggests. The
    model of a generation that is not searched need not be there: the sync leaves that one behind, and its estimate says
    so. A model that has nothing to embed is not loaded. ``batch_api``: by the price of batches."""
    store = catalog.store
    generations = store.generations() if store else []
    if generations:
        return [
            _estimate_sync(catalog, spool, split, generation.space, generation, batch_api) for generation in generations
        ]
    return [_estimate_sync(catalog, spool, split, catalog.model().space, None, batch_api)]


def _estimate_sync(
    catalog: Catalog,
    spool: Spool,
    split: int | None,
    space: Space,
    generation: Generation | None,
    batch_api: bool,
) -> Estimate:
    """For one generation; None: the first one of a new index."""
    survey, parts, splitter = _Survey(), 0, catalog.splitter(split)
    vault, _ = catalog.vault.of(space)
    lookups = lookups_for(catalog.store, space, [vault] if vault else [])
    for chunk in chunks(spool.pending(Outcome.TEXT, Outcome.ADDED), _CHUNK):
        texts = [row.text[start:end] for _, row in chunk for start, end in spans(splitter, row.text)]
        parts += len(texts)
        missing = spool.unseen((address(space.id, "document", text), text) for text in texts)
        for lookup in lookups:
            for place in lookup(sorted(missing)):
                missing.pop(place)
        for place, text in missing.items():
            survey.add(place, text)
    disk = _disk(parts, space)
    if generation is not None and not survey.texts:
        return Estimate(generation.model, 0, 0, 0.0, 0.0, disk, 0)
    try:
        model = catalog.model() if generation is None else catalog.model_of(generation)
    except (ModelError, SpaceMismatchError) as error:
        if generation is None or generation.status == "active":
            raise
        problem = f"a sync will leave generation {generation.number} behind: {error.message}"
        return Estimate(generation.model, survey.texts, 0, None, 0.0, disk, 0, problem)
    return survey.estimate(model, disk, _share(model, generation) if batch_api else 1.0)


def _share(model: Model, generation: Generation | None) -> float:
    """Of the ordinary price, in batches. A generation that is not searched is asked for in the ordinary way where its
    model has none; else OptionError is raised."""
    try:
        return share_of(model)
    except OptionError:
        if generation is None or generation.status == "active":
            raise
        return 1.0


def estimate_build(
    catalog: Catalog,
    model: Model,
    ids: Iterable[str] | None = None,
    *,
    share: float = 1.0,
    anew: bool = False,
) -> Estimate:
    """What filling a generation of ``model`` takes for the rows ``ids``, each given once, or for all, by a sample of
    them; equal texts count anew, those whose vectors are kept somewhere do not, unless all is made ``anew``. ``share``:
    of the ordinary price."""
    store, _ = catalog.readable()
    vault, _ = catalog.vault.of(model.space)
    lookups = [] if anew else lookups_for(store, model.space, [vault] if vault else [])
    splitter, survey = catalog.splitter(), _Survey()
    rows, drawn = (store.count(), store.sample(_ROWS)) if ids is None else _draw(ids)
    sample = store.get(drawn)
    texts = [row.text[start:end] for row in sample.values() for start, end in spans(splitter, row.text)]
    places = [address(model.space.id, "document", text) for text in texts]
    kept = {place for lookup in lookups for place in lookup(sorted(set(places)))}
    for place, text in zip(places, texts, strict=True):
        if place not in kept:
            survey.add(place, text)
    times = rows / max(1, len(sample))
    survey.times(times)
    return survey.estimate(model, _disk(round(len(texts) * times), model.space), share)


def _draw(ids: Iterable[str]) -> tuple[int, list[str]]:
    """How many there are, and a fair draw of them: those with the smallest hashes."""
    count = 0

    def keyed() -> Iterator[tuple[bytes, str]]:
        nonlocal count
        for row_id in ids:
            count += 1
            yield hashlib.sha256(row_id.encode()).digest(), row_id

    drawn = [row_id for _, row_id in heapq.nsmallest(_ROWS, keyed())]
    return count, drawn


def _disk(parts: int, space: Space) -> int:
    return parts * (4 * space.dim + _PART_BYTES)


def _seconds(model: Model, sample: list[str], tokens: int) -> float:
    """By embedding texts of the sample for a second. The first few warm the model up."""
    if not sample:
        return 0.0
    model.embed(sample[:8])
    began = time.monotonic()
    read = 0
    for chunk in chunks(sample, 32):
        read += sum(receipt.tokens for receipt in model.embed(chunk).receipts)
        if time.monotonic() - began > _SECONDS:
            break
    return tokens * (time.monotonic() - began) / max(1, read)


def _price(dollars: float) -> str:
    if not dollars:
        return ""
    return f", about ${dollars:,.2f}" if dollars >= 0.005 else ", less than $0.01"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
