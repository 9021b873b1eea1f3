"""What to do about a request that failed: pure, from what is known of it and of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from idembed.models.api.adapter import Fault
from idembed.models.api.pacing import backoff
from idembed.models.api.packing import Pack

__all__ = ["LONGEST_TOLD", "Move", "Standing", "apart", "decide", "shorter"]

_TRIES = 5
"""A request of several texts that fails so often while others get through is taken apart."""
_LAST_TRIES = 16
"""A text alone that fails so often while others get through is to blame. (At 50 % failures: one in 65,536.)"""
_BAD_REPLIES = 5
_CROWDED = 3
"""A request that was refused for the rate so often, and nothing else got through, is too much for it."""
_PEELED = 3
"""So many texts are taken out of a request one by one, then it is halved."""
LONGEST_TOLD = 900.0
"""To wait longer than this, in seconds, is for somebody else to decide."""
_CUTS = 12
"""How often a text is made shorter until the provider takes it."""
_KEPT = "what was embedded is kept: run it again, and it goes on"
_UNREACHED = "look at the network, the proxy (HTTPS_PROXY), and the endpoint's address"


@dataclass(frozen=True, slots=True)
class Standing:
    """How it goes for all requests of a call: when the last one ``succeeded`` (or the call began), how many seconds
    without any success are borne (``patience``), also by a host that never answered (``unreached``), and whether one
    was ever answered (``reached``)."""

    now: float
    succeeded: float
    patience: float
    unreached: float
    reached: bool


class Move(NamedTuple):
    """``again`` after so many seconds; ``apart``; ``shorten`` the one text, or ``refuse`` it, for ``reason``;
    ``give up`` all, with a ``hint``."""

    kind: Literal["again", "apart", "shorten", "refuse", "give up"]
    reason: str = ""
    hint: str = ""
    after: float = 0.0


def decide(pack: Pack, fault: Fault, status: int | None, standing: Standing) -> Move:
    """``status``: of the answer; None: there was none; 200: it is not what was asked for. Notes the failure in
    ``pack``."""
    alone = len(pack.items) == 1
    if fault.kind == "fatal":
        return Move("give up", fault.reason, fault.hint)
    if fault.kind != "wait":
        if not alone:
            return Move("apart")
        return Move("refuse", fault.reason) if fault.kind == "row" else Move("shorten", fault.reason)
    others_succeeded = bool(pack.failed_at) and standing.succeeded > pack.failed_at
    pack.since = pack.since or standing.now
    pack.failed_at = standing.now
    if fault.after is not None and fault.after > min(LONGEST_TOLD, standing.patience):
        return Move("give up", f"{fault.reason}: it asks to wait for {_length(fault.after)}", fault.hint or _KEPT)
    silent = standing.now - max(standing.succeeded, pack.since)
    if status == 429:
        pack.refusals += 1
        if silent > standing.patience:
            return Move("give up", f"{fault.reason}, for {standing.patience:.0f} s", fault.hint or _KEPT)
        if not alone and pack.refusals % _CROWDED == 0 and standing.succeeded < pack.since:
            return Move("apart")
        return Move("again")
    pack.failures += 1
    pack.attempts += others_succeeded
    if pack.attempts >= (_LAST_TRIES if alone else _TRIES):
        return Move("refuse", f"{fault.reason}, {pack.failures} times") if alone else Move("apart")
    if status == 200 and pack.failures >= _BAD_REPLIES:
        if standing.succeeded <= pack.since:
            return Move("give up", f"{fault.reason} ({pack.failures} times)", fault.hint or _KEPT)
        return Move("refuse", f"{fault.reason}, {pack.failures} times") if alone else Move("apart")
    reached = standing.reached or status is not None
    if silent > (standing.patience if reached else min(standing.patience, standing.unreached)):
        hint = fault.hint or (_KEPT if reached else _UNREACHED)
        return Move("give up", f"{fault.reason} ({pack.failures} times)", hint)
    return Move("again", after=backoff(pack.failures) if fault.after is None else fault.after)


def apart(pack: Pack, fault: Fault) -> list[Pack]:
    """A pack of several texts in smaller ones: the one to blame alone if it is known, else the longest where one is too
    long, else halves."""
    if fault.kind not in ("long", "row") or pack.peeled >= _PEELED:
        return pack.halves()
    if fault.which is not None and 0 <= fault.which < len(pack.items):
        return pack.without(pack.items[fault.which])
    if fault.kind == "long":
        return pack.without(max(pack.items, key=lambda item: item.tokens))
    return pack.halves()


def shorter(characters: int, cuts: int, tokens: int, limit: int | None, *, counted: bool) -> int:
    """How many characters to keep of a text that has so many and ``tokens`` (``counted``, or by guess), of which the
    model reads ``limit`` (None: not known), and that was cut ``cuts`` times before; 0: it is not worth trying."""
    if cuts >= _CUTS or characters < 2:
        return 0
    share = 0.97 * limit / tokens if limit is not None and tokens > limit else 1.0
    if cuts:
        share = min(share, 0.95) if counted else 0.85 if limit is not None else 0.7
    elif share == 1.0:
        share = 0.85 if limit is not None else 0.7
    return max(1, int(characters * max(share, 0.01)))


def _length(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 3600:.1f} hours" if seconds > 5400 else f"{seconds / 60:.0f} minutes"
