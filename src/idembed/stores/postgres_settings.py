"""What an index in Postgres knows about itself, and who may write it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from idembed.canonical import canonical_json
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
            answer = postgres_lease.take(connection, self.url, name, owner, seconds, moment, instead_of)
        if isinstance(answer, Lease):
            return answer
        raise answer

    @repeated
    def writer(self) -> tuple[int, str]:
        with self._reading() as connection:
            return postgres_lease.last(connection, ROWS)

    @repeated
    def renew(self, lease: Lease, seconds: float = 60.0, *, now: float | None = None) -> Lease:
        with self._writing(alone=False) as connection:
            return postgres_lease.renew(connection, self.url, lease, seconds, time.time() if now is None else now)

    @repeated
    def release(self, lease: Lease) -> None:
        with self._writing() as connection:
            postgres_lease.release(connection, lease)
