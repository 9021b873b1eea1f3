"""What becomes of an index when the process that writes to it is killed, at any of its steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idembed.stores import without_password
from idembed.stores.base import Store
from idembed.stores.collection.store import CollectionStore
from idembed.stores.postgres import PostgresStore
from idembed.stores.sqlite import SQLiteStore

__all__ = ["killed_at"]

_STEPS = ("swap_meta", "create_generation", "upsert", "fill", "delete", "complete", "activate")


class _Killed(BaseException):
    """Nothing catches it."""


def killed_at(step: int, place: Path | str, monkeypatch: pytest.MonkeyPatch, work: Callable[[], Any]) -> bool:
    """Do the work, killed before the store at ``place`` does the step of that number, from 0 on; whether it was."""
    done = 0

    def counted(kind: type[Store], name: str) -> Callable[..., Any]:
        original = getattr(kind, name)

        def method(self: Store, *args: Any, **kwargs: Any) -> Any:
            nonlocal done
            if self.url == without_password(str(place)):
                if done == step:
                    raise _Killed
                done += 1
            return original(self, *args, **kwargs)

        return method

    with monkeypatch.context() as patched:
        for kind in (CollectionStore, PostgresStore, SQLiteStore):
            for name in _STEPS:
                patched.setattr(kind, name, counted(kind, name))
        try:
            work()
        except _Killed:
            return True
    return False
