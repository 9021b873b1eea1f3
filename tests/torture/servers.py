"""Databases that are processes of their own: killed as by the power, and started again on what is on their disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress

from databases import patiently, postgres


class Server(ABC):
    """The server under an index; one a test process, started when a place in it is first asked for."""

    @abstractmethod
    def kill(self) -> None:
        """kill -9 of the server, and of every process that it made; all are gone on return."""

    @abstractmethod
    def start(self) -> None:
        """Start it again at the same address, on the data that it had; it answers on return."""


class PostgresServer(Server):
    """It recovers from its log as it starts."""

    def kill(self) -> None:
        kill_all(int(postgres().get_pid()))

    def start(self) -> None:
        patiently(postgres().ensure_postgres_running)


def kill_all(pid: int) -> None:
    """kill -9 of a process and of all that it made."""
    import psutil

    with suppress(psutil.NoSuchProcess):
        first = psutil.Process(pid)
        there = [first, *first.children(recursive=True)]
        for process in there:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(there, timeout=10)
