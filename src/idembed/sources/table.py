"""What tables have in common: named columns, read batch by batch, one library's values made plain.

A value means the same whichever library holds it, so a DataFrame and the Parquet file written from it give
the same rows: null, None, NaN, NaT and NA are null; dates and times are ISO 8601 text (a fraction of a
second with 6 digits, or 9 if there are nanoseconds, only if it is not zero); decimals and UUIDs are text;
NumPy scalars and arrays are numbers and lists. Rows are counted from 1.
"""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from idembed.errors import SourceError
from idembed.sources.base import Fields, Record
from idembed.sources.objects import ObjectSource

__all__ = ["BATCH", "TableSource", "iso_stamp", "place_of", "plain", "zone_of"]

BATCH = 4096
"""rows made into Python values at a time"""
_AS_IS = frozenset({str, int, bool, type(None)})
_AS_IS_OR_FLOAT = _AS_IS | {float}
_EPOCH = dt.datetime(1970, 1, 1)


class TableSource(ObjectSource):
    """Rows of a table; columns that are not id or text are metadata.

    If a column is named ``metadata`` it holds objects and is all of the metadata, as in a dict.
    """

    def __init__(self, name: str, fields: Fields, columns: Sequence[object], hint: str = "") -> None:
        super().__init__(name, fields)
        self._names = _check_names(columns, name)
        self._id_at = place_of(self._names, fields.id, name, fields, hint)
        self._text_at = place_of(self._names, fields.text, name, fields, hint)

    def where(self, position: int) -> str:
        """``the DataFrame, row 7``, counted from 1."""
        return f"{self.name}, row {position}"

    @abstractmethod
    def _batches(self) -> Iterator[list[list[Any]]]:
        """The columns of some rows, in the order of the names, as lists of Python values."""

    def _records(self) -> Iterator[Record]:
        if "metadata" in self._names:
            yield from self._objects()
            return
        others = [at for at in range(len(self._names)) if at not in (self._id_at, self._text_at)]
        names = [self._names[at] for at in others]
        position = 0
        for columns in self._batches():
            ids, texts = plain(columns[self._id_at]), plain(columns[self._text_at])
            rest = [plain(columns[at]) for at in others]
            tuples: Iterator[tuple[Any, ...]] = zip(*rest, strict=True) if rest else repeat((), len(ids))
            for row_id, text, values in zip(ids, texts, tuples, strict=True):
                position += 1
                yield position, row_id, text, dict(zip(names, values, strict=True))

    def _objects(self) -> Iterator[Record]:
        position = 0
        for columns in self._batches():
            for values in zip(*map(plain, columns), strict=True):
                position += 1
                item = dict(zip(self._names, values, strict=True))
                if item["metadata"] is None:
                    item["metadata"] = {}
                yield self._object(position, item)


def place_of(names: Sequence[str], field: str, table: str, fields: Fields, hint: str = "") -> int:
    """The column named ``field``; SourceError that lists the columns there are."""
    if field in names:
        return names.index(field)
    option = "id_field" if field == fields.id else "text_field"
    raise SourceError(
        f"{table} has no column {field!r}, only {', '.join(map(repr, names)) or 'none'}",
        hint=hint or f"name the right one with {option} (--{option.replace('_', '-')})",
    )


def _check_names(columns: Sequence[object], table: str) -> list[str]:
    names: list[str] = []
    for column in columns:
        if not isinstance(column, str) or not column:
            raise SourceError(f"{table}: a column is named {column!r}", hint="name every column with a string")
        if column in names:
            raise SourceError(f"{table}: two columns are named {column!r}", hint="rename one of them")
        names.append(str(column))
    return names


def plain(values: list[Any]) -> list[Any]:
    """A column's values as JSON would hold them (0.03 µs a value where they already are)."""
    kinds = set(map(type, values))
    if kinds <= _AS_IS:
        return values
    if kinds <= _AS_IS_OR_FLOAT:
        return [None if value != value else value for value in values]
    return list(map(_plain, values))


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in _AS_IS:
        return value
    if kind.__name__ in ("NaTType", "NAType"):
        return None
    if isinstance(value, float):
        return None if value != value else float(value)
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return None if value.is_nan() else str(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.datetime64):
        return _numpy_stamp(value)
    if isinstance(value, np.generic):
        return _plain(value.item())
    return value  # check_row says what is wrong with it


def _numpy_stamp(value: np.datetime64) -> str | None:
    if np.isnat(value):
        return None
    if np.datetime_data(value.dtype)[0] == "ns":
        return iso_stamp(int(value.astype(np.int64)))
    return str(_plain(value.item()))


def zone_of(name: str | None) -> dt.tzinfo | None:
    """The time zone that Arrow calls ``Europe/Oslo`` or ``+02:00``; None for none."""
    if not name:
        return None
    return dt.datetime.fromisoformat(f"1970-01-01T00:00{name}").tzinfo if name[0] in "+-" else ZoneInfo(name)


def iso_stamp(nanoseconds: int, zone: dt.tzinfo | None = None) -> str:
    """ISO 8601 text of nanoseconds since 1970 (in UTC if there is a ``zone``, whose time is written)."""
    micro, nano = divmod(nanoseconds, 1000)
    moment = _EPOCH + dt.timedelta(microseconds=micro)
    if zone is not None:
        moment = moment.replace(tzinfo=dt.UTC).astimezone(zone)
    if not nano:
        return moment.isoformat()
    text = moment.isoformat(timespec="microseconds")
    return f"{text[:26]}{nano:03}{text[26:]}"
