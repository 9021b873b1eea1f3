"""Requests of a size that Milvus takes, and answers that fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from idembed.stores.collection.engine import Record
from idembed.stores.milvus.collections import Collections
from idembed.stores.milvus.expressions import all_of, quoted
from idembed.stores.milvus.link import Connection, TooLargeError
from idembed.stores.milvus.wire import Answer

__all__ = ["ANSWER", "REQUEST", "pages_of", "slices_of", "writes_of"]

REQUEST: Final = 8 * 2**20
"""Bytes that are written at once, about; Milvus refuses 64 MB."""
ANSWER: Final = 8 * 2**20
"""Bytes that are read at once, about; Milvus gives up to 100 MB."""
_MOST_RECORDS: Final = 16_384
"""What Milvus gives at once."""
_OVERHEAD: Final = 400
"""Bytes of a record without its strings, metadata and vector."""
_T = TypeVar("_T")


def slices_of(many: Sequence[_T], most: int) -> Iterator[Sequence[_T]]:
    return (many[start : start + most] for start in range(0, len(many), most))


def writes_of(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Records that are written at once: those of a row together."""
    some: list[Record] = []
    size = 0
    for record in records:
        if size > REQUEST and record.id != some[-1].id:
            yield some
            some, size = [], 0
        some.append(record)
        size += _size_of(record)
    if some:
        yield some


def _size_of(record: Record) -> int:
    """About how many bytes it has in a request, where metadata is twice; characters may be several."""
    vector = 0 if record.vector is None else record.vector.nbytes
    strings = len(record.text.encode()) + 2 * len(record.metadata.encode()) + len(record.id) + len(record.scope)
    return _OVERHEAD + vector + strings


def pages_of(collections: Collections, name: str, condition: str, columns: list[str], size: int) -> Iterator[Answer]:
    """All rows of a collection for which ``condition`` holds, in the order of their primary key, which is the first of
    the ``columns``; each page is one request that may be repeated. ``size``: bytes of a row at a guess, by which the
    first page is chosen."""
    after, most, key = "", _within(ANSWER // size), columns[0]
    while True:
        wanted = all_of([condition, f"{key} > {quoted(after)}"])
        try:
            page = collections.ask(name, _asking(name, wanted, columns, most))
        except TooLargeError:
            if most == 1:
                raise
            most = max(1, most // 8)
            continue
        if page.count:
            yield page
        if not page.count or (page.count < most and collections.is_lite()):
            return  # of a cluster, a page may have fewer than were asked for though it is not the last
        after = max(page.columns[key])
        most = _within(min(4 * most, ANSWER * page.count // page.size))


def _asking(name: str, wanted: str, columns: list[str], most: int) -> Callable[[Connection], Answer]:
    """As pymilvus' own iterator asks, which does not quote the key that it goes on from."""
    return lambda to: to.wire.query(name, wanted, columns, limit=most, iterator=True, reduce_stop_for_best=True)


def _within(most: int) -> int:
    return min(max(most, 100), _MOST_RECORDS)
