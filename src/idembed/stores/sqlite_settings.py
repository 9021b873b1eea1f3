"""What an index in a SQLite file knows about itself, and who may write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idembed.canonical import canonical_json
from idembed.errors import LeaseHeldError
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

    def _take(
        self, name: str, owner: str, seconds: float, now: float, instead_of: str | None
    ) -> Lease | LeaseHeldError:
        with self._writing() as connection:
            return sqlite_lease.take(connection, self.url, name, owner, seconds, now, instead_of)

    def writer(self) -> tuple[int, str]:
        with self._reading() as connection:
            return sqlite_lease.last(connection, ROWS)

    def _renew(self, lease: Lease, seconds: float, now: float) -> Lease:
        with self._writing() as connection:
            return sqlite_lease.renew(connection, self.url, lease, seconds, now)

    def release(self, lease: Lease) -> None:
        with self._writing() as connection:
            sqlite_lease.release(connection, lease)
