"""Peers in their own virtual environment, each in its own process: a JSON line in, a JSON line out."""

from __future__ import annotations

import argparse
import atexit
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".bench"
ENVIRONMENTS = {
    "peers.txt": "venv",
    "peers-sync.txt": "sync",
    "peers-apis.txt": "apis",
    "peers-stores.txt": "stores",
    "peers-encoder.txt": "encoder",
    "peers-encoder-models.txt": "encoder-models",
}
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


def interpreter(engine: str, model: Path, script: str = "engines.py") -> Path:
    """The interpreter that runs ``engine``, after all that it needs is made."""
    if engine.startswith("idembed"):
        return Path(sys.executable)
    if script == "trainers.py":
        return python()
    if not engine.startswith("sentence_transformers"):
        encoder_models(model)
    return python("peers-encoder.txt")


def surroundings(threads: int) -> dict[str, str]:
    """The environment variables of a process that may use so many threads and no network."""
    count = str(threads)
    found = {**os.environ, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "RAYON_NUM_THREADS": count}
    return found | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}


@cache
def encoder_models(model: Path) -> None:
    """Make the checkpoint as each peer wants it (some minutes), unless it is there and made by the same means."""
    folder, script, requirements = FOLDER / "minilm", "encoder_models.py", "peers-encoder-models.txt"
    with (model / "model.safetensors").open("rb") as file:
        weights = hashlib.file_digest(file, "sha256").hexdigest()
    wanted = "\n".join([weights, (ROOT / "bench" / script).read_text(), (ROOT / "bench" / requirements).read_text()])
    stamp = folder / "made-by"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    data = os.environ.get("IDEMBED_BENCH_DATA")
    if not data:
        raise SystemExit("peers' models are calibrated on texts of --data or IDEMBED_BENCH_DATA; see bench/README.md")
    binary = python(requirements)
    print("making the peers' models (some minutes)", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [binary, ROOT / "bench" / script, model, data, folder]
    output = None if os.environ.get("BENCH_DEBUG") else subprocess.DEVNULL
    if subprocess.run(command, stdout=output, stderr=output, env=surroundings(2)).returncode:
        raise SystemExit("the peers' models could not be made; BENCH_DEBUG=1 shows why")
    stamp.write_text(wanted)


class Worker:
    """``bench/engines.py ENGINE MODEL THREADS``, or another script, in its own process. It is stopped while nothing is
    asked of it, so that threads that wait by spinning take nothing from the engine whose turn it is."""

    def __init__(self, engine: str, model: Path, threads: int, script: str = "engines.py") -> None:
        self.engine = engine
        self._process = subprocess.Popen(
            [interpreter(engine, model, script), ROOT / "bench" / script, engine, model, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if os.environ.get("BENCH_DEBUG") else subprocess.DEVNULL,
            text=True,
            env=surroundings(threads),
        )
        atexit.register(self._process.kill)  # one that is stopped would not see that its input ended
        self.ask()

    def ask(self, **command: Any) -> dict[str, Any]:
        """Send a command (none: wait until ready) and wait for the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if command:
            self._signal("SIGCONT")
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.engine} ended early; BENCH_DEBUG=1 shows why")
        self._signal("SIGSTOP")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._signal("SIGCONT")
        self._process.stdin.close()
        self._process.wait()
        atexit.unregister(self._process.kill)

    def _signal(self, name: str) -> None:
        if hasattr(signal, name):  # not on Windows
            self._process.send_signal(getattr(signal, name))


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
    options = parser.parse_args()
    os.environ["IDEMBED_BENCH_DATA"] = str(options.data)  # for what is made of the data on the way
    return options


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
