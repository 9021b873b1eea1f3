"""Processes that do tasks (worker.py), and can be killed, stopped half-way, or given another clock."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from idembed import errors, stores
from idembed.stores.base import Store

WORKER = Path(__file__).resolve().parent / "worker.py"
WHY_NOT = (
    "" if hasattr(os, "fork") and hasattr(signal, "SIGKILL") else "needs os.fork and SIGKILL, to kill at any moment"
)
"""Why this machine cannot do it; empty where it can."""
KILLED = -int(getattr(signal, "SIGKILL", 9))
PATIENCE = 60.0
MAY_WRITE_ALL = hasattr(os, "geteuid") and os.geteuid() == 0 and sys.platform != "linux"
"""Whether permissions mean nothing to us, and there is no way to have it otherwise."""

Task = dict[str, Any]


class Outcome(NamedTuple):
    """How a process ended: its exit code, what it ``said`` (a report), or the kinds of the error by which it failed,
    its own first, with what that says and advises."""

    code: int
    said: Any = None
    errors: Sequence[str] = ()
    message: str = ""
    hint: str = ""
    seconds: float = 0.0
    """that it took, from when it had begun"""

    def failed_by(self, *kinds: type[errors.IdembedError]) -> bool:
        """Whether it ended by an error of these kinds, and by nothing else."""
        return self.code == 1 and any(kind.__name__ in self.errors for kind in kinds)


def give_up_privileges() -> None:
    """From now on root may do to files what their permissions allow, as everybody else (Linux: capabilities(7))."""
    if os.geteuid() == 0 and sys.platform == "linux":
        version, none = 0x20080522, (ctypes.c_uint32 * 6)()
        header = (ctypes.c_uint32 * 2)(version, 0)
        if ctypes.CDLL(None, use_errno=True).capset(header, none):
            raise OSError(ctypes.get_errno(), "capset")


class Workers:
    """A context manager that ends them. ``modules``: what they all need and may import before they are forked."""

    def __init__(self, modules: Sequence[str] = ()) -> None:
        self._modules = modules

    def __enter__(self) -> Self:
        environment = {**os.environ, "IDEMBED_OFFLINE": "1"}
        self._server = subprocess.Popen(
            [sys.executable, WORKER, *self._modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._folders: dict[int, Path] = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.communicate()

    def start(self, task: Task, folder: Path) -> int:
        """Begin a task on the index in a folder; the number of its process."""
        pid = int(self._ask({**task, "folder": str(folder)})["pid"])
        self._folders[pid] = folder
        return pid

    def end(self, pid: int) -> Outcome:
        """Wait for it."""
        code = int(self._ask({"do": "wait", "pid": pid})["code"])
        written = self._folders[pid] / f"outcome-{pid}"
        outcome = json.loads(written.read_text()) if code in (0, 1) else {}
        written.unlink(missing_ok=True)
        self._begun(pid).unlink(missing_ok=True)
        return Outcome(code, **outcome)

    def wait_until_begun(self, pid: int) -> None:
        """Until everything is imported that the task needs."""
        wait_until(lambda: self._begun(pid).exists() or not self.is_running(pid))

    def _begun(self, pid: int) -> Path:
        return self._folders[pid] / f"begun-{pid}"

    def kill(self, pid: int) -> Outcome:
        os.kill(pid, signal.SIGKILL)
        return self.end(pid)

    def is_running(self, pid: int) -> bool:
        return bool(self._ask({"do": "poll", "pid": pid})["running"])

    def _ask(self, task: Task) -> dict[str, Any]:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(task) + "\n")
        self._server.stdin.flush()
        answer: dict[str, Any] = json.loads(self._server.stdout.readline())
        return answer


class Brake:
    """Stops a task at its ``call``-th call of a model, or of a store, until it is let go. In the worker, ``brake`` is
    what they call; outside, ``is_on`` says whether it stands."""

    def __init__(self, folder: Path, call: int) -> None:
        self._on, self._off = folder / "brake on", folder / "brake off"
        self._left = call

    def brake(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._on.touch()
            wait_until(self._off.exists)

    @property
    def is_on(self) -> bool:
        return self._on.exists()

    def let_go(self) -> None:
        self._off.touch()

    def remove(self) -> None:
        self._on.unlink(missing_ok=True)
        self._off.unlink(missing_ok=True)


def brake_store(brake: Callable[[], None], step: str = "") -> None:
    """From now on ``brake`` is called before each call of a store that this process opens, or each ``step`` alone."""
    original = stores.open_store

    def opened(*args: Any, **options: Any) -> Any:
        store = original(*args, **options)
        for name in [step] if step else Store.__abstractmethods__:
            setattr(store, name, _braked(getattr(store, name), brake))
        return store

    stores.open_store = opened


def _braked(method: Callable[..., Any], brake: Callable[[], None]) -> Callable[..., Any]:
    def braked(*args: Any, **options: Any) -> Any:
        brake()
        return method(*args, **options)

    return braked


def wait_until(holds: Any) -> None:
    """Raises TimeoutError after PATIENCE seconds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {PATIENCE:.0f} s in vain")
        time.sleep(0.005)
