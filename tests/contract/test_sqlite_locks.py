"""Who closes a file takes from his process the locks it has on that file (POSIX); then another process may rewrite what
is being read. Nothing that idembed does beside an open index may cost it its locks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kit import Index, row

from idembed.errors import DamagedError, NotAnIndexError
from idembed.stores import open_store
from idembed.stores.sqlite_file import read_ahead
from idembed.stores.sqlite_header import descriptor_of

pytestmark = pytest.mark.skipif(os.name != "posix", reason="locks belong to processes on POSIX systems alone")

LEAVE_WAL = """
import sqlite3, sys
try:
    print(sqlite3.connect(sys.argv[1], timeout=0).execute("PRAGMA journal_mode = DELETE").fetchone()[0])
except sqlite3.OperationalError as error:
    print(error)
"""
"""Only possible where nobody has the file open, as far as locks tell."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.db"


@pytest.fixture
def index(path: Path) -> Iterator[Index]:
    made = Index(lambda: open_store(path))
    made.upsert(row("a"))
    yield made
    made.store.close()


def is_locked(path: Path) -> bool:
    said = subprocess.run([sys.executable, "-c", LEAVE_WAL, path], capture_output=True, text=True, check=True).stdout
    assert said in ("database is locked\n", "delete\n")
    return said == "database is locked\n"


def test_an_open_index_is_locked(index: Index, path: Path) -> None:
    assert is_locked(path)
    index.store.close()
    assert not is_locked(path)


def test_it_stays_locked_when_it_is_opened_once_more_and_closed(index: Index, path: Path) -> None:
    open_store(path).close()
    open_store(path, create=False, read_only=True).close()
    assert is_locked(path)


def test_it_stays_locked_when_the_system_reads_it_ahead(index: Index, path: Path) -> None:
    with read_ahead(index.store._connection):  # type: ignore[attr-defined]
        pass
    assert is_locked(path)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="the system does not tell what is open")
def test_the_descriptor_of_an_open_file_is_found_without_opening_it(index: Index, path: Path) -> None:
    found = descriptor_of(str(path))
    assert found is not None
    assert os.path.samestat(os.fstat(found), path.stat())
    index.store.close()
    assert descriptor_of(str(path)) is None
    assert descriptor_of(str(path) + " gone") is None


def test_a_damaged_header_is_told_from_what_is_no_index(index: Index, path: Path) -> None:
    index.store.close()
    content = path.read_bytes()
    path.write_bytes(content[:16] + b"\xff\xff" + content[18:])  # no page size
    with pytest.raises(DamagedError, match="the file is damaged"):
        open_store(path)
    path.write_bytes(b"x" + content[1:])
    with pytest.raises(NotAnIndexError, match="it was left as it is"):
        open_store(path)
