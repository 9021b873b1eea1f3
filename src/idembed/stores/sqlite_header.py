"""What a file is, before it is opened as an index: found without harming what is not ours, nor what is open.

Who closes a file, however he opened it, takes from his whole process the locks that it has on that file (POSIX), so
that another process may rewrite what is being read. Only SQLite knows how to close a file that is open a second time in
its process: so the header is read by SQLite, by a connection that locks nothing and looks at no log.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from idembed.errors import IndexNotFoundError, NewerSchemaError, NotAnIndexError, StoreError
from idembed.stores import sqlite_schema as schema

__all__ = ["check_header", "descriptor_of"]

_MAGIC: Final = b"SQLite format 3\0"
_OPEN_FILES: Final = "/proc/self/fd"


def check_header(path: str, create: bool) -> None:
    """Refuse, by looking only, what is not our file; a missing or empty file is let pass where one is to be made."""
    try:
        if os.path.isdir(path):
            raise NotAnIndexError(f"{path} is a folder, not an index", hint="name a file, such as demo.db", path=path)
        if os.path.exists(path) and not os.path.isfile(path):
            raise NotAnIndexError(f"{path} is not a file", hint="name a file, such as demo.db", path=path)
        size = os.stat(path).st_size
        application, version, is_database = _header(path) if size else (0, 0, False)
    except FileNotFoundError:
        folder = os.path.dirname(os.path.abspath(path))
        if not os.path.isdir(folder):
            raise StoreError(
                f"{path}: the folder {folder} does not exist", hint="create the folder first", path=path
            ) from None
        if create:
            return
        raise IndexNotFoundError(
            f"there is no index {path}", hint="look at the path, or sync into it first", path=path
        ) from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be opened: {getattr(error, 'strerror', None) or error}", path=path) from None
    if not size:
        if create:
            return
        raise IndexNotFoundError(f"{path} is empty, there is no index in it", hint="sync into it first", path=path)
    if not is_database or application != schema.APPLICATION_ID:
        kind = "a database of another program" if is_database else "not an index"
        raise NotAnIndexError(f"{path} is {kind}; it was left as it is", hint="name another file", path=path)
    if version > schema.VERSION:
        raise NewerSchemaError(
            f"{path} was written by a newer idembed (schema {version}; this one knows {schema.VERSION})",
            hint="upgrade idembed: pip install -U idembed",
            path=path,
        )


def _header(path: str) -> tuple[int, int, bool]:
    """Application, schema version, and whether it is a database at all, as far as the first 100 bytes say."""
    try:
        uri = f"{Path(os.path.abspath(path)).as_uri()}?mode=ro&immutable=1"
        connection = sqlite3.connect(uri, uri=True)
        try:
            application = int(connection.execute("PRAGMA application_id").fetchone()[0])
            return application, int(connection.execute("PRAGMA user_version").fetchone()[0]), True
        finally:
            connection.close()
    except sqlite3.Error as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CORRUPT:
            return schema.APPLICATION_ID, 0, True  # or being written just now; who opens it will know
        # What SQLite cannot read is no database, on which nobody has locks.
        with open(path, "rb") as file:
            header = file.read(100)
        application, version = (int.from_bytes(header[at : at + 4], "big", signed=True) for at in (68, 60))
        return application, version, header[:16] == _MAGIC


def descriptor_of(path: str) -> int | None:
    """That of a file which is open in this process, without opening it again; None where the system does not tell."""
    try:
        wanted = os.stat(path)
        for name in os.listdir(_OPEN_FILES):
            try:
                if os.path.samestat(os.stat(f"{_OPEN_FILES}/{name}"), wanted):
                    return int(name)
            except OSError:  # closed meanwhile
                continue
    except OSError:
        return None
    return None
