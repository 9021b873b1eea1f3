"""What a plan reads of collections: the hashes of settled rows, and the states of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from idembed.chunks import chunks
from idembed.rows import BUCKETS, ROW_HASH_BYTES
from idembed.stores.collection.engine import HASHES, HEADS, KEYS, STATE, UNSETTLED, Among, Engine, Record
from idembed.stores.collection.forms import order_of, place_of
from idembed.stores.collection.read import heads
from idembed.stores.collection.seal import Seal
from idembed.stores.records import RowHashes, RowState

__all__ = ["NO_HASHES", "current_in", "ids_at", "lacking", "row_hashes", "sample", "states", "unsettled"]

NO_HASHES: Final[RowHashes] = np.empty(0, f"S{ROW_HASH_BYTES}")
_PER_BUCKET: Final = 2**63 // BUCKETS
_AT_ONCE: Final = 1000
_SPARE: Final = 30
"""More rows than wanted, of which a sample is taken, so that one look is enough nearly always."""


def row_hashes(engine: Engine, home: int, scope: str, buckets: range) -> RowHashes:
    """Ascending."""
    begin, end = max(0, buckets.start), min(BUCKETS, buckets.stop)
    found: list[bytes] = []
    if begin < end:
        among = Among(scope=scope, orders=range(begin * _PER_BUCKET, end * _PER_BUCKET))
        for page in engine.find(home, among, HASHES):
            found.extend(record.row_hash for record in page)
    hashes = np.frombuffer(b"".join(found), f"S{ROW_HASH_BYTES}")
    return np.sort(hashes)


def ids_at(engine: Engine, home: int, scope: str, hashes: Sequence[bytes]) -> dict[bytes, str]:
    """Ids by row hash: they stand where half of it says."""
    wanted = set(hashes)
    found: dict[bytes, str] = {}
    for some in chunks(sorted({order_of(row_hash) for row_hash in wanted}), _AT_ONCE):
        for page in engine.find(home, Among(scope=scope, exactly=tuple(some)), HASHES):
            found |= {record.row_hash: record.id for record in page if record.row_hash in wanted}
    return found


def unsettled(engine: Engine, home: int, scope: str | None) -> Iterator[str]:
    """Ids of rows without a row hash."""
    for page in engine.find(home, Among(scope=scope, orders=range(UNSETTLED, UNSETTLED + 1)), KEYS):
        yield from [record.id for record in page]


def states(engine: Engine, home: int, ids: Sequence[str], generations: Sequence[int]) -> dict[str, RowState]:
    """The state of each row that exists."""
    found: dict[str, RowState] = {}
    for some in chunks(ids, _AT_ONCE):
        rows = heads(engine, home, some)
        seals = {name: Seal.read(record.seal) for name, record in rows.items()}
        current = {name for name, seal in seals.items() if seal.text_hash}
        for number in generations:
            current &= current_in(engine, home, number, rows)
        found |= {
            name: RowState(
                name, record.scope, seals[name].text_hash, seals[name].metadata_hash, record.row_hash, name in current
            )
            for name, record in rows.items()
        }
    return found


def current_in(engine: Engine, home: int, number: int, rows: Mapping[str, Record]) -> set[str]:
    """Ids of those of the ``rows``, heads of ``home``, that have current vectors in generation ``number``."""
    there = rows if number == home else heads(engine, number, list(rows))
    texts = {name: Seal.read(record.seal).text_hash for name, record in rows.items()}
    return {name for name, record in there.items() if texts[name] and Seal.read(record.seal).made_of == texts[name]}


def lacking(
    engine: Engine,
    home: int,
    number: int,
    *,
    unsettled_only: bool = False,
    keep: Callable[[], None] = lambda: None,
) -> Iterator[str]:
    """Ids of rows without current vectors in the generation; not of those whose text is not what it was. ``keep`` is
    called for each page."""
    orders = range(UNSETTLED, UNSETTLED + 1) if unsettled_only else HEADS.orders
    for page in engine.find(home, Among(orders=orders), STATE):
        keep()
        for some in chunks(page, _AT_ONCE):
            rows = {record.id: record for record in some}
            current = current_in(engine, home, number, rows)
            yield from [name for name, row in rows.items() if name not in current and Seal.read(row.seal).text_hash]


def sample(engine: Engine, home: int, count: int) -> list[str]:
    """The ``count`` rows whose places are lowest."""
    total = engine.count(home, HEADS)
    share = (count + _SPARE) / max(total, 1)
    while True:
        end = 2**63 if share >= 1 else int(2**63 * share)
        pages = engine.find(home, Among(places=range(end)), KEYS)
        found = sorted((place_of(record.id), record.id) for page in pages for record in page)
        if len(found) >= count or share >= 1:
            return [row_id for _, row_id in found[:count]]
        share *= 2
