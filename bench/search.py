"""Exact search in SQLite against reading the same vectors: a search against reading them in memory once, and opening an
index and asking the first question against reading them from a plain file into memory once.

Sizes may be given; 100,000 and 1,000,000 x 384 otherwise. We and what we are compared with take turns; figures are
medians. Memory is read by as many threads as search has, with NumPy. "Cold": the file is not in the system's memory
(needs Linux); a file is read whole where vectors alone are read, as a database holds texts beside them. An opening is a
fresh process; its imports are not timed.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from free import DIM, FreeModel, compile_package, index_at
from lifecycle.rows import make_rows
from peers import finish

ROUNDS = 5
SEARCHES = 15
Figures = dict[str, float]


def main() -> None:
    sizes = [int(argument) for argument in sys.argv[1:]] or [100_000, 1_000_000]
    compile_package()
    result: dict[str, object] = {"bench": "search"}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            file, plain = Path(folder) / "index.db", Path(folder) / "vectors"
            with index_at(file, make_rows(size)) as index:
                np.ones((len(index), DIM), np.float32).tofile(plain)
            found = searching(file) | opening(file, plain)
        print(f"{size:>9,} x {DIM}: " + ", ".join(f"{name} {value:.3f}" for name, value in found.items()), flush=True)
        result[str(size)] = {name: round(value, 3) for name, value in found.items()}
    finish(result)


def searching(file: Path) -> Figures:
    query = FreeModel().embed(["q"]).vectors[0]
    with index_at(file) as index, ThreadPoolExecutor() as pool:
        index.search(vector=query, k=10)
        halves = np.array_split(np.ones((index.count(), DIM), np.float32).reshape(-1).view(np.uint64), os.cpu_count())
        searches, reads = [], []
        for _ in range(SEARCHES):
            searches.append(seconds(lambda: index.search(vector=query, k=10)))
            reads.append(seconds(lambda: list(pool.map(np.max, halves))))
    return compared("search", "read", searches, reads)


def opening(file: Path, plain: Path) -> Figures:
    os.sync()
    found: Figures = {}
    for name, prepare in (("cold", forget), ("warm", lambda path: None)):
        opened, read = [], []
        for _ in range(ROUNDS):
            prepare(file)
            opened.append(in_a_process("open", file))
            prepare(plain)
            read.append(in_a_process("read", plain))
        found |= compared(f"{name}_open_and_ask", f"{name}_read", opened, read)
    return found


def compared(ours: str, theirs: str, our: list[float], their: list[float]) -> Figures:
    ratio = statistics.median(one / other for one, other in zip(our, their, strict=True))
    return {f"{ours}_s": statistics.median(our), f"{theirs}_s": statistics.median(their), f"{ours}_over_read": ratio}


def in_a_process(operation: str, file: Path) -> float:
    return float(subprocess.run([sys.executable, __file__, operation, file], check=True, capture_output=True).stdout)


def open_and_ask(file: Path) -> None:
    query = FreeModel().embed(["q"]).vectors[0]

    def work() -> None:
        with index_at(file) as index:
            index.search(vector=query, k=10)

    print(seconds(work))


def read(file: Path) -> None:
    print(seconds(lambda: np.fromfile(file, np.float32)))


def forget(file: Path) -> None:
    """Have the system forget the file's pages."""
    descriptor = os.open(file, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    operation = {"open": open_and_ask, "read": read}.get(sys.argv[1]) if len(sys.argv) > 1 else None
    if operation:
        operation(Path(sys.argv[2]))
    else:
        main()
