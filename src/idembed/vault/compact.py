"""Fewer, larger segments, and segments without what nobody needs. The caller holds the right to write.

Eight segments of a size class become one of the next, so n vectors lie in about 7·log8(n) files and each was
copied log8(n) times. The new file is in place before the old ones go; a reader that finds one gone lists again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from idembed.vault.segment import Entries, Segment, write_segment

if TYPE_CHECKING:
    from idembed.vault.folder import Vault

__all__ = ["Damage", "compact", "rewrite"]

Damage = Callable[[Path, int], None]
"""Told of a file and how many of its entries are damaged."""

_FACTOR: Final = 8
_MAX_BYTES: Final = 4 << 30
_BATCH: Final = 4096


def compact(vault: Vault, folder: Path) -> None:
    """Merge as long as a size class has eight segments."""
    while True:
        tiers: dict[tuple[int, int], list[Segment]] = {}
        for segment in vault.segments(folder):
            tiers.setdefault((segment.dim, _tier(len(segment))), []).append(segment)
        full = [found[:_FACTOR] for found in tiers.values() if len(found) >= _FACTOR]
        full = [found for found in full if sum(segment.size for segment in found) <= _MAX_BYTES]
        if not full:
            return
        for found in full:
            rewrite(folder, found, [np.ones(len(segment), np.bool_) for segment in found], vault.note_damage)


def rewrite(folder: Path, segments: Sequence[Segment], keep: Sequence[NDArray[np.bool_]], note: Damage) -> None:
    """Replace ``segments`` (of one dimension) by one that has their entries under ``keep``, each address once
    and nothing damaged."""
    owner = np.concatenate([np.full(int(mask.sum()), i) for i, mask in enumerate(keep)])
    position = np.concatenate([np.flatnonzero(mask) for mask in keep])
    address = np.concatenate([segment.addresses[mask] for segment, mask in zip(segments, keep, strict=True)])
    whole = np.concatenate(
        [_whole(segment, np.flatnonzero(mask), note) for segment, mask in zip(segments, keep, strict=True)]
    )
    owner, position, address = owner[whole], position[whole], address[whole]
    _, first = np.unique(address, return_index=True)  # sorted; of equal addresses the first segment's
    owner, position = owner[first], position[first]
    modified = max(segment.path.stat().st_mtime for segment in segments)
    made: Path | None = None
    if len(first):
        made = write_segment(folder, _gather(segments, owner, position), len(first), segments[0].dim)
        os.utime(made, (modified, modified))  # the age that gc goes by
    for segment in segments:
        if segment.path != made:
            with contextlib.suppress(OSError):  # Windows refuses while a reader has it open: the next one does it
                segment.path.unlink()


def _whole(segment: Segment, at: NDArray[np.int64], note: Damage) -> NDArray[np.bool_]:
    whole = [segment.read(at[begin : begin + _BATCH])[1] for begin in range(0, len(at), _BATCH)]
    result = np.concatenate(whole) if whole else np.empty(0, np.bool_)
    if not result.all():
        note(segment.path, int((~result).sum()))
    return result


def _gather(segments: Sequence[Segment], owner: NDArray[np.int64], position: NDArray[np.int64]) -> Iterator[Entries]:
    for begin in range(0, len(owner), _BATCH):
        owners, positions = owner[begin : begin + _BATCH], position[begin : begin + _BATCH]
        n = len(owners)
        out = Entries(
            np.empty((n, 16), np.uint8),
            np.empty((n, segments[0].dim), np.float32),
            np.empty(n, np.int32),
            np.empty(n, np.uint8),
        )
        for number in np.unique(owners):
            mine = owners == number
            entries, _ = segments[number].read(positions[mine])
            out.address[mine], out.vector[mine] = entries.address, entries.vector
            out.tokens[mine], out.truncated[mine] = entries.tokens, entries.truncated
        yield out


def _tier(n: int) -> int:
    """Size class: the number of times 8 goes into ``n``."""
    tier = 0
    while n >= _FACTOR:
        n //= _FACTOR
        tier += 1
    return tier
