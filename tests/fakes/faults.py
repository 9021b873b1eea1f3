"""What goes wrong on request.

Instead of an answer: `rate_limit` says how long to wait (FakeApi.retry_after), as far as the provider does;
`rate_limit_bare` says nothing; `server_error` is 500, 502 or 503 in the provider's shape; `stall` sends nothing and
closes the connection after FakeApi.stall_seconds; `not_json` is a page of HTML with status 200.
In the vectors: `shuffle` sends rows in another order (under their own index), `short` leaves one out, `long` adds one,
`duplicate` sends one twice, in another's place; `nan`, `zero` and `null` spoil one vector, `wrong_width` halves all.
On the wire: `cut` closes the connection in the middle of the body, `slow` sends it in pieces over
FakeApi.slow_seconds.

Faults in the vectors happen to replies with vectors alone; the others to any request whose key is right.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

__all__ = ["BEFORE", "KINDS", "ON_THE_WIRE", "Faults", "Rows", "spoil"]

BEFORE = ("rate_limit", "rate_limit_bare", "server_error", "stall")
IN_VECTORS = ("shuffle", "short", "long", "duplicate", "nan", "zero", "wrong_width", "null")
ON_THE_WIRE = ("cut", "not_json", "slow")
KINDS = (*BEFORE, *IN_VECTORS, *ON_THE_WIRE)


@dataclass(slots=True)
class Faults:
    """Draws at most one fault a request. Rates are kept by provider; "" is every provider."""

    random: random.Random
    rates: dict[str, dict[str, float]] = field(default_factory=dict)
    forced: deque[tuple[str, str]] = field(default_factory=deque)  # (kind, provider or "")
    lock: threading.Lock = field(default_factory=threading.Lock)

    def set(self, provider: str, rates: Mapping[str, float]) -> None:
        for kind, rate in rates.items():
            check(kind)
            if not 0 <= rate <= 1:
                raise ValueError(f"the probability of {kind} must be from 0 to 1, not {rate}")
        with self.lock:
            self.rates[provider] = dict(rates)
            everywhere = sum(self.rates.get("", {}).values())
            if any(everywhere + sum(each.values()) * (key != "") > 1 + 1e-9 for key, each in self.rates.items()):
                raise ValueError("the probabilities of all faults together are more than 1")

    def force(self, kind: str, provider: str) -> None:
        check(kind)
        with self.lock:
            self.forced.append((kind, provider))

    def draw(self, provider: str) -> str:
        """The fault of the next request to `provider`, or ""."""
        with self.lock:
            for at, (kind, only) in enumerate(self.forced):
                if only in ("", provider):
                    del self.forced[at]
                    return kind
            drawn = self.random.random()
            for key in ("", provider):
                for kind, rate in self.rates.get(key, {}).items():
                    drawn -= rate
                    if drawn < 0:
                        return kind
            return ""

    def pick(self, count: int) -> int:
        with self.lock:
            return self.random.randrange(count)

    def order(self, count: int) -> list[int]:
        """The numbers 0 .. count - 1 in another order; there is none for one number."""
        order = list(range(count))
        with self.lock:
            while count > 1 and order == sorted(order):
                self.random.shuffle(order)
        return order


def check(kind: str) -> None:
    if kind not in KINDS:
        raise ValueError(f"there is no fault {kind!r}; there are {', '.join(KINDS)}")


@dataclass(frozen=True, slots=True)
class Rows:
    """A reply's rows: row i of `vectors` is said to be text `order[i]`'s; those in `nulls` are null."""

    vectors: np.ndarray
    order: Sequence[int]
    nulls: frozenset[int] = frozenset()


def spoil(kind: str, rows: Rows, faults: Faults, indexed: bool) -> Rows | None:
    """The rows after the fault, or None where it would not show.

    Replies whose rows bear no number cannot be in another order and still be told from right ones, so there is no
    `shuffle` for them, and `duplicate` adds a row instead of putting one in another's place.
    """
    vectors, order = rows.vectors, list(rows.order)
    count = len(order)
    at = faults.pick(count)
    if kind == "shuffle":
        if not indexed or count == 1:
            return None
        mixed = faults.order(count)
        return Rows(vectors[mixed], [order[i] for i in mixed])
    if kind == "short":
        kept = [i for i in range(count) if i != at]
        return Rows(vectors[kept], [order[i] for i in kept] if indexed else order[:-1])
    if kind == "long" or (kind == "duplicate" and (not indexed or count == 1)):
        extra = vectors[at] if kind == "duplicate" else -vectors[at]
        return Rows(np.vstack([vectors, extra]), [*order, count if kind == "long" else order[at]])
    if kind == "duplicate":
        other = (at + 1) % count
        vectors = vectors.copy()
        vectors[other], order[other] = vectors[at], order[at]
        return Rows(vectors, order)
    if kind == "wrong_width":
        return Rows(vectors[:, : max(1, vectors.shape[1] // 2)], order)
    if kind == "null":
        return Rows(vectors, order, frozenset({at}))
    vectors = vectors.copy()
    if kind == "nan":
        vectors[at, faults.pick(vectors.shape[1])] = np.nan
    elif kind == "zero":
        vectors[at] = 0
    return Rows(vectors, order)
