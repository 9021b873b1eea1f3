"""One piece of work that a thread does while the caller does another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

__all__ = ["Beside"]

T = TypeVar("T")


class Beside(Generic[T]):
    """``with Beside(work) as beside: …`` runs ``work()`` in a thread, which has ended when the block has, whatever
    happened in it; ``beside.result()`` then gives what it returned, or raises what it raised. Where the system starts
    no more threads, ``result`` does the work."""

    __slots__ = ("_error", "_result", "_thread", "_work")

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._thread: threading.Thread | None = threading.Thread(target=self._run, name="idembed-beside")
        self._result: list[T] = []
        self._error: BaseException | None = None

    def _run(self) -> None:
        try:
            self._result.append(self._work())
        except BaseException as error:  # it is the caller's
            self._error = error

    def __enter__(self) -> Beside[T]:
        assert self._thread is not None
        try:
            self._thread.start()
        except RuntimeError:
            self._thread = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._thread.join()

    def result(self) -> T:
        """After the block."""
        if self._thread is None:
            self._run()
        if self._error is not None:
            raise self._error
        return self._result[0]
