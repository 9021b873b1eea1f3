"""Leases in a Postgres schema, as in sqlite_lease.py: the fence alone makes it safe, clocks only decide who waits."""

from __future__ import annotations

from dataclasses import replace

from idembed.errors import LeaseHeldError
from idembed.stores.lease_rules import check_owner, check_seconds, held, refuse_lost
from idembed.stores.postgres_schema import Db
from idembed.stores.records import Lease

__all__ = ["check", "last", "release", "renew", "take"]


def take(
    connection: Db, url: str, name: str, owner: str, seconds: float, now: float, instead_of: str | None
) -> Lease | LeaseHeldError:
    """The lease called ``name``, with a new fence; or the error to raise once the transaction, which may have moved
    another owner's lease to the present, is committed. ``instead_of``: an owner known to be dead."""
    check_seconds(seconds)
    check_owner(owner)
    connection.execute("INSERT INTO leases VALUES (%s, 0, '', 0, 0) ON CONFLICT DO NOTHING", (name,))
    asked = "SELECT fence, owner, taken, expires FROM leases WHERE name = %s FOR UPDATE"  # nobody renews it meanwhile
    found = connection.execute(asked, (name,)).fetchone()
    assert found is not None
    fence, holder, taken, expires = found
    if holder not in ("", owner, instead_of):
        if taken > now:
            expires = now + (expires - taken)
            connection.execute("UPDATE leases SET taken = %s, expires = %s WHERE name = %s", (now, expires, name))
        if expires > now:
            return held(url, holder, expires, now, url=url)
    connection.execute(
        "UPDATE leases SET fence = %s, owner = %s, taken = %s, expires = %s WHERE name = %s",
        (fence + 1, owner, now, now + seconds, name),
    )
    return Lease(fence + 1, owner, now + seconds, name)


def last(connection: Db, name: str) -> tuple[int, str]:
    """The fence of the last lease of that name that was granted, 0 if none was, and its owner, "" when it was
    released."""
    found = connection.execute("SELECT fence, owner FROM leases WHERE name = %s", (name,)).fetchone()
    return (0, "") if found is None else (found[0], found[1])


def renew(connection: Db, url: str, lease: Lease, seconds: float, now: float) -> Lease:
    """The same lease from now on; also after it expired, if nobody took over. One statement that looks at the fence
    itself, so that it need not wait for a transaction that writes: that may be the owner's, in another thread."""
    check_seconds(seconds)
    renewed = connection.execute(
        "UPDATE leases SET taken = %s, expires = %s WHERE name = %s AND fence = %s AND owner = %s",
        (now, now + seconds, lease.name, lease.fence, lease.owner),
    )
    if not renewed.rowcount:
        check(connection, url, lease)
    return replace(lease, expires=now + seconds)


def release(connection: Db, lease: Lease) -> None:
    """Let the next writer in at once; the fence stays, so that this lease writes nothing any more."""
    connection.execute(
        "UPDATE leases SET owner = '', taken = 0, expires = 0 WHERE name = %s AND fence = %s AND owner = %s",
        (lease.name, lease.fence, lease.owner),
    )


def check(connection: Db, url: str, lease: Lease) -> None:
    """Raise LeaseLostError unless ``lease`` is the one in the schema. Call it within the writing transaction."""
    refuse_lost(url, lease, last(connection, lease.name), url=url)
