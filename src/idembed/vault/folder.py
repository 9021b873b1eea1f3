"""The vault as a folder: one folder per space, named by the space's id, full of segments.

Whoever may write to the folder is trusted. Vectors can betray their texts, so only the owner may enter.
"""

from __future__ import annotations

import math
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from idembed.ascending import among
from idembed.durable import sync_folder
from idembed.vault.compact import rewrite
from idembed.vault.files import READ, Files, as_array, default_path
from idembed.vault.segment import TEMPORARY, Addresses, is_damaged
from idembed.vault.writer import Writer, disk_errors, hold

__all__ = ["GcReport", "SpaceStats", "Vault", "default_path"]

WAIT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class SpaceStats:
    """What the vault has of one space; ``size`` in bytes."""

    space_id: str
    dim: int
    segments: int
    vectors: int
    size: int


@dataclass(frozen=True, slots=True)
class GcReport:
    """What ``Vault.gc`` removed, or would remove; ``size`` in bytes. ``unreadable`` files were damaged as a whole, of
    ``unreadable_size`` bytes."""

    vectors: int
    size: int
    unreadable: int = 0
    unreadable_size: int = 0


class Vault(Files):
    """Vectors by address in the folder ``path``, which need not exist before the first writer."""

    def writer(self, space_id: str, dim: int, *, wait: float = WAIT_SECONDS) -> Writer:
        """A context manager with ``put`` and ``flush``. Entering raises LeaseHeldError when another writer has
        the space for longer than ``wait`` seconds, and VaultError when the folder cannot be written."""
        return Writer(self, space_id, dim, wait)

    def make(self, space_id: str) -> None:
        """Make the folder of a space, so that it is known now whether it can be. Raises VaultError, DiskFullError."""
        folder = self.folder_of(space_id)
        with disk_errors(folder):
            self.make_folder(folder)

    def stats(self) -> list[SpaceStats]:
        """What is here, by space id."""
        return [
            SpaceStats(
                folder.name,
                segments[0].dim if segments else 0,
                len(segments),
                sum(map(len, segments)),
                sum(segment.size for segment in segments),
            )
            for folder in self.spaces()
            for segments in (self.segments(folder),)
        ]

    def verify(self, space_id: str | None = None, *, sample: int | None = None) -> int:
        """Check every vector (or ``sample`` of each segment, at random); the number that were whole. Damage is
        in ``damaged``."""
        whole = 0
        for folder in self.spaces() if space_id is None else [self.folder_of(space_id)]:
            for segment in self.segments(folder):
                at = np.arange(len(segment))
                if sample is not None and sample < len(at):
                    at = np.sort(np.random.default_rng(secrets.randbits(64)).choice(at, sample, replace=False))
                for begin in range(0, len(at), READ):
                    good = segment.read(at[begin : begin + READ])[1]
                    whole += int(good.sum())
                    if not good.all():
                        self.note_damage(segment.path, int((~good).sum()))
        return whole

    def merge(self, other: str | Path) -> int:
        """Copy the segments of another vault that are not here, or are damaged here; how many. Those of it that
        cannot be read are left out.

        Raises LeaseHeldError when another writer has a space for longer than ``WAIT_SECONDS``."""
        theirs = Vault(other)
        copied = 0
        for folder in theirs.spaces():
            mine = self.folder_of(folder.name)
            with disk_errors(mine):
                self.make_folder(mine)
                with hold(mine, WAIT_SECONDS):  # a new writer would remove our unfinished file
                    for segment in theirs.segments(folder):
                        target = mine / segment.path.name
                        if not target.exists() or (is_damaged(target) and not is_damaged(segment.path)):
                            _copy(segment.path, target)
                            self._open.pop(target, None)
                            self.damaged.pop(target, None)
                            copied += 1
        self.damaged |= theirs.damaged
        return copied

    def gc(
        self,
        keep: Addresses | Iterable[bytes],
        *,
        space_id: str | None = None,
        older_than: float = 0.0,
        dry_run: bool = False,
        now: float | None = None,
    ) -> GcReport:
        """Remove every vector whose address is not in ``keep``, of one space or all, from segments that were
        last written ``older_than`` seconds ago or more (0: whenever, whatever the clock says), and files as old that
        were segments and are damaged as a whole. ``dry_run`` only counts. Many addresses are best given as an array
        S16 [n], which takes 16 bytes each."""
        kept = np.unique(keep if isinstance(keep, np.ndarray) else as_array(list(keep)))
        limit = (time.time() if now is None else now) - older_than if older_than else math.inf
        vectors = size = files = files_size = 0
        for folder in self.spaces() if space_id is None else [self.folder_of(space_id)]:
            gone = self._remove(folder, lambda addresses: ~among(addresses, kept), limit, dry_run)
            vectors, size = vectors + gone.vectors, size + gone.size
            broken = self._remove_broken(folder, limit, dry_run)
            files, files_size = files + len(broken), files_size + sum(broken)
        return GcReport(vectors, size, files, files_size)

    def forget(self, space_id: str, addresses: Iterable[bytes]) -> GcReport:
        """Remove the vectors of these addresses; what was removed."""
        gone = np.unique(as_array(list(addresses)))
        return self._remove(self.folder_of(space_id), lambda here: among(here, gone), math.inf, dry_run=False)

    def _remove(
        self, folder: Path, goes: Callable[[Addresses], NDArray[np.bool_]], limit: float, dry_run: bool
    ) -> GcReport:
        """Rewrite the segments last written until ``limit`` (seconds since the epoch) without what ``goes``. What
        lies in a file that cannot be removed now is not counted: it is still there."""
        vectors = size = 0
        if not folder.is_dir():
            return GcReport(0, 0)
        with disk_errors(folder), hold(folder, WAIT_SECONDS):
            for segment in self.segments(folder):
                if segment.path.stat().st_mtime > limit:
                    continue
                mask = goes(segment.addresses)
                gone = int(mask.sum())
                freed = segment.size // max(1, len(segment)) * gone
                if dry_run or (gone and rewrite(self, folder, [segment], [~mask])):
                    vectors += gone
                    size += freed
        return GcReport(vectors, size)

    def _remove_broken(self, folder: Path, limit: float, dry_run: bool) -> list[int]:
        """Remove the files that are damaged as a whole and were last written until ``limit``; the size of each."""
        sizes: list[int] = []
        if not folder.is_dir():
            return sizes
        with disk_errors(folder), hold(folder, WAIT_SECONDS):
            for path in self.broken(folder):
                known = path.stat()
                if known.st_mtime <= limit and (dry_run or self.unlink(path)):
                    sizes.append(known.st_size)
        return sizes


def _copy(source: Path, target: Path) -> None:
    temporary = target.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")
    try:
        with (
            source.open("rb") as read,
            open(os.open(temporary, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as write,
        ):
            shutil.copyfileobj(read, write, 1 << 20)
            write.flush()
            os.fsync(write.fileno())
        os.utime(temporary, (source.stat().st_mtime,) * 2)
        temporary.replace(target)
        sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)
