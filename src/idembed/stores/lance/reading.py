"""Reading many records of one version of a table, however long that takes and whoever writes meanwhile."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Any, Final
from uuid import uuid4

import pyarrow as pa
from lancedb.expr import Expr

from idembed.stores.collection.engine import Fields
from idembed.stores.lance.failures import broken_off
from idembed.stores.lance.fields import COLUMNS

__all__ = ["batches", "counted", "held", "is_left"]

_LOG = logging.getLogger(__name__)
_PAGE_ROWS: Final = 2000
_PAGE_BYTES: Final = 8_000_000
"""Of one page, about."""
_LARGE: Final = frozenset({"text", "metadata", "vector"})
_HELD_AFTER: Final = 60.0
"""Seconds of reading after which the version is kept from being removed: much less than versions stay anyway."""
_TAG: Final = "idembed-reads-"
_LEFT_AFTER: Final = 86_400.0
"""Seconds after which a tag is one of a process that died."""


def batches(handle: Any, meant: Expr | None, fields: Fields) -> Iterator[pa.RecordBatch]:
    """What a handle that stays at its version has of the records that are meant, in batches of bounded size."""
    query = handle.search().select([COLUMNS[field] for field in sorted(fields)]).limit(None)
    if meant is not None:
        query = query.where(meant)
    with held(handle):
        for batch in query.to_batches(_page_rows(handle, fields)):
            if batch.num_rows:
                yield batch


def counted(table: Any, meant: Expr | None) -> int:
    """How many records are meant."""
    if meant is None:
        return int(table.count_rows())
    query = table.search().select([COLUMNS["live"]]).limit(None).where(meant)
    return sum(batch.num_rows for batch in query.to_batches(100_000))


def _page_rows(handle: Any, fields: Fields) -> int:
    if not fields & _LARGE:
        return _PAGE_ROWS
    stats = handle.stats()
    each = stats["total_bytes"] / max(stats["num_rows"], 1)
    return max(1, min(_PAGE_ROWS, int(_PAGE_BYTES / max(each, 1.0))))


@contextmanager
def held(handle: Any) -> Iterator[None]:
    """After a minute the version that a handle is at is tagged, so that nobody removes its files: also while whoever
    reads it does something else with what was read."""
    tag = f"{_TAG}{int(time.time())}-{uuid4().hex[:8]}"
    made: list[str] = []

    def hold() -> None:
        try:
            with broken_off():
                handle.tags.create(tag, handle.version)
            made.append(tag)
        except (RuntimeError, ValueError, OSError) as error:
            _LOG.warning("a version that is read for long cannot be kept: %s", str(error).partition(", /")[0])

    timer = Timer(_HELD_AFTER, hold)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if made:
            _untag(handle, tag)


def is_left(table: Any) -> bool:
    """Whether nobody reads an old version for long; tags of processes that died are removed."""
    in_use = False
    for tag in table.tags.list():
        begun = tag.removeprefix(_TAG).partition("-")[0]
        if tag.startswith(_TAG) and begun.isdigit() and time.time() - int(begun) > _LEFT_AFTER:
            _untag(table, tag)
        else:
            in_use = True
    return not in_use


def _untag(table: Any, tag: str) -> None:
    try:
        table.tags.delete(tag)
    except (RuntimeError, ValueError, OSError):
        _LOG.debug("the tag %s is gone", tag)
