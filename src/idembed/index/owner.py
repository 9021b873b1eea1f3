"""Who holds the lease: found out to be dead, its lease is taken over at once instead of waited for."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from idembed.errors import LeaseHeldError
from idembed.stores.base import ROWS, Lease, Store

__all__ = ["Writing", "hold", "is_dead"]

_SECONDS = 60.0
_RENEW_AFTER = 15.0


class Writing:
    """A held lease that is renewed as work goes on."""

    def __init__(self, store: Store, lease: Lease) -> None:
        self._store = store
        self._lease = lease
        self._renewed = time.monotonic()

    def lease(self) -> Lease:
        """The lease, renewed if it is getting old. Raises LeaseLostError when another writer took over."""
        self.keep()
        return self._lease

    def keep(self) -> None:
        """Renew the lease if it is getting old; for the middle of long work."""
        if time.monotonic() - self._renewed > _RENEW_AFTER:
            self._lease = self._store.renew(self._lease, _SECONDS)
            self._renewed = time.monotonic()


@contextlib.contextmanager
def hold(store: Store, wait: float, name: str = ROWS) -> Iterator[Writing]:
    """Hold the right to write what is called ``name``, waiting up to ``wait`` seconds for another living writer."""
    owner = f"{_machine()}:{os.getpid()}:{_started(os.getpid())}:{secrets.token_hex(4)}"
    deadline = time.monotonic() + wait
    dead = None
    while True:
        try:
            lease = store.lease(owner, _SECONDS, name=name, instead_of=dead)
            break
        except LeaseHeldError as error:
            holder = str(error.facts.get("owner", ""))
            if holder != dead and is_dead(holder):
                dead = holder  # the next turn takes over, unless another writer was quicker
            elif time.monotonic() >= deadline:
                raise _named(error, holder) from None
            else:
                time.sleep(0.1)
    try:
        yield Writing(store, lease)
    finally:
        with contextlib.suppress(Exception):  # the first error matters; the lease runs out by itself
            store.release(lease)


def _named(error: LeaseHeldError, owner: str) -> LeaseHeldError:
    """The same error, with the process in place of the mark it left."""
    parts = owner.split(":")
    if len(parts) != 4 or not parts[1].isdigit():
        return error
    process = f"process {parts[1]}{'' if parts[0] == _machine() else ' of another machine or container'}"
    return LeaseHeldError(error.message.replace(owner, process), hint=error.hint, **error.facts)


def is_dead(owner: str) -> bool:
    """True only when ``owner`` certainly was a process that this one could see, and it has ended."""
    parts = owner.split(":")
    if len(parts) != 4 or parts[0] != _machine() or not parts[1].isdigit():
        return False
    started = _started(int(parts[1]))
    return started == "" or (parts[2] != "?" and started != "?" and started != parts[2])


@cache
def _machine() -> str:
    """This boot of this machine and, in a container, its process ids: those of others mean nothing here."""
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    try:
        return f"{boot.read_text().strip()}-{os.readlink(namespace).strip('pid:[]')}"
    except OSError:
        return socket.gethostname().replace(":", "-")


def _started(pid: int) -> str:
    """When the process started, in clock ticks; ``?`` if that cannot be known; empty if it has ended."""
    if os.name != "posix":
        return "?"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        return "?"
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "?"
    return "" if fields[0] in "ZX" else fields[19]  # a zombie has ended, it only waits for its parent
