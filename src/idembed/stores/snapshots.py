"""One state of a database for several transactions that read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

__all__ = ["Snapshots"]


class Snapshots(ABC):
    """``snapshot``, as ``Store`` says, of a database whose transactions read one state."""

    _in_snapshot = False

    @abstractmethod
    def _reading(self) -> AbstractContextManager[object]:
        """One state of the database for everything read inside: the one of the snapshot, if it is within one."""

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        with self._reading():
            outer, self._in_snapshot = self._in_snapshot, True
            try:
                yield
            finally:
                self._in_snapshot = outer
