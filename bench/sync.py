"""What a sync costs beside the model, which here costs (almost) nothing: the first one, with nothing changed, and with
1 % of the texts changed, by the row, and memory; and a sync of real texts against bare encoding of the same texts.

Sizes may be given; 10,000, 100,000 and 1,000,000 rows otherwise. Every sync is a fresh process, from opening the index
to closing it. The rows lie in memory already; where memory is measured, which is all that the process has, they are
made one after the other. The no-ops of all sizes take turns.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from free import compile_package, index_at
from lifecycle.rows import make_rows
from memory import forget_most, held
from peers import finish

from idembed import Index, load

ROUNDS = 5


def main() -> None:
    sizes = [int(argument) for argument in sys.argv[1:]] or [10_000, 100_000, 1_000_000]
    compile_package()
    with tempfile.TemporaryDirectory() as folder:
        files = {size: Path(folder) / f"{size}.db" for size in sizes}
        firsts = {size: one_sync(file, size) for size, file in files.items()}
        noops = [{size: one_sync(file, size) for size, file in files.items()} for _ in range(ROUNDS)]
        result: dict[str, Any] = {"bench": "sync"}
        for size, file in files.items():
            memory = one_sync(file, size, "made")["peak"]
            edited = one_sync(file, size, changed=100)
            found = {
                "first_us_per_row": firsts[size]["seconds"] / size * 1e6,
                "noop_us_per_row": statistics.median(noop[size]["seconds"] for noop in noops) / size * 1e6,
                "noop_memory_mib": memory / 2**20,
                "one_percent_us_per_row": edited["seconds"] / size * 1e6,
            }
            result[str(size)] = {name: round(value, 2) for name, value in found.items()}
            print(f"{size:>9,} rows:", ", ".join(f"{name} {value:.1f}" for name, value in found.items()), flush=True)
        result["sync_over_encode"] = round(overhead(Path(folder)), 3)
    print(f"sync of real texts takes {result['sync_over_encode']} x bare encoding")
    finish(result)


def one_sync(file: Path, count: int, source: str = "list", changed: int = 0) -> dict[str, Any]:
    command = [sys.executable, __file__, "child", str(file), str(count), str(changed), source]
    answer: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return answer


def child(file: Path, count: int, changed: int, source: str) -> None:
    made = make_rows(count, changed)
    rows = list(made) if source == "list" else made
    forget_most()
    start = time.perf_counter()
    with index_at(file) as index:
        report = index.sync(rows)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak": held(most=True), "report": str(report)}))


def overhead(folder: Path) -> float:
    """Seconds of a sync of 600 texts over seconds of encoding them, alternately, median."""
    model = load("all-MiniLM-L6-v2")
    choose = random.Random(3)
    words = (Path(__file__).parent.parent / "README.md").read_text().split()
    texts = [" ".join(choose.choices(words, k=25)) for _ in range(600)]
    model.encode(texts[:8])
    ratios = []
    for turn in range(ROUNDS):
        start = time.perf_counter()
        model.encode(texts)
        bare = time.perf_counter() - start
        start = time.perf_counter()
        with Index(folder / f"overhead{turn}.db", model, vault="none") as index:
            index.sync([{"id": str(i), "text": text} for i, text in enumerate(texts)])
        ratios.append((time.perf_counter() - start) / bare)
    return statistics.median(ratios)


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
    else:
        main()
