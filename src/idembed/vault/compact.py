"""Fewer, larger segments, and segments without what nobody needs. The caller holds the right to write.

Eight segments of a size class become one of the next, so n vectors lie in about 7·log8(n) files and each was
copied log8(n) times. The new file is in place before the old ones go; a reader that finds one gone lists again.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from idembed.vault.files import Files
from idembed.vault.segment import Entries, Segment, write_segment

__all__ = ["compact", "rewrite"]

_FACTOR: Final = 8
_MAX_BYTES: Final = 4 << 30
_BATCH: Final = 4096


def compact(files: Files, folder: Path) -> None:
    """Merge as long as a size class has eight segments, and that makes them fewer: what cannot be removed now
    (see ``Files.remove``) waits for the next writer."""
    before: float = math.inf
    while len(segments := files.segments(folder)) < before:
        before = len(segments)
        tiers: dict[tuple[int, int], list[Segment]] = {}
        for segment in segments:
            tiers.setdefault((segment.dim, _tier(len(segment))), []).append(segment)
        full = [found[:_FACTOR] for found in tiers.values() if len(found) >= _FACTOR]
        full = [found for found in full if sum(segment.size for segment in found) <= _MAX_BYTES]
        for found in full:
            rewrite(files, folder, found, [np.ones(len(segment), np.bool_) for segment in found])


def rewrite(files: Files, folder: Path, segments: Sequence[Segment], keep: Sequence[NDArray[np.bool_]]) -> bool:
    """Replace ``segments`` (of one dimension) by one that has their entries under ``keep``, each address once
    and nothing damaged; whether all of them could be removed. None is of use afterwards."""
    owner = np.concatenate([np.full(int(mask.sum()), i) for i, mask in enumerate(keep)])
    position = np.concatenate([np.flatnonzero(mask) for mask in keep])
    address = np.concatenate([segment.addresses[mask] for segment, mask in zip(segments, keep, strict=True)])
    whole = np.concatenate(
        [_whole(files, segment, np.flatnonzero(mask)) for segment, mask in zip(segments, keep, strict=True)]
    )
    owner, position, address = owner[whole], position[whole], address[whole]
    _, first = np.unique(address, return_index=True)  # sorted; of equal addresses the first segment's
    owner, position = owner[first], position[first]
    modified = max(segment.path.stat().st_mtime for segment in segments)
    made: Path | None = None
    if len(first):
        made = write_segment(folder, _gather(segments, owner, position), len(first), segments[0].dim)
        os.utime(made, (modified, modified))  # the age that gc goes by
    stuck = [segment for segment in segments if segment.path != made and not files.remove(segment)]
    return not stuck


def _whole(files: Files, segment: Segment, at: NDArray[np.int64]) -> NDArray[np.bool_]:
    whole = [segment.read(at[begin : begin + _BATCH])[1] for begin in range(0, len(at), _BATCH)]
    result = np.concatenate(whole) if whole else np.empty(0, np.bool_)
    if not result.all():
        files.note_damage(segment.path, int((~result).sum()))
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
