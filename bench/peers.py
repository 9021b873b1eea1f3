"""Peers in their own virtual environment, each in its own process: a JSON line in, a JSON line out."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".bench"
ENVIRONMENTS = {"peers.txt": "venv", "peers-sync.txt": "sync", "peers-apis.txt": "apis", "peers-stores.txt": "stores"}
"""The folder, in FOLDER, of the environment that is made from each list of requirements."""


def python(requirements: str = "peers.txt") -> Path:
    """The interpreter of the peers' environment, made from ``requirements`` when it is not there or has changed."""
    folder = FOLDER / ENVIRONMENTS[requirements]
    binary = folder / "bin" / "python"
    wanted = (ROOT / "bench" / requirements).read_text()
    stamp = folder / requirements
    if not stamp.exists() or stamp.read_text() != wanted:
        print("making the peers' environment (some minutes)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([binary, "-m", "pip", "install", "-q", "-r", ROOT / "bench" / requirements], check=True)
        stamp.write_text(wanted)
    return binary


class Worker:
    """``bench/engines.py ENGINE MODEL THREADS``, or another script, in its own process."""

    def __init__(self, engine: str, model: Path, threads: int, script: str = "engines.py") -> None:
        self.engine = engine
        binary = Path(sys.executable) if engine.startswith("idembed") else python()
        count = str(threads)
        environment = {**os.environ, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count}
        environment |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true", "RAYON_NUM_THREADS": count}
        self._process = subprocess.Popen(
            [binary, ROOT / "bench" / script, engine, model, count],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if os.environ.get("BENCH_DEBUG") else subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self.ask()

    def ask(self, **command: Any) -> dict[str, Any]:
        """Send a command (none: wait until ready) and wait for the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if command:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.engine} ended early; BENCH_DEBUG=1 shows why")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def minilm() -> Path:
    """The folder of all-MiniLM-L6-v2, fetched and checked if need be."""
    from idembed.models.hub import find

    return Path(find("all-MiniLM-L6-v2").folder)


def arguments(description: str, **extra: Any) -> argparse.Namespace:
    """Command line with ``--data`` and whatever else is given as name=default."""
    parser = argparse.ArgumentParser(description=description)
    data = os.environ.get("IDEMBED_BENCH_DATA")
    parser.add_argument("--data", type=Path, default=data, required=data is None, help="see bench/README.md")
    for name, default in extra.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    return parser.parse_args()


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), model)
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "python": platform.python_version()}


def finish(result: dict[str, Any]) -> None:
    """The last line: one line of JSON."""
    print(json.dumps({**result, "machine": machine()}))
