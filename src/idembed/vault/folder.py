"""The vault as a folder: one folder per space, named by the space's id, full of segments.

Whoever may write to the folder is trusted. Vectors can betray their texts, so only the owner may enter.
"""

from __future__ import annotations

import logging
import math
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from idembed.errors import OptionError, VaultError
from idembed.space import ADDRESS_BYTES, Kept
from idembed.vault.compact import rewrite
from idembed.vault.segment import SUFFIX, TEMPORARY, Addresses, NotASegmentError, Segment, sync_folder
from idembed.vault.writer import Writer, disk_errors, hold

__all__ = ["GcReport", "SpaceStats", "Vault", "default_path"]

_LOG = logging.getLogger(__name__)
_SPACE_ID: Final = re.compile(r"[0-9a-f]{64}")
_LISTINGS: Final = 100
_READ: Final = 4096
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
    """What ``Vault.gc`` removed, or would remove; ``size`` in bytes."""

    vectors: int
    size: int


def default_path() -> Path:
    """``$IDEMBED_VAULT``, else ``idembed/vault`` in the XDG data folder."""
    if stated := os.environ.get("IDEMBED_VAULT"):
        return Path(stated)
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "idembed" / "vault"


class Vault:
    """Vectors by address in the folder ``path``, which need not exist before the first writer."""

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = default_path() if path is None else Path(path)
        self.damaged: dict[Path, str] = {}
        """Segments in which damage was met, and what; nothing damaged is ever handed out."""
        self._open: dict[Path, Segment] = {}

    def get(self, space_id: str, addresses: Sequence[bytes]) -> dict[bytes, Kept]:
        """The vectors that are here, by address (16 bytes each). Raises VaultError for an unreadable folder."""
        if not addresses:
            return {}
        wanted = _as_array(sorted(set(addresses)))
        found: dict[bytes, Kept] = {}
        for segment in self.segments(self.folder_of(space_id)):
            here, at = segment.find(wanted)
            for begin in range(0, len(at), _READ):
                entries, whole = segment.read(at[begin : begin + _READ])
                for i in np.flatnonzero(whole).tolist():
                    found[entries.address[i].tobytes()] = entries.kept(i)
                if not whole.all():
                    self.note_damage(segment.path, int((~whole).sum()))
            if len(here):
                wanted = _as_array([a for a in _as_bytes(wanted) if a not in found])
        return found

    def writer(self, space_id: str, dim: int, *, wait: float = WAIT_SECONDS) -> Writer:
        """A context manager with ``put`` and ``flush``. Entering raises LeaseHeldError when another writer has
        the space for longer than ``wait`` seconds, and VaultError when the folder cannot be written."""
        return Writer(self, space_id, dim, wait)

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
            for folder in self._spaces()
            for segments in (self.segments(folder),)
        ]

    def verify(self, space_id: str | None = None, *, sample: int | None = None) -> int:
        """Check every vector (or ``sample`` of each segment, at random); the number that were whole. Damage is
        in ``damaged``."""
        whole = 0
        for folder in self._spaces() if space_id is None else [self.folder_of(space_id)]:
            for segment in self.segments(folder):
                at = np.arange(len(segment))
                if sample is not None and sample < len(at):
                    at = np.sort(np.random.default_rng(secrets.randbits(64)).choice(at, sample, replace=False))
                for begin in range(0, len(at), _READ):
                    good = segment.read(at[begin : begin + _READ])[1]
                    whole += int(good.sum())
                    if not good.all():
                        self.note_damage(segment.path, int((~good).sum()))
        return whole

    def merge(self, other: str | Path) -> int:
        """Copy the segments of another vault that are not here; how many. Its damaged ones are left out."""
        theirs = Vault(other)
        copied = 0
        for folder in theirs._spaces():
            mine = self.folder_of(folder.name)
            with disk_errors(mine):
                self.make_folder(mine)
                for segment in theirs.segments(folder):
                    target = mine / segment.path.name
                    if not target.exists():
                        _copy(segment.path, target)
                        copied += 1
        self.damaged |= theirs.damaged
        return copied

    def gc(
        self,
        keep: Iterable[bytes],
        *,
        space_id: str | None = None,
        older_than: float = 0.0,
        dry_run: bool = False,
        now: float | None = None,
    ) -> GcReport:
        """Remove every vector whose address is not in ``keep``, of one space or all, from segments that were
        last written ``older_than`` seconds ago or more. ``dry_run`` only counts."""
        kept = np.unique(_as_array(list(keep)))
        limit = (time.time() if now is None else now) - older_than
        vectors = size = 0
        for folder in self._spaces() if space_id is None else [self.folder_of(space_id)]:
            gone = self._remove(folder, lambda addresses: ~np.isin(addresses, kept), limit, dry_run)
            vectors, size = vectors + gone.vectors, size + gone.size
        return GcReport(vectors, size)

    def forget(self, space_id: str, addresses: Iterable[bytes]) -> GcReport:
        """Remove the vectors of these addresses; what was removed."""
        gone = np.unique(_as_array(list(addresses)))
        return self._remove(self.folder_of(space_id), lambda here: np.isin(here, gone), math.inf, dry_run=False)

    def _remove(
        self, folder: Path, goes: Callable[[Addresses], NDArray[np.bool_]], limit: float, dry_run: bool
    ) -> GcReport:
        """Rewrite the segments last written until ``limit`` (seconds since the epoch) without what ``goes``."""
        vectors = size = 0
        if not folder.is_dir():
            return GcReport(0, 0)
        with disk_errors(folder), hold(folder, WAIT_SECONDS):
            for segment in self.segments(folder):
                if segment.path.stat().st_mtime > limit:
                    continue
                mask = goes(segment.addresses)
                gone = int(mask.sum())
                if gone and not dry_run:
                    rewrite(folder, [segment], [~mask], self.note_damage)
                vectors += gone
                size += segment.size // max(1, len(segment)) * gone
        return GcReport(vectors, size)

    # Files -------------------------------------------------------------------------------------------

    def folder_of(self, space_id: str) -> Path:
        """Where a space's segments are. Raises OptionError for what is not a space id."""
        if not _SPACE_ID.fullmatch(space_id):
            raise OptionError(f"{space_id!r} is not a space id (64 hex digits)")
        return self.path / space_id

    def make_folder(self, folder: Path) -> None:
        """Make a space's folder, and the vault's own, so that only the owner may enter. Raises OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)

    def segments(self, folder: Path) -> list[Segment]:
        """The whole segments of a folder, by name. One that vanishes was merged into another: look again."""
        for _ in range(_LISTINGS):
            try:
                names = sorted(e.name for e in os.scandir(folder) if e.name.endswith(SUFFIX) and e.is_file())
            except (FileNotFoundError, NotADirectoryError):
                return []
            except OSError as error:
                raise VaultError(f"the vault in {folder} cannot be read: {error.strerror}", path=str(folder)) from error
            try:
                return self._opened(folder, [folder / name for name in names])
            except FileNotFoundError:
                continue
        raise VaultError(f"the files in {folder} keep changing", hint="try again", path=str(folder))

    def _opened(self, folder: Path, paths: list[Path]) -> list[Segment]:
        for path in set(self._open).difference(paths):
            if path.parent == folder:
                del self._open[path]
        found = []
        for path in paths:
            if path not in self._open:
                try:
                    self._open[path] = Segment(path)
                except NotASegmentError as error:
                    if path not in self.damaged:
                        _LOG.warning("vault: segment %s is damaged: %s", path.name, error)
                    self.damaged[path] = str(error)
                    continue
            found.append(self._open[path])
        return found

    def note_damage(self, path: Path, entries: int) -> None:
        """Record that ``entries`` vectors of a segment do not have their checks."""
        _LOG.warning("vault: segment %s has %d damaged vectors, which are left out", path.name, entries)
        self.damaged[path] = f"{entries} damaged vectors"

    def _spaces(self) -> list[Path]:
        try:
            return sorted(Path(e.path) for e in os.scandir(self.path) if _SPACE_ID.fullmatch(e.name) and e.is_dir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise VaultError(f"the vault {self.path} cannot be read: {error.strerror}", path=str(self.path)) from error


def _as_array(addresses: Sequence[bytes]) -> Addresses:
    if any(len(address) != ADDRESS_BYTES for address in addresses):
        raise OptionError(f"an address has {ADDRESS_BYTES} bytes")
    return np.frombuffer(b"".join(addresses), f"S{ADDRESS_BYTES}")


def _as_bytes(addresses: Addresses) -> list[bytes]:
    raw = addresses.tobytes()
    return [raw[i : i + ADDRESS_BYTES] for i in range(0, len(raw), ADDRESS_BYTES)]


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
