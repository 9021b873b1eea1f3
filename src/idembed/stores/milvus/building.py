"""The index for approximate search, made in the place of the exact one.

A field of vectors has one index, which cannot be replaced while the collection is held ready for questions. So who
makes one says so first, in a document that holds for a minute and is written again meanwhile: who searches waits,
instead of making the exact one again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from idembed.errors import DiskFullError, ReadOnlyError, StoreError
from idembed.stores.milvus.collections import APPROXIMATE, Collections
from idembed.stores.milvus.fields import VECTOR
from idembed.stores.milvus.link import ONCE, GoneError, Link

__all__ = ["beside", "make_approximate"]

_TRIES: Final = 10
_PAUSE: Final = 0.5
"""Seconds between looks at what the server makes, and between tries."""
_BEAT: Final = 2.0
"""Seconds between signs of life."""
_STALLED: Final = 600.0
"""Seconds without a vector more in the index after which a server makes none."""
_ENDING: Final = 10.0
"""Seconds for work that is broken off to end."""


def beside(work: Callable[[], None], meanwhile: Callable[[], None], stop: Callable[[], None]) -> None:
    """Have ``work`` done by a thread, and call ``meanwhile`` every other second until it ended. What either raises is
    raised; where it is ``meanwhile``, after ``stop``, which is to end the work."""
    failed: list[BaseException] = []
    ended = threading.Event()

    def run() -> None:
        try:
            work()
        except BaseException as error:  # raised by the other thread
            failed.append(error)
        finally:
            ended.set()

    thread = threading.Thread(target=run, name="idembed-ann", daemon=True)
    thread.start()
    try:
        while not ended.wait(_BEAT):
            meanwhile()
    except BaseException:
        stop()
        thread.join(_ENDING)
        raise
    thread.join()
    if failed:
        raise failed[0]


def make_approximate(link: Link, name: str) -> None:
    """Replace the index of the vectors, and wait until it is whole. Somebody who began to make the exact one before
    this was announced may be faster: then again. Raises StoreError where it does not come about."""
    collections = Collections(link, "")
    collections.flush(name)
    said = ""
    for _ in range(_TRIES):
        try:
            link(lambda to: to.client.release_collection(name, **ONCE))
            collections.drop_index(name, VECTOR)
            collections.index(name, VECTOR, APPROXIMATE)
            _wait(link, name)
            collections.make_ready(name)
            if collections.is_approximate(name):
                return
        except (DiskFullError, GoneError, ReadOnlyError):
            raise
        except StoreError as error:
            link.check()
            said = f" ({error.message})"
        time.sleep(_PAUSE)
    raise StoreError(f"{name}: its index cannot be replaced{said}", hint="is another program changing it? Try again")


def _wait(link: Link, name: str) -> None:
    """Until the index is whole, if it is the approximate one."""
    last, deadline = None, time.monotonic() + _STALLED
    while True:
        found: dict[str, Any] = link(lambda to: to.client.describe_index(name, VECTOR, **ONCE)) or {}
        state = found.get("state", "Finished")
        if found.get("index_type") != APPROXIMATE or state == "Finished":
            return
        if state == "Failed":
            raise StoreError(f"{name}: Milvus could not make the index")
        if (made := found.get("indexed_rows")) != last:
            last, deadline = made, time.monotonic() + _STALLED
        if time.monotonic() > deadline:
            raise StoreError(
                f"{name}: Milvus has added nothing to the index for {_STALLED:.0f} seconds",
                hint="look at its log, and whether its nodes for indexes run",
            )
        time.sleep(_PAUSE)
