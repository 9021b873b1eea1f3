"""What it costs to have idembed: installed size of the package and its dependencies in a fresh environment,
time of ``import idembed`` and of ``idembed --help``, each in fresh processes."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peers import ROOT, finish


def size(folder: Path) -> int:
    """Bytes of every file below."""
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and not f.is_symlink())


def seconds(command: list[str], times: int = 7) -> float:
    """Median wall time."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        venv = Path(temporary) / "venv"
        python = str(venv / "bin" / "python")
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        packages = next(venv.glob("lib/python*/site-packages"))
        before = size(packages)
        subprocess.run([python, "-m", "pip", "install", "-q", ROOT], check=True)
        result = {
            "bench": "footprint",
            "installed_mb": round((size(packages) - before) / 1e6, 1),
            "package_mb": round(size(packages / "idembed") / 1e6, 2),
            "import_ms": round(1e3 * (seconds([python, "-c", "import idembed"]) - seconds([python, "-c", ""])), 1),
            "help_s": round(seconds([str(venv / "bin" / "idembed"), "--help"]), 3),
            "packages": len(json.loads(subprocess.check_output([python, "-m", "pip", "list", "--format=json"]))),
        }
    print(result)
    finish(result)


if __name__ == "__main__":
    main()
