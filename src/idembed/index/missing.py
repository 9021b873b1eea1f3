"""The texts that a model has yet to be asked for: not in the store, nor in the vault."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from idembed.chunks import chunks
from idembed.index.embed import Lookup, spans
from idembed.index.outcome import Outcome
from idembed.index.spool import Spool
from idembed.space import Space, address
from idembed.split import Splitter
from idembed.stores.base import Generation, Store

__all__ = ["missing_of_build", "missing_of_plan"]

_CHUNK = 500
Missing = Iterator[dict[bytes, str]]


def missing_of_plan(spool: Spool, space: Space, splitter: Splitter | None, lookups: Sequence[Lookup]) -> Missing:
    """Those of a planned sync, by address, some at a time; one may come several times."""
    for chunk in chunks(spool.pending(Outcome.TEXT, Outcome.ADDED), _CHUNK):
        yield _missing((row.text for _, row in chunk), space, splitter, lookups)


def missing_of_build(
    store: Store, generation: Generation, ids: Iterable[str], splitter: Splitter | None, lookups: Sequence[Lookup]
) -> Missing:
    """Those of the rows ``ids`` of a store, for a generation; texts that are damaged are left out."""
    for chunk in chunks(ids, _CHUNK):
        rows = store.get(chunk, generation.number, vectors=False).values()
        texts = (row.text for row in rows if row.text_hash and row.has_right_text)
        yield _missing(texts, generation.space, splitter, lookups)


def _missing(
    texts: Iterable[str], space: Space, splitter: Splitter | None, lookups: Sequence[Lookup]
) -> dict[bytes, str]:
    parts = (text[start:end] for text in texts for start, end in spans(splitter, text))
    missing = {address(space.id, "document", part): part for part in parts}
    for lookup in lookups:
        for place in lookup(sorted(missing)) if missing else ():
            del missing[place]
    return missing
