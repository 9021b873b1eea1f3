"""Something is done now and then while LanceDB works for long."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import Final, TypeVar

__all__ = ["meanwhile"]

T = TypeVar("T")
_EVERY: Final = 2.0
"""Seconds."""


def meanwhile(act: Callable[[], T], keep: Callable[[], None]) -> T:
    """``act()``, in another thread, while ``keep()`` is called here every few seconds. What either raises is raised;
    after ``keep`` raised, ``act`` goes on by itself, and ends with the process at the latest."""
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(act())
        except BaseException as error:
            outcome.set_exception(error)

    Thread(target=run, daemon=True).start()
    while not wait([outcome], timeout=_EVERY).done:
        keep()
    return outcome.result()
