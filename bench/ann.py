"""Approximate search in a SQLite file against exact search in it: milliseconds a question, recall, what the side-car
costs to make, and memory.

Sizes may be given; 500,000 x 384 otherwise (15 minutes, 4 GB of disk). Vectors are of length 1, in clusters of a
hundred, as those of texts are, and written through the store; the questions are other vectors of the same clusters.
Exact and approximate search take turns, one question at a time; figures are medians ("cpu": processor time of all
threads, which counts on a machine that does other things too). Each kind is also asked its first question in a process
of its own: how long that takes with the file just opened, and the memory of the process at the end ("private": without
what the system may take back at any time, such as pages of mapped files).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from peers import finish

from idembed.rows import check_row
from idembed.space import Space, address
from idembed.stores import open_store
from idembed.stores.base import PartRecord, RowRecord, Store

DIM = 384
IN_CLUSTER = 100
SPREAD = 0.7
BATCH = 10_000
QUESTIONS = 200
K = 10
Answer = list[tuple[str, float]]
SPACE = Space("bench", DIM, "cosine", {"name": "clustered"})


def main() -> None:
    sizes = [int(argument) for argument in sys.argv[1:]] or [500_000]
    result: dict[str, Any] = {"bench": "ann"}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(Path(folder) / "index.db", size)
        print(f"{size:>9,} x {DIM}: " + ", ".join(f"{name} {value:,.3f}" for name, value in found.items()), flush=True)
        result[str(size)] = {name: round(value, 3) for name, value in found.items()}
    finish(result)


def measure(file: Path, size: int) -> dict[str, float]:
    queries = next(clustered(QUESTIONS, 1, size // IN_CLUSTER))
    with open_store(file) as store:
        lease = store.lease("bench", 36_000.0)
        store.create_generation(lease, SPACE, "bench", activate=True)
        writing, _ = timed(lambda: [store.upsert(lease, batch) for batch in records(size)])
        building, building_cpu = timed(lambda: store.build_ann(lease, 1))
        store.search(1, queries[:1], K)
        exact_times, near_times = [], []
        exact: list[Answer] = []
        near: list[Answer] = []
        for query in queries:
            exact_times.append(timed(partial(ask, store, query, False, exact)))
            near_times.append(timed(partial(ask, store, query, True, near)))
        shares = [len({*some} & {*best}) / K for some, best in zip(near, exact, strict=True)]
        store.upsert(lease, newer(size, size // 50))
        ask(store, queries[0], True, [])
        newer_times = [timed(partial(ask, store, query, True, [])) for query in queries]
    fresh = {name: in_a_process(name, file) for name in ("exact", "near")}
    return {
        "write_s": writing,
        "build_s": building,
        "build_cpu_s": building_cpu,
        **milliseconds("exact", exact_times),
        **milliseconds("near", near_times),
        **milliseconds("near_with_2_percent_newer", newer_times),
        "exact_over_near": statistics.median(a / b for (a, _), (b, _) in zip(exact_times, near_times, strict=True)),
        "recall_at_10": statistics.mean(shares),
        "side_car_mb": file.with_name(f"{file.name}.ann-1").stat().st_size / 1e6,
        "database_mb": file.stat().st_size / 1e6,
        **{f"{name}_{figure}": value for name, figures in fresh.items() for figure, value in figures.items()},
    }


def ask(store: Store, query: Any, approximate: bool, answers: list[Answer]) -> None:
    (found,) = store.search(1, query[None, :], K, approximate=approximate)
    answers.append([(match.id, match.score) for match in found])


def clustered(size: int, seed: int, clusters: int) -> Iterator[Any]:
    """Vectors float32 [n, DIM], some at a time: the same ones for the same seed."""
    centres = np.random.default_rng(0).standard_normal((clusters, DIM)).astype(np.float32)
    rng = np.random.default_rng(seed)
    for begin in range(0, size, BATCH):
        count = min(BATCH, size - begin)
        vectors = centres[rng.integers(0, clusters, count)]
        vectors += np.float32(SPREAD) * rng.standard_normal((count, DIM), np.float32)
        yield vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def records(size: int) -> Iterator[list[RowRecord]]:
    begin = 0
    for vectors in clustered(size, 2, size // IN_CLUSTER):
        yield [record(f"r{begin + i:08}", vector) for i, vector in enumerate(vectors)]
        begin += len(vectors)


def newer(size: int, count: int) -> list[RowRecord]:
    return [
        record(f"r{size + i:08}", vector)
        for i, vector in enumerate(np.concatenate([*clustered(count, 3, size // IN_CLUSTER)]))
    ]


def record(name: str, vector: Any) -> RowRecord:
    row = check_row(name, f"the text of {name}", {}, "the bench")
    part = PartRecord(0, (0, len(row.text)), address(SPACE.id, "document", row.text), vector, 4, False)
    hashes = row.text_hash, row.metadata, row.metadata_hash, row.row_hash
    return RowRecord(row.id, "bench", row.text, *hashes, {1: [part]})


def in_a_process(kind: str, file: Path) -> dict[str, float]:
    said = subprocess.run([sys.executable, __file__, kind, file], check=True, capture_output=True).stdout
    return dict(json.loads(said))


def first_question(kind: str, file: Path) -> None:
    query = next(clustered(1, 4, 1))[0]

    def work() -> None:
        with open_store(file, create=False, read_only=True) as store:
            ask(store, query, kind == "near", [])
            taken.update(memory())

    taken: dict[str, float] = {}
    first, _ = timed(work)
    print(json.dumps({"first_question_s": first, **taken}))


def memory() -> dict[str, float]:
    """Of this process, in megabytes, as Linux tells; nothing elsewhere."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return {}
    size = {line.split(":")[0]: int(line.split()[1]) / 1e3 for line in lines if line.endswith(" kB")}
    return {"resident_mb": size["VmRSS"], "private_mb": size["RssAnon"]}


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and seconds of the processor."""
    start, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - cpu


def milliseconds(name: str, times: Sequence[tuple[float, float]]) -> dict[str, float]:
    wall, cpu = zip(*times, strict=True)
    return {f"{name}_ms": 1e3 * statistics.median(wall), f"{name}_cpu_ms": 1e3 * statistics.median(cpu)}


if __name__ == "__main__":
    if sys.argv[1:2] in (["exact"], ["near"]):
        first_question(sys.argv[1], Path(sys.argv[2]))
    else:
        main()
