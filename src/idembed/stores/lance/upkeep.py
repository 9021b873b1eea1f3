"""What keeps a table fast and its folder small: putting fragments together, renewing indices, removing old versions.

Each commit leaves a fragment and a version. To put fragments together is to write them again, so it is done when there
are some dozen and what came in is a good part of what would be written again.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from lancedb.index import BTree

from idembed.stores.lance.disk import modified
from idembed.stores.lance.failures import broken_off
from idembed.stores.lance.reading import is_left

__all__ = ["Due", "keep", "wants"]

_LOG = logging.getLogger(__name__)
_LOOK_AFTER: Final = 20
"""Commits after which it is looked whether there is something to do."""
_FEW: Final = 20
_MANY: Final = 100
"""Fragments that may be, and versions that may come, whatever it costs to put them together: each makes the reading of
one record 0.15 ms slower."""
_FULL: Final = 1_048_576
"""Rows of a fragment that LanceDB leaves as it is."""
_ROWS_FOR_ONE_MORE: Final = 10_000
"""To be written again, for which one more fragment may be."""
_INDEXED_FROM: Final = 500_000
"""Rows. Of 100,000 all are read as fast as some are looked up, and writing takes twice as long with indices."""
_INDEXED: Final = ("_key", "_order", "_address")


@dataclass(slots=True)
class Due:
    """What was written to one table by this process since it was looked at, and since it was put together."""

    commits: int = _LOOK_AFTER
    rows: int = 0
    versions: int = 0
    """how many were left"""

    def is_now(self, rows: int) -> bool:
        """Whether it is time to look, after another commit of ``rows``: after the first, for processes may be short."""
        self.commits += 1
        self.rows += rows
        return self.commits > _LOOK_AFTER


def wants(table: Any, due: Due, versions: Path | None) -> bool:
    """Whether it is worth while now. ``versions``: the folder they are in, None in an object store."""
    due.commits = 0
    if _has_many(table, due, versions):
        return True
    stats = table.stats()
    full, written_again = divmod(stats["num_rows"], _FULL)
    small = stats["fragment_stats"]["num_fragments"] - full
    many = _MANY + written_again // _ROWS_FOR_ONE_MORE
    return bool(small >= many or (small >= _FEW and 2 * due.rows >= written_again))


def keep(table: Any, due: Due, retention: timedelta, versions: Path | None, sync: Callable[[], None]) -> None:
    """Do it. Versions older than ``retention`` go, unless somebody reads one for long. What was put together is synced
    before anything is removed. Under the table's lock; a failure is no failure of what was written before."""
    try:
        with broken_off():
            if table.count_rows() >= _INDEXED_FROM:
                _index(table)
            table.optimize()
            sync()
            if _has_old(versions, retention) and is_left(table):
                table.optimize(cleanup_older_than=retention)
                sync()
    except (RuntimeError, ValueError, OSError) as error:
        _LOG.warning("a table of LanceDB could not be tidied: %s", str(error).partition(", /")[0])
    due.rows, due.versions = 0, 0 if versions is None else len(os.listdir(versions))


def _has_many(table: Any, due: Due, versions: Path | None) -> bool:
    """Whether many versions came; in an object store, where counting takes long, every hundredth time or so."""
    if versions is None:
        return int(table.version) % _MANY < _LOOK_AFTER
    return len(os.listdir(versions)) - due.versions >= _MANY


def _has_old(versions: Path | None, retention: timedelta) -> bool:
    """Whether a version may be too old; to look for such ones takes LanceDB as long as all else."""
    if versions is None:
        return True
    limit = time.time() - retention.total_seconds()
    return any(modified(os.path.join(versions, name)) < limit for name in os.listdir(versions))


def _index(table: Any) -> None:
    there = {column for index in table.list_indices() for column in index.columns}
    for column in _INDEXED:
        if column in table.schema.names and column not in there:
            table.create_index(column, config=BTree())
