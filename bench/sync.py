"""What the index costs beside the model: first sync, no-op sync and 1 % changed with a model that costs
(almost) nothing, per row; memory of the no-op; sync of real texts against bare encoding of the same texts;
exact search against reading the same memory once."""

from __future__ import annotations

import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from peers import finish

from idembed import Index, load
from idembed.models.base import Embedded, Model, Receipt
from idembed.space import Space


class FreeModel(Model):
    """384 numbers from the text's hash, drawn from a fixed table: about 1 µs a text."""

    name = "free"
    repeatable = True

    def __init__(self) -> None:
        table = np.random.default_rng(1).standard_normal((4096, 384)).astype(np.float32)
        self._table = table / np.linalg.norm(table, axis=1, keepdims=True)

    @property
    def space(self) -> Space:
        return Space("free", 384, "cosine", {})

    def receipts(self, texts: Sequence[str], side: Any = "document") -> list[Receipt]:
        return [Receipt(1)] * len(texts)

    def embed(self, texts: Sequence[str], *args: Any, **kwargs: Any) -> Embedded:
        return Embedded(self._table[[hash(text) % 4096 for text in texts]], self.receipts(texts))


def rows(count: int, changed: int = 0) -> list[dict[str, Any]]:
    """200-character texts and three metadata fields; every ``changed``-th text is new."""
    made = []
    for i in range(count):
        edit = " edited" if changed and i % changed == 0 else ""
        text = f"row {i}{edit}: " + f"the quick brown fox number {i * 7919 % 1000003} " * 8
        made.append(
            {
                "id": f"row-{i}",
                "text": text[:200],
                "metadata": {"lang": "en", "year": 2000 + i % 25, "tag": f"t{i % 97}"},
            }
        )
    return made


def child(database: str, count: int, changed: int) -> None:
    """One sync in a fresh process: prints its seconds and peak memory. Making the rows is not counted."""
    source = rows(count, changed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    with Index(database, FreeModel(), vault="none") as index:
        report = index.sync(source)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "before_kib": before, "peak_kib": peak, "report": str(report)}))


def sync_costs(folder: str, count: int, rounds: int) -> dict[str, Any]:
    def run(changed: int = 0) -> dict[str, Any]:
        command = [sys.executable, __file__, "child", f"{folder}/{count}.db", str(count), str(changed)]
        answer: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        return answer

    first = run()
    noops = [run() for _ in range(rounds)]
    edited = run(100)
    microseconds = statistics.median(n["seconds"] for n in noops) / count * 1e6
    growth = max(n["peak_kib"] - n["before_kib"] for n in noops) / 1024
    print(
        f"{count:>9,} rows: first {first['seconds']:.2f} s, no-op {microseconds:.2f} µs/row, "
        f"+{growth:.0f} MiB, "
        f"1 % changed {edited['seconds']:.2f} s ({edited['report']})"
    )
    return {
        "first_s": round(first["seconds"], 3),
        "noop_us_per_row": round(microseconds, 2),
        "noop_memory_growth_mib": round(growth),
        "one_percent_s": round(edited["seconds"], 3),
    }


def overhead(folder: str, rounds: int) -> float:
    """Seconds of a sync of 600 texts over seconds of encoding them, alternately, median."""
    model = load("all-MiniLM-L6-v2")
    choose = random.Random(3)
    words = (Path(__file__).parent.parent / "README.md").read_text().split()
    texts = [" ".join(choose.choices(words, k=25)) for _ in range(600)]
    model.encode(texts[:8])
    ratios = []
    for turn in range(rounds):
        start = time.perf_counter()
        model.encode(texts)
        bare = time.perf_counter() - start
        start = time.perf_counter()
        with Index(f"{folder}/overhead{turn}.db", model, vault="none") as index:
            index.sync([{"id": str(i), "text": text} for i, text in enumerate(texts)])
        ratios.append((time.perf_counter() - start) / bare)
    return statistics.median(ratios)


def search_cost(database: str, rounds: int) -> dict[str, float]:
    """First answer of an opened index, a later one, and one reading of as many bytes in memory."""
    model = FreeModel()
    query = model.embed(["q"]).vectors[0]
    start = time.perf_counter()
    with Index(database, model) as index:
        index.search(vector=query, k=10)
        first = time.perf_counter() - start
        count = index.count()
        block = np.ones((count, 384), np.float32)
        read = lambda: block.view(np.uint64).max()  # noqa: E731  one pass over the bytes, vectorised
        searches, reads = [], []
        for _ in range(rounds):
            searches.append(clock(lambda: index.search(vector=query, k=10)))
            reads.append(clock(read))
    ratio = statistics.median(s / r for s, r in zip(searches, reads, strict=True))
    found = {"first_answer_s": first, "search_ms": statistics.median(searches) * 1e3}
    found |= {"read_ms": statistics.median(reads) * 1e3, "search_over_one_thread_read": ratio}
    print(f"search in {count:,} x 384: " + ", ".join(f"{k} {v:.3f}" for k, v in found.items()))
    return {name: round(value, 3) for name, value in found.items()}


def clock(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    sizes = [int(n) for n in sys.argv[1:]] or [10_000, 100_000]
    result: dict[str, Any] = {"bench": "sync"}
    with tempfile.TemporaryDirectory() as folder:
        for count in sizes:
            result[str(count)] = sync_costs(folder, count, 5)
        result["search"] = search_cost(f"{folder}/{sizes[-1]}.db", 15)
        result["sync_over_encode"] = round(overhead(folder, 5), 3)
    print(f"sync of real texts takes {result['sync_over_encode']} x bare encoding")
    finish(result)


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
