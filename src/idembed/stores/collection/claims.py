"""One at a time, in a database that cannot compare and set.

Who wants to change documents writes a claim, a document of its own, and enters once it reads no other claim *after*
having written its own. Of two, the one that reads later sees the other's, so that two are never inside, provided that
what was written is seen by all (``Engine``). Of several who see one another the smallest name stays and waits; the
others withdraw and come again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final
from uuid import uuid4

from idembed.errors import StoreError
from idembed.stores.collection.engine import Engine

__all__ = ["alone"]

_BEGIN: Final = "claim/"
_DEAD_AFTER: Final = 45.0
"""Seconds after which a claim that is still there is one of a process that died: it is held for a few small requests,
each of which may be repeated for 20 seconds."""
_TOO_LATE: Final = 25.0
"""Seconds after which who has a claim writes nothing more: others may soon take him for dead."""
_PATIENCE: Final = 90.0
_PAUSE: Final = 0.02


@contextmanager
def alone(engine: Engine) -> Iterator[Callable[[], None]]:
    """Nobody else is in here meanwhile. What it gives is called before what was decided is written: it raises
    StoreError where so much time went by that others may take this process for dead. Raises StoreError when it takes
    more than a minute to get in."""
    mine = f"{_BEGIN}{uuid4().hex}"
    seen: dict[str, float] = {}
    begin = time.monotonic()
    engine.put_document(mine, {})
    try:
        while others := engine.documents(_BEGIN).keys() - {mine}:
            now = time.monotonic()
            if now - begin > _PATIENCE:
                raise StoreError(f"{engine.url} is busy: others change its settings", hint="try again", url=engine.url)
            seen = {name: seen.get(name, now) for name in others}
            dead = [name for name, since in seen.items() if now - since > _DEAD_AFTER]
            if dead:
                engine.remove_documents(dead)
            withdraws = min(others) < mine
            if withdraws:
                engine.remove_documents([mine])
            time.sleep(_PAUSE * (1.0 + random.random()))
            if withdraws:
                engine.put_document(mine, {})
        entered = time.monotonic()

        def still() -> None:
            if time.monotonic() - entered > _TOO_LATE:
                raise StoreError(f"{engine.url} answered too late; nothing was changed", hint="try again")

        yield still
    finally:
        engine.remove_documents([mine])
