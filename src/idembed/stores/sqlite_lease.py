"""Leases in a SQLite file: for each name, who may write until when, with a number that only grows.

Safety rests on the fence alone, which every batch checks in its transaction: whatever the clocks say, a
writer whose lease was taken over writes nothing any more. Clocks only decide how long others wait. A lease
that was taken in the future means that the clock went back (or another machine's is ahead): whoever sees that first
moves it to begin now, so that nobody waits longer than the length of one lease.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from idembed.errors import LeaseHeldError
from idembed.stores.lease_rules import check_owner, check_seconds, held, refuse_lost
from idembed.stores.records import Lease

__all__ = ["check", "last", "release", "renew", "take"]


def take(
    connection: sqlite3.Connection,
    path: str,
    name: str,
    owner: str,
    seconds: float,
    now: float,
    instead_of: str | None,
) -> Lease | LeaseHeldError:
    """The lease called ``name``, with a new fence; or the error to raise once the transaction, which may have moved
    another owner's lease to the present, is committed. ``instead_of``: an owner known to be dead."""
    check_seconds(seconds)
    check_owner(owner)
    connection.execute("INSERT INTO leases VALUES (?, 0, '', 0, 0) ON CONFLICT DO NOTHING", (name,))
    fence, holder, taken, expires = connection.execute(
        "SELECT fence, owner, taken, expires FROM leases WHERE name = ?", (name,)
    ).fetchone()
    if holder not in ("", owner, instead_of):
        if taken > now:
            expires = now + (expires - taken)
            connection.execute("UPDATE leases SET taken = ?, expires = ? WHERE name = ?", (now, expires, name))
        if expires > now:
            return held(path, holder, expires, now, path=path)
    connection.execute(
        "UPDATE leases SET fence = ?, owner = ?, taken = ?, expires = ? WHERE name = ?",
        (fence + 1, owner, now, now + seconds, name),
    )
    return Lease(fence + 1, owner, now + seconds, name)


def last(connection: sqlite3.Connection, name: str) -> tuple[int, str]:
    """The fence of the last lease of that name that was granted, 0 if none was, and its owner, "" when it was
    released."""
    found = connection.execute("SELECT fence, owner FROM leases WHERE name = ?", (name,)).fetchone()
    return (0, "") if found is None else (found[0], found[1])


def renew(connection: sqlite3.Connection, path: str, lease: Lease, seconds: float, now: float) -> Lease:
    """The same lease from now on; also after it expired, if nobody took over."""
    check_seconds(seconds)
    check(connection, path, lease)
    connection.execute("UPDATE leases SET taken = ?, expires = ? WHERE name = ?", (now, now + seconds, lease.name))
    return replace(lease, expires=now + seconds)


def release(connection: sqlite3.Connection, lease: Lease) -> None:
    """Let the next writer in at once; the fence stays, so that this lease writes nothing any more."""
    connection.execute(
        "UPDATE leases SET owner = '', taken = 0, expires = 0 WHERE name = ? AND fence = ? AND owner = ?",
        (lease.name, lease.fence, lease.owner),
    )


def check(connection: sqlite3.Connection, path: str, lease: Lease) -> None:
    """Raise LeaseLostError unless ``lease`` is the one in the file. Call it within the writing transaction."""
    refuse_lost(path, lease, last(connection, lease.name), path=path)
