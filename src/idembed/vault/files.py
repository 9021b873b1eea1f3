"""The files of a vault: which segments there are, opened, and what they hold.

What reads, what writes and what compacts a vault all stand on this.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from idembed.errors import OptionError, VaultError
from idembed.folders import data_folder
from idembed.space import ADDRESS_BYTES, Kept
from idembed.vault.segment import SUFFIX, Addresses, NotASegmentError, NotOpenedError, Segment, is_damaged

__all__ = ["READ", "Files", "as_array", "default_path"]

_LOG = logging.getLogger(__name__)
_SPACE_ID: Final = re.compile(r"[0-9a-f]{64}")
_LISTINGS: Final = 100
READ: Final = 4096
"""Entries that are read at once."""


def default_path() -> Path:
    """``$IDEMBED_VAULT``, else ``vault`` in the data folder."""
    if stated := os.environ.get("IDEMBED_VAULT"):
        return Path(stated).expanduser()
    return data_folder() / "vault"


class Files:
    """Vectors by address in the folder ``path``, for reading; its segments stay open until they vanish."""

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = default_path() if path is None else Path(path)
        self.damaged: dict[Path, str] = {}
        """Segments in which damage was met, or that cannot be opened, and why; nothing damaged is ever handed out."""
        self._open: dict[Path, Segment] = {}

    def get(self, space_id: str, addresses: Sequence[bytes]) -> dict[bytes, Kept]:
        """The vectors that are here, by address (16 bytes each). Raises VaultError for an unreadable folder."""
        if not addresses:
            return {}
        wanted = as_array(sorted(set(addresses)))
        found: dict[bytes, Kept] = {}
        for segment in self.segments(self.folder_of(space_id)):
            here, at = segment.find(wanted)
            for begin in range(0, len(at), READ):
                entries, whole = segment.read(at[begin : begin + READ])
                for i in np.flatnonzero(whole).tolist():
                    found[entries.address[i].tobytes()] = entries.kept(i)
                if not whole.all():
                    self.note_damage(segment.path, int((~whole).sum()))
            if len(here):
                wanted = as_array([a for a in _as_bytes(wanted) if a not in found])
        return found

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
                except (NotASegmentError, NotOpenedError) as error:
                    if path not in self.damaged:
                        _LOG.warning("vault: segment %s is left out: %s", path.name, error)
                    self.damaged[path] = str(error)
                    continue
            found.append(self._open[path])
        return found

    def broken(self, folder: Path) -> list[Path]:
        """Files that were segments and are damaged as a whole. One that cannot be opened, for want of permission or by
        an error of the disk, may be whole, so it is not among them; nor is one that was no segment of ours."""
        found = []
        for path in sorted(folder.glob("*" + SUFFIX)):
            try:
                if path not in self._open:
                    Segment(path)
            except NotASegmentError:
                with contextlib.suppress(OSError):
                    if is_damaged(path):
                        found.append(path)
            except (NotOpenedError, FileNotFoundError):
                continue
        return found

    def remove(self, segment: Segment) -> bool:
        """Remove the file; whether that was possible. Windows refuses while a file is mapped: our own map is closed
        first, another program's makes the file stay."""
        self._open.pop(segment.path, None)
        segment.close()
        return self.unlink(segment.path)

    def unlink(self, path: Path) -> bool:
        """Remove a file that is not open here; whether that was possible."""
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            _LOG.info("vault: segment %s cannot be removed now: %s", path.name, error)
            return False
        self.damaged.pop(path, None)
        return True

    def note_damage(self, path: Path, entries: int) -> None:
        """Record that ``entries`` vectors of a segment do not have their checks."""
        _LOG.warning("vault: segment %s has %d damaged vectors, which are left out", path.name, entries)
        self.damaged[path] = f"{entries} damaged vectors"

    def spaces(self) -> list[Path]:
        """The folders of all spaces, by name."""
        try:
            return sorted(Path(e.path) for e in os.scandir(self.path) if _SPACE_ID.fullmatch(e.name) and e.is_dir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise VaultError(f"the vault {self.path} cannot be read: {error.strerror}", path=str(self.path)) from error


def as_array(addresses: Sequence[bytes]) -> Addresses:
    """S16 [n]. Raises OptionError for an address that has not 16 bytes."""
    if any(len(address) != ADDRESS_BYTES for address in addresses):
        raise OptionError(f"an address has {ADDRESS_BYTES} bytes")
    return np.frombuffer(b"".join(addresses), f"S{ADDRESS_BYTES}")


def _as_bytes(addresses: Addresses) -> list[bytes]:
    raw = addresses.tobytes()
    return [raw[i : i + ADDRESS_BYTES] for i in range(0, len(raw), ADDRESS_BYTES)]
