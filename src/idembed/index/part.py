"""A part of an index that stands for the whole: the same share of every scope, and of every value of a metadata key.

Rows are taken in order of their hashes, which is a fair draw, the same one each time: 5 % are among the 10 %.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import ceil

from idembed.arguments import is_number
from idembed.canonical import canonical_json
from idembed.chunks import chunks
from idembed.errors import OptionError
from idembed.index.catalog import Catalog
from idembed.rows import BUCKETS, ROW_HASH_BYTES
from idembed.stores.base import Store

__all__ = ["check_key", "check_share", "part_ids"]

_IDS = 500
_BUCKETS = 64


def check_share(until: float | None) -> None:
    """Raise OptionError unless it is a share of the rows, or None."""
    if until is not None and not (is_number(until) and 0 < until <= 1):
        raise OptionError(
            f"until={until!r}: a share of the rows is more than 0 and at most 1",
            hint="5 % is 0.05, and --until 5% on the command line",
        )


def check_key(catalog: Catalog, by: str) -> None:
    """Raise OptionError unless some row has this key in its metadata."""
    store, _ = catalog.readable()
    if not any(by in row.metadata for row in store.scan(vectors=False)):
        raise OptionError(f"by={by!r}: no row of {catalog.name} has this key in its metadata", key=by)


def part_ids(catalog: Catalog, until: float, by: str | None) -> Iterator[str]:
    """The ids of the share ``until`` of the rows, at least one of each scope and, with ``by``, of each value that this
    key of the metadata has there (then every row is looked at, twice)."""
    store, _ = catalog.readable()
    for scope, count in store.scopes().items():
        if by is None:
            wanted = ceil(until * count)
            for row_id in _in_order(store, scope):
                if wanted == 0:
                    break
                wanted -= 1
                yield row_id
        else:
            sizes = Counter(value for _, value in _values(store, scope, by))
            quota = {value: ceil(until * size) for value, size in sizes.items()}
            for row_id, value in _values(store, scope, by):
                if quota.get(value, 0):
                    quota[value] -= 1
                    yield row_id


def _in_order(store: Store, scope: str) -> Iterator[str]:
    for begin in range(0, BUCKETS, _BUCKETS):
        raw = store.row_hashes(scope, range(begin, begin + _BUCKETS)).tobytes()
        hashes = [raw[i : i + ROW_HASH_BYTES] for i in range(0, len(raw), ROW_HASH_BYTES)]
        for chunk in chunks(hashes, _IDS):
            found = store.ids_at(scope, chunk)
            yield from (found[row_hash] for row_hash in chunk if row_hash in found)


def _values(store: Store, scope: str, key: str) -> Iterator[tuple[str, str]]:
    """Each row's id and its value as canonical JSON, "" where it has none."""
    for chunk in chunks(_in_order(store, scope), _IDS):
        rows = store.get(chunk)
        for row_id in chunk:
            if row := rows.get(row_id):
                yield row_id, canonical_json(row.metadata[key]) if key in row.metadata else ""
