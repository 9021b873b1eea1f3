"""What an index in Postgres knows about itself, and who may write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idembed.canonical import canonical_json
from idembed.errors import LeaseHeldError
from idembed.stores import postgres_lease, postgres_read
from idembed.stores.postgres_link import repeated
from idembed.stores.postgres_transactions import Transactions
from idembed.stores.records import ROWS, Lease

__all__ = ["Settings"]


class Settings(Transactions):
    """Settings and leases, as ``Store`` says."""

    @repeated
    def read_meta(self) -> tuple[int, dict[str, Any]]:
        with self._reading() as connection:
            return postgres_read.settings(connection, self.url)

    @repeated
    def swap_meta(self, version: int, meta: Mapping[str, Any]) -> bool:
        settings = canonical_json(meta)
        with self._writing() as connection:
            done = connection.execute(
                "UPDATE meta SET version = version + 1, settings = %s WHERE version = %s", (settings, version)
            )
            return done.rowcount == 1

    @repeated
    def _take(
        self, name: str, owner: str, seconds: float, now: float, instead_of: str | None
    ) -> Lease | LeaseHeldError:
        with self._writing() as connection:
            return postgres_lease.take(connection, self.url, name, owner, seconds, now, instead_of)

    @repeated
    def writer(self) -> tuple[int, str]:
        with self._reading() as connection:
            return postgres_lease.last(connection, ROWS)

    @repeated
    def _renew(self, lease: Lease, seconds: float, now: float) -> Lease:
        with self._writing(alone=False) as connection:
            return postgres_lease.renew(connection, self.url, lease, seconds, now)

    @repeated
    def release(self, lease: Lease) -> None:
        with self._writing() as connection:
            postgres_lease.release(connection, lease)
