"""Which rows an index had when it was judged, as a sample that tells later how many of them are still there.

The sample is the rows with the smallest row hashes: whichever rows come and go, those of now with hashes as small are
the same fair draw. Of a small index it is all rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idembed.rows import BUCKETS, ROW_HASH_BYTES, bucket_of
from idembed.stores.base import Store

__all__ = ["RowChange", "change_since", "sample_rows"]

_ROWS = 512
"""Of so many rows a share is known to within 4 % nineteen times of twenty, and a sample takes 6 kB of the settings."""
_BYTES = 6
"""Of a row hash; two of 512 are alike once in 10^9 times."""
_MUCH = 0.1


@dataclass(frozen=True, slots=True)
class RowChange:
    """Which share of the rows that were judged is not there any more as it was (``gone``: edited or deleted), and which
    share of those there are now was not judged (``new``: edited or added); ``exact`` unless it is of a sample."""

    gone: float
    new: float
    exact: bool

    @property
    def is_much(self) -> bool:
        """Whether a judgement is to be doubted: over a tenth of the rows are others."""
        return max(self.gone, self.new) > _MUCH

    def __str__(self) -> str:
        about = "" if self.exact else "about "
        return (
            f"{about}{self.gone:.0%} of the rows it was judged on were changed or deleted since, and "
            f"{about}{self.new:.0%} of those there are now were not judged"
        )


def sample_rows(store: Store) -> dict[str, Any]:
    """A sample of the rows as they are now, for the settings: ``hashes`` (the first bytes of each, as hex, joined), and
    ``below``: all row hashes below this are in it (empty: all there are)."""
    buckets = min(BUCKETS, math.ceil(2 * _ROWS * BUCKETS / max(1, store.count())))
    hashes = _hashes(store, buckets)
    below = b"" if buckets == BUCKETS else (buckets << 4).to_bytes(2, "big").ljust(_BYTES, b"\0")
    if len(hashes) > _ROWS:
        hashes, below = hashes[:_ROWS], hashes[_ROWS]
    return {"hashes": b"".join(hashes).hex(), "below": below.hex()}


def change_since(store: Store, sample: Mapping[str, Any] | None) -> RowChange | None:
    """How the rows differ from a sample of them that was recorded; None where there is none."""
    if not sample:
        return None
    below = bytes.fromhex(sample["below"])
    was = set(_pieces(bytes.fromhex(sample["hashes"]), _BYTES))
    now = set(_hashes(store, bucket_of(below) + 1 if below else BUCKETS))
    if below:
        now = {row_hash for row_hash in now if row_hash < below}
    gone, new = len(was - now) / max(1, len(was)), len(now - was) / max(1, len(now))
    return RowChange(gone, new, exact=not below)


def _hashes(store: Store, buckets: int) -> list[bytes]:
    """The first bytes of the row hashes in the lowest ``buckets``, ascending."""
    found = (store.row_hashes(scope, range(buckets)).tobytes() for scope in store.scopes())
    return sorted(row_hash[:_BYTES] for raw in found for row_hash in _pieces(raw, ROW_HASH_BYTES))


def _pieces(raw: bytes, size: int) -> list[bytes]:
    return [raw[at : at + size] for at in range(0, len(raw), size)]
