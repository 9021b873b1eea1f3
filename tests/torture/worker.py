"""Does what it is told in processes that may be killed: one line of JSON a task on standard input, and for each first
the number of the process that does it, then how that ended, on standard output. What a process has to say, or the error
by which it failed, it writes to ``outcome-PID`` in the folder of its index.

A process is a fork of this one, which has imported everything, so that what is killed is work and not Python starting.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from answers import opened
from watching import watch
from workers import Brake, brake_store, give_up_privileges
from world import DIMS, Generation, SlowModel, Truth

from idembed.errors import IdembedError
from idembed.index import Index
from idembed.index.kept import addresses_of
from idembed.vault import Vault


def perform(task: dict[str, Any]) -> Any:
    """Do it; what there is to say of it."""
    folder = Path(task["folder"])
    url, vault = task["url"], folder / "vault"
    if task["do"] == "merge":
        return Vault(vault).merge(folder / "other vault")
    if task["do"] == "gc":
        return Vault(vault).gc(addresses_of([url])).vectors
    if task["do"] == "watch":
        rows = {row_id: (text, metadata) for row_id, (text, metadata) in task["rows"].items()}
        return watch(url, Truth({"default": rows}), task["names"], folder)
    brake = Brake(folder, task.get("brake", 0)).brake
    if task.get("at") == "store":
        brake_store(brake, task.get("step", ""))
        brake = _never
    truth = Truth({}, task["split"], (Generation(1, task["active"], "active"),))
    with opened(url, truth, folder / "asked", brake, vault=vault if task.get("vault") else "none") as index:
        return _do(index, task, folder)


def _do(index: Index, task: dict[str, Any], folder: Path) -> Any:
    what = task["do"]
    if what in ("sync", "upsert"):
        source = [{"id": i, "text": text, "metadata": metadata} for i, (text, metadata) in task["rows"].items()]
        if what == "upsert":
            return index.upsert(source, scope=task["scope"]).as_dict()
        return index.sync(source, scope=task["scope"], allow_empty=True, allow_mass_deletion=True).as_dict()
    if what == "delete":
        return index.delete(task["ids"])
    if what == "upgrade":
        name = task["to"]
        return index.upgrade(SlowModel(name, DIMS[name], folder / "asked"), until=task.get("until")).as_dict()
    if what == "switch":
        return index.switch(task["number"])
    if what == "rollback":
        return index.rollback(catch_up=True).number
    if what == "drop":
        return index.drop(task["number"]).number
    if what == "rebuild":
        return index.rebuild().as_dict()
    if what == "copy":
        return index.copy(task["to"], allow_mass_deletion=True).as_dict()
    if what == "repair":
        return index.verify(repair=True, sample=0).as_dict()
    raise ValueError(what)


def shift_clock(seconds: float) -> None:
    """Another clock for idembed; what waits by the clock of the system goes on to do so."""
    real = time.time

    def shifted() -> float:
        caller = sys._getframe(1).f_globals.get("__name__", "")
        return real() + (seconds if caller.startswith("idembed.") else 0.0)

    time.time = shifted


def _never() -> None:
    """The models have no brake."""


def child(task: dict[str, Any]) -> int:
    """One task in this process; the exit code."""
    if shift := task.get("clock"):
        shift_clock(shift)
    if size := task.get("file_size"):
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    folder = Path(task["folder"])
    told = (folder / f"outcome-{os.getpid()}").open("w")
    for name in task.get("imports", ()):
        importlib.import_module(name)
    (folder / f"begun-{os.getpid()}").touch()
    if task.get("read_only"):
        (folder / "asked").touch()
        for place in (folder, Path(task["url"]).parent):
            place.chmod(0o500)
        give_up_privileges()
    began = time.monotonic()
    try:
        outcome = {"said": perform(task)}
    except Exception as error:
        message = str(error) if isinstance(error, IdembedError) else traceback.format_exc()
        kinds = [kind.__name__ for kind in type(error).__mro__]
        outcome = {"errors": kinds, "message": message, "hint": getattr(error, "hint", "")}
    outcome["seconds"] = time.monotonic() - began
    with told:
        json.dump(outcome, told)
    return int("errors" in outcome)


def main() -> None:
    """Read tasks until standard input ends. The arguments are modules to import before."""
    for name in sys.argv[1:]:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    logging.disable(logging.WARNING)
    ended: dict[int, int] = {}
    for line in sys.stdin:
        task = json.loads(line)
        if task["do"] == "wait":
            status = ended.pop(task["pid"], None)
            if status is None:
                _, status = os.waitpid(task["pid"], 0)
            answer: dict[str, Any] = {"code": os.waitstatus_to_exitcode(status)}
        elif task["do"] == "poll":
            pid, status = os.waitpid(task["pid"], os.WNOHANG)
            if pid:
                ended[pid] = status
            answer = {"running": not pid}
        else:
            answer = {"pid": _fork(task)}
        print(json.dumps(answer), flush=True)


def _fork(task: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        sys.stdin = open(os.devnull)  # noqa: SIM115  (the process ends at once)
        code = 2
        try:
            code = child(task)
        finally:
            os._exit(code)
    return pid


if __name__ == "__main__":
    main()
