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
from idembed.stores.base import Lease, Store

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
def hold(store: Store, wait: float) -> Iterator[Writing]:
    """Hold the right to write, waiting up to ``wait`` seconds for another living writer to end."""
    owner = f"{_machine()}:{os.getpid()}:{_started(os.getpid())}:{secrets.token_hex(4)}"
    deadline = time.monotonic() + wait
    while True:
        try:
            lease = store.lease(owner, _SECONDS)
            break
        except LeaseHeldError as error:
            if is_dead(str(error.facts.get("owner", ""))):
                lease = store.lease(owner, _SECONDS, instead_of=str(error.facts["owner"]))
                break
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.1)
    try:
        yield Writing(store, lease)
    finally:
        with contextlib.suppress(Exception):  # the first error matters; the lease runs out by itself
            store.release(lease)


def is_dead(owner: str) -> bool:
    """True only when ``owner`` certainly was a process of this machine that has ended."""
    parts = owner.split(":")
    if len(parts) != 4 or parts[0] != _machine() or not parts[1].isdigit():
        return False
    started = _started(int(parts[1]))
    return started == "" or (parts[2] != "?" and started != "?" and started != parts[2])


@cache
def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    name = boot.read_text().strip() if boot.exists() else socket.gethostname()
    return name.replace(":", "-")


def _started(pid: int) -> str:
    """When the process started, in clock ticks; ``?`` if that cannot be known; empty if it does not run."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[19]
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return ""
    except OSError:
        return "?"
    if os.name != "posix":
        return "?"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        pass
    return "?"
