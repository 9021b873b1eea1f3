"""One operation of one tool in a fresh process, which opens what the last one persisted: `operate` starts it, `main`
is it. It reads a line of JSON, says when it begins, and answers with a line of JSON."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lifecycle.peer import Peer, to_json
from lifecycle.rows import Embedder, Model
from memory import forget_most, held
from peers import python

PEERS = {
    "idembed": ("ours", "Idembed"),
    "idembed-vault": ("ours", "IdembedVault"),
    "cocoindex": ("cocoindex", "CocoIndex"),
    "langchain": ("langchain", "LangChain"),
    "llamaindex": ("llamaindex", "LlamaIndex"),
    "llm": ("llm", "Llm"),
}
"""The module in lifecycle/ and the class of each."""
QUIET = {
    "ANONYMIZED_TELEMETRY": "False",
    "COCOINDEX_DISABLE_USAGE_TRACKING": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "LLM_LOAD_PLUGINS": "",
}
"""No telemetry, nothing from the network."""
BEGUN = "begun"


def operate(
    peer: str, folder: Path, operation: str, embedder: Embedder, *, kill_after: float | None = None, **given: Any
) -> dict[str, Any]:
    """Do ``operation`` (sync, dump, wipe, remove) in a process of its own and wait for its end.

    A sync is given ``rows``, the path of a JSON list, and ``force``; the answer has ``seconds``, ``memory`` (by how
    many bytes it grew), ``batches`` and ``report``, or ``cannot`` for a tool that has no such option. A dump answers
    with ``entries``. ``error`` names what was raised; ``killed`` says that the process was, by itself as ``embedder``
    tells it to or by us ``kill_after`` seconds after it began.
    """
    binary = Path(sys.executable) if peer.startswith("idembed") else python("peers-sync.txt")
    own = {"LLM_USER_PATH": str(folder / "llm"), "LLAMA_INDEX_CACHE_DIR": str(folder / "cache")}
    process = subprocess.Popen(
        [binary, __file__, peer, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None if os.environ.get("BENCH_DEBUG") else subprocess.DEVNULL,
        text=True,
        env={**os.environ, **QUIET, **own},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        job = {"operation": operation, "embedder": dataclasses.asdict(embedder), **given}
        process.stdin.write(json.dumps(job, default=str))
        process.stdin.close()
        begun = process.stdout.readline()
        if begun and kill_after is not None:
            time.sleep(kill_after)
            process.kill()
        line = process.stdout.readline()
    if line:
        answer: dict[str, Any] = json.loads(line)
        return answer
    if begun and process.returncode < 0:
        return {"killed": True}
    raise SystemExit(f"{peer}: {operation} ended early; BENCH_DEBUG=1 shows why")


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # what a tool prints is not an answer

        def say(answer: Any) -> None:
            print(json.dumps(answer), file=answers, flush=True)

        job = json.load(sys.stdin)
        module, kind = PEERS[name]
        peer = getattr(importlib.import_module(f"lifecycle.{module}"), kind)(folder, read_embedder(job["embedder"]))
        try:
            say(perform(peer, job, lambda: say(BEGUN)))
        except Exception as error:
            traceback.print_exc()
            say({"error": type(error).__name__, "message": str(error)})


def read_embedder(fields: dict[str, Any]) -> Embedder:
    log = Path(fields["log"]) if fields["log"] else None
    return Embedder(**{**fields, "model": Model(**fields["model"]), "log": log})


def perform(peer: Peer, job: dict[str, Any], begin: Callable[[], None]) -> dict[str, Any]:
    if job["operation"] == "sync":
        rows = peer.prepare(json.loads(Path(job["rows"]).read_bytes()))
        begin()
        if job["force"] and not peer.can_force:
            return {"cannot": "force"}
        return timed_sync(peer, rows, job["force"])
    begin()
    if job["operation"] == "dump":
        return {"entries": to_json(peer.dump())}
    if job["operation"] == "remove":
        peer.remove()
    if job["operation"] == "wipe":
        peer.wipe()
        if peer.dump():
            raise RuntimeError("it holds something yet")
    return {}


def timed_sync(peer: Peer, rows: Any, force: bool) -> dict[str, Any]:
    """Only the tool's work is timed, from opening its state to persisting it."""
    forget_most()
    before, start = held(most=False), time.perf_counter()
    report = peer.sync(rows, force)
    seconds = time.perf_counter() - start
    memory = held(most=True) - before
    return {"seconds": seconds, "memory": memory, "batches": peer.embedder.batches, "report": str(report)}


if __name__ == "__main__":
    main()
