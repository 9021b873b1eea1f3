"""Adding to a space of the vault: one writer at a time, what it holds written every 64 MB or 5 seconds."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Self

import numpy as np

from idembed.durable import FULL
from idembed.errors import DiskFullError, IdembedError, LeaseHeldError, OptionError, VaultError
from idembed.space import ADDRESS_BYTES, Kept
from idembed.vault.compact import compact
from idembed.vault.files import Files
from idembed.vault.segment import TEMPORARY, Entries, write_segment

__all__ = ["Writer", "disk_errors", "hold"]

_FLUSH_BYTES: Final = 64 << 20
_FLUSH_SECONDS: Final = 5.0
_WAIT_SECONDS: Final = 0.05


class Writer:
    """Use as a context manager; leaving it, also by an error, keeps everything that was put.

    Made by ``Vault.writer``. What an address already has is never replaced.
    """

    def __init__(self, files: Files, space_id: str, dim: int, wait: float) -> None:
        if not dim >= 1:
            raise OptionError(f"vectors have at least 1 dimension, not {dim}")
        self._files = files
        self._space_id = space_id
        self._dim = dim
        self._wait = wait
        self._folder = files.folder_of(space_id)
        self._held: contextlib.AbstractContextManager[None] | None = None
        self._buffer: dict[bytes, Kept] = {}
        self._since = 0.0

    def __enter__(self) -> Self:
        with disk_errors(self._folder):
            self._files.make_folder(self._folder)
            held = hold(self._folder, self._wait)
            held.__enter__()
            self._held = held
            for left_over in self._folder.glob(TEMPORARY + "*"):
                left_over.unlink(missing_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        held, self._held = self._held, None
        if held is None:
            return
        try:
            self._write()
            with disk_errors(self._folder):
                compact(self._files, self._folder)
        finally:
            held.__exit__(None, None, None)

    def put(self, entries: Mapping[bytes, Kept]) -> None:
        """Keep vectors by address; durable after the next flush. Raises OptionError for a vector that is not
        float32 [dim], finite, under an address of 16 bytes; then nothing of ``entries`` is kept."""
        if self._held is None:
            raise VaultError("the writer is closed", hint="with vault.writer(space_id, dim) as writer: ...")
        for address, kept in entries.items():
            vector = kept.vector
            if len(address) != ADDRESS_BYTES:
                raise OptionError(f"an address has {ADDRESS_BYTES} bytes, not {len(address)}")
            if vector.dtype != np.float32 or vector.shape != (self._dim,):
                raise OptionError(f"a vector is {vector.dtype} {list(vector.shape)}, not float32 [{self._dim}]")
            if not np.isfinite(vector).all():
                raise OptionError("a vector has NaN or infinity in it")
        if not self._buffer:
            self._since = time.monotonic()
        for address, kept in entries.items():
            self._buffer.setdefault(bytes(address), Kept(kept.vector.copy(), kept.tokens, kept.truncated))
        size = len(self._buffer) * (4 * self._dim + 200)
        if size >= _FLUSH_BYTES or time.monotonic() - self._since >= _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Make everything durable that was put so far."""
        if self._held is None:
            raise VaultError("the writer is closed", hint="with vault.writer(space_id, dim) as writer: ...")
        self._write()

    def _write(self) -> None:
        there = self._files.get(self._space_id, list(self._buffer))
        new = sorted(address for address in self._buffer if address not in there)
        if new:
            kept = [self._buffer[address] for address in new]
            entries = Entries(
                np.frombuffer(b"".join(new), np.uint8).reshape(-1, ADDRESS_BYTES),
                np.stack([one.vector for one in kept]),
                np.array([one.tokens for one in kept], np.int32),
                np.array([one.truncated for one in kept], np.uint8),
            )
            with disk_errors(self._folder):
                write_segment(self._folder, iter([entries]), len(entries), self._dim)
        self._buffer.clear()


@contextlib.contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """The system's errors as VaultError, or as DiskFullError."""
    try:
        yield
    except OSError as error:
        full = error.errno in FULL
        kind: type[IdembedError] = DiskFullError if full else VaultError
        raise kind(
            f"the vault in {folder} cannot be written: {error.strerror or error}",
            hint="free some space; what was kept before is safe"
            if full
            else "look at the folder's permissions, or do without it: vault='none', --vault none",
            path=str(folder),
        ) from error


@contextlib.contextmanager
def hold(folder: Path, wait: float) -> Iterator[None]:
    """The right to write in ``folder``, given back by the system even when this process is killed.

    Raises LeaseHeldError after waiting ``wait`` seconds for another writer.
    """
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + wait
        while not _lock(descriptor):
            if time.monotonic() >= deadline:
                raise LeaseHeldError(
                    f"another program is writing to the vault in {folder}",
                    hint="wait for it to end, or use another vault (IDEMBED_VAULT)",
                    path=str(folder),
                )
            time.sleep(_WAIT_SECONDS)
        yield
    finally:
        os.close(descriptor)  # which gives the lock back


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
