"""Leases in documents, as in sqlite_lease.py: clocks only decide who waits.

The fence is looked at before each batch, and not within it as in a database with transactions: a process that was
stopped between the look and the write, for longer than its lease, may write one more batch. Its rows are whole, and
the next sync of their scope puts them right.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from idembed.stores.collection.claims import alone
from idembed.stores.collection.engine import Engine
from idembed.stores.collection.state import State, lease_name
from idembed.stores.lease_rules import check_owner, check_seconds, held, refuse_lost
from idembed.stores.records import Lease

__all__ = ["check", "end", "last", "release", "renew", "take"]

_NONE: Final[dict[str, Any]] = {"fence": 0, "owner": "", "taken": 0.0, "expires": 0.0}


def take(engine: Engine, name: str, owner: str, seconds: float, now: float, instead_of: str | None) -> Lease:
    """The lease called ``name``, with a new fence. Raises LeaseHeldError. ``instead_of``: an owner known to be dead."""
    check_seconds(seconds)
    check_owner(owner)
    with alone(engine) as still:
        found = _read(engine, name)
        holder, expires = found["owner"], found["expires"]
        if holder not in ("", owner, instead_of):
            if found["taken"] > now:  # the clock went back
                expires = now + (expires - found["taken"])
                _write(engine, name, found["fence"], holder, now, expires)
            if expires > now:
                raise held(engine.url, holder, expires, now, url=engine.url)
        still()
        _write(engine, name, found["fence"] + 1, owner, now, now + seconds)
        return Lease(found["fence"] + 1, owner, now + seconds, name)


def renew(engine: Engine, lease: Lease, seconds: float, now: float) -> Lease:
    """The same lease from now on; also after it expired, if nobody took over."""
    check_seconds(seconds)
    with alone(engine) as still:
        _refuse_lost(engine, lease, _read(engine, lease.name))
        still()
        _write(engine, lease.name, lease.fence, lease.owner, now, now + seconds)
    return replace(lease, expires=now + seconds)


def release(engine: Engine, lease: Lease) -> None:
    """Let the next writer in at once; the fence stays, so that this lease writes nothing any more."""
    with alone(engine) as still:
        found = _read(engine, lease.name)
        if (found["fence"], found["owner"]) == (lease.fence, lease.owner):
            still()
            _write(engine, lease.name, lease.fence, "", 0.0, 0.0)


def check(engine: Engine, lease: Lease, state: State) -> None:
    """Raise LeaseLostError unless ``lease`` is the one there is."""
    _refuse_lost(engine, lease, state.leases.get(lease.name, _NONE))


def end(engine: Engine, name: str) -> None:
    """Whoever holds the lease called ``name`` writes nothing more under it. Within ``alone``."""
    found = _read(engine, name)
    if found["owner"]:
        _write(engine, name, found["fence"], "", 0.0, 0.0)


def last(engine: Engine, name: str) -> tuple[int, str]:
    """The fence of the last lease of that name that was granted, 0 if none was, and its owner, "" when it was
    released."""
    found = _read(engine, name)
    return found["fence"], found["owner"]


def _read(engine: Engine, name: str) -> dict[str, Any]:
    place = lease_name(name)
    return engine.documents(place).get(place, _NONE)


def _write(engine: Engine, name: str, fence: int, owner: str, taken: float, expires: float) -> None:
    body = {"fence": fence, "owner": owner, "taken": taken, "expires": expires}
    engine.put_document(lease_name(name), body)


def _refuse_lost(engine: Engine, lease: Lease, found: dict[str, Any]) -> None:
    refuse_lost(engine.url, lease, (found["fence"], found["owner"]), url=engine.url)
