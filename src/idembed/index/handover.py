"""Batches from the thread that makes them to a thread that writes them: while one is written, the next is made.

One batch is under way at a time, so that memory holds two of them, the one that is written and the one that is
gathered, and whoever is quicker waits for the other. They are written in the order in which they were given. What goes
wrong while one is written is raised where the next is given, or at the end; nothing is written after it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, Self, TypeVar

from idembed.errors import IdembedError
from idembed.stores.base import Store

__all__ = ["Handover"]

_LOG = logging.getLogger(__name__)

B = TypeVar("B")
R = TypeVar("R")

_WAIT = 1.0


class Handover(Generic[B, R]):
    """``write(store, batch)`` writes a batch, durably on return: by a thread that has a connection of its own, where
    ``store.another`` gives one that can be opened, else by the caller, who then never waits for anybody.
    ``written(batch, result)`` is called by the caller's thread once it is known to be written; ``alive`` now and then
    while that thread waits.

    A context manager: at its end everything is written, unless that failed.
    """

    def __init__(
        self,
        store: Store,
        write: Callable[[Store, B], R],
        written: Callable[[B, R], None],
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._write = write
        self._written = written
        self._alive = alive
        self._is_first = True
        self._is_alone = False
        self._given: SimpleQueue[_Turn[B, R] | None] = SimpleQueue()
        self._turn: _Turn[B, R] | None = None
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for what is under way, and raise what went wrong there, unless something else did before."""
        try:
            with contextlib.suppress(*((Exception,) if kind else ())):
                self.finish()
        finally:
            self.close()

    @property
    def is_free(self) -> bool:
        """Whether a batch that is given now is begun at once. Raises what went wrong with the one before."""
        if self._turn is None or self._error or self._turn.ended.is_set():
            self.finish()
            return True
        return False

    def give(self, batch: B) -> None:
        """Have a batch written after those before it, for which this waits. Raises what went wrong with them."""
        self.finish()
        another = None if self._is_first or self._is_alone else self._store.another()
        self._is_first = False  # most syncs have one batch, for which no thread and no connection are made
        if another is None:
            self._written(batch, self._write(self._store, batch))
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, args=(another,), name="idembed-write", daemon=True)
            self._thread.start()
        turn = _Turn[B, R](batch)
        self._given.put(turn)
        self._turn = turn

    def finish(self) -> None:
        """Wait until all that was given is written. Raises what went wrong with it."""
        turn = self._turn
        while turn and self._error is None and not turn.ended.wait(_WAIT):
            self._alive()
        self._turn = None
        if self._error is not None:
            raise self._error
        if turn:
            (result,) = turn.result or self._write_left(turn.batch)
            self._written(turn.batch, result)

    def _write_left(self, batch: B) -> tuple[R]:
        """Write what was left to the caller; the result."""
        try:
            return (self._write(self._store, batch),)
        except BaseException as error:  # nothing is written after it
            self._error = error
            raise

    def close(self) -> None:
        """Let the thread end, with what is under way written. Raises nothing; nothing may be given any more."""
        if self._thread is not None:
            self._given.put(None)
            self._thread.join()

    def _run(self, another: Callable[[], Store]) -> None:
        turn = None
        try:
            try:
                opened = another()
            except IdembedError as error:  # as where a server has no more connections to give
                self._leave(error)
                return
            with opened as store:
                while turn := self._given.get():
                    turn.result = (self._write(store, turn.batch),)
                    turn.ended.set()
        except BaseException as error:  # raised by the other thread
            self._error = error
            if turn:
                turn.ended.set()

    def _leave(self, error: IdembedError) -> None:
        """Leave the first turn, and all after it, to the caller."""
        _LOG.warning("what is made waits for what is written, for want of another connection: %s", error.message)
        self._is_alone = True
        if turn := self._given.get():
            turn.ended.set()


class _Turn(Generic[B, R]):
    """One batch on its way; a ``result`` is there once it has ``ended`` without an error, unless it was left to the
    caller."""

    def __init__(self, batch: B) -> None:
        self.batch = batch
        self.ended = threading.Event()
        self.result: tuple[R, ...] = ()
