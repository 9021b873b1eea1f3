"""LangChain's and LlamaIndex's classes, each at work in a process of its own (stores_peers.py)."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Self

import numpy as np
from databases.base import Data, Database
from peers import ROOT, python

__all__ = ["Others"]

_QUIET = {"LANGCHAIN_TRACING_V2": "false", "LANGSMITH_TRACING": "false", "DO_NOT_TRACK": "1"}
"""No telemetry."""


class Others:
    """A process for each class, which is started when it is first asked and ends with this; ``size`` rows are written
    in each run."""

    def __init__(self, folder: Path, size: int, batch: int) -> None:
        self.size = size
        self._batch = batch
        self._folder = folder
        self._processes: dict[tuple[str, str], subprocess.Popen[str]] = {}
        self._refused: dict[str, dict[str, str]] = {}
        if size:
            data = Data(size)
            (folder / "rows.json").write_text(json.dumps(data.plain))
            np.save(folder / "vectors.npy", data.vectors)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            assert process.stdin is not None
            process.stdin.close()
            process.wait()

    def refused(self, database: Database) -> dict[str, str]:
        """Why a class could not do it, by framework."""
        return self._refused.get(database.name, {})

    def run(self, framework: str, database: Database) -> dict[str, list[float]]:
        """Seconds of writing rows that are new; none, once it has failed."""
        if framework in self.refused(database):
            return {}
        answer = self._ask(framework, database)
        if "error" in answer:
            self._refused.setdefault(database.name, {})[framework] = answer["error"][:200]
            return {}
        return {"new": [answer["seconds"]]}

    def _ask(self, framework: str, database: Database) -> dict[str, Any]:
        process = self._process(framework, database.name)
        files = {"rows": str(self._folder / "rows.json"), "vectors": str(self._folder / "vectors.npy")}
        job = {**files, "batch": self._batch, "place": database.place(database.new(framework))}
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "it ended early; BENCH_DEBUG=1 shows why"}
        return answer

    def _process(self, framework: str, database: str) -> subprocess.Popen[str]:
        if (framework, database) not in self._processes:
            self._processes[framework, database] = subprocess.Popen(
                [python("peers-stores.txt"), ROOT / "bench" / "stores_peers.py", framework, database],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=None if os.environ.get("BENCH_DEBUG") else subprocess.DEVNULL,
                text=True,
                env={**os.environ, **_QUIET},
            )
        return self._processes[framework, database]
