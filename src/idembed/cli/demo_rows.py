"""The demo's rows: documentation of the running Python's standard library, read by a child process."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from idembed.errors import SourceError
from idembed.rows import Row
from idembed.shown import shell_word

__all__ = ["best_names", "read_library"]

_CHILD = Path(__file__).with_name("demo_child.py")
_POLL = 0.02


def read_library(
    progress: Callable[[int, int], None] | None = None, *, child: Path = _CHILD, patience: float = 15.0
) -> list[Row]:
    """Modules, classes and functions of the standard library, each once, in order of id.

    The child imports each module away from the terminal, in an empty working folder. Where it dies, or says
    nothing for ``patience`` seconds, a new one goes on behind the module that did it. ``progress`` is called
    with the modules done and their number.
    """
    found: list[dict[str, Any]] = []
    start = total = 0
    with tempfile.TemporaryDirectory(prefix="idembed-demo-") as folder:
        while True:
            at, ended = start - 1, False
            for message in _messages(child, folder, start, patience):
                if "begin" in message:
                    at = message["begin"]
                found += message.get("found", ())
                ended = ended or "end" in message
                total = message.get("modules", total)
                if progress is not None:
                    progress(at + 1, total)
            if ended:
                return best_names(found)
            if at < start:
                raise SourceError(
                    "the standard library cannot be read: a child Python does not start",
                    hint=f"try: {shell_word(sys.executable)} -I -S -c pass",
                )
            start = at + 1


def best_names(found: list[dict[str, Any]]) -> list[Row]:
    """One row an object: of the names it was found under, the one with the smallest rank."""
    best: dict[tuple[str, ...], dict[str, Any]] = {}
    for item in found:
        key = tuple(item["key"])
        if key not in best or item["rank"] < best[key]["rank"]:
            best[key] = item
    rows: dict[str, Row] = {}
    for item in sorted(best.values(), key=lambda item: (item["id"], item["key"])):
        # The name is part of the text: os.path.join then answers "join two file paths" best.
        text = f"{item['id']}: {item['text']}"
        row = Row(item["id"], text, {"module": item["module"], "kind": item["kind"]})
        rows.setdefault(row.id, row)
    return list(rows.values())


def _messages(child: Path, folder: str, start: int, patience: float) -> Iterator[dict[str, Any]]:
    """What one child writes, line by line, until it ends or is ended."""
    output = Path(folder) / f"{start}.jsonl"
    output.touch()
    work = Path(folder) / "work"
    work.mkdir(exist_ok=True)
    # -I: no environment variables, not the current folder; -S: no site-packages.
    command = [sys.executable, "-I", "-S", "-W", "ignore", str(child), str(output), str(start)]
    nothing = subprocess.DEVNULL
    with (
        output.open("rb") as file,
        subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing, cwd=work) as process,
    ):
        try:
            yield from _follow(file, process, patience)
        finally:
            process.kill()


def _follow(file: IO[bytes], process: subprocess.Popen[bytes], patience: float) -> Iterator[dict[str, Any]]:
    heard, rest = time.monotonic(), b""
    while True:
        over = process.poll() is not None  # asked before reading, so that nothing written last is missed
        *lines, rest = (rest + file.read()).split(b"\n")
        for line in lines:
            heard = time.monotonic()
            yield json.loads(line)
        if over or time.monotonic() - heard > patience:
            return
        if not lines:
            time.sleep(_POLL)
