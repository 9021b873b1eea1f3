"""What an index in a SQLite file knows about itself, and who may write it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from idembed.canonical import canonical_json
from idembed.stores import sqlite_lease, sqlite_read
from idembed.stores.records import ROWS, Lease
from idembed.stores.sqlite_transactions import Transactions

__all__ = ["Settings"]


class Settings(Transactions):
    """Settings and leases, as ``Store`` says."""

    def read_meta(self) -> tuple[int, dict[str, Any]]:
        with self._reading() as connection:
            return sqlite_read.settings(connection, self.url)

    def swap_meta(self, version: int, meta: Mapping[str, Any]) -> bool:
        settings = canonical_json(meta)
        with self._writing() as connection:
            cursor = connection.execute(
                "UPDATE meta SET version = version + 1, settings = ? WHERE version = ?", (settings, version)
            )
            return cursor.rowcount == 1

    def lease(
        self,
        owner: str,
        seconds: float = 60.0,
        *,
        name: str = ROWS,
        instead_of: str | None = None,
        now: float | None = None,
    ) -> Lease:
        moment = time.time() if now is None else now
        with self._writing() as connection:
            answer = sqlite_lease.take(connection, self.url, name, owner, seconds, moment, instead_of)
        if isinstance(answer, Lease):
            return answer
        raise answer

    def writer(self) -> tuple[int, str]:
        with self._reading() as connection:
            return sqlite_lease.last(connection, ROWS)

    def renew(self, lease: Lease, seconds: float = 60.0, *, now: float | None = None) -> Lease:
        with self._writing() as connection:
            return sqlite_lease.renew(connection, self.url, lease, seconds, time.time() if now is None else now)

    def release(self, lease: Lease) -> None:
        with self._writing() as connection:
            sqlite_lease.release(connection, lease)
