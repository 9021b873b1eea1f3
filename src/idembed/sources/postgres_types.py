"""Which Python values the columns of a query are read as; the rules are in postgres.py."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import psycopg
from psycopg.adapt import Buffer, Loader
from psycopg.types import TypeInfo
from psycopg.types.array import register_array
from psycopg.types.string import TextLoader

from idembed.errors import SourceError

__all__ = ["Column", "columns_of", "read_as_rows"]

_AS_THEY_ARE: Final = frozenset({"bool", "int2", "int4", "int8", "oid", "float4", "float8"})
_REFUSED: Final = frozenset({"bytea", "vector", "halfvec", "sparsevec"})


class Column(NamedTuple):
    """Of the answer: its type by number and name; of an array, those of its elements."""

    name: str
    oid: int
    type: str
    element: int
    element_type: str


def columns_of(cursor: psycopg.Cursor[Any], source: str) -> list[Column]:
    """The columns of the answer that ``cursor`` is at. Raises SourceError for one of a type that no metadata has."""
    described = [(column.name, column.type_code) for column in cursor.description or ()]
    found = cursor.execute(
        "SELECT t.oid, t.typname, coalesce(e.oid, 0), coalesce(e.typname, '') FROM pg_catalog.pg_type AS t "
        "LEFT JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem AND e.typarray = t.oid WHERE t.oid = ANY(%s)",
        ([oid for _, oid in described],),
    )
    types = {oid: (name, element, element_name) for oid, name, element, element_name in found}
    columns = [Column(name, oid, *types[oid]) for name, oid in described]
    for column in columns:
        if (column.element_type or column.type) in _REFUSED:
            raise SourceError(
                f"{source}: column {column.name!r} is of type {column.element_type or column.type}, which is neither "
                "text nor metadata",
                hint="leave it out of the query; bytes as text: encode(column, 'hex')",
            )
    return columns


def read_as_rows(cursor: psycopg.Cursor[Any], columns: Sequence[Column]) -> None:
    """Let ``cursor`` read these columns as rows have them."""
    for column in columns:
        kinds = ((column.oid, column.type), (column.element, column.element_type))
        oid, name = kinds[1] if column.element else kinds[0]
        if name not in _AS_THEY_ARE:
            cursor.adapters.register_loader(oid, _LOADERS.get(name, TextLoader))
        if column.element:
            register_array(TypeInfo(name, oid, column.oid), cursor)


class _JsonLoader(Loader):
    def load(self, data: Buffer) -> Any:
        return json.loads(bytes(data))


class _TimeLoader(Loader):
    """ISO 8601 in the form of other tables, zones as UTC; what has no such form as Postgres writes it."""

    kind: type[dt.date] | type[dt.time] = dt.datetime

    def load(self, data: Buffer) -> str:
        text = bytes(data).decode()
        try:
            moment: Any = self.kind.fromisoformat(text)
            if isinstance(moment, dt.datetime) and moment.tzinfo is not None:
                moment = moment.astimezone(dt.UTC)
            return str(moment.isoformat())
        except (ValueError, OverflowError):
            return text


class _DateLoader(_TimeLoader):
    kind = dt.date


class _TimeOfDayLoader(_TimeLoader):
    kind = dt.time


_LOADERS: Final[dict[str, type[Loader]]] = {
    "json": _JsonLoader,
    "jsonb": _JsonLoader,
    "date": _DateLoader,
    "time": _TimeOfDayLoader,
    "timetz": _TimeOfDayLoader,
    "timestamp": _TimeLoader,
    "timestamptz": _TimeLoader,
}
