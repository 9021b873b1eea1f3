"""Rows from Python: dicts, Rows, or tuples (id, text) and (id, text, metadata); lists and generators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any

from idembed.errors import OptionError, RowError
from idembed.rows import Row
from idembed.sources.base import Fields, Record
from idembed.sources.objects import ObjectSource

__all__ = ["IterableSource"]


class IterableSource(ObjectSource):
    """Anything that can be iterated; an iterator or generator is read once and never held in memory."""

    def __init__(self, items: Iterable[Any], fields: Fields, *, fields_given: bool = False) -> None:
        super().__init__("the rows given", fields)
        self._items = items
        self._fields_given = fields_given
        self.one_shot = isinstance(items, Iterator)
        self.size_hint = len(items) if isinstance(items, Sized) else None

    def where(self, position: int) -> str:
        """``row 7``, counted from 1."""
        return f"row {position}"

    def _records(self) -> Iterator[Record]:
        row_id, text = self._fields
        for position, item in enumerate(self._items, 1):
            if type(item) is dict or isinstance(item, Mapping):
                metadata = item.get("metadata") if len(item) == 3 else None
                if type(metadata) is dict and row_id in item and text in item:  # nothing to take apart
                    yield position, item[row_id], item[text], metadata
                else:
                    yield self._object(position, dict(item))
            elif isinstance(item, Row | tuple):
                yield self._positional(position, item)
            else:
                raise self._not_a_row(position, item)

    def _positional(self, position: int, item: Row | tuple[Any, ...]) -> Record:
        if self._fields_given:
            kind = "Row" if isinstance(item, Row) else "tuple"
            raise OptionError(
                f"row {position} is a {kind}; id_field and text_field are for rows with names",
                hint="leave them out, or give dicts",
            )
        if isinstance(item, Row):
            return position, item.id, item.text, item.metadata
        if len(item) == 2:
            return position, item[0], item[1], {}
        if len(item) == 3:
            return position, item[0], item[1], item[2]
        raise RowError(f"row {position} is a tuple of {len(item)}, not (id, text) or (id, text, metadata)")

    def _not_a_row(self, position: int, item: object) -> RowError:
        if isinstance(item, str) and isinstance(self._items, Mapping):
            return RowError("a dict is not a list of rows", hint="for {id: text}, give source.items()")
        if isinstance(item, str):
            return RowError(
                f"row {position} is a text without an id",
                hint="give (id, text) pairs or dicts with 'id' and 'text'; ids stay the same between syncs",
            )
        return RowError(
            f"row {position} is of type {type(item).__name__}",
            hint="a row is a dict with 'id' and 'text', an idembed.Row, or a tuple (id, text[, metadata])",
        )
