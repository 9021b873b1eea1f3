"""What holds for leases in every database: what may be asked, and how who may not write is told so.

``place`` is the store as it may be shown, ``facts`` name it for programs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from idembed.errors import LeaseHeldError, LeaseLostError, OptionError
from idembed.stores.records import Lease

__all__ = ["check_owner", "check_seconds", "held", "keeper", "refuse_lost"]

_SECONDS: Final = 60.0
"""That a lease is renewed for while something takes long."""


def check_seconds(seconds: float) -> None:
    """Raise OptionError for a length that no lease has."""
    if not 0 < seconds < float("inf"):
        raise OptionError(f"a lease lasts more than 0 seconds, not {seconds}")


def check_owner(owner: str) -> None:
    """Raise OptionError for nobody."""
    if not owner:
        raise OptionError("a lease needs an owner")


def held(place: str, holder: str, expires: float, now: float, **facts: object) -> LeaseHeldError:
    """The error for who wants a lease that somebody else holds until ``expires``."""
    return LeaseHeldError(
        f"{place} is being written by {holder}",
        hint=f"wait for it to end; if it died, its lease ends in {expires - now:.0f} s",
        **facts,
        owner=holder,
        expires=expires,
    )


def refuse_lost(place: str, lease: Lease, last: tuple[int, str], **facts: object) -> None:
    """Raise LeaseLostError unless ``lease`` is the ``last`` one that was granted, by fence and owner."""
    if last == (lease.fence, lease.owner):
        return
    by = f"taken over by {last[1]}" if last[1] else "released"
    raise LeaseLostError(
        f"{place}: the lease of {lease.owner} was {by}; this batch was not written",
        hint="run it again: what was committed before is kept",
        **facts,
    )


def keeper(lease: Lease, renew: Callable[[Lease, float], Lease]) -> Callable[[], None]:
    """What to call every few seconds while something takes long: it renews the lease when a third of its time is gone,
    and raises LeaseLostError where another took over."""
    kept = lease

    def keep() -> None:
        nonlocal kept
        if kept.expires - time.time() < _SECONDS * 2 / 3:
            kept = renew(kept, _SECONDS)

    return keep
