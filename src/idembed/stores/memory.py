"""How much memory there is, and refusing politely what would not fit."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from idembed.errors import OptionError, StoreError

__all__ = ["LIMIT_VARIABLE", "available_memory", "check_fits"]

LIMIT_VARIABLE: Final = "IDEMBED_MAX_MEMORY"
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?", re.IGNORECASE)


def check_fits(needed: int, held: int, what: str, advice: str = "") -> None:
    """Raise StoreError when ``needed`` bytes, beside those ``held`` already, are more than IDEMBED_MAX_MEMORY, or,
    where that is not set, than is free; its hint begins with ``advice``."""
    stated = os.environ.get(LIMIT_VARIABLE)
    limit = max(0, _parse(stated) - held) if stated else available_memory()
    if limit is None or needed <= limit:
        return
    source = f"{LIMIT_VARIABLE} allows" if stated else "there are"
    raise StoreError(
        f"{what} needs {_show(needed)} of memory, and {source} {_show(limit)}",
        hint=f"{advice}{'; or ' if advice else ''}use a machine with more memory, a model with fewer dimensions or a "
        f"database server; {LIMIT_VARIABLE} (such as 8G) sets the limit",
        needed=needed,
        available=limit,
    )


def available_memory() -> int | None:
    """Bytes that can be had without swapping, by the system and the cgroup; None where nobody tells."""
    found = [size for size in (_system(), _cgroup(Path("/sys/fs/cgroup"))) if size is not None]
    return min(found, default=None)


def _system() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:  # no word on what is free: take it that half of the memory is
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):
        return None


def _cgroup(root: Path) -> int | None:
    """What the cgroup (v2, else v1) has left; its page cache counts as free."""
    for limit, used, cached in (
        ("memory.max", "memory.current", "memory.stat"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
    ):
        try:
            most = int((root / limit).read_text())
            now = int((root / used).read_text())
            stat = dict(line.split() for line in (root / cached).read_text().splitlines())
        except (OSError, ValueError):
            continue
        if most < 1 << 60:
            return max(0, most - now + int(stat.get("inactive_file", 0)) + int(stat.get("active_file", 0)))
    return None


def _parse(text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise OptionError(f"{LIMIT_VARIABLE}={text!r} is not a size", hint="bytes, or such as 500M or 8G")
    return int(float(match.group(1)) * 1024 ** " KMGT".index(match.group(2).upper() or " "))


def _show(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
