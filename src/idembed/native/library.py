"""The shared library: found, loaded at first use, checked, and declared to ctypes."""

from __future__ import annotations

import ctypes
import math
import os
import sys
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

from idembed.errors import IdembedError, ModelError, NativeLibraryError

__all__ = [
    "ABI",
    "Status",
    "available_isas",
    "check",
    "default_threads",
    "isa",
    "isa_name",
    "library",
    "library_path",
    "thread_count",
]

ABI: Final = 5
_FILES: Final = {"win32": "idembed.dll", "darwin": "libidembed.dylib"}


def library_path() -> Path:
    """Where the library lies; IDEMBED_LIBRARY names another."""
    if forced := os.environ.get("IDEMBED_LIBRARY"):
        return Path(forced)
    name = _FILES.get(sys.platform, "libidembed.so")
    # An editable install has two folders, and the library is not in that of the sources.
    places = [Path(folder) / "_native" / name for folder in sys.modules["idembed"].__path__]
    return next((place for place in places if place.exists()), places[0])


class Status(IntEnum):
    """What a call of idembed.h returns."""

    OK = 0
    ARGUMENT = 1
    ISA = 2
    SHAPE = 3
    NOT_FINITE = 4
    TOKEN = 5
    LENGTH = 6
    MEMORY = 7
    BLOCK = 8
    RANGE = 9


@cache
def library() -> ctypes.CDLL:
    """The library, loaded and checked once. Raises NativeLibraryError."""
    path = library_path()
    try:
        loaded = ctypes.CDLL(str(path))
        found = int(loaded.idembed_abi())
    except (OSError, AttributeError) as error:
        raise NativeLibraryError(
            f"the native library {path} cannot be loaded: {error}",
            hint="unset IDEMBED_LIBRARY, or let it name a build of idembed's native library"
            if os.environ.get("IDEMBED_LIBRARY")
            else "reinstall idembed; from a source tree: pip install -e . (needs a C++17 compiler)",
            path=str(path),
            reason=str(error),
        ) from error
    if found != ABI:
        raise NativeLibraryError(
            f"the native library has ABI {found}, this version of idembed needs ABI {ABI}",
            hint="reinstall idembed so that both come from one build",
            path=str(path),
        )
    _declare(loaded)
    if loaded.idembed_isa() is None:
        raise NativeLibraryError(
            f"IDEMBED_ISA={os.environ.get('IDEMBED_ISA')!r} cannot be used on this machine",
            hint="unset IDEMBED_ISA, or set it to one of: " + loaded.idembed_isas().decode(),
        )
    return loaded


def _declare(loaded: ctypes.CDLL) -> None:
    """Argument types of idembed.h. Arrays travel as addresses: (pointer, i32, i64, text)."""
    p, i32, i64, text = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64, ctypes.c_char_p
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "idembed_isa": (text, []),
        "idembed_isas": (text, []),
        "idembed_block_kind": (i32, [p, text, p, p, p]),
        "idembed_block_pack": (i32, [p, text, i64, p, p]),
        "idembed_block_seal": (i32, [p, text, p]),
        "idembed_block_check": (i32, [p, i64, i64, i32]),
        "idembed_encoder_open": (i32, [p, text, p, i64, p]),
        "idembed_encoder_forward": (i32, [p, p, p, i64, p, i32]),
        "idembed_encoder_free": (None, [p]),
        "idembed_dense_new": (i32, [i64, i64, i32, p, p, text, p]),
        "idembed_dense_apply": (i32, [p, p, i64, p]),
        "idembed_dense_free": (None, [p]),
        "idembed_scores": (i32, [p, i64, i64, i64, p, i64, p, p, i32, text]),
        "idembed_top_k": (i32, [p, i64, i64, p, p, p, i64, p, p]),
        "idembed_normalize": (i32, [p, i64, i64, i64, text]),
        "idembed_words_new": (i32, [p]),
        "idembed_words_read_lines": (i32, [p, p, i64, i64, i64, i32, i64, i32, p, p, p]),
        "idembed_words_read_list": (i32, [p, p, i64, i32, i32, i64, i32, p, i64]),
        "idembed_words_size": (i32, [p, p, p]),
        "idembed_words_list": (i32, [p, p, p, p]),
        "idembed_words_free": (None, [p]),
        "idembed_words_keep": (i32, [p, i64, p, i64, p, p]),
        "idembed_word2vec_new": (i32, [p, p, text, p]),
        "idembed_word2vec_chunk": (i64, [p, i64]),
        "idembed_word2vec_train": (i32, [p, p, i64, i64, p, p, p, p, i32]),
        "idembed_word2vec_free": (None, [p]),
        "idembed_word2vec_start": (i32, [p, i64, i64, i64, ctypes.c_uint64]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments


def check(status: int, **facts: object) -> None:
    """Raise what `status` of idembed.h means; the callers give the better messages first."""
    if status == Status.OK:
        return
    if status == Status.ISA:
        raise NativeLibraryError(
            "this instruction set cannot be used here", hint=f"one of: {', '.join(available_isas())}", **facts
        )
    if status == Status.NOT_FINITE:
        raise ModelError("a vector is not finite", hint="it holds NaN or infinity, or its norm overflows", **facts)
    if status == Status.MEMORY:
        raise MemoryError("the native library ran out of memory")
    raise IdembedError(f"the native library refused the call (status {status})", hint="", **facts)


def isa() -> str:
    """Name of the instruction set in use unless a call names another."""
    return str(library().idembed_isa().decode())


def available_isas() -> tuple[str, ...]:
    """All instruction sets that this CPU can run, widest first; always ends with ``scalar``."""
    return tuple(library().idembed_isas().decode().split(","))


def default_threads() -> int:
    """The smaller of the CPUs this process may run on and its cgroup's quota, at least 1."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _own_quota()
    return max(1, cpus if quota is None else min(cpus, math.ceil(quota)))


@cache
def _own_quota() -> float | None:
    """Read once: it takes 100 microseconds, more than many a call of the core."""
    return _cgroup_quota(Path("/sys/fs/cgroup"))


def _cgroup_quota(root: Path) -> float | None:
    """CPUs allowed by cgroup v2 (`cpu.max`) or v1 (`cpu.cfs_quota_us`); None without a limit."""
    try:
        if (root / "cpu.max").exists():
            quota, period = (root / "cpu.max").read_text().split()
        else:
            quota = (root / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (root / "cpu" / "cpu.cfs_period_us").read_text()
        return None if quota == "max" or int(quota) <= 0 else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def thread_count(threads: int | None) -> int:
    """``threads``, or all that this process may use; no more than 64, or than there are processors: more would only
    wait for each other. Raises ValueError below 1."""
    if threads is None:
        return default_threads()
    if threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")
    return min(threads, max(64, os.cpu_count() or 1))


def isa_name(name: str | None) -> bytes | None:
    """A name as the library takes it."""
    return None if name is None else name.encode()
