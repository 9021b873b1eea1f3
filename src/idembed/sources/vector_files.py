"""Where rows with vectors are kept by other programs: a table of a SQLite file, JSON lines, Parquet. What is there, as
it is; what it means is for vectors.py to say."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idembed.errors import SourceError
from idembed.sources.files import File
from idembed.sources.jsonl import JSON_SPACE, parse, why_not

__all__ = ["Records", "open_records", "parsed"]

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Records:
    """Records of one place, which can be read again and again: ``read()`` gives (position, record) pairs and raises
    SourceError for what cannot be read, saying where. ``unit``: what positions count. ``columns``: the names that every
    record has; None where each has its own."""

    name: str
    unit: str
    columns: list[str] | None
    read: Callable[[], Iterator[tuple[int, dict[str, Any]]]]


def open_records(path: Path, table: str | None, vectors: tuple[str, ...]) -> Records:
    """What is in the file, whose kind its ending or its beginning tells. ``table``: of a SQLite file; without it, the
    only one that has a column called as one of ``vectors``. Raises SourceError."""
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        return Records(path.name, "line", None, lambda: _lines(path))
    if suffix == ".parquet":
        return Records(path.name, "row", _parquet_columns(path), lambda: _parquet(path))
    with File(path, path.name).opened() as file:
        if file.read(16) != b"SQLite format 3\0":
            raise SourceError(f"{path.name} is of no kind that has vectors", hint="a SQLite database, .jsonl, .parquet")
    table = table or _only_table(path, vectors)
    name = f"{path.name}, {table}"
    return Records(name, "row", _columns(path, table), lambda: _rows(path, table, name))


def parsed(text: str, where: str) -> Any:
    """The value of one text of JSON. Raises SourceError that says where and why not."""
    stripped = text.strip(JSON_SPACE)
    try:
        value, end = parse(stripped, 0)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{where} {why_not(stripped, error)[1]}") from None
    if end != len(stripped):
        raise SourceError(f"{where} is not valid JSON: something follows its end")
    return value


# JSON lines ---------------------------------------------------------------------------------------


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(File(path, path.name).lines(), 1):
        if line.strip(JSON_SPACE):
            where = f"{path.name}, line {number}"
            value = parsed(line, where)
            if not isinstance(value, dict):
                raise SourceError(f"{where} is no JSON object", hint="each line is one object with id, text and vector")
            yield number, value


# SQLite -------------------------------------------------------------------------------------------


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    connection.text_factory = bytes.decode  # whose error, unlike SQLite's, does not quote the text
    return connection


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _only_table(path: Path, vectors: tuple[str, ...]) -> str:
    try:
        with closing(_connect(path)) as connection:
            sql = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
            tables: list[str] = [name for (name,) in connection.execute(sql)]
            found = [table for table in tables if set(vectors) & set(_names(connection, table))]
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise _unreadable(path.name, error) from None
    if len(found) != 1:
        called = f"{', '.join(vectors[:-1])} or {vectors[-1]}"
        what = f"tables {', '.join(found)} have vectors" if found else f"no table has a column called {called}"
        raise SourceError(f"{path.name}: {what}", hint="name it: sqlite:///FILE?table=NAME")
    return found[0]


def _names(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({_quoted(table)})")]


def _columns(path: Path, table: str) -> list[str]:
    try:
        with closing(_connect(path)) as connection:
            names = _names(connection, table)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise _unreadable(path.name, error) from None
    if not names:
        raise SourceError(f"{path.name} has no table {table}")
    return names


def _rows(path: Path, table: str, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    position = 0
    try:
        with closing(_connect(path)) as connection:
            cursor = connection.execute(f"SELECT * FROM {_quoted(table)}")
            names = [column[0] for column in cursor.description]
            for position, row in enumerate(cursor, 1):
                yield position, dict(zip(names, row, strict=True))
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{name}, row {position + 1}: a text is not UTF-8: byte {error.start} is 0x{error.object[error.start]:02X}",
            hint="mend or leave out this row",
        ) from None
    except sqlite3.Error as error:
        raise _unreadable(f"{name}, after row {position:,},", error) from None


# Parquet ------------------------------------------------------------------------------------------


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    done = 0
    with _parquet_file(path) as file:
        batches = file.iter_batches(batch_size=_BATCH)
        while True:
            try:
                batch = next(batches, None)
                records = [] if batch is None else batch.to_pylist()
            except _arrow_errors() as error:
                raise _unreadable(f"{path.name}, after row {done:,},", error) from None
            if batch is None:
                return
            yield from enumerate(records, done + 1)
            done += len(records)


def _parquet_columns(path: Path) -> list[str]:
    with _parquet_file(path) as file:
        return list(file.schema_arrow.names)


def _parquet_file(path: Path) -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise SourceError(f"reading {path.name} needs pyarrow", hint='pip install "idembed[files]"') from None
    try:
        return parquet.ParquetFile(path)
    except _arrow_errors() as error:
        raise _unreadable(path.name, error) from None


def _arrow_errors() -> tuple[type[Exception], ...]:
    import pyarrow

    return pyarrow.ArrowException, OSError, ValueError


def _unreadable(what: str, error: Exception) -> SourceError:
    reason = " ".join(str(error).split())
    return SourceError(f"{what} cannot be read: {reason}", hint="it may be damaged or cut off: make or fetch it again")
