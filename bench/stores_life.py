"""What an index costs in a database beside writing: a sync with nothing changed, what a plan reads, search, copies."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from databases.base import Database
from free import FreeModel
from lifecycle.rows import Row

from idembed import Index
from idembed.rows import BUCKETS
from idembed.stores import open_store
from idembed.stores.base import Store

__all__ = ["copies", "life"]

_SCOPE = "default"
_K = 10
_QUESTIONS = 10


class CountingModel(FreeModel):
    """How many texts it was asked for in all."""

    asked = 0

    def embed(self, texts: Sequence[str], *args: Any, **kwargs: Any) -> Any:
        CountingModel.asked += len(texts)
        return super().embed(texts, *args, **kwargs)


def index_at(url: str) -> Index:
    return Index(url, CountingModel(), vault="none")


def life(database: Database, rows: Sequence[Row], rounds: int) -> dict[str, Any]:
    """Figures of an index of ``rows``."""
    url, count = database.url(database.new("life")), len(rows)
    first = seconds(lambda: _sync(url, rows))
    noops = [seconds(lambda: _noop(url, rows)) for _ in range(rounds)]
    found: dict[str, Any] = {
        "first_sync_rows_per_second": count / first,
        "noop_us_per_row": statistics.median(noops) / count * 1e6,
    }
    with open_store(url) as store:
        states = [seconds(lambda: _states(store, count)) for _ in range(rounds)]
        found["state_rows_per_second"] = count / statistics.median(states)
        found |= _searches(store, count)
    rounded = {name: round(value, 3 if value < 10 else 0) for name, value in found.items()}
    print(f"{database.name:9} " + ", ".join(f"{name} {value:,.12g}" for name, value in rounded.items()), flush=True)
    return rounded


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _sync(url: str, rows: Sequence[Row]) -> None:
    with index_at(url) as index:
        index.sync(rows)


def _noop(url: str, rows: Sequence[Row]) -> None:
    with index_at(url) as index:
        report = index.sync(rows)
        if report.added or report.changed:
            raise SystemExit(f"{url}: the sync found something to do: {report}")


def _states(store: Store, count: int) -> None:
    if len(store.row_hashes(_SCOPE, range(BUCKETS))) != count:
        raise SystemExit(f"{store.url}: rows are missing")


def _searches(store: Store, count: int) -> dict[str, float]:
    """Milliseconds of one search for the ten best of one query, medians, exact and, where the database has it,
    approximate, with the share of the ten best that are found among numbers at random, which are the hardest for any
    index (bench/ann.py measures it on vectors that have neighbours)."""
    draw = np.random.default_rng(5)
    queries = draw.standard_normal((_QUESTIONS, FreeModel().space.dim), dtype=np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    exact, best = _search(store, queries, approximate=False)
    found = {"exact_search_ms": exact}
    if store.capabilities.approximate_search:
        lease = store.lease("bench", 3600.0)
        found["build_ann_seconds"] = seconds(lambda: store.build_ann(lease, 1))
        store.release(lease)
        found["approximate_search_ms"], near = _search(store, queries, approximate=True)
        hits = sum(len(one & other) for one, other in zip(best, near, strict=True))
        found["approximate_recall_on_noise"] = hits / (_K * _QUESTIONS)
    return found


def _search(store: Store, queries: np.ndarray, *, approximate: bool) -> tuple[float, list[set[str]]]:
    store.search(1, queries[:1], _K, approximate=approximate)
    times, found = [], []
    for query in queries:
        began = time.perf_counter()
        (matches,) = store.search(1, query[None, :], _K, approximate=approximate)
        times.append(time.perf_counter() - began)
        found.append({match.id for match in matches})
    return statistics.median(times) * 1e3, found


def copies(databases: Sequence[Database], rows: Sequence[Row]) -> dict[str, Any]:
    """An index of ``rows`` from each to each other: rows a second. Roots are compared, and no model may be asked."""
    speeds: dict[str, int] = {}
    urls = {database.name: database.url(database.new("source")) for database in databases}
    for url in urls.values():
        _sync(url, rows)
    asked = CountingModel.asked
    for name, source in urls.items():
        with index_at(source) as index:
            root = index.lock().root
            for database in databases:
                if database.name == name:
                    continue
                url = database.url(database.new("copy"))
                speed = len(rows) / seconds(partial(index.copy, url))
                with index_at(url) as copied:
                    if copied.lock().root != root:
                        raise SystemExit(f"the copy from {name} to {database.name} has another root")
                speeds[f"{name} to {database.name}"] = round(speed)
                print(f"copy {name} to {database.name}: {speed:,.0f} rows a second, same root", flush=True)
    if CountingModel.asked != asked:
        raise SystemExit(f"copies asked the model for {CountingModel.asked - asked} texts")
    print("model calls while copying: 0", flush=True)
    return {"rows": len(rows), "rows_per_second": speeds, "roots": "equal", "model_calls": 0}
