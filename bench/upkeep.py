"""What keeping an index costs, by the row, with a model that costs (almost) nothing: plan, verify, lock, copy, upgrade,
switch, rollback. One size may be given; 100,000 rows x 384 otherwise. Once each, in one process."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from free import FreeModel, compile_package, index_at
from lifecycle.rows import make_rows
from peers import finish

from idembed import Index
from idembed.space import Space


class OtherModel(FreeModel):
    name = "other"

    @property
    def space(self) -> Space:
        return Space("free", 384, "cosine", {"other": "1"})


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    compile_package()
    rows = list(make_rows(count))
    figures: dict[str, float] = {}

    def measure(name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        answer = work()
        figures[name] = (time.perf_counter() - start) / count * 1e6
        print(f"{name:10} {figures[name]:8.2f} µs a row", flush=True)
        return answer

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "index.db"
        with index_at(file, rows) as index:
            measure("plan", lambda: index.plan(rows))
            lock = measure("lock", index.lock)
            measure("verify", index.verify)
            copy = Path(folder) / "copy.db"
            measure("copy", lambda: index.copy(copy))
            with index_at(copy) as copied:
                if copied.lock().root != lock.root:
                    raise SystemExit("the copy has another root")
        with Index(file, models=[FreeModel(), OtherModel()], vault="none") as index:
            measure("upgrade", lambda: index.upgrade(OtherModel()))
            measure("switch", index.switch)
            measure("rollback", index.rollback)
            measure("drop", lambda: index.drop(2))
    finish({"bench": "upkeep", "rows": count, "us_per_row": {name: round(f, 2) for name, f in figures.items()}})


if __name__ == "__main__":
    main()
