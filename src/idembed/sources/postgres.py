"""What a query of a Postgres database answers: ``postgresql://user@host/db?query=select id, body as text from pages``.

Columns that are not id or text are metadata; one named ``metadata`` (json or jsonb) is all of it. What a value becomes:

* text in all its kinds, and enums: a string; integers and floats: numbers (NaN: null); boolean; json and jsonb: what
  they hold; an array: a list; NULL: null;
* date, time and timestamp: ISO 8601 as in other tables (``2024-01-31T08:05:00``), with a time zone in UTC whatever the
  zone of the session; ``infinity`` and years that ISO 8601 lacks: as Postgres writes them;
* numeric: text, digit by digit as Postgres writes it (``9.90``), as decimals are in other tables: a float has fewer
  digits; ``price::float8`` in the query makes it a number, which filters compare;
* uuid, interval (ISO 8601), ranges, addresses, rows and all other types: text as Postgres writes it;
* bytea and vectors (pgvector): refused by the name of their column, for metadata has no use for them.

The query is one SELECT (or WITH, VALUES, TABLE) and is read through a cursor in one read-only transaction that sees one
state of the database. Rows are counted from 1 in the order in which they come.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NoReturn
from urllib.parse import unquote_plus

import psycopg
from psycopg import errors as pg
from psycopg.pq import Conninfo

from idembed.canonical import check_text
from idembed.errors import IdembedError, OptionError, SourceError
from idembed.postgres_url import libpq_options, refuse_misplaced
from idembed.shown import without_password
from idembed.sources.base import Fields
from idembed.sources.postgres_types import Column, columns_of, read_as_rows
from idembed.sources.table import BATCH, TableSource

__all__ = ["PostgresSource"]

_EXAMPLE: Final = "postgresql://user@host/db?query=select id, body as text, kind from articles"
_BEGIN: Final = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL cursor_tuple_fraction = 1; "
    "SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'iso_8601'"
)
_DECLARE: Final = "DECLARE idembed NO SCROLL CURSOR FOR "
_FIRST: Final = 64
_BYTES: Final = 8 << 20
"""of rows fetched at a time, as far as the rows before tell their sizes"""


class PostgresSource(TableSource):
    """Rows that a query answers. Raises SourceError, without any value of a row, for what the database says, and
    for a URL that does not say what to read; OptionError for one that cannot be understood."""

    def __init__(self, url: str, fields: Fields) -> None:
        self._shown, self._options, self._query = _taken_apart(url)
        name = f"the query at {self._shown}"
        with _asked(name, self._options, self._query) as (_, columns):
            self._columns = columns
        super().__init__(name, fields, [column.name for column in columns])

    def _batches(self) -> Iterator[list[list[Any]]]:
        with _asked(self.name, self._options, self._query) as (cursor, columns):
            if columns != self._columns:
                raise SourceError(f"{self.name} has other columns than a moment ago", hint="run it again")
            count = _FIRST
            while rows := cursor.execute(f"FETCH FORWARD {count} FROM idembed").fetchall():
                yield [list(column) for column in zip(*rows, strict=True)]
                largest = max(len(repr(row)) for row in rows[:: len(rows) // 16 + 1])
                count = max(1, min(BATCH, 4 * count, _BYTES // largest))


def _taken_apart(url: str) -> tuple[str, dict[str, Any], str]:
    """The URL of the database without any password, what libpq is given, and the query."""
    found = re.search(r"(?<=[?&])query=", url)
    place = url if found is None else url[: found.start() - 1]
    shown = without_password(place)
    refuse_misplaced(place, shown)
    if re.search(r"[?&]schema=", place):
        raise SourceError(
            f"{shown} is an index, not a source",
            hint="were source and index swapped? Rows are read by a query, which names the schema itself, and without "
            f"schema=: {_EXAMPLE}",
        )
    if found is None:
        raise SourceError(
            f"{shown} does not say which rows to read",
            hint=f"add a query: {_EXAMPLE}; if it is the index, the two were swapped",
        )
    query = _query_of(url[found.end() :], shown)
    options = libpq_options(place, shown, _EXAMPLE)
    return shown, {**options, "client_encoding": "UTF8"}, query


def _query_of(written: str, shown: str) -> str:
    """The query as it is written, to the end of the URL. Without any space in it, it is URL-encoded."""
    if re.search(r"\s", written) is None:
        written, _, rest = written.partition("&")
        written = unquote_plus(written)
    else:
        rest = ""
        names = "|".join(option.keyword.decode() for option in Conninfo.get_defaults())
        if after := re.search(rf"&({names})=", written):
            rest = after[1]
    if rest:
        raise OptionError(
            f"{shown}: another setting stands behind query=", hint="query= comes last: put the others before it"
        )
    if not written.strip() or check_text(written):
        raise OptionError(f"{shown}: query= {check_text(written) or 'is empty'}", hint=_EXAMPLE)
    return written


@contextmanager
def _asked(
    name: str, options: dict[str, Any], query: str
) -> Iterator[tuple[psycopg.Cursor[tuple[Any, ...]], Sequence[Column]]]:
    """A cursor open over the answer, and its columns. Declared in binary form, for then Postgres takes one statement
    only: none can end the transaction and go on to write."""
    try:
        connection = psycopg.connect(autocommit=True, prepare_threshold=None, **options)
    except psycopg.OperationalError as error:
        raise SourceError(
            f"{name}: the database cannot be reached: {str(error).partition(chr(10))[0]}",
            hint="is the server running, and are host, user, password and database right?",
        ) from None
    try:
        connection.execute(_BEGIN)
        cursor = connection.cursor()
        cursor.execute((_DECLARE + query).encode(), binary=True)
        columns = columns_of(cursor.execute("FETCH 0 FROM idembed"), name)
        read_as_rows(cursor, columns)
        yield cursor, columns
    except psycopg.Error as error:
        _raise(name, error)
    except IdembedError:
        raise
    except (ValueError, RecursionError) as error:
        kind = type(error).__name__
        raise SourceError(f"{name}: a value cannot be read ({kind})", hint="leave its column out") from None
    finally:
        connection.close()


def _raise(name: str, error: psycopg.Error) -> NoReturn:
    if isinstance(error, pg.ReadOnlySqlTransaction | pg.ActiveSqlTransaction):
        raise SourceError(
            f"{name} writes, and a source is only read", hint=f"nothing was changed; {_EXAMPLE}"
        ) from None
    message = error.diag.message_primary
    if message is None or isinstance(error, pg.AdminShutdown | pg.CrashShutdown):
        raise SourceError(f"{name}: the connection to the database broke", hint="run it again") from None
    state = error.sqlstate or ""
    if state[:2] in ("22", "P0"):  # what these say may hold values of rows
        message = f"{type(error).__name__} ({state})"
    hint = ""
    if state[:2] in ("42", "0A"):
        hint = f"a query is one SELECT, which changes nothing: {_EXAMPLE}"
    raise SourceError(f"{name}: Postgres says: {message}", hint=hint, sqlstate=state) from None
