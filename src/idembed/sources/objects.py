"""Rows written as objects with names: dicts, lines of JSON, items of a JSON list.

``{"id": …, "text": …, "metadata": {…}}``, or without ``metadata``: then every other name is metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idembed.errors import RowError
from idembed.sources.base import Fields, Record, Source

__all__ = ["ObjectSource"]


class ObjectSource(Source):
    """A source whose rows are objects; ``fields`` says which names hold id and text."""

    def __init__(self, name: str, fields: Fields) -> None:
        super().__init__(name)
        self._fields = fields

    def _object(self, position: int, item: dict[str, Any]) -> Record:
        """The row in ``item``, which is used up. RowError when a name is missing or one too many is there."""
        fields = self._fields
        try:
            row_id = item.pop(fields.id)
        except KeyError:
            raise self._missing(position, fields.id, "id_field", item) from None
        try:
            text = item.pop(fields.text)
        except KeyError:
            raise self._missing(position, fields.text, "text_field", {fields.id: 0, **item}) from None
        if "metadata" not in item:
            return position, row_id, text, item
        metadata = item.pop("metadata")
        metadata = {} if metadata is None else metadata  # as in tables
        if item:
            extra = ", ".join(sorted(map(repr, item)))
            raise RowError(
                f"{self.where(position)} has 'metadata' and beside it {extra}",
                hint="put them into 'metadata', or leave 'metadata' out and every other name is metadata",
            )
        if not isinstance(metadata, Mapping):
            raise RowError(
                f"{self.where(position)}: 'metadata' is {type(metadata).__name__}, not an object",
                hint="give it an object, or another name",
            )
        return position, row_id, text, metadata

    def _missing(self, position: int, field: str, option: str, item: Mapping[str, Any]) -> RowError:
        names = ", ".join(map(repr, item)) or "nothing"
        return RowError(
            f"{self.where(position)} has no {field!r}, only {names}",
            hint=f"if it goes by another name, give {option} (--{option.replace('_', '-')})",
        )
